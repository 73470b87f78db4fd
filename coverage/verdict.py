"""
What the evidence about one area supports, and what would settle the rest.

Covered: the interval's lower end is at or above the share that the rule requires. Not covered:
its upper end is below it. Unproven otherwise, and always where no interval can be relied on: on
fewer places than the rule's `min_places`, and where places lie in less than `REACH` of the area's
sectors, because a road or a corner does not stand for the rest. No data: no trial at all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .frame import Flags, Floats, Ints
from .interval import INTERVALS, Number, Spread, effective_places
from .rules import Rule
from .summary import Verdict

FARTHEST = 1_000_000
REACH = 1 / 3
# Verdicts by number, the best first.
VERDICTS = (Verdict.COVERED, Verdict.UNPROVEN, Verdict.NOT_COVERED, Verdict.NO_DATA)
NEVER = -1
_COVERED, _UNPROVEN, _NOT_COVERED, _NO_DATA = range(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgements:
    """
    Verdicts of many areas, by their number in `VERDICTS`, with what a `Judgement` has.

    NaN stands for no share, `NEVER` where no number of further places would do.
    """

    verdict: Ints
    share: Floats
    low: Floats
    high: Floats
    further_places: Ints
    further_places_at_share: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with its share and interval, and the further places that would prove coverage."""

    verdict: Verdict
    share: float | None = None
    low: float | None = None
    high: float | None = None
    further_places: int | None = None
    further_places_at_share: int | None = None


def judge(spread: Spread, rule: Rule) -> Judgement:
    """Judge one area: see `judge_all`."""
    clusters = spread.clusters
    if clusters is not None:
        held = (clusters.visited, clusters.count, clusters.nn, clusters.nt, clusters.tt)
        clusters = type(clusters)(*(np.atleast_1d(value) for value in held))
    places, total, squares = map(np.atleast_1d, (spread.places, spread.total, spread.squares))
    found = judge_all(Spread(places, total, squares, clusters), rule)
    share, low, high = (
        None if np.isnan(value[0]) else float(value[0])
        for value in (found.share, found.low, found.high)
    )
    passing, holding = (
        None if value[0] == NEVER else int(value[0])
        for value in (found.further_places, found.further_places_at_share)
    )
    return Judgement(
        verdict=VERDICTS[found.verdict[0]],
        share=share,
        low=low,
        high=high,
        further_places=passing,
        further_places_at_share=holding,
    )


def judge_all(spread: Spread, rule: Rule) -> Judgements:
    """
    Judge areas by the rates of their places.

    `further_places` is the fewest more places that would prove coverage if all of them pass,
    `further_places_at_share` if the present share and spread hold; 0 where coverage is proven,
    `NEVER` where it is disproven or where no number of places (up to a million) would.
    """
    seen = np.greater(spread.places, 0)
    share = spread.share
    low, high = share_interval(spread, rule)
    enough = suffices(spread, rule) & seen
    verdict = np.full(len(share), _UNPROVEN)
    verdict[enough & (high < rule.required_share)] = _NOT_COVERED
    verdict[enough & (low >= rule.required_share)] = _COVERED
    verdict[~seen] = _NO_DATA
    all_passing = _all_passing(rule)
    passing = np.full(len(share), NEVER)
    holding = passing.copy()
    passing[~seen] = NEVER if all_passing is None else all_passing
    # With fewer places in all, not even an area where everything passes would be proven.
    least = np.maximum(0, (all_passing or 0) - spread.places).astype(np.int64)
    rows = np.flatnonzero(seen & (verdict != _NOT_COVERED))
    asked = spread[rows]
    passing[rows] = _fewest(lambda k, which: asked[which].with_passing(k), least[rows], rule)
    # No interval's lower end reaches the share itself, with any number of places.
    rows = rows[(share[rows] > rule.required_share) | (verdict[rows] == _COVERED)]
    again = spread[rows]
    holding[rows] = _fewest(
        lambda k, which: again[which].scaled_to(again.places[which] + k), least[rows], rule
    )
    nothing = np.where(seen, 0.0, np.nan)
    return Judgements(
        verdict=verdict,
        share=share,
        low=low + nothing,
        high=high + nothing,
        further_places=passing,
        further_places_at_share=holding,
    )


def suffices(spread: Spread, rule: Rule) -> Any:
    """Whether places are enough, and far enough apart, for any verdict."""
    if spread.clusters is None:
        return far_enough(spread.places, None, None, rule)
    return far_enough(spread.places, spread.clusters.visited, spread.clusters.count, rule)


def far_enough(places: Number, visited: Number, sectors: Number, rule: Rule) -> Any:
    """Whether so many places, in so many `visited` of an area's `sectors` (or None), suffice."""
    enough = np.greater_equal(places, rule.min_places)
    return enough if visited is None else enough & np.greater_equal(visited, REACH * sectors)


def share_interval(spread: Spread, rule: Rule) -> tuple[Number, Number]:
    """Give the interval of an area's share, by the rule's method and confidence."""
    interval = INTERVALS[rule.interval]
    return interval(spread.share, effective_places(spread), rule.confidence)


def _proven(spread: Spread, rule: Rule) -> Flags:
    low, _ = share_interval(spread, rule)
    return np.asarray(suffices(spread, rule) & (low >= rule.required_share))


def _all_passing(rule: Rule) -> int | None:
    """Give the fewest places that prove coverage if all pass, each for itself."""
    fewest = _fewest(
        lambda k, _: Spread(k, k.astype(np.float64), k.astype(np.float64)), np.array([0]), rule
    )
    return None if fewest[0] == NEVER else int(fewest[0])


def _fewest(
    further: Callable[[Ints, Ints], Spread], least: Ints, rule: Rule
) -> npt.NDArray[np.int64]:
    """
    Give for each area the fewest that prove, from `least` on; proof only grows.

    By doubling and then halving, all areas in step; `further` gives some areas with further
    places. An area that has its answer is not asked again.
    """
    found = np.full(len(least), NEVER)
    rows = np.arange(len(least))
    done = _proven(further(least, rows), rule)
    found[done] = least[done]
    open_rows, step = np.flatnonzero(~done), 1
    bracketed: list[tuple[Ints, Ints, Ints]] = []
    while step <= FARTHEST and len(open_rows):
        done = _proven(further(least[open_rows] + step, open_rows), rule)
        proven = open_rows[done]
        bracketed.append((proven, least[proven] + step // 2, least[proven] + step))
        open_rows, step = open_rows[~done], step * 2
    if not bracketed:
        return found
    rows, too_few, enough = (np.concatenate(part) for part in zip(*bracketed, strict=True))
    between = np.flatnonzero(enough - too_few > 1)
    while len(between):
        middle = (enough[between] + too_few[between]) // 2
        done = _proven(further(middle, rows[between]), rule)
        enough[between[done]] = middle[done]
        too_few[between[~done]] = middle[~done]
        between = between[enough[between] - too_few[between] > 1]
    found[rows] = enough
    return found
