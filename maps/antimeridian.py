"""
Areas on both sides of the antimeridian, as one country: its far west goes on east of 180 degrees.

A map of Fiji or of Chukotka would otherwise span the world. The cut is made in the widest stretch
of longitude that holds no area; what lies west of it is moved by 360 degrees, part by part, so an
area whose halves were cut apart at 180 degrees has them beside each other again.
"""

import numpy as np
import shapely
from numpy.typing import NDArray

Geometries = NDArray[np.object_]
HALF, ROUND = 180.0, 360.0


def go_on_east(geometry: Geometries) -> Geometries:
    """Give areas so that together they span as little as they can."""
    bounds = shapely.bounds(geometry)
    if bounds[:, 2].max() - bounds[:, 0].min() <= HALF:
        return geometry
    parts, owner = shapely.get_parts(geometry, return_index=True)
    spans = shapely.bounds(parts)[:, [0, 2]]
    cut = _widest_gap(spans)
    moved = spans[:, 0] < cut
    if not moved.any():
        return geometry
    parts[moved] = shapely.transform(parts[moved], lambda xy: xy + np.array([ROUND, 0.0]))
    ends = np.flatnonzero(np.diff(owner)) + 1
    joined = np.empty(len(geometry), dtype=object)
    for index, own in zip(owner[np.concatenate([[0], ends])], np.split(parts, ends), strict=True):
        joined[index] = own[0] if len(own) == 1 else shapely.multipolygons(own)
    return joined


def _widest_gap(spans: NDArray[np.float64]) -> float:
    """Give where the widest gap ends, in degrees; the gap over 180 is at the far west."""
    order = np.argsort(spans[:, 0])
    west, east = spans[order, 0], np.maximum.accumulate(spans[order, 1])
    around = west[0] + ROUND - east[-1]
    gaps = west[1:] - east[:-1]
    if not gaps.size or gaps.max() <= around:
        return float(west[0])
    return float(west[1:][gaps.argmax()])
