"""A probe that does not measure what a rule asks for says nothing, however its tests ended."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from phusong.coverage.areas import hexagon_areas
from phusong.coverage.asked import need_more_than_download, unasked_metrics
from phusong.coverage.compute import compute
from phusong.coverage.rules import load_rule
from phusong.coverage.summary import AreaSummary
from phusong.data.sample import Outcome, Position, Reading, Sample
from phusong.data.store import Store

MakeChunk = Callable[..., dict[str, Any]]
# Nine in ten good tests must have measured a metric for the probe to ask for it.
COUNTS = [("whole", 8, 8, 8), ("down only", 8, 0, 8), ("mostly", 10, 9, 8), ("never ok", 0, 0, 0)]


def drive(probe: str, **change: Any) -> list[dict[str, Any]]:
    """Ten places of one probe: eight good tests and two timeouts."""
    return [
        {
            "probe": probe,
            "lon": 105.85 + n / 100,
            **change,
            **({"outcome": "timeout", "down_mbps": None} if n < 2 else {}),
        }
        for n in range(10)
    ]


def judged(chunk: dict[str, Any], rule: str, unasked: Any) -> AreaSummary:
    result = compute(
        [chunk],
        [hexagon_areas("h3:3")],
        [load_rule(rule)],
        homes={},
        unasked=unasked,
        software="test",
        computed_at=datetime.now(UTC),
    )[0]
    return next(area for area in result.areas if area.operator == "Viettel")


def test_a_probe_asks_for_what_nine_in_ten_of_its_good_tests_measured() -> None:
    assert unasked_metrics(COUNTS) == {
        "down only": {"up_mbps"},
        "mostly": {"rtt_idle_ms"},
    }


def test_failures_do_not_count_where_successes_cannot(chunk: MakeChunk) -> None:
    """
    By hand: the whole probe passes at 8 of 10 places, a share of 0.8.

    Beside it a probe that tests the download alone. Its 8 good tests are no trials under a rule for
    up and down. With its 2 timeouts as trials at the same places the share would be
    (2 x 0/2 + 8 x 1/1) / 10 of its own places, here other places: 8 / 12 = 0.667.
    """
    alone = {"up_mbps": None, "lat": 21.2}
    both = chunk(*drive("whole"), *drive("down only", **alone))
    unasked = unasked_metrics(COUNTS)
    area = judged(both, "fcc-5-1", unasked)
    assert (area.trials, area.successes, area.places) == (10, 8, 10)
    assert area.share == pytest.approx(0.8)
    assert area.excluded == {"not_measured": 10}
    bent = judged(both, "fcc-5-1", {})
    assert (bent.trials, bent.share) == (12, pytest.approx(8 / 12))
    # Under a rule for the download alone both probes count.
    assert judged(both, "vn-4g", unasked).trials == 20


def test_service_by_older_technology_does_not_count_there_either(chunk: MakeChunk) -> None:
    older = {"probe": "down only", "rat": "3G", "up_mbps": None}
    area = judged(chunk(older), "fcc-5-1", unasked_metrics(COUNTS))
    assert (area.trials, area.excluded) == (0, {"not_measured": 1})


def test_only_rules_that_ask_for_more_need_another_look_at_the_samples() -> None:
    assert need_more_than_download([load_rule("vn-4g"), load_rule("fcc-5-1")])
    assert not need_more_than_download([load_rule("vn-4g"), load_rule("signal-only")])


def test_a_store_is_asked_what_its_probes_measure(
    phusong: Any, tmp_path: Path, make_sample: Callable[..., Sample]
) -> None:
    samples = [
        make_sample(
            probe=probe,
            seq=n + 1,
            outcome=Outcome.TIMEOUT if n < 2 else Outcome.OK,
            reading=None if n < 2 else Reading(down_mbps=50.0, up_mbps=up),
            position=Position(lon=105.85 + n / 100, lat=21.0),
        )
        for probe, up in (("whole", 20.0), ("alone", None))
        for n in range(10)
    ]
    with Store.open(tmp_path / "test.db") as store:
        store.append(samples)
    assert phusong("coverage", "compute", "--rule", "fcc-5-1", "--by", "h3:3").code == 0
    with sqlite3.connect(tmp_path / "test.db") as kept:
        (row,) = kept.execute(
            "SELECT sum(trials), sum(successes) FROM result_area WHERE operator = 'Viettel'"
        ).fetchall()
    assert row == (10, 8)
