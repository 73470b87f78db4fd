"""
How sure a share is: intervals whose formulas can be looked up.

Wilson: E. B. Wilson, JASA 22 (1927) 209, the score interval. Clopper-Pearson: Biometrika 26
(1934) 404, the exact one. Samples come in clusters: forty from one parked car are not forty
answers, and neighbouring places share their masts and dead zones. So the variance of the share is
that of the mean of place rates, or that between sectors where it is larger (a sector is a cluster
of places, and the share a ratio of two sums over clusters: Cochran, Sampling Techniques, 1977,
section 6.3), and the effective number of places is the one with which a simple random sample
would have that variance (Kish, Survey Sampling, 1965, section 8.2: the design effect).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

# A number, or a number for each of some areas.
Number = Any


@dataclass(frozen=True, slots=True)
class Clusters:
    """
    How places lie in sectors: the sums that the variance between sectors needs.

    `visited` sectors with a place, of `count` that the area has. With n places and a sum t of
    rates in each: `nn` the sum of n squared, `nt` of n times t, `tt` of t squared.
    """

    visited: Number
    count: Number
    nn: Number
    nt: Number
    tt: Number

    def with_passing(self, more: Number, places: Number, total: Number) -> "Clusters":
        """The same with further places, spread evenly over all sectors, that all pass."""
        each = more / self.count
        own = np.maximum(more, more * each)
        return Clusters(
            np.minimum(self.count, self.visited + more),
            self.count,
            self.nn + 2 * each * places + own,
            self.nt + each * (places + total) + own,
            self.tt + 2 * each * total + own,
        )

    def scaled_by(self, factor: Number) -> "Clusters":
        """The same over more places: in further sectors first, then in fuller ones."""
        visited = np.minimum(self.count, self.visited * factor)
        fuller = factor * factor * self.visited / np.maximum(visited, 1.0)
        return Clusters(visited, self.count, self.nn * fuller, self.nt * fuller, self.tt * fuller)

    def __getitem__(self, rows: npt.NDArray[Any]) -> "Clusters":
        return Clusters(*(getattr(self, each.name)[rows] for each in fields(self)))


@dataclass(frozen=True, slots=True)
class Spread:
    """
    Rates of places, as the sums that their mean and variance need; of one area, or of many.

    `places` their number, `total` the sum of their rates, `squares` the sum of squared rates.
    Without `clusters` every place stands for itself. An area without a place has no share: NaN.
    """

    places: Number
    total: Number
    squares: Number
    clusters: Clusters | None = None

    @property
    def share(self) -> Number:
        """The mean over places: every place counts equally, however often it was driven."""
        with np.errstate(invalid="ignore"):
            return np.clip(np.divide(self.total, self.places), 0.0, 1.0)

    @property
    def variance(self) -> Number:
        """The design-based variance of the mean: between places or sectors, what is larger."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.divide(self.total, self.places)
            around_mean = np.maximum(
                0.0, self.squares - np.divide(self.total * self.total, self.places)
            )
            between_places = np.divide(around_mean, self.places - 1) / self.places
            variance = np.maximum(between_places, self._between_sectors(mean))
        return np.where(np.less(self.places, 2), 0.0, variance)

    def _between_sectors(self, p: Number) -> Number:
        if self.clusters is None:
            return 0.0
        held = self.clusters
        apart = np.maximum(0.0, held.tt - 2 * p * held.nt + p * p * held.nn)
        known = np.divide(apart * held.visited, held.visited - 1.0) / np.square(self.places)
        return np.where(np.less(held.visited, 2), p * (1 - p), known)

    def with_passing(self, more: Number) -> "Spread":
        """The same with so many further places at which everything passes."""
        clusters = self.clusters
        if clusters is not None:
            clusters = clusters.with_passing(more, self.places, self.total)
        return Spread(self.places + more, self.total + more, self.squares + more, clusters)

    def scaled_to(self, places: Number) -> "Spread":
        """The same share and spread between places over another number of places."""
        factor = places / self.places
        clusters = None if self.clusters is None else self.clusters.scaled_by(factor)
        return Spread(places, self.total * factor, self.squares * factor, clusters)

    def __getitem__(self, rows: npt.NDArray[Any]) -> "Spread":
        clusters = None if self.clusters is None else self.clusters[rows]
        return Spread(self.places[rows], self.total[rows], self.squares[rows], clusters)


@cache
def quantile(confidence: float) -> float:
    """Give z of a two-sided interval: 1.959964 for 0.95."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def effective_places(spread: Spread) -> Number:
    """
    Give how many independent places the rates are worth: p(1-p)/variance.

    At least 1 and at most the number of places; all of them where the share is 0 or 1.
    """
    p, variance = spread.share, spread.variance
    all_alike = (p == 0.0) | (p == 1.0) | (variance == 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        worth = np.minimum(spread.places, np.maximum(1.0, np.divide(p * (1 - p), variance)))
    worth = np.where(all_alike, spread.places, worth)
    return np.where(np.less(spread.places, 2), 1.0, worth)


def wilson(p: Number, n: Number, confidence: float) -> tuple[Number, Number]:
    """Give the score interval of a share `p` seen over `n` (which may be an effective size)."""
    z = quantile(confidence)
    zz = z * z
    centre = (p + zz / (2 * n)) / (1 + zz / n)
    half = z / (1 + zz / n) * np.sqrt(p * (1 - p) / n + zz / (4 * n * n))
    return np.maximum(0.0, centre - half), np.minimum(1.0, centre + half)


def clopper_pearson(p: Number, n: Number, confidence: float) -> tuple[Number, Number]:
    """
    Give the exact binomial interval of a share `p` seen over `n`.

    An effective size need not be whole: the two binomial tails are written as incomplete beta
    functions, which pass through the whole numbers (Korn and Graubard, Survey Methodology 24
    (1998) 193).
    """
    tail, seen = (1 - confidence) / 2, p * n
    low = special.betaincinv(np.maximum(seen, 1e-300), n - seen + 1, tail)
    high = special.betaincinv(seen + 1, np.maximum(n - seen, 1e-300), 1 - tail)
    # The last index makes a number of an array without dimensions.
    low = np.where(np.less_equal(p, 0), 0.0, low)[()]
    return low, np.where(np.greater_equal(p, 1), 1.0, high)[()]


INTERVALS: dict[str, Callable[[Number, Number, float], tuple[Number, Number]]] = {
    "wilson": wilson,
    "clopper-pearson": clopper_pearson,
}


@cache
def order_statistics(n: int, confidence: float) -> tuple[int, int] | None:
    """
    Give the ranks, from 1, of the two of n values between which the median lies.

    Each tail is a binomial one of a half (Conover, Practical Nonparametric Statistics, 1999,
    section 3.2). None where n is too small: fewer than six at 95 %.
    """
    tail = (1 - confidence) / 2
    # The normal approximation is within one of it; from a little below, the exact tail decides.
    rank = max(0, math.floor((n - quantile(confidence) * math.sqrt(n)) / 2) - 2)
    # Fewer than `rank` of n below the median: I_1/2(n - rank + 1, rank).
    while 2 * rank < n and special.betainc(n - rank, rank + 1, 0.5) <= tail:
        rank += 1
    return (rank, n + 1 - rank) if rank else None
