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
    """The H3 resolution of each area's sectors, and how many of them meet the area."""

    resolution: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]

    def __getitem__(self, rows: npt.NDArray[np.integer]) -> "Sectors":
        return Sectors(self.resolution[rows], self.count[rows])


def sectors_of(area_km2: npt.ArrayLike, place_resolution: int) -> Sectors:
    """Cut areas of some sizes into sectors."""
    sizes = np.asarray(area_km2, dtype=np.float64)
    cells = np.array([_cell_km2(r) for r in range(_COARSEST, place_resolution + 1)])
    # Cells shrink from one resolution to the next: as many steps as are still too coarse.
    steps = (sizes[..., None] < FEWEST * cells[:-1]).sum(axis=-1)
    cell = cells[steps]
    side = np.sqrt(2 * cell / (3 * math.sqrt(3)))
    border = 2 * np.sqrt(math.pi * sizes) * 6 * side / (2 * math.pi * cell)
    count = np.ceil(sizes / cell + 1 + border).astype(np.int64)
    return Sectors(np.asarray(_COARSEST + steps), count)


def areas_km2(shapes: npt.NDArray[np.object_]) -> npt.NDArray[np.float64]:
    """Give the size of shapes in EPSG:4326, on a sphere, good to a few per cent."""
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
