"""A result in a few lines: how many areas are covered, as the range that the evidence allows."""

from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum

from .summary import ANY_OPERATOR, Result, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """
    Areas by verdict for one operator, or for the best of them in each area.

    Between `covered` (proven) and `not_disproven` areas are covered. `false_verdicts` is how many
    of the decided ones are expected to be wrong at the most: half of what the confidence leaves
    over, for each, because a verdict errs on one side only; and that as many times as operators
    were tried where the best of them covers an area.
    """

    operator: str
    areas: int
    covered: int
    not_covered: int
    unproven: int
    no_data: int
    trials: int
    successes: int
    places: int
    simulated: int
    not_disproven: int
    false_verdicts: float


class Standing(StrEnum):
    """Whether every area is covered, as a target asks: proven, disproven, or neither yet."""

    MET = "met"
    MISSED = "missed"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    The target that every area is covered, by the best operator of each.

    It is missed as soon as one area is disproven. `further_places` is how many places the
    cheapest plan needs that would prove all `open_areas` if all pass; None where no number would.
    """

    standing: Standing
    disproven: int
    open_areas: int
    further_places: int | None


def every_area(result: Result) -> Target:
    """Give how far the evidence has come to every area being covered."""
    best = [area for area in result.areas if area.operator == ANY_OPERATOR]
    disproven = sum(area.verdict is Verdict.NOT_COVERED for area in best)
    still = [a for a in best if a.verdict in (Verdict.UNPROVEN, Verdict.NO_DATA)]
    needed = [area.further_places for area in still]
    settled = Standing.MISSED if disproven else Standing.MET
    return Target(
        standing=Standing.UNPROVEN if not disproven and (still or not best) else settled,
        disproven=disproven,
        open_areas=len(still),
        further_places=None if None in needed else sum(filter(None, needed)),
    )


def overviews(result: Result) -> list[Overview]:
    """Give the overview of the best operators first, then of each one by name."""
    result = replace(result, areas=tuple(result.areas))
    areas = sum(area.operator == ANY_OPERATOR for area in result.areas)
    operators = sorted({area.operator for area in result.areas} - {ANY_OPERATOR})
    return [_overview(result, operator, areas) for operator in (ANY_OPERATOR, *operators)]


def _overview(result: Result, operator: str, areas: int) -> Overview:
    rows = [area for area in result.areas if area.operator == operator]
    verdicts = Counter(row.verdict for row in rows)
    covered, not_covered = verdicts[Verdict.COVERED], verdicts[Verdict.NOT_COVERED]
    unproven = verdicts[Verdict.UNPROVEN]
    chances = covered if operator != ANY_OPERATOR else _chances(result)
    return Overview(
        operator=operator,
        areas=areas,
        covered=covered,
        not_covered=not_covered,
        unproven=unproven,
        no_data=areas - covered - not_covered - unproven,
        trials=sum(row.trials for row in rows),
        successes=sum(row.successes for row in rows),
        places=sum(row.places for row in rows),
        simulated=sum(row.simulated for row in rows),
        not_disproven=areas - not_covered,
        false_verdicts=(chances + not_covered) * (1 - result.confidence) / 2,
    )


def _chances(result: Result) -> int:
    """Count the operators with a trial in all areas that the best of them covers."""
    covered = {
        area.code
        for area in result.areas
        if area.operator == ANY_OPERATOR and area.verdict is Verdict.COVERED
    }
    return sum(
        area.code in covered and area.operator != ANY_OPERATOR and area.trials > 0
        for area in result.areas
    )
