"""The IPv6 report in a real Chromium, from disk: map, tables, keyboard, phone, both languages."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely

from phusong.coverage.adoption import HostStatus, status_of
from phusong.coverage.adoption_pack import load_pack
from phusong.coverage.adoption_trend import trend
from phusong.coverage.provinces import Provinces
from phusong.data.words import use_language
from phusong.maps.adoption_page import render_adoption

pytestmark = pytest.mark.browser

EVIL = "</script><img src=x onerror=alert(1)>{{7*7}}"
EXPLAINED = {"aaaa_dead": ("nobody answers", "make it answer"), "no_aaaa": ("no AAAA", "add one")}
HAS = (("web_aaaa", "good", "aaaa"), ("web_reach", "good", "reached"))
DEAD = (("web_aaaa", "good", "aaaa"), ("web_reach", "fail", "aaaa_dead"))
NONE = (("web_aaaa", "fail", "no_aaaa"),)
PACK = load_pack()


def status(host: str, marks: Any, day: int, **about: str) -> HostStatus:
    findings = [{"test": test, "mark": mark, "reason": reason} for test, mark, reason in marks]
    record = {"host": host, "findings": findings, **about}
    return status_of(datetime(2026, 8, day, tzinfo=UTC), record, PACK)


def provinces() -> Provinces:
    names = ["Tỉnh Bắc", "Tỉnh Trung", EVIL]
    shapes = [shapely.box(105, 20 - n, 107, 21 - n) for n in range(3)]
    columns = {"code": ["01", "02", "03"], "name": names}
    frame = geopandas.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4326")
    return Provinces.make(frame, None, approximate=True)


@pytest.fixture
def opened(open_report: Callable[..., Any]) -> Any:
    return open_report()


@pytest.fixture
def open_report(browser: Any, tmp_path: Path) -> Any:
    """Open the report of two audits of three agencies in three provinces, offline."""
    contexts = []

    def open_(*, phone: bool = False, many: int = 0, lang: str = "en", tried: bool = True) -> Any:
        before = [status("a.gov.vn", NONE, 1), status("b.gov.vn", HAS, 1)]
        after = [
            status("a.gov.vn", HAS, 2, agency="Bộ A", unit="01", parent="P"),
            status("b.gov.vn", DEAD, 2, agency=EVIL, unit="02"),
            status("c.gov.vn", NONE, 2, agency="Sở Đất", unit="2"),
            *(status(f"h{n}.vn", HAS, 2, agency="Nhiều", unit="01") for n in range(many)),
        ]
        if not tried:
            after = [status("a.gov.vn", HAS[:1], 2, agency="Bộ A", unit="01")]
        rows = trend([("before", before), ("after", after)])
        use_language(lang)
        try:
            page = render_adoption(
                after, rows, mine=rows[-1], pack=PACK, explained=EXPLAINED, provinces=provinces()
            )
        finally:
            use_language("en")
        path = tmp_path / "report.html"
        path.write_text(page, "utf-8")
        size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 900}
        context = browser.new_context(viewport=size, is_mobile=phone, has_touch=phone)
        contexts.append(context)
        page = context.new_page()
        page.said, page.asked = [], []
        for event in ("console", "pageerror", "dialog"):
            page.on(event, lambda said: page.said.append(str(said)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(path.as_uri())
        page.asked.remove(path.as_uri())
        assert page.get_attribute("html", "data-ready") == "yes", page.said
        return page

    yield open_
    for context in contexts:
        context.close()


def rows(page: Any, table: str) -> list[str]:
    """Give the first cell of each row."""
    return page.locator(f"#{table} tbody th").all_inner_texts()


@pytest.mark.parametrize("phone", [False, True])
def test_the_report_opens_without_a_request_and_fits_the_screen(
    open_report: Callable[..., Any], phone: bool
) -> None:
    page = open_report(phone=phone)
    assert page.asked == []
    assert page.said == []
    width = page.evaluate("() => document.documentElement.scrollWidth")
    assert width == (390 if phone else 1280)
    assert "2 of 3 hosts have an IPv6 address (66.7%); 1 publishes one" in page.inner_text(
        "#sentence"
    )


def test_hostile_names_are_text_everywhere(opened: Any) -> None:
    assert EVIL in opened.inner_text("#groups")
    assert EVIL in opened.inner_text("#hosts")
    assert opened.locator("img").count() == 0
    assert EVIL in (opened.get_attribute("path[data-code='03']", "aria-label") or "")


def test_who_pretends_stands_first_and_columns_sort(opened: Any) -> None:
    assert rows(opened, "hosts") == ["b.gov.vn", "c.gov.vn", "a.gov.vn"]
    opened.click("#hosts th button >> nth=0")
    assert rows(opened, "hosts") == ["a.gov.vn", "b.gov.vn", "c.gov.vn"]
    assert opened.get_attribute("#hosts th >> nth=0", "aria-sort") == "ascending"
    opened.keyboard.press("Enter")
    assert rows(opened, "hosts") == ["c.gov.vn", "b.gov.vn", "a.gov.vn"]


def test_the_filter_needs_no_marks_and_finds_agencies(opened: Any) -> None:
    opened.fill("#filter", "so dat")
    assert rows(opened, "hosts") == ["c.gov.vn"]
    assert rows(opened, "groups") == ["Sở Đất"]
    assert "1 of 3" in opened.inner_text("#shown")


def test_a_province_is_chosen_by_mouse_and_by_keyboard(opened: Any) -> None:
    opened.click("path[data-code='02']")
    assert rows(opened, "hosts") == ["b.gov.vn", "c.gov.vn"]
    assert "Tỉnh Trung: 1 of 2 hosts with IPv6 (50.0%), 1 dead" in opened.inner_text("#map-said")
    assert opened.get_attribute("path[data-code='02']", "aria-pressed") == "true"
    opened.click("#everywhere")
    assert len(rows(opened, "hosts")) == 3
    # One stop of the tab key; the arrows walk from north to south and round.
    assert opened.locator("#map path[tabindex='0']").count() == 1
    opened.focus("path[data-code='01']")
    opened.keyboard.press("ArrowDown")
    opened.keyboard.press("Enter")
    assert rows(opened, "hosts") == ["b.gov.vn", "c.gov.vn"]
    opened.keyboard.press("Enter")
    opened.keyboard.press("ArrowUp")
    opened.keyboard.press("ArrowUp")
    opened.keyboard.press("Enter")
    assert rows(opened, "hosts") == []
    assert "no host" in opened.inner_text("#map-said")


def test_provinces_have_the_colour_of_their_share_and_none_is_not_zero(opened: Any) -> None:
    fills = [opened.get_attribute(f"path[data-code='{code}']", "fill") for code in ("01", "03")]
    assert fills == ["#00204d", "#f4f1ea"]
    assert opened.locator("#legend li").all_inner_texts()[-1] == "no host, or none is known"
    assert opened.locator("#approximate").is_visible()


def test_groups_are_counted_by_what_the_reader_chooses(opened: Any) -> None:
    choices = opened.locator("#by option").all_inner_texts()
    assert choices == ["agency", "parent agency", "province", "administrative unit"]
    opened.select_option("#by", "province")
    assert rows(opened, "groups") == ["Tỉnh Trung", "Tỉnh Bắc"]


def test_what_changed_since_the_last_audit_is_said_host_by_host(opened: Any) -> None:
    assert "1 worse and 1 better since before" in opened.inner_text("#steps-said")
    assert rows(opened, "steps") == ["b.gov.vn", "a.gov.vn"]
    assert rows(opened, "trend") == ["before", "after"]


def test_the_page_speaks_both_languages(open_report: Callable[..., Any]) -> None:
    page = open_report(lang="vi", phone=True)
    assert page.get_attribute("html", "lang") == "vi"
    assert "2 trên 3 máy chủ" in page.inner_text("#sentence")
    assert "Tỉnh Trung: 1 trên 2" in (
        page.get_attribute("path[data-code='02']", "aria-label") or ""
    )
    page.click("#language")
    assert page.get_attribute("html", "lang") == "en"
    assert "2 of 3 hosts" in page.inner_text("#sentence")


def test_where_nobody_was_asked_that_is_said_and_is_no_zero(
    open_report: Callable[..., Any],
) -> None:
    page = open_report(tried=False)
    sentence = page.inner_text("#sentence")
    assert sentence.endswith("(100.0%); whether it answers was not tried.")
    cells = page.locator("#groups tbody tr").first.locator("td").all_inner_texts()
    assert cells[:2] == ["1", "1"]
    assert cells[4:7] == ["0", "–", "–"]


def test_many_hosts_come_some_at_a_time(open_report: Callable[..., Any]) -> None:
    page = open_report(many=600)
    assert len(rows(page, "hosts")) == 500
    page.click("#more")
    assert len(rows(page, "hosts")) == 603
    assert not page.locator("#more").is_visible()


def test_every_control_has_a_name_for_a_screen_reader(opened: Any) -> None:
    nameless = opened.evaluate(
        """() => [...document.querySelectorAll("button, input, select, path, table, svg#map")]
          .filter((each) => !each.textContent.trim() && !each.getAttribute("aria-label")
            && !each.getAttribute("aria-labelledby") && !each.labels?.length && !each.hidden)
          .map((each) => each.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    headings = opened.locator("h1, h2").evaluate_all("each => each.map((one) => one.tagName)")
    assert headings[0] == "H1"
    assert opened.locator("#groups th[scope=col]").count() == 13
