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
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Clusters:
    """
    How places lie in sectors: the sums that the variance between sectors needs.

    `visited` sectors with a place, of `count` that the area has. With n places and a sum t of
    rates in each: `nn` the sum of n squared, `nt` of n times t, `tt` of t squared.
    """

    visited: float
    count: float
    nn: float
    nt: float
    tt: float

    def with_passing(self, more: int, places: int, total: float) -> "Clusters":
        """The same with further places, spread evenly over all sectors, that all pass."""
        each = more / self.count
        own = max(more, more * each)
        return Clusters(
            min(self.count, self.visited + more),
            self.count,
            self.nn + 2 * each * places + own,
            self.nt + each * (places + total) + own,
            self.tt + 2 * each * total + own,
        )

    def scaled_by(self, factor: float) -> "Clusters":
        """The same over more places: in further sectors first, then in fuller ones."""
        visited = min(self.count, self.visited * factor)
        fuller = factor * factor * self.visited / max(visited, 1.0)
        return Clusters(visited, self.count, self.nn * fuller, self.nt * fuller, self.tt * fuller)


@dataclass(frozen=True, slots=True)
class Spread:
    """
    Rates of places, as the sums that their mean and variance need.

    `places` their number, `total` the sum of their rates, `squares` the sum of squared rates.
    Without `clusters` every place stands for itself.
    """

    places: int
    total: float
    squares: float
    clusters: Clusters | None = None

    @property
    def share(self) -> float:
        """The mean over places: every place counts equally, however often it was driven."""
        return min(1.0, max(0.0, self.total / self.places))

    @property
    def variance(self) -> float:
        """The design-based variance of the mean: between places or sectors, what is larger."""
        if self.places < 2:
            return 0.0
        around_mean = max(0.0, self.squares - self.total * self.total / self.places)
        return max(around_mean / (self.places - 1) / self.places, self._between_sectors())

    def _between_sectors(self) -> float:
        if self.clusters is None:
            return 0.0
        p, held = self.total / self.places, self.clusters
        apart = max(0.0, held.tt - 2 * p * held.nt + p * p * held.nn)
        if held.visited < 2:
            return p * (1 - p)
        return apart * held.visited / (held.visited - 1) / self.places**2

    def with_passing(self, more: int) -> "Spread":
        """The same with so many further places at which everything passes."""
        clusters = self.clusters
        if clusters is not None:
            clusters = clusters.with_passing(more, self.places, self.total)
        return Spread(self.places + more, self.total + more, self.squares + more, clusters)

    def scaled_to(self, places: int) -> "Spread":
        """The same share and spread between places over another number of places."""
        factor = places / self.places
        clusters = None if self.clusters is None else self.clusters.scaled_by(factor)
        return Spread(places, self.total * factor, self.squares * factor, clusters)


@cache
def quantile(confidence: float) -> float:
    """Give z of a two-sided interval: 1.959964 for 0.95."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def effective_places(spread: Spread) -> float:
    """
    Give how many independent places the rates are worth: p(1-p)/variance.

    At least 1 and at most the number of places; all of them where the share is 0 or 1.
    """
    p = spread.share
    if spread.places < 2:
        return 1.0
    if p in (0.0, 1.0) or spread.variance == 0.0:
        return float(spread.places)
    return min(float(spread.places), max(1.0, p * (1 - p) / spread.variance))


def wilson(p: float, n: float, confidence: float) -> tuple[float, float]:
    """Give the score interval of a share `p` seen over `n` (which may be an effective size)."""
    z = quantile(confidence)
    zz = z * z
    centre = (p + zz / (2 * n)) / (1 + zz / n)
    half = z / (1 + zz / n) * math.sqrt(p * (1 - p) / n + zz / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def clopper_pearson(p: float, n: float, confidence: float) -> tuple[float, float]:
    """
    Give the exact binomial interval of a share `p` seen over `n`.

    An effective size need not be whole: the two binomial tails are written as incomplete beta
    functions, which pass through the whole numbers (Korn and Graubard, Survey Methodology 24
    (1998) 193).
    """
    tail, seen = (1 - confidence) / 2, p * n
    low = 0.0 if p <= 0 else _solve(lambda x: incomplete_beta(seen, n - seen + 1, x) - tail)
    high = 1.0 if p >= 1 else _solve(lambda x: incomplete_beta(seen + 1, n - seen, x) - 1 + tail)
    return low, high


INTERVALS: dict[str, Callable[[float, float, float], tuple[float, float]]] = {
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
    while 2 * rank < n and incomplete_beta(n - rank, rank + 1, 0.5) <= tail:
        rank += 1
    return (rank, n + 1 - rank) if rank else None


def incomplete_beta(a: float, b: float, x: float) -> float:
    """
    Give the regularised incomplete beta function I_x(a, b).

    By its continued fraction (Abramowitz and Stegun, 26.5.8), evaluated from the front by
    Lentz's method, on the side of the mean where it converges fast.
    """
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    above, below = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = below
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            below = 1 / _away_from_zero(1 + term * below)
            above = _away_from_zero(1 + term / above)
            value *= above * below
        if abs(above * below - 1) < 1e-14:
            break
    return math.exp(log_front) * value / a


def _away_from_zero(value: float) -> float:
    return value if abs(value) > 1e-300 else 1e-300


def _solve(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
