"""
What the evidence about one area supports, and what would settle the rest.

Covered: the interval's lower end is at or above the share that the rule requires. Not covered:
its upper end is below it. Unproven otherwise, and always on fewer places than the rule's
`min_places`: there the spread between places is not known well enough for any interval to hold.
No data: no trial at all.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .interval import INTERVALS, Spread, effective_places
from .rules import Rule
from .summary import Verdict

FARTHEST = 1_000_000


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
            further_places=_fewest(lambda k: _proven(spread.with_passing(k), rule)),
        )
    low, high = share_interval(spread, rule)
    if spread.places < rule.min_places:
        verdict = Verdict.UNPROVEN
    elif low >= rule.required_share:
        verdict = Verdict.COVERED
    elif high < rule.required_share:
        verdict = Verdict.NOT_COVERED
    else:
        verdict = Verdict.UNPROVEN
    passing = holding = None
    if verdict is not Verdict.NOT_COVERED:
        passing = _fewest(lambda k: _proven(spread.with_passing(k), rule))
        holding = _fewest(lambda k: _proven(spread.scaled_to(spread.places + k), rule))
    return Judgement(
        verdict=verdict,
        share=spread.share,
        low=low,
        high=high,
        further_places=passing,
        further_places_at_share=holding,
    )


def share_interval(spread: Spread, rule: Rule) -> tuple[float, float]:
    """Give the interval of an area's share, by the rule's method and confidence."""
    interval = INTERVALS[rule.interval]
    return interval(spread.share, effective_places(spread), rule.confidence)


def _proven(spread: Spread, rule: Rule) -> bool:
    if spread.places < rule.min_places:
        return False
    return share_interval(spread, rule)[0] >= rule.required_share


def _fewest(proves: Callable[[int], bool]) -> int | None:
    """Give the least number that proves, by doubling and halving; proof only grows with it."""
    if proves(0):
        return 0
    enough = 1
    while not proves(enough):
        enough *= 2
        if enough > FARTHEST:
            return None
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        too_few, enough = (too_few, middle) if proves(middle) else (middle, enough)
    return enough
