"""Looking at kept results: legible on a terminal, with every warning that belongs to them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tabulate import tabulate

from phusong.coverage.overview import overviews
from phusong.coverage.results.commands import _COLUMNS, _VERDICTS
from phusong.coverage.results.explain import facts
from phusong.coverage.results.tables import COLUMNS, area_table
from phusong.coverage.rules import list_rules, load_rule
from phusong.coverage.summary import AreaSummary, Result, Verdict
from phusong.data.sample import NrEvidence, Outcome, Position, Radio, Rat, Reading, Sample
from phusong.data.store import Store

Run = Callable[..., Any]
MakeSample = Callable[..., Sample]
LONG = "Xã có tên dài hơn mọi cái tên mà một cửa sổ dòng lệnh còn chỗ để viết hết ra"


@pytest.fixture
def judged(phusong: Run, tmp_path: Path, make_sample: MakeSample) -> Run:
    """Judge a drive of four operators through a commune with a long name, and one without data."""
    square = [[105.8, 21.0], [105.9, 21.0], [105.9, 21.1], [105.8, 21.1], [105.8, 21.0]]
    empty = [[lon + 1, lat] for lon, lat in square]
    features = [
        {
            "type": "Feature",
            "properties": {"commune_id": code, "commune": name, "province": "Hà Nội"},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        for code, name, ring in (("00001", LONG, square), ("00002", "Trống", empty))
    ]
    (tmp_path / "a.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": features}), "utf-8"
    )
    samples = []
    for number, operator in enumerate(("Viettel", "VNPT", "MobiFone", "Vietnamobile")):
        for n in range(30):
            failed, spoilt = n % 10 == 9, n % 10 == 8
            outcome = Outcome.TIMEOUT if failed else Outcome.OK
            radio = Radio(operator=operator, rat=Rat.LTE, nr_evidence=NrEvidence.NONE)
            samples.append(
                make_sample(
                    probe=operator.lower(),
                    seq=n + 1,
                    outcome=Outcome.CANCELLED if spoilt else outcome,
                    reading=None
                    if failed or spoilt
                    else Reading(down_mbps=1000.0 + n + number, up_mbps=5.0),
                    started_at=datetime(2026, 7, 1 + n % 3, 3, tzinfo=UTC),
                    position=Position(lon=105.801 + 0.01 * (n % 9), lat=21.001 + 0.01 * (n // 9)),
                    radio=radio,
                )
            )
    with Store.open(tmp_path / "test.db") as store:
        store.append(samples)
    phusong("boundaries", "load", tmp_path / "a.geojson")
    done = phusong("coverage", "compute", "--rule", "vn-4g", "--period", "2026-07")
    assert done.code == 0, done.err
    return phusong


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("lang", ["en", "vi"])
def test_every_table_fits_eighty_columns(
    judged: Run, columns: str, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = judged("coverage", "show", "--columns", columns, lang=lang)
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any("Xã có" in line and "…" in line for line in lines)
    told = judged("coverage", "explain", "00001", lang=lang)
    body = [line for line in told.out.splitlines() if LONG not in line and "---" not in line]
    assert max(len(line.rstrip()) for line in body) <= 80 + len(LONG)


def test_medians_and_both_means_can_be_read_without_json(judged: Run) -> None:
    shown = judged("coverage", "show", "--columns", "down", "--operator", "Viettel").out
    row = json.loads(judged("coverage", "show", "--operator", "Viettel", "--json").out)
    for name in ("down_mbps_median", "down_mbps_mean", "down_mbps_place_mean"):
        assert f"{row[name]:,.1f}" in shown
    assert f"({row['down_mbps_median_low']:,.1f}–{row['down_mbps_median_high']:,.1f})" in shown
    evidence = judged("coverage", "show", "--columns", "evidence", "--area", "00001").out
    assert "MobiFone" in evidence
    assert len(evidence.splitlines()) >= 5 + 2


@pytest.mark.parametrize(("times", "told"), [(1, "81.6 ± 12.3"), (15, "1,224.0\n± 184.5")])
def test_a_mean_stands_with_half_its_intervals_width(times: int, told: str) -> None:
    speeds = {"median": 80.0, "median_low": 70.0, "median_high": 90.0}
    for mean in ("mean", "place_mean"):
        speeds |= {mean: 81.6, f"{mean}_low": 69.3, f"{mean}_high": 93.9}
    area = AreaSummary(
        code="00001",
        name=LONG,
        operator="Vietnamobile",
        verdict=Verdict.COVERED,
        **{f"down_mbps_{name}": value * times for name, value in speeds.items()},
    )

    def write(value: float | None, digits: int) -> str:
        return f"{value:,.{digits}f}"

    rows, headers = area_table([area], "down", write, 80)
    assert rows[0][-2:] == [told, told]
    assert max(map(len, tabulate(rows, headers).splitlines())) <= 80
    ends = [cell for label, cell in facts([area], write) if label == "interval of that mean"]
    assert ends == [f"{69.3 * times:,.1f}–{93.9 * times:,.1f}"] * 2


def test_an_explanation_is_complete(judged: Run) -> None:
    told = judged("coverage", "explain", "00001")
    for label in (
        *("share %", "interval %", "places", "occasions", "sectors with places", "further places"),
        *("trials", "successes", "of them simulated", "cancelled by the", "area uncertain"),
        *("down Mbit/s, median", "its interval", "down Mbit/s, mean of places"),
        "5G evidence: none",
    ):
        assert label in told.out, label
    assert "Viettel: The places lie in" in told.err
    assert "further places all over the area" in told.err
    # Four operators and the best of them stand in two tables.
    assert told.out.count("verdict") == 2
    assert {name for name in ("Viettel", "VNPT", "MobiFone", "Vietnamobile") if name in told.out}


def test_when_samples_were_taken_and_what_period_was_judged_is_shown(judged: Run) -> None:
    for words in (("show",), ("explain", "00001")):
        told = judged("coverage", *words).err
        assert "Samples from 2026-07-01 03:00Z to 2026-07-03 03:00Z" in told
        assert "Judged: from 2026-07-01 until 2026-08-01, UTC, the end left out" in told
        row = json.loads(judged("coverage", *words, "--json").out.splitlines()[0])
        assert (row["first_sample"], row["last_sample"]) == (
            *("2026-07-01T03:00:00Z", "2026-07-03T03:00:00Z"),
        )


def test_a_place_without_data_is_shown_as_that(judged: Run) -> None:
    shown = judged("coverage", "show", "--verdict", "no_data")
    assert "Trống" in shown.out
    told = judged("coverage", "explain", "00002")
    assert "No trial was made here: nothing is known" in told.err
    nothing = judged("coverage", "show", "--verdict", "covered")
    assert (nothing.code, nothing.out, "No area fits" in nothing.err) == (0, "", True)


def test_an_unverified_number_is_marked_to_the_last_output(judged: Run, tmp_path: Path) -> None:
    mark = "Nobody has checked these numbers of the rule against their source: down_mbps"
    assert mark in judged("coverage", "show").err
    assert mark in judged("coverage", "explain", "00001").err
    listed = judged("coverage", "list")
    assert ("vn-4g *" in listed.out, "nobody has checked" in listed.err) == (True, True)
    for words in (("list",), ("show",), ("explain", "00001")):
        row = json.loads(judged("coverage", *words, "--json").out.splitlines()[0])
        assert row["rule_unverified"] == ["down_mbps", "required_share"], words
    assert judged("map", "build", tmp_path / "map.html", "--points", 0).code == 0
    page = (tmp_path / "map.html").read_text("utf-8")
    assert '"unverified":["down_mbps","required_share"]' in page.replace(", ", ",").replace(
        '": ', '":'
    )
    assert judged("data", "export", tmp_path / "copy.db").code == 0
    assert mark in judged("coverage", "show", db=tmp_path / "copy.db").err


@pytest.mark.parametrize("name", list_rules())
def test_every_rule_is_listed_shown_and_says_what_is_unverified(phusong: Run, name: str) -> None:
    rule = load_rule(name)
    listed = {
        row["id"]: row
        for row in map(json.loads, phusong("coverage", "rules", "list", "--json").out.splitlines())
    }
    assert listed[name]["unverified"] == list(rule.unverified)
    shown = phusong("coverage", "rules", "show", name)
    assert shown.code == 0
    for number in rule.unverified:
        assert number in shown.out


def test_the_packaged_rules_ask_what_their_sources_ask() -> None:
    asked = {name: dict(load_rule(name).thresholds) for name in list_rules()}
    assert asked["fcc-5-1"] == {"down_mbps": 5, "up_mbps": 1}
    assert asked["fcc-7-1"] == {"down_mbps": 7, "up_mbps": 1}
    assert asked["fcc-35-3"] == {"down_mbps": 35, "up_mbps": 3}
    assert asked["uk-4g"] == {"down_mbps": 2}
    assert asked["sdg-9c1-4g"] == {}
    assert asked["vn-plan-40"] == {"down_mbps": 40}
    assert asked["signal-only"] == {}


def test_the_best_of_several_operators_errs_as_often_as_there_are_operators() -> None:
    def area(operator: str, verdict: Verdict, trials: int = 100) -> AreaSummary:
        best = "A" if operator == "any" else None
        return AreaSummary(
            code="1", name="1", operator=operator, best_operator=best, verdict=verdict,
            trials=trials,
        )  # fmt: skip

    rows = [area("any", Verdict.COVERED), area("A", Verdict.COVERED), area("B", Verdict.UNPROVEN)]
    result = Result(
        rule="r", rule_title_en="r", rule_title_vi="r", required_share=0.95, confidence=0.95,
        area="commune", software="test", computed_at=datetime.now(UTC),
        areas=(*rows, area("C", Verdict.NO_DATA, trials=0)),
    )  # fmt: skip
    best, first = overviews(result)[:2]
    # A and B were tried, C was not: two chances of 2.5 % each; A by itself has one.
    assert best.false_verdicts == pytest.approx(0.05)
    assert first.false_verdicts == pytest.approx(0.025)


def test_the_commands_choices_are_those_of_their_stage() -> None:
    assert tuple(_COLUMNS) == COLUMNS
    assert set(_VERDICTS) == {verdict.value for verdict in Verdict}
