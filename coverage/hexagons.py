"""
H3 cells: areas where nobody has drawn boundaries, and places everywhere.

A cell is a hexagon (twelve a resolution are pentagons) of the H3 grid; `h3` gives its corners
as latitude, longitude, and everything of ours is longitude first.
"""

from collections.abc import Iterable
from itertools import repeat

import geopandas as gpd
import h3
import numpy as np
import numpy.typing as npt
import shapely

from ..data.errors import BoundaryError

_DIGITS = 16


def cells_of(
    lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64], resolution: int
) -> npt.NDArray[np.uint64]:
    """Give the H3 cell of each point as its 64-bit number; 0 where there is no position."""
    cells = np.zeros(len(lon), dtype=np.uint64)
    placed = np.flatnonzero(~np.isnan(lon))
    found = map(
        h3.api.numpy_int.latlng_to_cell,
        lat[placed].tolist(),
        lon[placed].tolist(),
        repeat(resolution),
    )
    cells[placed] = np.fromiter(found, dtype=np.uint64, count=len(placed))
    return cells


def cell_names(cells: Iterable[int]) -> list[str]:
    """Give the usual names (``8841...ffff``) of cells given as numbers."""
    return [h3.int_to_str(int(cell)) for cell in cells]


def hexagon_frame(cells: Iterable[str]) -> gpd.GeoDataFrame:
    """
    Give H3 cells as polygons: columns ``code, geometry``, EPSG:4326, in the order given.

    A cell across the antimeridian becomes a multipolygon with a part on either side of it.

    Raises
    ------
    BoundaryError
        If a name is none of H3's.
    """
    codes = list(cells)
    for code in codes:
        # Asked about more digits than a cell has, h3 itself overflows.
        if len(code) > _DIGITS or not h3.is_valid_cell(code):
            raise BoundaryError(
                "{code} is not a cell of H3: the result that names it is damaged; judge again with:"
                " phusong coverage compute",
                code=repr(code[:40]),
            )
    shapes = [_outline(code) for code in codes]
    return gpd.GeoDataFrame({"code": codes}, geometry=shapes, crs="EPSG:4326")


def _outline(code: str) -> shapely.Geometry:
    corners = [(lon, lat) for lat, lon in h3.cell_to_boundary(code)]
    longitudes = [lon for lon, _ in corners]
    if max(longitudes) - min(longitudes) <= 180:
        return shapely.Polygon(corners)
    unrolled = shapely.Polygon([(lon + 360 if lon < 0 else lon, lat) for lon, lat in corners])
    west = shapely.intersection(unrolled, shapely.box(0, -90, 180, 90))
    east = shapely.intersection(unrolled, shapely.box(180, -90, 540, 90))
    moved = shapely.transform(east, lambda points: points - [360, 0])
    return shapely.union_all([west, moved])
