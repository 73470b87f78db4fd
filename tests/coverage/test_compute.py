"""From samples and areas to a result that accounts for everything that went in."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import geopandas as gpd
import h3
import pytest
import shapely

from phusong.coverage.areas import Areas, hexagon_areas
from phusong.coverage.compute import compute
from phusong.coverage.operators import home_operators
from phusong.coverage.overview import overviews
from phusong.coverage.record import result_from_rows, result_to_rows
from phusong.coverage.rules import load_rule
from phusong.coverage.summary import AreaSummary, Result, Verdict
from phusong.data.errors import ConfigError

MakeChunk = Callable[..., dict[str, Any]]
WEST, EAST = (105.80, 21.00, 105.90, 21.10), (105.90, 21.00, 106.00, 21.10)


@pytest.fixture
def communes() -> Areas:
    frame = gpd.GeoDataFrame(
        {"code": ["W", "E"], "name": ["Tây", "Đông"], "parent_name": ["Hà Nội", None]},
        geometry=[shapely.box(*WEST), shapely.box(*EAST)],
        crs="EPSG:4326",
    )
    return Areas(label="commune", frame=frame, set_id="abc", approximate=True)


def judged(chunks: list[dict[str, Any]], areas: Areas, rule: str, **options: Any) -> Result:
    values = {"homes": {}, "software": "phusong test", "computed_at": datetime.now(UTC), **options}
    return compute(chunks, [areas], [load_rule(rule)], **values)[0]


def row(result: Result, code: str, operator: str = "any") -> AreaSummary:
    found = [a for a in result.areas if (a.code, a.operator) == (code, operator)]
    assert len(found) == 1
    return found[0]


def walked(count: int, **change: Any) -> list[dict[str, Any]]:
    """Attempts at places a kilometre apart, all over the western commune."""
    return [
        {"lon": 105.801 + 0.011 * column, "lat": 21.001 + 0.011 * row, **change}
        for row, column in (divmod(37 * n % 81, 9) for n in range(count))
    ]


def test_every_sample_is_accounted_for(chunk: MakeChunk, communes: Areas) -> None:
    made = chunk(
        {},
        {"lon": 100.0},
        {"lon": None, "lat": None},
        {"outcome": "cancelled"},
        {"kind": "signal"},
        {"outcome": "timeout", "simulated": 1},
        {"operator": "VNPT"},
    )
    result = judged([made], communes, "vn-4g", operators=["Viettel"])
    inputs = result.inputs
    assert inputs["samples"] == 7
    assert inputs["simulated"] == 1
    assert (inputs["outside"], inputs["without_position"]) == (1, 1)
    assert inputs["other_operator"] == 1
    assert inputs["trials"] == 2
    assert inputs["excluded"] == {"other_kind": 1, "cancelled": 1}
    assert inputs["samples"] == 1 + 1 + 1 + 2 + (1 + 1)


def test_what_two_networks_share_is_counted_apart_and_not_judged(
    chunk: MakeChunk, communes: Areas
) -> None:
    """By hand: 8 of 10 places pass, a share of 0.8; two fast and two slow shared ones leave it."""
    failed = {"outcome": "timeout", "down_mbps": None}
    plain = walked(10)[:8] + walked(10, **failed)[8:]
    shared = [
        {**place, "reason": "radio_changed", "down_mbps": speed}
        for place, speed in zip(walked(14)[10:], (50.0, 50.0, 1.0, 1.0), strict=True)
    ]
    result = judged([chunk(*plain, *shared)], communes, "vn-4g")
    west = row(result, "W")
    assert west.share == pytest.approx(0.8)
    assert (west.samples, west.trials, west.places) == (14, 10, 10)
    assert west.excluded == result.inputs["excluded"] == {"radio_changed": 4}


def test_73_places_in_one_commune_prove_it_and_the_other_has_no_data(
    chunk: MakeChunk, communes: Areas
) -> None:
    result = judged([chunk(*walked(73))], communes, "vn-4g")
    west, east = row(result, "W"), row(result, "E")
    assert (west.verdict, west.places, west.trials) == (Verdict.COVERED, 73, 73)
    assert (west.name, west.parent_name, west.best_operator) == ("Tây", "Hà Nội", "Viettel")
    assert (east.verdict, east.share, east.samples) == (Verdict.NO_DATA, None, 0)
    assert east.further_places == 73
    assert east.parent_name is None
    assert result.boundary_approximate
    assert result.rule_unverified == ("down_mbps", "required_share")


def test_any_operator_is_the_best_of_them(chunk: MakeChunk, communes: Areas) -> None:
    good = walked(73, operator="Viettel")
    bad = walked(73, operator="VNPT", outcome="no_signal", rat=None)
    result = judged([chunk(*good, *bad)], communes, "vn-4g")
    assert row(result, "W", "VNPT").verdict is Verdict.NOT_COVERED
    best = row(result, "W")
    assert (best.verdict, best.best_operator) == (Verdict.COVERED, "Viettel")


def test_one_roaming_phone_does_not_hold_the_verdict_open(
    chunk: MakeChunk, communes: Areas
) -> None:
    bad = walked(40, operator="VNPT", outcome="timeout")
    result = judged([chunk(*bad, {"operator": "Roaming"})], communes, "vn-4g")
    assert row(result, "W", "Roaming").verdict is Verdict.UNPROVEN
    assert row(result, "W").best_operator == "VNPT"
    assert row(result, "W").verdict is Verdict.NOT_COVERED


def test_no_signal_counts_against_the_operator_of_the_probe(
    chunk: MakeChunk, communes: Areas
) -> None:
    silent = {"kind": "signal", "outcome": "no_signal", "operator": None, "rat": None}
    made = chunk({"kind": "signal"}, silent, silent | {"probe": "stranger"})
    homes = home_operators([("p", "Viettel", 99), ("p", "27203", 1)])
    result = judged([made], communes, "signal-only", homes=homes)
    assert (row(result, "W", "Viettel").trials, row(result, "W", "Viettel").successes) == (2, 1)
    assert row(result, "W", "unknown").trials == 1
    assert result.inputs["operator_unknown"] == 1


def test_a_probe_with_two_sim_cards_has_no_home() -> None:
    assert home_operators([("p", "Viettel", 60), ("p", "VNPT", 40), ("q", "VNPT", 5)]) == {
        "q": "VNPT"
    }


def test_a_network_without_a_name_goes_by_its_number(chunk: MakeChunk, communes: Areas) -> None:
    result = judged([chunk({"operator": None, "plmn": "310410"})], communes, "vn-4g")
    assert row(result, "W").best_operator == "310410"


def test_chunks_of_any_size_give_the_same_areas(chunk: MakeChunk, communes: Areas) -> None:
    attempts = walked(80) + walked(80, operator="VNPT", down_mbps=3.0)
    whole = judged([chunk(*attempts)], communes, "vn-4g")
    single = judged([chunk(each) for each in reversed(attempts)], communes, "vn-4g")
    assert single.areas == whole.areas
    assert single.inputs == whole.inputs


def test_cells_are_judged_where_there_are_no_boundaries(chunk: MakeChunk) -> None:
    made = chunk({}, {"lat": 21.2}, {"lon": None, "lat": None})
    result = judged([made], hexagon_areas("h3:8"), "vn-4g")
    assert (result.area, result.boundary_id) == ("h3:8", None)
    codes = {area.code for area in result.areas}
    assert codes == {h3.latlng_to_cell(lat, 105.85, 8) for lat in (21.03, 21.2)}
    assert (result.inputs["outside"], result.inputs["without_position"]) == (0, 1)


@pytest.mark.parametrize("name", ["h3:", "h3:10", "h3:-1", "h3:8.5", "h3:x", "h3:²"])
def test_a_resolution_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="h3:0 to h3:9"):
        hexagon_areas(name)


def test_nothing_at_all_is_no_data_everywhere(communes: Areas) -> None:
    result = judged([], communes, "vn-4g")
    assert {area.verdict for area in result.areas} == {Verdict.NO_DATA}
    assert result.inputs["samples"] == 0


def test_a_result_survives_the_way_through_rows(chunk: MakeChunk, communes: Areas) -> None:
    start = datetime(2026, 7, 1, tzinfo=UTC)
    end = datetime(2026, 10, 1, tzinfo=UTC)
    result = judged([chunk(*walked(9))], communes, "vn-4g", period=(start, end))
    assert result_from_rows(*result_to_rows(result)) == result


def test_an_overview_is_a_range_from_proven_to_not_disproven(
    chunk: MakeChunk, communes: Areas
) -> None:
    bad = [attempt | {"lon": attempt["lon"] + 0.1} for attempt in walked(40, outcome="timeout")]
    result = judged([chunk(*walked(73), *bad)], communes, "vn-4g")
    best, viettel = overviews(result)
    assert (best.areas, best.covered, best.not_covered, best.not_disproven) == (2, 1, 1, 1)
    # Two verdicts, each wrong with at most 2.5 %.
    assert best.false_verdicts == pytest.approx(0.05)
    assert viettel.operator == "Viettel"


def test_rows_are_the_same_one_by_one_in_part_and_together(
    chunk: MakeChunk, communes: Areas
) -> None:
    result = judged([chunk({}, {"operator": "Mobi", "outcome": "timeout"})], communes, "vn-4g")
    rows = tuple(result.areas)
    assert len(rows) == len(result.areas) == 4
    assert result.areas == rows
    assert result.areas[-1] == rows[-1]
    assert tuple(result.areas[1:3]) == rows[1:3]
    assert result.areas.column("verdict") == [row.verdict for row in rows]
    with pytest.raises(IndexError):
        result.areas[len(rows)]
