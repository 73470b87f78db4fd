"""Where a map opens, and the insets that lead to its far parts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phusong.data.errors import MapError
from phusong.maps.columns import DrawnResult
from phusong.maps.page import PageOptions, render_page
from phusong.maps.views import Inset, read_extent, read_inset, read_insets

FAR = Inset(name="Trường Sa <b>{{7*7}}", extent=(105.4, 20.0, 105.5, 20.1))


def test_an_extent_is_four_numbers() -> None:
    assert read_extent("102, 8,110,24.5") == (102.0, 8.0, 110.0, 24.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "four numbers"),
        ("102,8,110", "four numbers"),
        ("102,8,110,24,1", "four numbers"),
        ("a,b,c,d", "four numbers"),
        ("110,8,102,24", "antimeridian"),
        ("-181,8,102,24", "from -180 degrees on"),
        ("nan,8,102,24", "west must be"),
        ("102,24,110,8", "south must be"),
        ("102,8,110,90", "south must be"),
        ("102,inf,110,24", "south must be"),
    ],
)
def test_what_is_not_an_extent_is_named(text: str, message: str) -> None:
    with pytest.raises(MapError, match=message):
        read_extent(text)


def test_an_inset_is_a_name_and_an_extent() -> None:
    inset = read_inset("Đảo: A:111,15.5,113,17.5")
    assert inset == Inset(name="Đảo: A", extent=(111.0, 15.5, 113.0, 17.5))


@pytest.mark.parametrize("text", ["111,15,113,17", " :111,15,113,17", "x" * 61 + ":1,2,3,4"])
def test_an_inset_without_a_name_that_fits_is_named(text: str) -> None:
    with pytest.raises(MapError, match="is not an inset"):
        read_inset(text)


def test_insets_are_few_and_have_names_of_their_own() -> None:
    with pytest.raises(MapError, match="two insets are called A"):
        read_insets(["A:1,2,3,4", "A:2,3,4,5"])
    with pytest.raises(MapError, match="7 insets are too many"):
        read_insets([f"{number}:1,2,3,4" for number in range(7)])


@pytest.mark.browser
def test_a_map_opens_at_the_chosen_view_and_an_inset_leads_away_and_home_back(
    open_page: Callable[..., Any], four_verdicts: DrawnResult
) -> None:
    options = PageOptions(home=(105.0, 20.0, 105.2, 20.1), insets=(FAR,))
    opened = open_page(render_page([four_verdicts], options=options))
    center = "() => map.getCenter().lng"
    assert opened.run(center) == pytest.approx(105.1, abs=0.01)
    assert opened.data("areasDrawn") == "5"
    assert opened.text(".inset") == FAR.name
    drawn = opened.run(
        "() => [...document.querySelectorAll('.inset canvas')].some((each) =>"
        " new Uint32Array(each.getContext('2d').getImageData(0, 0, each.width, each.height)"
        ".data.buffer).some((pixel) => pixel !== 0))"
    )
    assert drawn
    opened.screenshot("map-insets")
    opened.page.click(".inset")
    assert opened.run(center) == pytest.approx(105.45, abs=0.01)
    opened.page.click("#home")
    assert opened.run(center) == pytest.approx(105.1, abs=0.01)
    assert (opened.console, opened.requests) == ([], [])


@pytest.mark.browser
def test_hidden_insets_stay_hidden_for_whoever_opens_the_address(
    open_page: Callable[..., Any], four_verdicts: DrawnResult
) -> None:
    opened = open_page(render_page([four_verdicts], options=PageOptions(insets=(FAR,))))
    assert opened.page.is_visible(".inset")
    opened.page.click("#turn-insets")
    assert opened.page.is_hidden(".inset")
    assert "insets=hidden" in opened.page.url
    opened.page.reload()
    opened.settle()
    assert opened.page.is_hidden(".inset")


@pytest.mark.browser
def test_on_a_phone_an_inset_is_a_button(
    open_page: Callable[..., Any], four_verdicts: DrawnResult
) -> None:
    page = render_page([four_verdicts], options=PageOptions(insets=(FAR,)))
    opened = open_page(page, width=360, height=740)
    opened.page.click(".inset")
    assert opened.run("() => map.getCenter().lng") == pytest.approx(105.45, abs=0.01)
    assert opened.run("() => document.documentElement.scrollWidth") <= 360
    opened.screenshot("map-insets-360")
    assert opened.console == []


@pytest.mark.browser
def test_the_legend_names_the_boundaries_with_their_vintage(
    open_page: Callable[..., Any], four_verdicts: DrawnResult
) -> None:
    opened = open_page(render_page([four_verdicts]))
    assert opened.text("#legend-boundaries") == "boundaries: Test communes (2025-07-01)"


@pytest.mark.parametrize("arguments", [["--home", "1,2,3"], ["--inset", "1,2,3,4"]])
def test_a_view_that_cannot_be_read_is_a_message_and_writes_nothing(
    arguments: list[str], phusong: Any, tmp_path: Path
) -> None:
    finished = phusong("map", "build", tmp_path / "map.html", *arguments)
    assert finished.code == 3
    assert "extent" in finished.err
    assert not (tmp_path / "map.html").exists()


def test_the_first_page_of_a_site_opens_at_the_chosen_view(
    four_verdicts: DrawnResult, tmp_path: Path
) -> None:
    from phusong.maps.site import write_site

    options = PageOptions(home=(105.0, 20.0, 105.2, 20.1), insets=(FAR,))
    write_site(tmp_path / "site", [four_verdicts], {}, options=options)
    index = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert json.dumps([105.0, 20.0, 105.2, 20.1], separators=(",", ":")) in index
