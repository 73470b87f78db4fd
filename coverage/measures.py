"""
From counts to what is said of each area and operator: rates of places, medians, means.

Everything is worked out for all groups of a `Tally` at once, as columns beside its groups. Rows of
a tally are in order, so whatever belongs together, an area's places or a place's days, stands
together; H3 numbers its cells so that a sector's places do too.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .frame import Flags, Floats, Ints
from .interval import Clusters, Spread, order_statistics
from .reduce import EDGES, METRICS, PER_UNIT, Tally
from .sectors import Sectors, parents
from .sums import Whole


@dataclass(frozen=True, slots=True)
class Estimates:
    """
    What a metric comes to in each group: over all readings (`crowd`), and over places equally.

    `median` is of the readings, with the interval from `low` to `high` where there are `places`
    enough for one. NaN where there is nothing.
    """

    places: Ints
    crowd: Floats
    equal_place: Floats
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
    starts = _changes(group, place)
    rate = _means(successes / trials, starts)
    group, place = group[starts], place[starts]
    places, total = _rows(group, tally), _sums(group, tally, rate)
    clusters = None
    if sectors is not None:
        cells = place.astype(np.uint64)
        sector = parents(cells, sectors.resolution.astype(np.uint64)[group])
        starts = _changes(group, sector)
        n = np.diff(starts, append=len(group)).astype(np.float64)
        t = np.add.reduceat(rate, starts) if len(starts) else rate
        held = group[starts]
        clusters = Clusters(
            _rows(held, tally),
            sectors.count,
            _sums(held, tally, n * n),
            _sums(held, tally, n * t),
            _sums(held, tally, t * t),
        )
    return Spread(places, total, _sums(group, tally, rate * rate), clusters)


def count_occasions(tally: Tally) -> Ints:
    """Give how many occasions each group has."""
    return _rows(tally.occasions.keys[0], tally)


def medians(tally: Tally, metric: str) -> Floats:
    """
    Give the median of a metric in each group where it was measured.

    It is the geometric middle of the bin that holds the lower median: within 0.5 % of it.
    """
    return _Readings.of(tally, metric).at(0.5)


def estimates(tally: Tally, metric: str, confidence: float) -> Estimates:
    """
    Give what a metric comes to in each group, by readings and by places.

    The median's interval takes each place for one value, as order statistics do: readings of one
    place are much the same.
    """
    count, total = (tally.occasions.values.get(f"{metric}_{part}") for part in ("n", "sum"))
    nothing = np.full(len(tally), np.nan)
    if count is None:
        none = np.zeros(len(tally), dtype=np.int64)
        return Estimates(none, nothing, nothing, nothing, nothing, nothing)
    rows = np.flatnonzero(count)
    group, place = (column[rows] for column in tally.occasions.keys[:2])
    count = count[rows]
    total = np.zeros(len(rows), dtype=np.int64) if total is None else total[rows]
    starts = _changes(group, place)
    means = _means(total / (count * PER_UNIT), starts)
    with np.errstate(invalid="ignore"):
        crowd = _sums(group, tally, total) / (_sums(group, tally, count) * PER_UNIT)
        group = group[starts]
        places = _rows(group, tally)
        equal_place = _sums(group, tally, means) / places
    readings = _Readings.of(tally, metric)
    low, high = (readings.at(share) for share in _ranks(places, confidence))
    return Estimates(places, crowd, equal_place, readings.at(0.5), low, high)


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


def _changes(*columns: npt.NDArray[np.integer]) -> Ints:
    """Give the rows at which one of the columns is another than in the row before."""
    opens: Flags = np.ones(len(columns[0]), dtype=np.bool_)
    if len(opens):
        opens[1:] = False
        for column in columns:
            opens[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(opens)


def _means(values: Floats, starts: Ints) -> Floats:
    """Give the mean of each run of values."""
    if not len(starts):
        return values
    return np.asarray(np.add.reduceat(values, starts) / np.diff(starts, append=len(values)))


def _rows(group: Whole, tally: Tally) -> Ints:
    """Give how many rows each group has."""
    return np.bincount(group, minlength=len(tally))


def _sums(group: Whole, tally: Tally, values: npt.NDArray[Any]) -> Floats:
    """Give the sum of the values that each group has."""
    return np.bincount(group, values, minlength=len(tally)).astype(np.float64)
