"""Two maps beside each other in a real Chromium: linked, each with its own choice and legend."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from phusong.coverage.summary import Verdict
from phusong.maps.columns import DrawnResult
from phusong.maps.page import render_page
from phusong.maps.site import write_site

pytestmark = pytest.mark.browser

Open = Callable[..., Any]
EARLIER = (datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
VIEWS = (
    "() => [map, other.map].map((one) => [one.getCenter().lat, one.getCenter().lng, one.getZoom()])"
)


@pytest.fixture
def two_quarters(four_verdicts: DrawnResult, make_area: Any) -> list[DrawnResult]:
    """Two quarters: from April to July, area 1 became covered and area 3 stopped being so."""
    verdicts = {
        "1": Verdict.NOT_COVERED,
        "2": Verdict.COVERED,
        "3": Verdict.COVERED,
        "4": Verdict.COVERED,
        "5": Verdict.NO_DATA,
    }
    start, end = EARLIER
    areas = tuple(
        make_area(code, verdict, share=0.4)
        for code, verdict in verdicts.items()
        if verdict is not Verdict.NO_DATA
    )
    earlier = replace(
        four_verdicts.result,
        areas=(*areas, make_area("5", Verdict.NO_DATA)),
        period_start=start,
        period_end=end,
    )
    return [DrawnResult(result=earlier, geometry=four_verdicts.geometry), four_verdicts]


@pytest.fixture
def comparing(open_page: Open, two_quarters: list[DrawnResult]) -> Any:
    """Open a page of two quarters at the earlier one, with the later beside it."""
    opened = open_page(render_page(two_quarters))
    opened.page.click("#compare")
    return opened


def other_legend(opened: Any) -> dict[str, int]:
    rows = opened.run(
        "() => [...document.querySelectorAll('#other-legend li')].map((item) =>"
        " [item.querySelector('span').textContent, Number(item.querySelector('b').textContent)])"
    )
    return dict(rows)


def pane_point(opened: Any, pane: str, code: str) -> tuple[float, float]:
    """Give where the middle of an area is on the screen, on `map` or on `other.map`."""
    found: list[float] = opened.run(
        f"""(code) => {{
          const found = state.shapes.areas.find((area) => area.code === code);
          const [west, south, east, north] = found.box;
          const at = {pane}.latLngToContainerPoint([(south + north) / 2, (west + east) / 2]);
          const frame = {pane}.getContainer().getBoundingClientRect();
          return [at.x + frame.x, at.y + frame.y];
        }}""",
        code,
    )
    return found[0], found[1]


def test_a_second_map_opens_with_the_other_quarter_and_counts_of_its_own(comparing: Any) -> None:
    assert comparing.legend() == {"Covered": 3, "Not covered": 1, "Unproven": 0, "No data": 1}
    assert other_legend(comparing) == {"Covered": 2, "Not covered": 1, "Unproven": 1, "No data": 1}
    assert comparing.data("otherAreasDrawn") == "5"
    assert "2026-07-01" in comparing.text("#other-caption")
    assert "2026-04-01" in comparing.text("#caption")
    assert "2 are shown to be covered" in comparing.text("#other-sentence")
    assert (comparing.requests, comparing.console) == ([], [])
    comparing.screenshot("compare-1280")


def test_the_difference_names_what_changed_both_ways_and_adds_up(comparing: Any) -> None:
    said = comparing.text("#difference")
    assert (
        "of 5 communes: 1 went from not covered to covered, 1 from covered to not covered" in said
    )
    assert "0 have a verdict in B only, 1 in A only; 1 has the same verdict and 1 none" in said


def test_the_change_itself_can_be_drawn_where_both_are_over_the_same_areas(comparing: Any) -> None:
    comparing.page.select_option("#other-show", "change")
    assert other_legend(comparing) == {
        "From not covered to covered": 1,
        "A verdict in B only": 0,
        "The same verdict": 1,
        "A verdict in A only": 1,
        "From covered to not covered": 1,
        "No verdict in either": 1,
    }
    comparing.page.select_option("#period", "1")
    assert other_legend(comparing)["The same verdict"] == 3, "the first map changed under it"
    comparing.screenshot("compare-change")


@pytest.mark.parametrize(("moved", "follower"), [("map", "other.map"), ("other.map", "map")])
def test_both_maps_move_together(comparing: Any, moved: str, follower: str) -> None:
    comparing.run(f"() => {moved}.setView([20.06, 105.2], 11, {{ animate: false }})")
    first, second = comparing.run(VIEWS)
    assert first == pytest.approx(second, abs=1e-6)
    assert first[2] == 11
    assert comparing.run("() => Math.abs(map.getSize().y - other.map.getSize().y)") <= 1
    comparing.run(f"() => {moved}.panBy([40, 10], {{ animate: false }})")
    first, second = comparing.run(VIEWS)
    assert first == pytest.approx(second, abs=1e-6)
    assert first[1] > 105.2, f"{follower} was followed"


def test_pointing_at_either_map_tells_about_the_area_on_both(comparing: Any) -> None:
    for pane in ("map", "other.map"):
        x, y = pane_point(comparing, pane, "3")
        comparing.page.mouse.move(x, y)
        comparing.page.mouse.move(x + 2, y + 2)
        assert "Not covered" not in comparing.text("#tooltip")
        assert "Not covered" in comparing.text("#other-tooltip")


def test_a_click_on_either_map_opens_both_cards_and_escape_closes_them(comparing: Any) -> None:
    comparing.page.mouse.click(*pane_point(comparing, "other.map", "1"))
    assert "Not covered" in comparing.text("#card")
    assert "Đồng Liên" in comparing.text("#other-card h3")
    comparing.page.locator("#other-map").focus()
    comparing.page.keyboard.press("Escape")
    assert not comparing.page.locator("#card").is_visible()
    assert not comparing.page.locator("#other-card").is_visible()


def test_an_address_brings_both_maps_back(
    open_page: Open, comparing: Any, two_quarters: list[DrawnResult]
) -> None:
    comparing.page.select_option("#other-operator", "Viettel")
    comparing.page.select_option("#other-show", "share")
    kept = comparing.run("() => location.hash")
    again = open_page(render_page(two_quarters), address=kept)
    shown = (
        "() => [state, other].map((one) =>"
        " [data.results.indexOf(one.result), one.layer.operator, one.show])"
    )
    assert again.run(shown) == [[0, "any", "verdict"], [1, "Viettel", "share"]]


def test_a_nonsense_second_map_in_an_address_falls_back(
    open_page: Open, two_quarters: list[DrawnResult]
) -> None:
    page = render_page(two_quarters)
    opened = open_page(page, address="#b-rule=x&b-operator=__proto__&b-show=constructor")
    assert opened.run("() => [other.layer.operator, other.show]") == ["any", "verdict"]
    assert opened.console == []


def test_closing_gives_the_room_back_and_leaves_the_address(comparing: Any) -> None:
    narrow = comparing.page.locator("#map-box").bounding_box()["width"]
    comparing.page.click("#compare")
    assert not comparing.page.locator("#other-box").is_visible()
    assert comparing.page.locator("#map-box").bounding_box()["width"] > 1.5 * narrow
    assert "b-rule" not in comparing.run("() => location.hash")
    comparing.page.click("#compare")
    assert other_legend(comparing)["Covered"] == 2, "and it opens again"


def test_old_and_new_boundaries_stand_beside_each_other_and_are_not_subtracted(
    open_page: Open, four_verdicts: DrawnResult, make_area: Any, make_result: Any, squares: Any
) -> None:
    frame = squares("o1", "o2")
    old = make_result(
        *map(make_area, ("o1", "o2")),
        boundary_id="set-0",
        boundary_name="Old communes",
        boundary_vintage="2009",
    )
    opened = open_page(render_page([four_verdicts, DrawnResult(result=old, geometry=frame)]))
    opened.page.click("#compare")
    assert opened.data("otherAreasDrawn") == "2"
    assert "2009" in opened.text("#other-caption")
    assert "over different areas" in opened.text("#difference")
    assert opened.page.locator("#other-show option[value=change]").count() == 0
    labels = opened.page.locator("#other-result option").all_inner_texts()
    assert len(set(labels)) == 2, "vintages tell equal rules apart"
    opened.run("() => choose(state.shapes.areas[1])")
    assert opened.text("#other-card h3") == "Area o2", "what lies there in the old boundaries"


def test_a_page_of_one_result_compares_operators(
    open_page: Open, four_verdicts: DrawnResult
) -> None:
    opened = open_page(render_page([four_verdicts]))
    opened.page.click("#compare")
    assert opened.run("() => [state.layer.operator, other.layer.operator]") == ["any", "Viettel"]


def test_simulated_samples_have_their_band_on_the_second_map_too(
    open_page: Open, two_quarters: list[DrawnResult], make_area: Any
) -> None:
    measured = replace(
        two_quarters[0].result,
        areas=(make_area("1"), *(make_area(code, Verdict.NO_DATA) for code in "2345")),
        inputs={},
    )
    first = DrawnResult(result=measured, geometry=two_quarters[0].geometry)
    opened = open_page(render_page([first, two_quarters[1]]))
    assert not opened.page.locator("#simulated-band").is_visible()
    opened.page.click("#compare")
    assert "SIMULATED" in opened.text("#other-band")


def test_the_values_that_a_map_shows_are_never_closed(
    open_page: Open, four_verdicts: DrawnResult
) -> None:
    months = [
        replace(
            four_verdicts.result, period_start=datetime(2026, month, 1, tzinfo=UTC), period_end=None
        )
        for month in range(1, 9)
    ]
    opened = open_page(
        render_page([DrawnResult(result=each, geometry=four_verdicts.geometry) for each in months])
    )
    opened.page.click("#compare")
    for index in range(1, 8):
        opened.page.select_option("#other-period", str(index))
        opened.settle()
    opened.run("() => choose(state.shapes.areas[0])")
    assert "Covered" in opened.text("#card")
    assert opened.run("() => data.results.filter((each) => each.bytes).length") <= 5
    assert opened.console == []


@pytest.mark.parametrize("language", ["en", "vi"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (360, 740), (640, 400)])
def test_both_maps_have_room_and_nothing_scrolls_sideways(
    open_page: Open,
    two_quarters: list[DrawnResult],
    make_points: Callable[..., SimpleNamespace],
    width: int,
    height: int,
    language: str,
) -> None:
    opened = open_page(
        render_page(two_quarters, make_points()),
        width=width,
        height=height,
        address=f"#lang={language}",
    )
    opened.run("() => document.getElementById('compare').click()")
    opened.settle()
    first, second = (
        opened.page.locator(each).bounding_box() for each in ("#map-box", "#other-box")
    )
    assert opened.run("() => document.documentElement.scrollWidth") <= width
    assert min(first["height"], second["height"]) > 85
    assert min(first["width"], second["width"]) > 130
    if width == 360:
        assert second["y"] >= first["y"] + first["height"], "stacked on a phone"
    opened.screenshot(f"compare-{width}-{language}")


def test_the_tab_key_reaches_both_maps_and_every_choice(comparing: Any) -> None:
    comparing.page.locator("#language").focus()
    reached = []
    for _ in range(30):
        comparing.page.keyboard.press("Tab")
        reached.append(comparing.run("() => document.activeElement.id"))
    wanted = {
        "map_phusong",
        "other-map",
        "compare",
        "other-result",
        "other-period",
        "other-operator",
        "other-show",
    }
    assert wanted <= set(reached)


def test_both_maps_go_onto_one_sheet_and_into_one_picture(comparing: Any) -> None:
    sizes = comparing.run(
        """() => {
          const one = picture(map.getContainer(), state);
          const two = beside(one, picture(other.map.getContainer(), other));
          return [one.width, two.width];
        }"""
    )
    assert sizes[1] > 1.9 * sizes[0]
    comparing.page.emulate_media(media="print")
    comparing.run("() => window.dispatchEvent(new Event('beforeprint'))")
    first, second = (
        comparing.page.locator(each).bounding_box() for each in ("#map-box", "#other-box")
    )
    assert first["y"] == pytest.approx(second["y"], abs=2)
    assert second["x"] + second["width"] <= 710
    comparing.page.set_viewport_size({"width": 720, "height": 1000})
    comparing.screenshot("compare-print")


def test_a_page_of_a_site_fetches_the_second_maps_values_when_it_opens(
    open_site: Callable[[str], Any], two_quarters: list[DrawnResult], tmp_path: Any
) -> None:
    folder = tmp_path / "site"
    write_site(folder, two_quarters, {})
    opened = open_site(f"{folder.as_uri()}/")
    before = len(opened.requests)
    opened.page.click("#compare")
    assert other_legend(opened)["Covered"] == 2
    assert len(opened.requests) == before + 1
    assert "b-rule=test-rule" in opened.run("() => addressOf(0)"), "links keep both maps"
    assert (opened.outside, opened.console) == ([], [])


def test_the_table_holds_the_verdicts_of_both_maps_and_sorts_by_them(comparing: Any) -> None:
    comparing.page.click("#open-table")
    head = comparing.page.locator("#table thead th").all_inner_texts()
    assert head[-1] == "Verdict in B"
    comparing.page.click("#table thead th:last-child button")
    rows = comparing.page.locator("#table tbody tr")
    last = [row.locator("td").last.inner_text() for row in rows.all()]
    assert last == ["Covered", "Covered", "Not covered", "Unproven", "No data"]


def test_cells_are_shown_over_the_view_that_is_open(
    open_page: Open, four_verdicts: DrawnResult, make_area: Any, make_result: Any, squares: Any
) -> None:
    cells = make_result(*map(make_area, "abc"), area="h3:8", boundary_id=None, rule="other")
    drawn = DrawnResult(result=cells, geometry=squares("a", "b", "c"))
    opened = open_page(render_page([four_verdicts, drawn]))
    opened.run("() => map.setView([20.05, 105.15], 10, { animate: false })")
    opened.page.select_option("#result", "1")
    assert opened.data("areasDrawn") == "3"
    assert opened.run("() => [map.getCenter().lng, map.getZoom()]") == [
        pytest.approx(105.15, abs=1e-3),
        10,
    ]
