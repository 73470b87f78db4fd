"""
Means with intervals: what places that were chosen anew would say.

A mean over places equally and a mean over all readings are both a ratio of two sums over places: of
places' means to places, of readings to their number. With a sum t and a size x in each of k
clusters, X all sizes, R the ratio and e = t - R x, the ratio without one cluster is
R - e / (X - x), and its variance (k - 1) / k * sum((e / (X - x)) squared): the jackknife that
leaves out a cluster at a time (Wolter, Introduction to Variance Estimation, 2007, chapter 4). For
clusters of one size it is the variance of the share (`interval.py`); where one place has most of
the readings, that one would be far too small. As for the share it is taken between places and
between sectors, and the larger counts.

The interval is Student's, with one degree of freedom fewer than there are clusters, sectors where
an area has some (Korn and Graubard, The American Statistician 44 (1990) 270): of a share the
variance follows from the share, of a mean it is an estimate, and from few sectors a poor one. No
speed is below nought. Where the places are too few or too close together for a verdict there is no
interval either, nor on a single sector.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from .frame import Floats
from .places import Places, sums_of
from .rules import Rule
from .verdict import far_enough


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean in each group, with its interval; NaN where there is none."""

    value: Floats
    low: Floats
    high: Floats


def mean_over(places: Places, size: npt.NDArray[Any], total: npt.NDArray[Any], rule: Rule) -> Mean:
    """
    Give the mean of each group, with its interval.

    Each place has a `size` in it, one or its number of readings, and the `total` that it adds.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = places.total(size)
        value = places.total(total) / whole
        clusters, held, visited = places.count, places.sectors, places.visited
        # There may be ten million places: columns are worked on where they stand.
        residual = value[places.group]
        residual *= size
        np.subtract(total, residual, out=residual)
        moved = whole[places.group]
        moved -= size
        np.divide(residual, moved, out=moved)
        moved *= moved
        variance = (clusters - 1) / clusters * places.total(moved)
        if held is not None and visited is not None:
            clusters = visited
            moved = held.of_sectors(residual) / (whole[held.group] - held.of_sectors(size))
            squares = sums_of(held.group, places.groups, moved * moved)
            variance = np.maximum(variance, (clusters - 1) / clusters * squares)
        half = special.stdtrit(clusters - 1, (1 + rule.confidence) / 2) * np.sqrt(variance)
    sectors = None if held is None else held.count
    enough = far_enough(places.count, visited, sectors, rule) & (clusters > 1)
    half = np.where(enough, half, np.nan)
    return Mean(value, np.maximum(0.0, value - half), value + half)
