"""
Vietnam's communes where nobody has loaded their boundaries: approximate cells.

The installed package ``vietnamadminunits`` (MIT) carries the official codes and names of the 34
provinces and 3,321 communes in force since 1 July 2025, with a centre point and an area each,
and no boundary. A commune's cell here is the part of the plane that lies nearer to its centre
than to any other (Voronoi), within a disc of `REACH` times the radius that its area would have
as a circle. It is a guess at a shape, and everything made from it says "approximate".

`REACH` was chosen against surveyed boundaries: at 1.6, of 40,641 random points on land, 72 % fall
in the cell of their own commune, 26 % in a neighbour's and 2 % in none, and 8 % as much area again
lies over the sea or across the border (at 1.3: 71, 22, 7 and 4 %; at 2: 72, 27, 1 and 13 %). Four
communes without a published area take the median one.

The package's own database is read; importing the package would load all of pandas and its tables.
"""

import sqlite3
from importlib import resources

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer

from ..data.errors import BoundaryError
from .boundaries import in_crs
from .boundary_rows import BoundarySet, make_set

VINTAGE = "2025-07-01"
SOURCE = "vietnamadminunits"
PROVINCES = 34
COMMUNES = 3_321
REACH = 1.6
LEVELS = ("commune", "province")

_EQUAL_AREA = "+proj=laea +lat_0=16 +lon_0=107 +datum=WGS84 +units=m"
_CIRCLE_SEGMENTS = 8


def vietnam_communes() -> gpd.GeoDataFrame:
    """
    Give the 3,321 communes as approximate cells, by code.

    Columns ``code, name, level ("commune"), parent_code, parent_name, area_km2, geometry``;
    EPSG:4326. `area_km2` is the published one, missing where none is published.

    Raises
    ------
    BoundaryError
        If the package is missing or its tables are not the 34 provinces and 3,321 communes.
    """
    table = _read_table()
    to_plane = Transformer.from_crs("EPSG:4326", _EQUAL_AREA, always_xy=True)
    x, y = to_plane.transform(table["lon"].to_numpy(), table["lat"].to_numpy())
    centres = shapely.points(x, y)
    typical_km2 = table["area_km2"].median()
    radii_m = np.sqrt(table["area_km2"].fillna(typical_km2) * 1e6 / np.pi)
    discs = shapely.buffer(centres, REACH * radii_m.to_numpy(), quad_segs=_CIRCLE_SEGMENTS)
    extent = shapely.box(*shapely.total_bounds(discs))
    cells = shapely.voronoi_polygons(shapely.multipoints(centres), extend_to=extent, ordered=True)
    shapes = shapely.intersection(shapely.get_parts(cells), discs)
    to_globe = Transformer.from_crs(_EQUAL_AREA, "EPSG:4326", always_xy=True)
    shapes = in_crs(shapes, to_globe)
    frame = gpd.GeoDataFrame(table.drop(columns=["lon", "lat"]), geometry=shapes, crs="EPSG:4326")
    frame.insert(2, "level", "commune")
    return frame


def vietnam_provinces(communes: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Give the 34 provinces as the union of their communes' cells, in the same columns."""
    groups = communes.groupby("parent_code", sort=True)
    return gpd.GeoDataFrame(
        {
            "code": list(groups.groups),
            "name": groups["parent_name"].first().to_numpy(),
            "level": "province",
            "parent_code": None,
            "parent_name": None,
            "area_km2": groups["area_km2"].sum().to_numpy(),
        },
        geometry=[shapely.union_all(shapes.to_numpy()) for _, shapes in groups.geometry],
        crs=communes.crs,
    )


def approximate_set() -> BoundarySet:
    """Give communes and provinces as a set of boundaries that is marked approximate."""
    communes = vietnam_communes()
    both = pd.concat([communes, vietnam_provinces(communes)], ignore_index=True)
    return make_set(
        gpd.GeoDataFrame(both.drop(columns="area_km2"), crs=communes.crs),
        name="Việt Nam 2025",
        source=SOURCE,
        vintage=VINTAGE,
        approximate=True,
        report={"format": SOURCE, "reach": REACH, "layers": []},
    )


def _read_table() -> pd.DataFrame:
    try:
        packaged = resources.files(SOURCE).joinpath("data", "dataset.db")
    except ModuleNotFoundError as error:
        raise BoundaryError(
            "the package {name} with Vietnam's communes is not installed;"
            " install phusong[analysis] or load a file of boundaries",
            name=SOURCE,
        ) from error
    with resources.as_file(packaged) as path:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            table = pd.read_sql_query(
                "SELECT wardCode AS code, ward AS name, provinceCode AS parent_code,"
                " province AS parent_name, nullif(wardAreaKm2, 0.0) AS area_km2,"
                " wardLon AS lon, wardLat AS lat FROM admin_units ORDER BY wardCode",
                connection,
            )
        finally:
            connection.close()
    seen = (table["parent_code"].nunique(), table["code"].nunique(), len(table))
    if seen != (PROVINCES, COMMUNES, COMMUNES):
        raise BoundaryError(
            "{name} has {provinces} provinces and {communes} communes, not 34 and 3,321;"
            " install the version that phusong was built for, or load a file of boundaries",
            name=SOURCE,
            provinces=seen[0],
            communes=seen[1],
        )
    return table
