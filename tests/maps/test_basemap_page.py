"""A basemap in a real browser: out of the page itself, beside a site, or from a server."""

import dataclasses
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from phusong.maps.basemap.folder import FolderTiles
from phusong.maps.basemap.online import read_online
from phusong.maps.basemap.tiles import TakenTiles, take_tiles
from phusong.maps.columns import DrawnResult
from phusong.maps.page import PageOptions, render_page
from phusong.maps.site import LIST_NAME, write_site

SQUARES = (105.0, 20.0, 105.5, 20.1)
CREDIT = "© Đo đạc <b>{{7*7}}</b>"
TILES = "() => [...document.querySelectorAll('#map-box .leaflet-basemap-pane img[src]')]"


@pytest.fixture
def taken(tile_folder: Callable[..., Path]) -> Callable[..., TakenTiles]:
    """Take the tiles of a folder."""

    def take(*, in_page: bool = True, **written: Any) -> TakenTiles:
        source = FolderTiles(tile_folder(**written), attribution=CREDIT)
        return take_tiles(source, SQUARES, most_bytes=10_000_000, in_page=in_page)

    return take


def shown(opened: Any) -> int:
    """Count the tiles that are on the first map, each loaded."""
    return int(opened.run(f"() => ({TILES})().filter((tile) => tile.naturalWidth).length"))


def pixel(opened: Any, x: float, y: float) -> list[int]:
    opened.settle()
    picture = Image.open(BytesIO(opened.page.screenshot())).convert("RGB")
    return list(picture.getpixel((x, y)))


def saved(opened: Any) -> Image.Image:
    with opened.page.expect_download() as download:
        opened.page.click("#save-picture")
    return Image.open(download.value.path()).convert("RGB")


@pytest.mark.browser
@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_a_packed_basemap_is_shown_and_nothing_is_fetched(
    ending: str, open_page: Any, four_verdicts: DrawnResult, taken: Any
) -> None:
    page = render_page([four_verdicts], options=PageOptions(basemap=taken(ending=ending)))
    opened = open_page(page)
    until(opened, ANY)
    assert opened.text("#basemap-credit") == f"Basemap: {CREDIT}"
    assert opened.text("#basemap-note") == "It is in this file: nothing is fetched."
    assert (opened.console, opened.requests) == ([], [])


@pytest.mark.browser
def test_the_basemap_is_grey_and_lies_under_the_areas(
    open_page: Any, four_verdicts: DrawnResult, taken: Any
) -> None:
    opened = open_page(render_page([four_verdicts], options=PageOptions(basemap=taken())))
    red, green, blue = pixel(opened, 300, 250)
    assert red == green == blue
    # Covered is #0b4f8a, at 80 % over some grey.
    assert [round(part, -1) for part in pixel(opened, 150, 400)] != [10, 80, 140]
    opened.page.uncheck("#basemap-on")
    assert shown(opened) == 0
    assert pixel(opened, 150, 400) == [0x0B, 0x4F, 0x8A]
    assert opened.page.locator("#basemap-credit").is_hidden()


@pytest.mark.browser
def test_classes_that_are_close_to_each_other_hide_more_of_it(
    open_page: Any, four_verdicts: DrawnResult, taken: Any
) -> None:
    opened = open_page(render_page([four_verdicts], options=PageOptions(basemap=taken())))
    opacity = "() => getComputedStyle(areas.tiles.getContainer()).opacity"
    assert opened.run(opacity) == "0.8"
    opened.page.select_option("#show", "share")
    assert opened.run(opacity) == "0.94"
    opened.page.uncheck("#basemap-on")
    assert opened.run(opacity) == "1"


@pytest.mark.browser
def test_the_switch_works_by_key_and_the_address_keeps_it(
    open_page: Any, four_verdicts: DrawnResult, taken: Any
) -> None:
    page = render_page([four_verdicts], options=PageOptions(basemap=taken()))
    opened = open_page(page)
    assert "basemap=1" in opened.page.url
    reached = "() => document.activeElement.id"
    for _ in range(30):
        opened.page.keyboard.press("Tab")
        if opened.run(reached) == "basemap-on":
            break
    assert opened.run(reached) == "basemap-on"
    opened.page.keyboard.press("Space")
    assert shown(opened) == 0
    assert "basemap=0" in opened.page.url
    again = open_page(page, address="#" + opened.page.url.partition("#")[2])
    assert shown(again) == 0
    assert not again.page.is_checked("#basemap-on")
    again.page.check("#basemap-on")
    until(again, ANY)


@pytest.mark.browser
def test_finer_than_the_finest_zoom_its_tiles_are_stretched(
    open_page: Any, four_verdicts: DrawnResult, taken: Any
) -> None:
    page = render_page([four_verdicts], options=PageOptions(basemap=taken(zooms=range(5))))
    opened = open_page(page, address="#at=20.05,105.2,12")
    until(opened, ANY)
    assert opened.run(f"() => ({TILES})()[0].getBoundingClientRect().width") > 1000
    assert opened.console == []


@pytest.mark.browser
def test_vector_tiles_are_twice_as_wide(
    open_page: Any, four_verdicts: DrawnResult, taken: Any, make_tile: Any
) -> None:
    # Tile 5/25/14 spans 101.25 to 112.5 degrees east, and nothing else is there.
    one = dataclasses.replace(taken(zooms=[5]), places=((5, 25, 14),), picture_of=(0,), tile_px=512)
    opened = open_page(
        render_page([four_verdicts], options=PageOptions(basemap=one)), address="#at=20,106.875,6"
    )
    (box,) = opened.run(f"() => ({TILES})().map((tile) => tile.getBoundingClientRect().toJSON())")
    assert box["width"] == pytest.approx(512, abs=1)
    west = opened.run("x => map.containerPointToLatLng([x, 0]).lng", box["x"])
    assert west == pytest.approx(101.25, abs=0.02)


@pytest.mark.browser
def test_both_maps_have_it_and_so_has_the_saved_picture(
    open_page: Any, four_verdicts: DrawnResult, taken: Any
) -> None:
    opened = open_page(render_page([four_verdicts], options=PageOptions(basemap=taken())))
    alone = saved(opened)
    colors = alone.getcolors(1 << 20) or []
    greys = sum(count for count, (r, g, b) in colors if r == g == b and 90 < r < 180)
    assert greys > 100_000
    opened.page.click("#compare")
    second = "() => document.querySelectorAll('#other-map .leaflet-basemap-pane img[src]').length"
    assert opened.run(second) > 0
    saved(opened)
    opened.page.uncheck("#basemap-on")
    assert opened.run(second) == 0
    assert (opened.console, opened.requests) == ([], [])


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (360, 740)])
def test_it_fits_the_page_in_both_languages_light_and_dark(
    width: int, height: int, open_page: Any, four_verdicts: DrawnResult, taken: Any
) -> None:
    page = render_page([four_verdicts], options=PageOptions(basemap=taken()))
    opened = open_page(page, width=width, height=height)
    for language, words in (("en", "Basemap"), ("vi", "Bản đồ nền")):
        for scheme in ("light", "dark"):
            opened.page.emulate_media(color_scheme=scheme)
            assert opened.text("#basemap-box label").strip() == words
            assert opened.text("#basemap-credit") == f"{words}: {CREDIT}"
            box = opened.page.locator("#basemap-credit").bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert opened.run("() => document.documentElement.scrollWidth") <= width
            opened.screenshot(f"map-basemap-{width}-{language}-{scheme}")
        opened.page.click("#language")


@pytest.mark.browser
def test_on_paper_the_credit_stands_on_the_map(
    open_page: Any, four_verdicts: DrawnResult, taken: Any
) -> None:
    opened = open_page(render_page([four_verdicts], options=PageOptions(basemap=taken())))
    opened.page.emulate_media(media="print")
    assert opened.page.locator("#basemap-credit").is_visible()
    assert opened.page.locator("#basemap-box").is_hidden()
    assert len(opened.page.pdf()) > 5_000


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *arguments: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serve on loopback with a handler; give the address."""
    servers = []

    def start(handler: Any) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.browser
def test_a_site_loads_its_tiles_beside_it(
    open_site: Any, serve: Any, four_verdicts: DrawnResult, taken: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    tiles = taken(in_page=False)
    written = write_site(folder, [four_verdicts], {}, options=PageOptions(basemap=tiles))
    listed = json.loads((folder / LIST_NAME).read_text("utf-8"))["files"]
    assert sum(name.startswith("basemap-") for name in listed) == len(tiles.places) + 1
    assert written.first_page_bytes < 1_000_000
    root = serve(partial(Handler, directory=folder))
    opened = open_site(root)
    until(opened, ANY)
    assert any("/basemap-" in request for request in opened.requests)
    assert len(opened.requests) < len(tiles.places), "tiles are loaded when they are needed"
    assert saved(opened).getcolors(1 << 20)
    assert opened.text("#basemap-note") == "It comes from this site's own files."
    assert (opened.console, opened.outside) == ([], [])
    # Written again over itself: nothing of ours stops it, and what is not ours does.
    write_site(folder, [four_verdicts], {}, options=PageOptions())
    assert not list(folder.glob("basemap-*"))


@pytest.mark.browser
def test_a_site_from_the_disk_says_that_its_picture_is_without(
    open_site: Any, four_verdicts: DrawnResult, taken: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    options = PageOptions(basemap=taken(in_page=False))
    write_site(folder, [four_verdicts], {}, options=options)
    opened = open_site(f"{folder.as_uri()}/")
    until(opened, ANY)
    line = "() => basemapLine(map.getContainer())"
    assert opened.run(line) == "Without its basemap, whose pictures may not be copied from here."
    # In the picture the areas stand alone, in their own colours.
    colors = {color: count for count, color in saved(opened).getcolors(1 << 20) or []}
    assert colors[0x0B, 0x4F, 0x8A] > 10_000
    assert (opened.console, opened.outside) == ([], [])


class TileHandler(BaseHTTPRequestHandler):
    """A tile server; it counts what it is asked for."""

    picture = b""
    allow = True
    asked: list[str] = []  # noqa: RUF012 (each test has a class of its own)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        if self.allow:
            self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Length", str(len(self.picture)))
        self.end_headers()
        self.wfile.write(self.picture)

    def log_message(self, *arguments: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def tile_server(serve: Callable[..., str], make_tile: Any) -> Callable[..., tuple[str, list[str]]]:
    """Serve tiles; give the address and what is asked for, as it comes."""

    def start(**changes: Any) -> tuple[str, list[str]]:
        asked: list[str] = []
        own = {"asked": asked, "picture": make_tile("#808080")} | changes
        return serve(type("Tiles", (TileHandler,), own)), asked

    return start


def until(opened: Any, script: str) -> None:
    """Wait until a script gives true."""
    end = time.monotonic() + 90
    while not opened.page.evaluate(script):
        assert time.monotonic() < end, f"never true: {script}; {opened.console}"
        time.sleep(0.05)


ANY = f"() => ({TILES})().some((tile) => tile.naturalWidth)"


@pytest.mark.browser
def test_online_tiles_are_fetched_from_the_named_host_only(
    open_page: Any, four_verdicts: DrawnResult, tile_server: Any
) -> None:
    root, asked = tile_server()
    online = read_online(f"{root}{{z}}/{{x}}/{{y}}.png?k=1", CREDIT)
    page = render_page([four_verdicts], options=PageOptions(basemap=online))
    opened = open_page(page, tiles=root)
    until(opened, ANY)
    assert all(re.fullmatch(r"/\d+/\d+/\d+\.png\?k=1", path) for path in asked)
    assert opened.text("#basemap-note").startswith(
        "While it is switched on, this page fetches pictures from 127.0.0.1, which so learns"
    )
    assert opened.text("#basemap-credit") == f"Basemap: {CREDIT}"
    assert opened.run("() => basemapLine(map.getContainer())") == f"Basemap: {CREDIT}"
    # The policy stops a picture from anywhere else before it is asked for.
    blocked = (
        "() => new Promise((done) => { const picture = new Image(); picture.onload = () => done(1);"
        " picture.onerror = () => done(0); picture.src = 'http://localhost:9/0/0/0.png'; })"
    )
    assert opened.run(blocked) == 0
    assert opened.requests == []
    until(opened, f"() => ({TILES})().every((tile) => tile.naturalWidth)")
    before = len(asked)
    opened.page.uncheck("#basemap-on")
    opened.page.click("#zoom-out")
    opened.settle()
    assert len(asked) == before


@pytest.mark.browser
def test_a_switched_off_address_asks_the_server_for_nothing(
    open_page: Any, four_verdicts: DrawnResult, tile_server: Any
) -> None:
    root, asked = tile_server()
    online = read_online(f"{root}{{z}}/{{x}}/{{y}}.png", CREDIT)
    page = render_page([four_verdicts], options=PageOptions(basemap=online))
    opened = open_page(page, tiles=root, address="#basemap=0")
    opened.page.click("#zoom-out")
    opened.settle()
    assert (asked, opened.requests, opened.console) == ([], [], [])


@pytest.mark.browser
def test_tiles_that_may_not_be_copied_are_shown_but_not_saved(
    open_page: Any, four_verdicts: DrawnResult, tile_server: Any
) -> None:
    root, _ = tile_server(allow=False)
    online = read_online(f"{root}{{z}}/{{x}}/{{-y}}.png", CREDIT)
    page = render_page([four_verdicts], options=PageOptions(basemap=online))
    opened = open_page(page, tiles=root)
    until(opened, ANY)
    line = opened.run("() => basemapLine(map.getContainer())")
    assert line == "Without its basemap, whose pictures may not be copied from here."
    colors = {color: count for count, color in saved(opened).getcolors(1 << 20) or []}
    assert colors[0x0B, 0x4F, 0x8A] > 10_000


@pytest.mark.browser
def test_without_a_network_the_page_works_and_says_what_is_missing(
    open_page: Any, four_verdicts: DrawnResult
) -> None:
    online = read_online("https://tiles.example/{z}/{x}/{y}.png", CREDIT)
    opened = open_page(render_page([four_verdicts], options=PageOptions(basemap=online)))
    until(opened, "() => document.querySelector('#basemap-failed').textContent !== ''")
    assert (
        opened.text("#basemap-failed")
        == "No picture came from tiles.example; the map works without."
    )
    assert opened.data("areasDrawn") == "5"
    opened.page.select_option("#show", "share")
    assert all(request.startswith("https://tiles.example/") for request in opened.requests)
    assert saved(opened).getcolors(1 << 20)
    opened.page.click("#language")
    assert opened.text("#basemap-failed").startswith("Không nhận được ảnh nào từ tiles.example")


@pytest.mark.browser
def test_a_site_may_fetch_its_tiles_from_a_server(
    open_site: Any, serve: Any, four_verdicts: DrawnResult, tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    online = read_online("https://tiles.example/{z}/{x}/{y}.png", CREDIT)
    write_site(folder, [four_verdicts], {}, options=PageOptions(basemap=online))
    opened = open_site(serve(partial(Handler, directory=folder)))
    until(opened, "() => document.querySelector('#basemap-failed').textContent !== ''")
    assert opened.outside
    assert all(request.startswith("https://tiles.example/") for request in opened.outside)
