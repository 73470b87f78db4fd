"""A target for all areas: met, missed, or unproven with the cheapest plan that would settle it."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from phusong.coverage.overview import Standing, every_area
from phusong.coverage.summary import AreaSummary, Result, Verdict
from phusong.coverage.wording import result_lines
from phusong.data.sample import Position, Sample
from phusong.data.store import Store

Run = Callable[..., Any]
NO_INPUTS: Mapping[str, Any] = {
    **dict.fromkeys(("samples", "simulated", "trials", "successes", "outside"), 0),
    **dict.fromkeys(("without_position", "other_operator", "operator_unknown"), 0),
    "excluded": {},
}


def result(*verdicts: tuple[Verdict, int | None]) -> Result:
    areas = tuple(
        AreaSummary(
            code=str(n), name=str(n), best_operator="A", verdict=verdict, further_places=more
        )
        for n, (verdict, more) in enumerate(verdicts)
    )
    return Result(
        rule="r", rule_title_en="r", rule_title_vi="r", required_share=0.95, confidence=0.95,
        area="commune", software="test", computed_at=datetime.now(UTC), inputs=dict(NO_INPUTS),
        areas=areas,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdicts", "standing", "places", "told"),
    [
        ([(Verdict.COVERED, 0)] * 2, Standing.MET, 0, "is met"),
        (
            [(Verdict.COVERED, 0), (Verdict.NOT_COVERED, None), (Verdict.UNPROVEN, 9)],
            *(Standing.MISSED, 9, "is missed: 1 is disproven"),
        ),
        (
            [(Verdict.COVERED, 0), (Verdict.UNPROVEN, 9), (Verdict.NO_DATA, 73)],
            *(Standing.UNPROVEN, 82, "2 are open, and 82 further places would prove them"),
        ),
        (
            [(Verdict.UNPROVEN, None), (Verdict.NO_DATA, 73)],
            *(Standing.UNPROVEN, None, "no number of further places would settle"),
        ),
        ([], Standing.UNPROVEN, 0, "0 are open"),
    ],
)
def test_a_target_is_met_when_all_is_proven_and_missed_as_soon_as_one_is_disproven(
    verdicts: list[tuple[Verdict, int | None]], standing: Standing, places: int | None, told: str
) -> None:
    judged = result(*verdicts)
    target = every_area(judged)
    assert (target.standing, target.further_places) == (standing, places)
    lines = list(result_lines(judged, lambda value, digits: f"{value:.{digits}f}"))
    assert any("every area is covered" in line and told in line for line in lines)


def test_the_command_says_how_far_the_target_is(
    phusong: Run, tmp_path: Path, make_sample: Callable[..., Sample]
) -> None:
    with Store.open(tmp_path / "test.db") as store:
        store.append(
            [
                make_sample(seq=n + 1, position=Position(lon=105.8 + n / 300, lat=21.0))
                for n in range(5)
            ]
        )
    asked = ("coverage", "compute", "--rule", "vn-4g", "--by", "h3:2")
    told = json.loads(phusong(*asked, "--json").out)
    # 73 places without a failure prove 95 %; five of them are there, in one sector.
    assert told["every_area"]["standing"] == "unproven"
    assert told["every_area"]["open_areas"] == 1
    assert told["every_area"]["further_places"] >= 68
    assert "Chỉ tiêu mọi địa bàn đều được phủ" in phusong(*asked, lang="vi").err
