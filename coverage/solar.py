"""
Mean solar time: what the clock says where civil time is not known.

Civil time needs a table of zones that changes. By the sun, midnight at a longitude is within an
hour or so of the clock's almost everywhere, and the same for everybody who works it out. Parts of
a second are left out: exported samples have none.
"""

import numpy as np

from .frame import Floats, Ints

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US
_DEGREE_US = DAY_US // 360


def solar_us(started_us: Ints, lon: Floats) -> Ints:
    """Give times as microseconds by the sun at their longitudes, which must all be known."""
    ahead_us = np.rint(lon * _DEGREE_US).astype(np.int64)
    return np.asarray(started_us - started_us % SECOND_US + ahead_us)
