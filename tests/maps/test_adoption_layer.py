"""IPv6 adoption as a layer of the map: figures where hosts were audited, and none elsewhere."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from phusong.coverage.adoption import group_of, status_of
from phusong.coverage.adoption_areas import AreaAdoption, counts_of, place_hosts
from phusong.coverage.adoption_pack import load_pack
from phusong.coverage.summary import Verdict
from phusong.maps.adoption_layer import DrawnAdoption
from phusong.maps.columns import DrawnResult
from phusong.maps.page import render_page
from phusong.maps.site import write_site

pytestmark = pytest.mark.browser

CODES = ("1", "2", "3", "4", "5")
EVIL = "</script><img src=x onerror=alert(1)>{{7*7}}"
HAS = (("web_aaaa", "good", "aaaa"), ("web_reach", "good", "reached"))
DEAD = (("web_aaaa", "good", "aaaa"), ("web_reach", "fail", "aaaa_dead"))
NONE = (("web_aaaa", "fail", "no_aaaa"),)
UNKNOWN = (("web_aaaa", "unknown", "dns_failure"),)
Make = Callable[..., DrawnAdoption]


@pytest.fixture
def audited(four_verdicts: DrawnResult) -> Make:
    """Audit hosts in areas 1 (one of two), 2 (none of one), 3 (one, one unknown), 4 (unknown)."""

    def make(name: str = "2026", year: int = 2026, has: Any = HAS) -> DrawnAdoption:
        marks = [("1", has), ("1", DEAD), ("2", NONE), ("3", HAS), ("3", UNKNOWN), ("4", UNKNOWN)]
        statuses = [
            status_of(
                datetime(year, 8, 1, tzinfo=UTC),
                {
                    "host": f"h{number}.vn",
                    "unit": unit,
                    "findings": [{"test": t, "mark": m, "reason": r} for t, m, r in found],
                },
                load_pack(),
            )
            for number, (unit, found) in enumerate([*marks, ("77", HAS)])
        ]
        placed = place_hosts(statuses, CODES, dict.fromkeys(CODES))
        adoption = AreaAdoption(
            audit=name,
            first=statuses[0].at,
            last=statuses[-1].at,
            area="commune",
            boundary_id="set-1",
            boundary_name="Test communes",
            boundary_vintage="2025-07-01",
            boundary_approximate=False,
            groups=placed.groups(),
            counts=counts_of([group_of("all", statuses)]),
            outside=placed.outside,
        )
        reasons = {"dns_failure": "DNS said nothing"}
        return DrawnAdoption(adoption=adoption, geometry=four_verdicts.geometry, reasons=reasons)

    return make


def test_a_reader_finds_adoption_among_what_is_shown_and_comes_back_to_the_operator(
    open_page: Any, four_verdicts: DrawnResult, audited: Make
) -> None:
    opened = open_page(render_page([four_verdicts], adoptions=[audited()]))
    opened.page.select_option("#operator", "Viettel")
    opened.page.select_option("#show", "adopted")
    assert opened.data("areasDrawn") == "5"
    legend = opened.legend()
    assert legend["No audited host, or none that is known"] == 2, "never zero: areas 4 and 5"
    assert (legend["under 10%"], legend["90% or more"]) == (1, 2)
    unknown = next(label for label in legend if label.startswith("hatched"))
    assert legend[unknown] == 1, "area 3 could be 50%"
    assert opened.text("#headline-figure") == "80.0%"
    assert "of 5 audited hosts have an IPv6 address" in opened.text("#headline")
    sentence = opened.text("#sentence")
    assert sentence.startswith("Of 5 communes, 4 have audited hosts. The other has no figure.")
    assert "1 host stands in no area: the area's code is not known here" in sentence
    assert not opened.page.locator("#operator").is_visible()
    assert "IPv6 adoption of audited hosts · 2026-08-01 (UTC)" in opened.text("#subtitle")
    opened.page.select_option("#show", "share")
    assert opened.run("() => [state.layer.operator, state.show]") == ["Viettel", "share"]
    assert (opened.console, opened.requests) == ([], [])


def test_where_every_area_has_hosts_no_others_are_spoken_of(
    open_page: Any, four_verdicts: DrawnResult, audited: Make
) -> None:
    four = replace(audited(), geometry=four_verdicts.geometry.iloc[:4])
    sentence = open_page(render_page([], adoptions=[four])).text("#sentence")
    assert sentence.startswith("Of 4 communes, 4 have audited hosts. Of 5 hosts of which")


@pytest.mark.parametrize(
    ("quantity", "classes"),
    [
        ("answering", {"25 to under 50%": 0, "50 to under 75%": 1, "90% or more": 1}),
        ("web", {"under 10%": 1, "50 to under 75%": 1, "90% or more": 1}),
        ("hosts", {"under 2": 2, "2 to under 5": 2, "No audited host": 1}),
    ],
)
def test_every_quantity_counts_its_own_denominator(
    open_page: Any, audited: Make, quantity: str, classes: dict[str, int]
) -> None:
    opened = open_page(render_page([], adoptions=[audited()]), address=f"#show={quantity}")
    legend = opened.legend()
    assert {label: legend[label] for label in classes} == classes


def test_the_panel_says_n_the_range_the_services_and_why_some_are_not_known(
    open_page: Any, four_verdicts: DrawnResult, audited: Make
) -> None:
    opened = open_page(render_page([four_verdicts], adoptions=[audited()]))
    opened.page.select_option("#show", "adopted")
    opened.run("() => choose(state.shapes.areas[2])")
    card = " ".join(opened.text("#card").split())
    assert "With an IPv6 address, of those known 1 of 1 (100.0%)" in card
    assert "Between, whatever the unknown ones are 50.0% – 100.0%" in card
    assert "Not known: DNS said nothing 1" in card
    assert "Web 1 complete, 0 in part, 0 without, 1 not known" in card
    opened.run("() => choose(state.shapes.areas[4])")
    assert "none, so there is no figure" in opened.text("#card")
    opened.page.click("#language")
    assert "không có, nên không có số liệu" in opened.text("#card")
    assert "80,0%" in opened.text("#headline")


def test_the_table_sorts_shares_and_has_no_zero_where_nobody_was_audited(
    open_page: Any, four_verdicts: DrawnResult, audited: Make
) -> None:
    opened = open_page(render_page([four_verdicts], adoptions=[audited()]))
    opened.page.select_option("#show", "adopted")
    opened.page.click("#open-table")
    rows = opened.run(
        "() => [...document.querySelectorAll('#table tbody tr')].map((row) =>"
        " [...row.cells].map((cell) => cell.textContent))"
    )
    assert rows[0] == ["Hà Nội", "Tỉnh A", "0.0%", "1", "1", "–", "0"]
    assert rows[-1] == ["Trường Sa", "Tỉnh A", "–", "–", "–", "–", "–"]


def test_two_audits_are_periods_and_are_held_against_each_other(
    open_page: Any, four_verdicts: DrawnResult, audited: Make
) -> None:
    audits = [audited(), audited("2025", 2025, NONE)]
    opened = open_page(render_page([four_verdicts], adoptions=audits))
    opened.page.select_option("#show", "adopted")
    periods = opened.page.locator("#period option").all_inner_texts()
    assert periods == ["2026-08-01 (UTC)", "2025-08-01 (UTC)"]
    opened.page.click("#compare")
    opened.settle()
    assert opened.run("() => [state.result.audit, other.result.audit]") == ["2025", "2026"]
    assert "1 has a higher share, 0 a lower one and 2 the same" in opened.text("#difference")
    opened.page.select_option("#other-show", "change")
    assert opened.run("() => other.classified.counts") == [1, 0, 2, 0, 0, 2]
    kept = opened.run("() => location.hash")
    assert "rule=ipv6-adoption" in kept
    again = open_page(render_page([four_verdicts], adoptions=audits), address=kept)
    again.settle()
    assert again.run("() => [state.result.audit, other.result.audit]") == ["2025", "2026"]
    opened.page.select_option("#other-show", "verdict")
    opened.settle()
    assert "show different things" in opened.text("#difference")
    opened.screenshot("map-adoption-compared")
    assert opened.console == []


def test_names_of_audits_and_reasons_are_text(
    open_page: Any, four_verdicts: DrawnResult, audited: Make
) -> None:
    drawn = audited(EVIL)
    evil = DrawnAdoption(
        adoption=drawn.adoption, geometry=drawn.geometry, reasons={"dns_failure": EVIL}
    )
    opened = open_page(render_page([four_verdicts], adoptions=[evil]))
    opened.page.select_option("#show", "adopted")
    opened.run("() => choose(state.shapes.areas[2])")
    opened.page.click("#open-about")
    assert EVIL in opened.text("#about")
    assert EVIL in opened.text("#card")
    assert opened.page.locator("img").count() == 0
    assert (opened.console, opened.requests) == ([], [])


def test_a_site_has_adoption_on_the_pages_of_its_level(
    open_site: Any,
    four_verdicts: DrawnResult,
    audited: Make,
    tmp_path: Path,
) -> None:
    write_site(tmp_path / "site", [four_verdicts], {}, adoptions=[audited()])
    opened = open_site((tmp_path / "site").as_uri() + "/")
    opened.page.select_option("#show", "adopted")
    assert opened.legend()["90% or more"] == 2
    assert opened.outside == []


def test_adoption_fits_a_phone_and_its_quantities_stand_apart_from_coverage(
    open_page: Any, four_verdicts: DrawnResult, audited: Make
) -> None:
    opened = open_page(render_page([four_verdicts], adoptions=[audited()]), width=360, height=740)
    opened.page.select_option("#show", "adopted")
    opened.settle()
    assert opened.run("() => document.documentElement.scrollWidth") <= 360
    groups = opened.run(
        "() => [...document.querySelectorAll('#show optgroup')].map((each) => each.label)"
    )
    assert groups == ["Coverage", "IPv6 adoption"]
    opened.screenshot("map-adoption-phone")


def test_no_verdict_of_an_area_without_data_comes_from_adoption(
    open_page: Any, four_verdicts: DrawnResult, audited: Make
) -> None:
    opened = open_page(render_page([four_verdicts], adoptions=[audited()]))
    before = opened.legend()
    opened.page.select_option("#show", "adopted")
    opened.settle()
    opened.page.select_option("#show", "verdict")
    assert opened.legend() == before
    assert before["No data"] == sum(
        area.verdict is Verdict.NO_DATA and area.operator == "any"
        for area in four_verdicts.result.areas
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_where_adoption_is_shown(
    open_page: Any,
    four_verdicts: DrawnResult,
    audited: Make,
    look_for_barriers: Callable[[Any], None],
    scheme: str,
) -> None:
    opened = open_page(render_page([four_verdicts], adoptions=[audited()]))
    opened.page.emulate_media(color_scheme=scheme)
    opened.page.select_option("#show", "adopted")
    opened.run("() => choose(state.shapes.areas[0])")
    look_for_barriers(opened)
