"""What axe-core, a tool that checks pages for barriers, finds in the states of a page."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from phusong.maps.basemap.folder import FolderTiles
from phusong.maps.basemap.tiles import extent_of, take_tiles
from phusong.maps.columns import DrawnResult
from phusong.maps.page import PageOptions, render_page

pytestmark = pytest.mark.browser

STATES: dict[str, tuple[int, int, str, str]] = {
    "start": (1280, 800, "light", ""),
    "dark": (1280, 800, "dark", "choose(state.shapes.areas[2])"),
    "an area": (1280, 800, "light", "choose(state.shapes.areas[2])"),
    "table": (1280, 800, "light", "document.getElementById('open-table').click()"),
    "about": (1280, 800, "light", "document.getElementById('open-about').click()"),
    "phone": (360, 740, "light", "choose(state.shapes.areas[0])"),
    "phone, dark": (360, 740, "dark", ""),
    "twice as large": (640, 400, "light", "search('dong')"),
    "two maps": (1280, 800, "light", "openOther().then(() => choose(state.shapes.areas[2]))"),
    "two maps, dark": (1280, 800, "dark", "openOther()"),
    "two maps, phone": (360, 740, "light", "openOther()"),
    "Vietnamese": (1280, 800, "light", "document.getElementById('language').click()"),
}


@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_serious(
    open_page: Callable[..., Any],
    four_verdicts: DrawnResult,
    make_points: Callable[..., SimpleNamespace],
    look_for_barriers: Callable[[Any], None],
    state: str,
) -> None:
    width, height, scheme, script = STATES[state]
    opened = open_page(render_page([four_verdicts], make_points()), width=width, height=height)
    opened.page.emulate_media(color_scheme=scheme)
    opened.run(f"() => {{ {script} }}")
    look_for_barriers(opened)
    opened.screenshot(f"access-{state.replace(', ', '-').replace(' ', '-')}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_where_there_is_a_basemap(
    open_page: Callable[..., Any],
    four_verdicts: DrawnResult,
    tile_folder: Callable[..., Path],
    look_for_barriers: Callable[[Any], None],
    scheme: str,
) -> None:
    source = FolderTiles(tile_folder(), attribution="© Test")
    taken = take_tiles(source, extent_of([four_verdicts]), most_bytes=10_000_000)
    opened = open_page(render_page([four_verdicts], options=PageOptions(basemap=taken)))
    opened.page.emulate_media(color_scheme=scheme)
    look_for_barriers(opened)


@pytest.mark.parametrize("language", ["en", "vi"])
def test_at_twice_the_size_nothing_scrolls_sideways_and_the_map_stays_usable(
    open_page: Callable[..., Any], four_verdicts: DrawnResult, language: str
) -> None:
    # Zooming a 1280 pixel window to 200 % leaves 640 CSS pixels.
    opened = open_page(
        render_page([four_verdicts]), width=640, height=400, address=f"#lang={language}"
    )
    assert opened.run("() => document.documentElement.scrollWidth") <= 640
    assert opened.page.locator(".folium-map").bounding_box()["height"] > 100
    opened.screenshot(f"map-200-percent-{language}")
