"""The page in a real Chromium, from disk, with every network request refused and counted."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import shapely

from phusong.coverage.summary import Verdict
from phusong.maps.columns import DrawnResult
from phusong.maps.page import PageOptions, render_page

pytestmark = pytest.mark.browser

Open = Callable[..., Any]


@pytest.fixture
def opened(
    open_page: Open, four_verdicts: DrawnResult, make_points: Callable[..., SimpleNamespace]
) -> Any:
    return open_page(render_page([four_verdicts], make_points()))


def test_a_page_opens_from_disk_without_a_request_or_a_complaint(opened: Any) -> None:
    assert opened.requests == []
    assert opened.console == []


def test_every_area_is_drawn(opened: Any) -> None:
    assert opened.data("areasDrawn") == "5"


def test_the_canvas_shows_the_colour_of_each_verdict(opened: Any) -> None:
    colors = opened.run(
        """() => state.shapes.areas.map((area) => {
          const [west, south, east, north] = area.box;
          const at = map.latLngToContainerPoint([(south + north) / 2, (west + east) / 2]);
          const frame = map.getContainer().getBoundingClientRect();
          const [x, y] = [at.x + frame.x, at.y + frame.y];
          const pixels = [];
          for (const tile of document.querySelectorAll(".leaflet-tile-pane canvas")) {
            const box = tile.getBoundingClientRect();
            const ratio = tile.width / box.width;
            if (x < box.left || x > box.right || y < box.top || y > box.bottom) continue;
            const pen = tile.getContext("2d");
            const { data } = pen.getImageData((x - box.left) * ratio, (y - box.top) * ratio, 9, 9);
            for (let i = 0; i < 81; i++) pixels.push(data.slice(i * 4, i * 4 + 3).join());
          }
          return [...new Set(pixels)];
        })"""
    )
    covered, again, other, unproven, no_data = colors
    assert covered == again == ["11,79,138"]
    assert other == ["242,169,0"]
    assert len(unproven) > 1, "unproven areas are hatched"
    assert no_data == ["244,241,234"]


def test_the_legend_counts_the_areas(opened: Any) -> None:
    assert opened.legend() == {"Covered": 2, "Not covered": 1, "Unproven": 1, "No data": 1}


def test_the_sentence_gives_a_range_and_not_a_single_figure(opened: Any) -> None:
    assert opened.text("#sentence").startswith("Of 5 communes, 2 are shown to be covered")
    assert "between 2 and 4" in opened.text("#sentence")


def test_a_single_area_is_spoken_of_in_the_singular(
    open_page: Any, make_area: Any, make_result: Any, squares: Any
) -> None:
    result = make_result(make_area("1", Verdict.UNPROVEN, nr_evidence={"nsa_indicated": 1}))
    opened = open_page(render_page([DrawnResult(result=result, geometry=squares("1"))]))
    assert opened.text("#sentence") == (
        "Of 1 commune, 0 are shown to be covered and 0 not to be; 1 is unproven and 0 have no data."
        " So between 0 and 1 is covered."
    )
    assert opened.text("#headline-words") == "of 1 commune are proven to be covered"
    opened.run("() => choose(state.shapes.areas[0])")
    assert opened.text("#card").endswith("\n1 sample")
    opened.page.click("#language")
    assert opened.text("#sentence").startswith("Trong 1 đơn vị cấp xã, ")


def test_simulated_samples_have_a_band_that_gives_both_counts(opened: Any) -> None:
    band = opened.page.locator("#simulated-band")
    assert band.is_visible()
    assert "3 measured, 497 simulated" in band.inner_text()
    assert band.bounding_box()["width"] == 1280


def test_without_simulated_samples_there_is_no_band(
    open_page: Open, make_area: Any, make_result: Any, squares: Any
) -> None:
    drawn = DrawnResult(result=make_result(make_area("1")), geometry=squares("1"))
    opened = open_page(render_page([drawn]))
    assert not opened.page.locator("#simulated-band").is_visible()
    assert not opened.page.locator("#approximate").is_visible()
    assert not opened.page.locator("#unverified").is_visible()


def test_approximate_shapes_and_unchecked_numbers_are_said(opened: Any) -> None:
    assert "APPROXIMATE" in opened.text("#approximate")
    assert "required share" in opened.text("#unverified")


def test_5g_by_the_phones_icon_is_said_with_its_count(
    open_page: Open, make_area: Any, make_result: Any, squares: Any
) -> None:
    area = make_area("1", nr_evidence={"nsa_indicated": 1_234, "none": 5})
    result = make_result(area, rule="signal-5g-indicated")
    opened = open_page(render_page([DrawnResult(result=result, geometry=squares("1"))]))
    assert "not measured: 1,234 samples" in opened.text("#indication")


def test_no_line_on_the_phones_icon_where_the_rule_asks_for_a_measurement(
    open_page: Open, make_area: Any, make_result: Any, squares: Any
) -> None:
    area = make_area("1", nr_evidence={"nsa_indicated": 1_234, "nsa_measured": 5})
    result = make_result(area, rule="vn-5g")
    opened = open_page(render_page([DrawnResult(result=result, geometry=squares("1"))]))
    assert not opened.page.locator("#indication").is_visible()


def test_switching_between_communes_and_cells_brings_the_other_areas_into_view(
    open_page: Open, four_verdicts: DrawnResult, make_area: Any, make_result: Any, squares: Any
) -> None:
    cells = squares("a", "b", "c")
    cells["geometry"] = cells.geometry.translate(xoff=5)
    result = make_result(*map(make_area, "abc"), area="h3:8", boundary_id=None, rule="other")
    opened = open_page(render_page([four_verdicts, DrawnResult(result=result, geometry=cells)]))
    opened.run("() => choose(state.shapes.areas[0])")
    opened.page.select_option("#result", "1")
    assert opened.data("areasDrawn") == "3"
    assert opened.run("() => map.getBounds().contains([20.05, 110.15])")
    assert not opened.page.locator("#card").is_visible()
    assert "H3 cells (resolution 8)" in opened.text("#legend-unit")


def test_the_period_ends_on_its_last_day(opened: Any) -> None:
    assert "2026-07-01 to 2026-09-30" in opened.text("#subtitle")


def test_switching_what_is_shown_changes_the_legend_and_keeps_its_sum(opened: Any) -> None:
    opened.page.select_option("#show", "down")
    legend = opened.legend()
    assert legend["10 to under 40 Mbit/s"] == 1
    assert legend["No download measured"] == 4
    opened.page.select_option("#show", "nr")
    assert opened.legend()["5G by the phone's icon only"] == 1
    opened.page.select_option("#show", "samples")
    assert opened.legend()["300 to under 1,000"] == 4
    assert opened.legend()["No sample"] == 1


def test_shares_that_rest_on_little_evidence_are_hatched_and_counted(opened: Any) -> None:
    opened.page.select_option("#show", "share")
    assert opened.legend()["hatched: unproven (among the above)"] == 1
    assert opened.legend()["95% or more"] == 4


def test_switching_the_operator_redraws_the_open_card(opened: Any) -> None:
    opened.run("() => choose(state.shapes.areas[0])")
    assert "Covered" in opened.text("#card")
    opened.page.select_option("#operator", "Viettel")
    assert opened.legend() == {"Covered": 0, "Not covered": 1, "Unproven": 0, "No data": 4}
    assert "Not covered" in opened.text("#card")
    assert "20.0%" in opened.text("#card")


def test_the_language_switch_changes_words_numbers_and_the_language_of_the_page(
    opened: Any,
) -> None:
    opened.page.click("#language")
    assert opened.run("() => document.documentElement.lang") == "vi"
    assert opened.text("h1") == "Bản đồ vùng phủ"
    opened.run("() => choose(state.shapes.areas[0])")
    assert "97,0%" in opened.text("#card")
    assert "01/07/2026" in opened.text("#subtitle")
    assert opened.legend() == {
        "Đã phủ": 2,
        "Chưa phủ": 1,
        "Chưa đủ bằng chứng": 1,
        "Chưa có dữ liệu": 1,
    }


@pytest.mark.parametrize("typed", ["dong l", "ĐỒNG LIÊN", "đồng li"])
def test_the_search_needs_no_diacritics(opened: Any, typed: str) -> None:
    opened.page.fill("#search", typed)
    assert [each.split("\n")[0] for each in opened.page.locator("#found li").all_inner_texts()] == [
        "Đồng LiênTỉnh A"
    ]
    opened.page.press("#search", "Enter")
    assert opened.text("#card h2") == "Đồng Liên"


def test_a_search_without_a_hit_says_so(opened: Any) -> None:
    opened.page.fill("#search", "zzz")
    assert opened.text("#not-found") == "No area has this name."


def test_hovering_tells_about_an_area(opened: Any) -> None:
    box = opened.page.locator(".folium-map").bounding_box()
    at = opened.run("() => map.latLngToContainerPoint([20.05, 105.25])")
    opened.page.mouse.move(box["x"] + at["x"], box["y"] + at["y"])
    opened.page.mouse.move(box["x"] + at["x"] + 2, box["y"] + at["y"] + 2)
    tip = opened.text("#tooltip")
    for said in ("Cần Thơ", "Tỉnh A", "Not covered", "95.5% – 98.1%", "480", "120", "73"):
        assert said in tip
    assert "Not counted: cancelled by the user" in tip
    assert "497 of 500" in tip


def test_a_map_is_usable_from_the_keyboard(opened: Any) -> None:
    opened.run("() => map.setView([20.05, 105.05], 10, { animate: false })")
    opened.page.locator(".folium-map").focus()
    opened.page.keyboard.press("Enter")
    assert opened.text("#card h2") == "Đồng Liên"
    opened.page.keyboard.press("Escape")
    assert not opened.page.locator("#card").is_visible()


def test_the_tab_key_reaches_every_control_in_order(opened: Any) -> None:
    reached = []
    for _ in range(20):
        opened.page.keyboard.press("Tab")
        reached.append(opened.run("() => document.activeElement.id"))
    wanted = ["", "language", "open-about", "map_phusong", "zoom-in", "zoom-out", "home", "whole"]
    wanted += ["result", "operator", "show", "compare", "search"]
    assert reached[: len(wanted)] == wanted
    assert "open-table" in reached


def test_the_table_is_the_map_in_words_and_sorts(opened: Any) -> None:
    opened.page.click("#open-table")
    rows = opened.page.locator("#table tbody tr")
    assert rows.count() == 5
    assert "5" in opened.text("#table-note")
    opened.page.click("#table thead button >> nth=0")
    names = opened.page.locator("#table tbody th").all_inner_texts()
    assert names == ["Cần Thơ", "Đồng Hới", "Đồng Liên", "Hà Nội", "Trường Sa"]
    opened.page.click("#table thead button >> nth=0")
    assert opened.page.locator("#table tbody th").first.inner_text() == "Trường Sa"
    assert opened.run("() => document.querySelector('th[aria-sort]').ariaSort") == "descending"


def test_areas_without_a_share_come_last_in_either_order(opened: Any) -> None:
    opened.page.click("#open-table")
    for _ in range(2):
        opened.page.click("#table thead button >> nth=3")
        assert opened.page.locator("#table tbody th").last.inner_text() == "Trường Sa"


def test_the_about_box_carries_inputs_software_and_leaflets_licence(opened: Any) -> None:
    opened.page.click("#open-about")
    about = opened.text("#about")
    for said in ("phusong test", "2026-10-02 03:04 UTC", "BSD 2-Clause", "Agafonkin", "500"):
        assert said in about


def test_points_say_how_many_of_how_many_are_shown(opened: Any) -> None:
    assert opened.page.locator("#points-on").is_checked()
    assert opened.text("#points-count") == "measured: 3 of 3 shown; simulated: 5 of 120,000 shown"


def test_many_points_are_off_at_first(
    open_page: Open, four_verdicts: DrawnResult, make_points: Callable[..., SimpleNamespace]
) -> None:
    opened = open_page(render_page([four_verdicts], make_points(3_000)))
    assert not opened.page.locator("#points-on").is_checked()
    opened.page.check("#points-on")
    assert opened.page.locator(".leaflet-points-pane canvas").count() > 0


def test_an_address_brings_back_what_was_chosen(
    open_page: Open, opened: Any, four_verdicts: DrawnResult
) -> None:
    opened.page.select_option("#operator", "Viettel")
    opened.page.select_option("#show", "share")
    opened.page.click("#language")
    kept = opened.run("() => location.hash")
    again = open_page(render_page([four_verdicts]), address=kept)
    assert again.run("() => [state.layer.operator, state.show, language]") == [
        "Viettel",
        "share",
        "vi",
    ]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "all dates: 2026-07-01 to 2026-08-14 (UTC)"),
        ("vi", "mọi thời điểm: từ 01/07/2026 đến 14/08/2026 (UTC)"),
    ],
)
def test_where_no_period_was_named_the_page_says_when_the_samples_are_from(
    open_page: Open, make_area: Any, make_result: Any, squares: Any, language: str, said: str
) -> None:
    seen = {"first_sample": "2026-07-01T00:00:05+00:00", "last_sample": "2026-08-14T22:59:01+00:00"}
    result = make_result(make_area("1"), period_start=None, period_end=None, inputs=seen)
    page = render_page([DrawnResult(result=result, geometry=squares("1"))])
    assert said in open_page(page, address=f"#lang={language}").text("#subtitle")


@pytest.mark.parametrize("address", ["#rule=99&operator=x&show=constructor&lang=__proto__&at=a,b"])
def test_a_nonsense_address_falls_back_to_the_first_view(
    open_page: Open, four_verdicts: DrawnResult, address: str
) -> None:
    opened = open_page(render_page([four_verdicts]), address=address)
    assert opened.console == []
    assert opened.run("() => [state.layer.operator, state.show, language]") == [
        "any",
        "verdict",
        "en",
    ]


@pytest.mark.parametrize("language", ["en", "vi"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (360, 740)])
def test_nothing_scrolls_sideways(
    open_page: Open,
    four_verdicts: DrawnResult,
    make_points: Callable[..., SimpleNamespace],
    width: int,
    height: int,
    language: str,
) -> None:
    page = render_page([four_verdicts], make_points(), PageOptions(title="Vùng phủ 4G " * 12))
    opened = open_page(page, width=width, height=height, address=f"#lang={language}")
    assert opened.run("() => document.documentElement.scrollWidth") <= width
    assert opened.page.locator(".folium-map").bounding_box()["height"] > 150
    opened.screenshot(f"map-{width}-{language}")


def test_on_a_phone_the_legend_is_folded_and_a_tap_tells_about_an_area(
    open_page: Open, four_verdicts: DrawnResult
) -> None:
    opened = open_page(render_page([four_verdicts]), width=360, height=740)
    assert not opened.page.locator("#legend").is_visible()
    box = opened.page.locator(".folium-map").bounding_box()
    at = opened.run("() => map.latLngToContainerPoint([20.05, 105.25])")
    opened.page.touchscreen.tap(box["x"] + at["x"], box["y"] + at["y"])
    end = time.monotonic() + 5
    while not opened.page.locator("#card").is_visible() and time.monotonic() < end:
        time.sleep(0.05)
    assert opened.text("#card h2") == "Cần Thơ"
    assert not opened.page.locator("#tooltip").is_visible()


def test_the_home_view_leaves_far_islands_out_and_a_button_shows_them(
    open_page: Open, make_area: Any, make_result: Any, squares: Any
) -> None:
    codes = [f"{number:02}" for number in range(12)]
    frame = squares(*codes)
    frame.loc[11, "geometry"] = shapely.box(117, 8, 117.2, 8.2)
    result = make_result(*map(make_area, codes))
    opened = open_page(render_page([DrawnResult(result=result, geometry=frame)]))
    island = "() => map.getBounds().contains([8.1, 117.1])"
    assert opened.data("areasDrawn") == "12"
    assert not opened.run(island)
    opened.page.click("#whole")
    assert opened.run(island)
    opened.page.click("#home")
    assert not opened.run(island)
