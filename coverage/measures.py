"""
From counts to what is said of each area and operator: rates of places, medians, means.

Everything is worked out for all groups of a `Tally` at once, as columns beside its groups.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .frame import Floats, Ints
from .interval import Clusters, Spread, order_statistics
from .means import Mean, mean_over
from .places import Places, changes, means_of_runs, rows_of, sums_of
from .reduce import EDGES, METRICS, PER_UNIT, Tally
from .rules import Rule
from .sectors import Sectors
from .sums import Whole


@dataclass(frozen=True, slots=True)
class Estimates:
    """
    What a metric comes to in each group: over all readings (`crowd`), and over places equally.

    `median` is of the readings, with the interval from `low` to `high` where there are `places`
    enough for one. NaN where there is nothing.
    """

    places: Ints
    crowd: Mean
    equal_place: Mean
    median: Floats
    low: Floats
    high: Floats


def spreads(tally: Tally, sectors: Sectors | None = None) -> Spread:
    """
    Give the rates of places of every group.

    A place's rate is the mean over its occasions of successes per trial. Where each group's area
    is cut into `sectors`, its places lie in them as clusters.
    """
    group, place = tally.occasions.keys[:2]
    trials = tally.occasions.values.get("trials", np.empty(0))
    successes = tally.occasions.values.get("successes", np.zeros(len(group)))
    starts = changes(group, place)
    rate = means_of_runs(successes / trials, starts)
    places = Places.of(len(tally), group[starts], place[starts], sectors)
    clusters, held = None, places.sectors
    if held is not None:
        n = np.diff(held.starts, append=len(rate)).astype(np.float64)
        t = held.of_sectors(rate)
        nn, nt, tt = (sums_of(held.group, len(tally), each) for each in (n * n, n * t, t * t))
        clusters = Clusters(places.visited, held.count, nn, nt, tt)
    return Spread(places.count, places.total(rate), places.total(rate * rate), clusters)


def count_occasions(tally: Tally) -> Ints:
    """Give how many occasions each group has."""
    return rows_of(tally.occasions.keys[0], len(tally))


def medians(tally: Tally, metric: str) -> Floats:
    """
    Give the median of a metric in each group where it was measured.

    It is the geometric middle of the bin that holds the lower median: within 0.5 % of it.
    """
    return _Readings.of(tally, metric).at(0.5)


def estimates(tally: Tally, metric: str, rule: Rule, sectors: Sectors | None = None) -> Estimates:
    """
    Give what a metric comes to in each group, by readings and by places.

    The median's interval takes each place for one value, as order statistics do: readings of one
    place are much the same. Those of the means are of places as they lie in `sectors`.
    """
    count, total = (tally.occasions.values.get(f"{metric}_{part}") for part in ("n", "sum"))
    if count is None:
        nothing = np.full(len(tally), np.nan)
        none, no_mean = np.zeros(len(tally), dtype=np.int64), Mean(nothing, nothing, nothing)
        return Estimates(none, no_mean, no_mean, nothing, nothing, nothing)
    rows = slice(None) if count.all() else np.flatnonzero(count)
    group, place = (column[rows] for column in tally.occasions.keys[:2])
    starts = changes(group, place)
    places = Places.of(len(tally), group[starts], place[starts], sectors)
    size = count[rows] * np.int64(PER_UNIT)
    total = np.zeros_like(size) if total is None else total[rows]
    each = means_of_runs(total / size, starts)
    equal_place = mean_over(places, np.broadcast_to(1.0, len(each)), each, rule)
    del each
    sizes, totals = (np.add.reduceat(part, starts) for part in (size, total))
    crowd = mean_over(places, sizes, totals, rule)
    readings = _Readings.of(tally, metric)
    low, high = (readings.at(share) for share in _ranks(places.count, rule.confidence))
    return Estimates(places.count, crowd, equal_place, readings.at(0.5), low, high)


@dataclass(frozen=True, slots=True)
class _Readings:
    """A metric's readings by group: where its bins begin in the table, and how many there are."""

    bins: npt.NDArray[np.integer]
    reached: Whole
    before: Whole
    count: Whole

    @classmethod
    def of(cls, tally: Tally, metric: str) -> "_Readings":
        measure, bins = tally.bins.keys
        rows = np.flatnonzero(measure % len(METRICS) == METRICS.index(metric))
        counts = tally.bins.values.get("count", np.zeros(len(measure), dtype=np.int64))[rows]
        reached = np.cumsum(counts)
        ends = np.searchsorted(measure[rows] // len(METRICS), np.arange(len(tally) + 1))
        before = np.append(0, reached)[ends]
        return cls(bins[rows], reached, before[:-1], np.diff(before))

    def at(self, share: Floats | float) -> Floats:
        """Give the middle of the bin in which the reading lies that comes after such a share."""
        wanted = self.count * share
        found = np.full(len(self.count), np.nan)
        rows = np.flatnonzero((self.count > 0) & ~np.isnan(wanted))
        rank = np.maximum(np.ceil(wanted[rows] - 1e-9).astype(np.int64), 1)
        upper = self.bins[np.searchsorted(self.reached, self.before[rows] + rank)]
        upper = np.clip(upper, 1, len(EDGES) - 1)
        found[rows] = np.sqrt(EDGES[upper - 1] * EDGES[upper])
        return found


def _ranks(places: Ints, confidence: float) -> tuple[Floats, Floats]:
    """Give the shares of places below the two ends of the median's interval."""
    different, which = np.unique(places, return_inverse=True)
    found = [order_statistics(n, confidence) for n in different.tolist()]
    low, high = (
        np.array([np.nan if ranks is None else ranks[side] for ranks in found]) for side in (0, 1)
    )
    with np.errstate(invalid="ignore"):
        return low[which] / places, high[which] / places
