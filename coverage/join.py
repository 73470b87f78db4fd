"""
Which area a sample was taken in: exactly one, or none.

The predicate is the exact one: a point belongs to an area whose closed polygon it meets. On a
shared border, or where areas overlap, several do, and the lowest code wins, once. (`within`
would put a point on a border in no area, `intersects` in each of them.) In a gap between areas
or beyond all of them a point is outside, and is counted as that.
"""

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely

from ..data.errors import BoundaryError

OUTSIDE = -1


def join_points(
    lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64], areas: gpd.GeoDataFrame
) -> npt.NDArray[np.int64]:
    """
    Give each point the row position of its area in `areas`; `OUTSIDE` in none.

    Points are degrees in EPSG:4326; one without a position (NaN) is outside.

    Raises
    ------
    BoundaryError
        If the areas have no CRS or another one.
    """
    if areas.crs is None or areas.crs.to_epsg() != 4326:
        raise BoundaryError("areas to join must be in EPSG:4326, these are in {crs}", crs=areas.crs)
    found = np.full(len(lon), OUTSIDE, dtype=np.int64)
    placed = np.flatnonzero(~(np.isnan(lon) | np.isnan(lat)))
    if not len(placed) or not len(areas):
        return found
    shapes = areas.geometry.to_numpy()
    shapely.prepare(shapes)
    tree = shapely.STRtree(shapes)
    order = np.argsort(areas["code"].to_numpy(dtype=str), kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    points = shapely.points(lon[placed], lat[placed])
    which, area = tree.query(points, predicate="intersects")
    lowest = np.full(len(placed), len(areas), dtype=np.int64)
    np.minimum.at(lowest, which, rank[area])
    hit = lowest < len(areas)
    found[placed[hit]] = order[lowest[hit]]
    return found
