"""
What the evidence about one area supports, and what would settle the rest.

Covered: the interval's lower end is at or above the share that the rule requires. Not covered:
its upper end is below it. Unproven otherwise, and always where no interval can be relied on: on
fewer places than the rule's `min_places`, and where places lie in less than `REACH` of the area's
sectors, because a road or a corner does not stand for the rest. No data: no trial at all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from .interval import INTERVALS, Spread, effective_places
from .rules import Rule
from .summary import Verdict

FARTHEST = 1_000_000
REACH = 1 / 3


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
    """
    Judge an area by the rates of its places.

    `further_places` is the fewest more places that would prove coverage if all of them pass,
    `further_places_at_share` if the present share and spread hold; 0 where coverage is proven,
    None where it is disproven or where no number of places (up to a million) would.
    """
    if spread.places == 0:
        return Judgement(
            verdict=Verdict.NO_DATA,
            further_places=_all_passing(rule),
        )
    low, high = share_interval(spread, rule)
    if not suffices(spread, rule):
        verdict = Verdict.UNPROVEN
    elif low >= rule.required_share:
        verdict = Verdict.COVERED
    elif high < rule.required_share:
        verdict = Verdict.NOT_COVERED
    else:
        verdict = Verdict.UNPROVEN
    passing = holding = None
    if verdict is not Verdict.NOT_COVERED:
        # With fewer places in all, not even an area where everything passes would be proven.
        least = max(0, (_all_passing(rule) or 0) - spread.places)
        passing = _fewest(lambda k: _proven(spread.with_passing(k), rule), least)
        # No interval's lower end reaches the share itself, with any number of places.
        if spread.share > rule.required_share or verdict is Verdict.COVERED:
            holding = _fewest(lambda k: _proven(spread.scaled_to(spread.places + k), rule), least)
    return Judgement(
        verdict=verdict,
        share=spread.share,
        low=low,
        high=high,
        further_places=passing,
        further_places_at_share=holding,
    )


def suffices(spread: Spread, rule: Rule) -> bool:
    """Whether there are places enough, and far enough apart, for any verdict to rest on."""
    held = spread.clusters
    far = held is None or held.visited >= REACH * held.count
    return far and spread.places >= rule.min_places


def share_interval(spread: Spread, rule: Rule) -> tuple[float, float]:
    """Give the interval of an area's share, by the rule's method and confidence."""
    interval = INTERVALS[rule.interval]
    return interval(spread.share, effective_places(spread), rule.confidence)


def _proven(spread: Spread, rule: Rule) -> bool:
    if not suffices(spread, rule):
        return False
    return share_interval(spread, rule)[0] >= rule.required_share


def _all_passing(rule: Rule) -> int | None:
    """Give the fewest places that prove coverage if all pass, each for itself."""
    return _fewest_passing(rule.interval, rule.confidence, rule.required_share, rule.min_places)


@cache
def _fewest_passing(
    interval: str, confidence: float, required_share: float, min_places: int
) -> int | None:
    return _fewest(
        lambda k: (
            k >= min_places and INTERVALS[interval](1.0, max(k, 1), confidence)[0] >= required_share
        )
    )


def _fewest(proves: Callable[[int], bool], least: int = 0) -> int | None:
    """Give the fewest that prove, from `least` on, by doubling and halving; proof only grows."""
    if proves(least):
        return least
    further = 1
    while not proves(least + further):
        further *= 2
        if further > FARTHEST:
            return None
    too_few, enough = least + further // 2, least + further
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        too_few, enough = (too_few, middle) if proves(middle) else (middle, enough)
    return enough
