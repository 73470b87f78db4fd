"""Results made by hand, and a real browser that is cut off from every network."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas
import pytest
import shapely

from phusong.coverage.summary import AreaSummary, Result, Verdict
from phusong.maps.basemap.tiles import tile_ranges
from phusong.maps.columns import DrawnResult

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
READY_WITHIN_S = 90
AXE = "axe-core@4"
SQUARES = (105.0, 20.0, 105.5, 20.1)


@pytest.fixture
def make_area() -> Callable[..., AreaSummary]:
    """Make an area's summary; name what should differ."""

    def make(code: str, verdict: Verdict = Verdict.COVERED, **changes: object) -> AreaSummary:
        values: dict[str, Any] = {"code": code, "name": f"Area {code}", "verdict": verdict}
        if verdict is not Verdict.NO_DATA:
            values |= {
                "share": 0.97,
                "share_low": 0.955,
                "share_high": 0.981,
                "samples": 500,
                "trials": 480,
                "successes": 466,
                "places": 120,
                "occasions": 130,
            }
        return AreaSummary(**(values | changes))

    return make


@pytest.fixture
def make_result() -> Callable[..., Result]:
    """Make a result of areas; name what should differ."""

    def make(*areas: AreaSummary, **changes: object) -> Result:
        values: dict[str, Any] = {
            "rule": "test-rule",
            "rule_title_en": "4G, 5 Mbit/s",
            "rule_title_vi": "4G, 5 Mbit/s (vi)",
            "required_share": 0.95,
            "confidence": 0.95,
            "area": "commune",
            "boundary_id": "set-1",
            "boundary_name": "Test communes",
            "boundary_vintage": "2025-07-01",
            "period_start": datetime(2026, 7, 1, tzinfo=UTC),
            "period_end": datetime(2026, 10, 1, tzinfo=UTC),
            "software": "phusong test",
            "computed_at": datetime(2026, 10, 2, 3, 4, tzinfo=UTC),
            "areas": tuple(areas),
        }
        return Result(**(values | changes))

    return make


@pytest.fixture
def squares() -> Callable[..., geopandas.GeoDataFrame]:
    """Make a row of touching squares, a tenth of a degree wide, one a code."""

    def make(*codes: str, **columns: object) -> geopandas.GeoDataFrame:
        shapes = [
            shapely.box(105 + index / 10, 20, 105.1 + index / 10, 20.1)
            for index, _ in enumerate(codes)
        ]
        named = {"code": list(codes), "name": [f"Area {code}" for code in codes]}
        return geopandas.GeoDataFrame(named | columns, geometry=shapes, crs="EPSG:4326")

    return make


@pytest.fixture
def four_verdicts(
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    squares: Callable[..., geopandas.GeoDataFrame],
) -> DrawnResult:
    """Five areas of every verdict, for any operator and for Viettel, with 3 of 500 measured."""
    verdicts = {
        "1": Verdict.COVERED,
        "2": Verdict.COVERED,
        "3": Verdict.NOT_COVERED,
        "4": Verdict.UNPROVEN,
        "5": Verdict.NO_DATA,
    }
    names = ["Đồng Liên", "Hà Nội", "Cần Thơ", "Đồng Hới", "Trường Sa"]
    named = dict(zip(verdicts, names, strict=True))
    rows = [
        make_area(
            code,
            verdict,
            name=named[code],
            parent_name="Tỉnh A",
            further_places=0 if verdict is Verdict.COVERED else 73,
            excluded={"cancelled": 7} if code == "3" else {},
            down_mbps_median=12.5 if code == "1" else None,
            nr_evidence={"nsa_indicated": 40, "none": 60} if code == "1" else {},
            simulated=0 if verdict is Verdict.NO_DATA else 497,
            best_operator=None if verdict is Verdict.NO_DATA else "Viettel",
        )
        for code, verdict in verdicts.items()
    ]
    single = make_area("1", Verdict.NOT_COVERED, name="Đồng Liên", operator="Viettel", share=0.2)
    result = make_result(
        *rows,
        single,
        boundary_approximate=True,
        rule_unverified=("required_share",),
        inputs={"samples": 500, "simulated": 497, "excluded": {"cancelled": 7}},
    )
    frame = squares(*verdicts, parent_name=["Tỉnh A"] * 5)
    frame["name"] = names
    return DrawnResult(result=result, geometry=frame)


@pytest.fixture
def make_points() -> Callable[..., SimpleNamespace]:
    """Make points for a map: measured and simulated ones, succeeded and failed."""

    def make(count: int = 8, simulated_total: int = 120_000) -> SimpleNamespace:
        return SimpleNamespace(
            lon=[105.01 + index / 20 for index in range(count)],
            lat=[20.05] * count,
            ok=[index % 2 == 0 for index in range(count)],
            simulated=[index > 2 for index in range(count)],
            measured_total=3,
            simulated_total=simulated_total,
        )

    return make


@pytest.fixture(scope="session")
def make_tile() -> Callable[..., bytes]:
    """Make a tile's picture: a chequered one whose colour and size can be named."""
    from PIL import Image, ImageDraw

    def make(
        color: str = "#7aa35a", *, kind: str = "PNG", px: int = 256, border: str | None = "#333333"
    ) -> bytes:
        picture = Image.new("RGB", (px, px), color)
        if border:
            ImageDraw.Draw(picture).rectangle((0, 0, px - 1, px - 1), outline=border)
        out = BytesIO()
        picture.save(out, kind)
        return out.getvalue()

    return make


@pytest.fixture
def tile_folder(tmp_path: Path, make_tile: Callable[..., bytes]) -> Callable[..., Path]:
    """Write a folder of tiles over the squares that tests draw, by zoom, column and row."""

    def write(name: str = "tiles", *, zooms: Sequence[int] = range(9), ending: str = "png") -> Path:
        kind = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}[ending]
        colors = ["#7aa35a", "#3d6fa8", "#c9a24b"]
        pictures = [make_tile(color, kind=kind) for color in colors]
        for zoom in zooms:
            for x, y in product(*tile_ranges(SQUARES, zoom, 256)):
                path = tmp_path / name / str(zoom) / str(x) / f"{y}.{ending}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(pictures[(x + y) % len(pictures)])
        return tmp_path / name

    return write


@pytest.fixture
def write_pmtiles(tmp_path: Path) -> Callable[..., Path]:
    """Write tiles (by zoom, column and row) as a PMTiles file; name what its header should say."""
    from pmtiles.tile import Compression, TileType, zxy_to_tileid
    from pmtiles.writer import Writer

    def write(
        tiles: Mapping[tuple[int, int, int], bytes],
        *,
        kind: TileType = TileType.PNG,
        metadata: Mapping[str, object] | None = None,
        **changes: object,
    ) -> Path:
        path = tmp_path / "map.pmtiles"
        header = {
            "tile_type": kind,
            "tile_compression": Compression.NONE,
            "min_lon_e7": -1_800_000_000,
            "min_lat_e7": -850_000_000,
            "max_lon_e7": 1_800_000_000,
            "max_lat_e7": 850_000_000,
            "center_zoom": 0,
            "center_lon_e7": 0,
            "center_lat_e7": 0,
        }
        with path.open("wb") as file:
            writer = Writer(file)
            for place in sorted(tiles, key=lambda each: zxy_to_tileid(*each)):
                writer.write_tile(zxy_to_tileid(*place), tiles[place])
            writer.finalize(header | changes, dict(metadata or {}))
        return path

    return write


@dataclass
class Opened:
    """A page open in the browser, and everything it said or asked for."""

    page: Any
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def run(self, script: str, argument: object = None) -> Any:
        self.settle()
        return self.page.evaluate(script, argument)

    def settle(self) -> None:
        """Wait until values are unpacked and every tile is painted."""
        # The page's own policy forbids eval, and with it Playwright's wait_for_function.
        end = time.monotonic() + READY_WITHIN_S
        while self.page.evaluate("() => 'busy' in document.documentElement.dataset"):
            assert time.monotonic() < end, f"the map was never drawn: {self.console}"
            time.sleep(0.02)

    def text(self, selector: str) -> str:
        self.settle()
        return str(self.page.locator(selector).inner_text())

    def data(self, name: str) -> str | None:
        return self.run("name => document.documentElement.dataset[name] ?? null", name)

    def legend(self) -> dict[str, int]:
        """Give the legend's counts by label, as numbers."""
        rows = self.run(
            "() => [...document.querySelectorAll('#legend li')].map((item) =>"
            " [item.querySelector('span').textContent, item.querySelector('b').textContent])"
        )
        return {label: int(count.replace(",", "").replace(".", "")) for label, count in rows}

    def screenshot(self, name: str) -> Path:
        ARTIFACTS.mkdir(exist_ok=True)
        path = ARTIFACTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path


def wait_until_ready(opened: Opened) -> None:
    """Wait until a page's first view is drawn."""
    ready = "() => document.documentElement.dataset.readyMs ?? null"
    end = time.monotonic() + READY_WITHIN_S
    while opened.page.evaluate(ready) is None:
        assert time.monotonic() < end, f"the map was never drawn: {opened.console}"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Start one Chromium for all tests, or skip where there is none."""
    if not Path(CHROMIUM).exists():
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=ARGUMENTS
        )
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Open a page's text from a file, and wait until its map is drawn."""
    contexts = []

    def open_(
        html: str, *, width: int = 1280, height: int = 800, address: str = "", tiles: str = ""
    ) -> Opened:
        path = tmp_path / "page.html"
        path.write_text(html, "utf-8")
        return visit(path.as_uri() + address, width, height, tiles)

    def visit(url: str, width: int, height: int, tiles: str = "") -> Opened:
        phone = width < 500
        context = browser.new_context(
            viewport={"width": width, "height": height}, is_mobile=phone, has_touch=phone
        )
        contexts.append(context)
        opened = Opened(context.new_page())

        def only_files(route: Any) -> None:
            address = route.request.url
            if address == url.partition("#")[0] or (tiles and address.startswith(tiles)):
                route.continue_()
                return
            opened.requests.append(address)
            route.abort()

        context.route("**/*", only_files)
        opened.page.on("console", lambda message: opened.console.append(message.text))
        opened.page.on("pageerror", lambda error: opened.console.append(str(error)))
        opened.page.on("dialog", lambda dialog: opened.console.append(dialog.message))
        opened.page.goto(url, timeout=1_000 * READY_WITHIN_S)
        wait_until_ready(opened)
        return opened

    open_.visit = visit  # type: ignore[attr-defined]
    yield open_
    for context in contexts:
        context.close()


@dataclass
class OpenedSite(Opened):
    """A site open in the browser; `outside` are the requests for anything but its own files."""

    outside: list[str] = field(default_factory=list)

    def arrive(self, act: Callable[[], None]) -> None:
        """Do what leads to another page, and wait until that one is drawn."""
        with self.page.expect_navigation():
            act()
        wait_until_ready(self)


@pytest.fixture
def open_site(browser: Any) -> Iterator[Callable[[str], OpenedSite]]:
    """Open a site's first page, by its address, in a browser that reaches nothing else."""
    contexts = []

    def open_(root: str) -> OpenedSite:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        contexts.append(context)
        opened = OpenedSite(context.new_page())

        def only_own(route: Any) -> None:
            opened.requests.append(route.request.url)
            if route.request.url.startswith(root):
                route.continue_()
                return
            opened.outside.append(route.request.url)
            route.abort()

        context.route("**/*", only_own)
        opened.page.on("console", lambda message: opened.console.append(message.text))
        opened.page.on("pageerror", lambda error: opened.console.append(str(error)))
        opened.page.goto(f"{root}index.html", timeout=1_000 * READY_WITHIN_S)
        wait_until_ready(opened)
        return opened

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fetch axe-core into a folder of the test's own, or skip and say why not."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm, which brings axe-core")
    folder = tmp_path_factory.mktemp("axe")
    try:
        subprocess.run(
            [npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", AXE],
            check=True,
            capture_output=True,
            timeout=120,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip(f"npm could not bring {AXE}: no network?")
    return Path(folder, "node_modules", "axe-core", "axe.min.js").read_text("utf-8")


@pytest.fixture
def look_for_barriers(axe: str) -> Callable[[Any], None]:
    """Have axe-core look at a page; anything serious that it finds is a failure."""

    def look(opened: Any) -> None:
        opened.settle()
        opened.run(axe)
        found = opened.run("() => axe.run(document, { resultTypes: ['violations'] })")
        serious = [
            (each["id"], [node["html"][:120] for node in each["nodes"]])
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ]
        assert serious == []
        assert found["passes"] or found["violations"] == [], "axe looked at the page"

    return look
