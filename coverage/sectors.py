"""
Sectors: an area cut into some dozens of H3 cells, to see how far a campaign reaches over it.

Neighbouring places share hills, masts and dead zones, so forty places along one road say less
than forty all over the area, and a campaign in one corner says nothing about the others. A sector
is an H3 cell of the coarsest resolution of which the area would hold `FEWEST` or more: 12 to 84
of them, whatever the area's size, but never finer than a place. Sectors are the clusters of the
interval, and a verdict needs places in a part of them (`verdict.REACH`).

How many sectors meet an area is not counted but expected: a cell of area a and perimeter q that
lies at random meets a convex area A of perimeter P in A/a + 1 + Pq/(2 pi a) cells (Santaló,
Integral Geometry and Geometric Probability, 1976, section I.6.3). P is taken as a circle's.
"""

import math
from dataclasses import dataclass
from functools import cache

import geopandas as gpd
import h3
import numpy as np
import numpy.typing as npt
import shapely

FEWEST = 12
_COARSEST = 2
_KM_PER_DEGREE = 111.195
_DIGIT_BITS = 3
_FINEST = 15


@dataclass(frozen=True, slots=True)
class Sectors:
    """The H3 resolution of an area's sectors, and how many of them meet the area."""

    resolution: int
    count: int


def sectors_of(area_km2: float, place_resolution: int) -> Sectors:
    """Cut an area of a size into sectors."""
    resolution = _COARSEST
    while resolution < place_resolution and area_km2 < FEWEST * _cell_km2(resolution):
        resolution += 1
    cell = _cell_km2(resolution)
    side = math.sqrt(2 * cell / (3 * math.sqrt(3)))
    border = 2 * math.sqrt(math.pi * area_km2) * 6 * side / (2 * math.pi * cell)
    return Sectors(resolution, math.ceil(area_km2 / cell + 1 + border))


def areas_km2(frame: gpd.GeoDataFrame) -> npt.NDArray[np.float64]:
    """Give the size of each area of a frame in EPSG:4326, on a sphere, good to a few per cent."""
    shapes = frame.geometry.to_numpy()
    middle = shapely.bounds(shapes)[:, [1, 3]].mean(axis=1)
    square_degrees: npt.NDArray[np.float64] = shapely.area(shapes)
    return np.asarray(square_degrees * np.cos(np.radians(middle)) * _KM_PER_DEGREE**2)


def parents(
    cells: npt.NDArray[np.uint64], resolutions: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint64]:
    """
    Give the coarser cell around each H3 cell, at the resolution that stands beside it.

    A cell's number holds its resolution in bits 52 to 55 and three bits a step below, all set
    where no step is taken (H3's documentation, "Bit layout of H3Index").
    """
    unused = np.uint64(_DIGIT_BITS) * (np.uint64(_FINEST) - resolutions)
    digits = (np.uint64(1) << unused) - np.uint64(1)
    without = cells & ~(np.uint64(_FINEST) << np.uint64(52))
    return np.asarray(without | (resolutions << np.uint64(52)) | digits)


@cache
def _cell_km2(resolution: int) -> float:
    return float(h3.average_hexagon_area(resolution, unit="km^2"))
