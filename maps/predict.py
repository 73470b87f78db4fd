"""
What the numbers of a row lead one to expect, so that a page keeps only how they differ from it.

An interval follows from a share and a number of places, up to rounding and the rule's own method;
the samples follow from the places, up to how many there were at each. The page's script
(`predict.js`) expects the same numbers: both use sums, products, quotients and square roots only,
in the same order, which every machine rounds alike.
"""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

# What floating point may lose before a number is rounded down or up.
_SLACK = 1e-6


def times(numbers: Numbers, factor: float) -> Numbers:
    """Give numbers in proportion to others."""
    return np.floor(numbers * factor + 0.5)


def left(numbers: Numbers, needed: float) -> Numbers:
    """Give how many are left of a number that is needed."""
    return np.maximum(0.0, needed - numbers)


def share_of(passed: Numbers, tried: Numbers, steps: float) -> Numbers:
    """Give a share in whole steps, rounded down."""
    return np.floor(passed / np.maximum(1.0, tried) * steps + _SLACK)


def exact_share(share: Numbers, passed: Numbers, tried: Numbers, steps: float) -> Numbers:
    """Give the share that a rounded one stands for: the attempts' own where the two agree."""
    agree = share == share_of(passed, tried, steps)
    return np.where(agree, passed / np.maximum(1.0, tried), share / steps)


def low_of(share: Numbers, places: Numbers, z: float, steps: float) -> Numbers:
    """Give the lower end of Wilson's interval in whole steps, rounded down."""
    centre, half = _wilson(share, np.maximum(1.0, places), z)
    return np.floor(np.maximum(0.0, centre - half) * steps + _SLACK)


def high_of(share: Numbers, low: Numbers, places: Numbers, z: float, steps: float) -> Numbers:
    """
    Give the upper end that belongs to a lower one, in whole steps, rounded up.

    Where the lower end is not Wilson's for all places, it tells how many places it is worth.
    """
    within = (low + 0.5) / steps
    apart = share - within
    worth = z * z * (within * (1 - within)) / np.where(apart > 0, apart * apart, 1.0)
    known = (low == low_of(share, places, z, steps)) | (apart <= 0)
    n = np.maximum(1.0, np.where(known, places, np.minimum(places, worth)))
    centre, half = _wilson(share, n, z)
    return np.ceil(np.minimum(1.0, centre + half) * steps - _SLACK)


def _wilson(share: Numbers, n: Numbers, z: float) -> tuple[Numbers, Numbers]:
    zz = z * z
    under = 1 + zz / n
    # A share just above 1 comes of rounding only.
    spread = np.maximum(0.0, share * (1 - share)) / n + zz / (4 * n * n)
    return (share + zz / (2 * n)) / under, z / under * np.sqrt(spread)
