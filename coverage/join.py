"""
Which area a sample was taken in: exactly one, or none.

The predicate is the exact one: a point belongs to an area whose closed polygon it meets. On a
shared border, or where areas overlap, several do, and the lowest code wins, once. (`within`
would put a point on a border in no area, `intersects` in each of them.) In a gap between areas
or beyond all of them a point is outside, and is counted as that. `cells.py` is how that is found
fast; its answer is the predicate's for every point.
"""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd

from ..data.errors import BoundaryError
from .cell_builder import build_index
from .cell_file import load_index, save_index
from .cells import CellIndex

OUTSIDE = -1


@dataclass(frozen=True, slots=True)
class AreaIndex:
    """Areas ready to be joined to: cells by rank, and the row of each rank in the frame."""

    cells: CellIndex
    rows: npt.NDArray[np.int64]

    @property
    def km2(self) -> npt.NDArray[np.float64]:
        """The size of the area in each row."""
        sizes = np.empty(len(self.rows))
        sizes[self.rows] = self.cells.outlines.km2
        return sizes

    def locate(
        self, lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.int64]:
        """Give each point the row position of its area; `OUTSIDE` in none."""
        return np.asarray(np.append(self.rows, OUTSIDE)[self.cells.locate(lon, lat)])


def index_areas(areas: gpd.GeoDataFrame, *, kept: Path | None = None, key: str = "") -> AreaIndex:
    """
    Make areas ready to be joined to: columns ``code, geometry``, EPSG:4326.

    Parameters
    ----------
    kept
        A file that holds the index from before, or will hold it. One that was made for another
        `key` or by another version, or that is damaged, is made anew.
    key
        What names the content of the areas.

    Raises
    ------
    BoundaryError
        If the areas have no CRS or another one.
    """
    if areas.crs is None or areas.crs.to_epsg() != 4326:
        raise BoundaryError("areas to join must be in EPSG:4326, these are in {crs}", crs=areas.crs)
    codes = areas["code"]
    if kept and (found := kept_index(codes, kept, key)):
        return found
    rows = by_code(codes)
    cells = build_index(areas.geometry.to_numpy()[rows])
    if kept:
        save_index(kept, key, cells)
    return AreaIndex(cells, rows)


def kept_index(codes: pd.Series, kept: Path, key: str) -> AreaIndex | None:
    """Give the index that a file holds for areas with some codes; None where it has to be made."""
    cells = load_index(kept, key)
    return None if cells is None else AreaIndex(cells, by_code(codes))


def by_code(codes: pd.Series) -> npt.NDArray[np.int64]:
    """Give the rows of codes in their order as texts."""
    return np.argsort(codes.to_numpy(dtype=str), kind="stable")


def join_points(
    lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64], areas: gpd.GeoDataFrame
) -> npt.NDArray[np.int64]:
    """
    Give each point the row position of its area in `areas`; `OUTSIDE` in none.

    Points are degrees in EPSG:4326; one without a position (NaN) is outside. Who joins more than
    once keeps what `index_areas` gives.
    """
    return index_areas(areas).locate(lon, lat)
