"""
Areas as a page carries them: borders once, simplified, in whole steps of 1e-5 degrees (about 1 m).

Every area that goes in comes out. Borders are cut into arcs before they are simplified
(`arcs.py`), so no gap opens between neighbours that share a border, and no corner moves by
more than a fraction of the width of the smaller area beside it. In many real files neighbours do
not share their borders; an arc that has only one owner, with another area close by, is a border
between the two all the same and not a coast, and it is simplified less.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from ..data.errors import MapError
from .antimeridian import go_on_east
from .arcs import STEPS_PER_DEGREE, Arcs, cut_arcs, simplify_arcs, snap_arcs

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

VERTEX_BUDGET = 250_000
VERTICES_PER_AREA = 24
TOLERANCES_DEG = (0.0001, 0.0002, 0.0004, 0.001, 0.002, 0.004, 0.008, 0.016)
TOLERANCE_OF_WIDTH = 0.05
UNMATCHED_FACTOR = 0.25
GRIDS = (10, 5, 2)
GRID_OF_TOLERANCE = 0.25
GRID_OF_WIDTH = 0.05
NEIGHBOUR_WITHIN_DEG = 0.003
AREAS_PER_CELL = 12
GROUP_FROM_AREAS = 2_000
FENCE_IQR = 3.0

# What lies on the two sides of an arc.
SAME_GROUP, OTHER_GROUP, OUTER = 0, 1, 2

Extent = tuple[float, float, float, float]
Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """
    Areas ready to draw, in order of code.

    `group` numbers the area that each lies in, by its parent where parents are known
    (`grouped_by_parent`), else by neighbourhood; it is what is drawn where areas are smaller
    than a pixel. Points lie on every `grid`-th step. `levels` says of each arc whether it divides
    a group, groups, or the whole from what is outside. `bounds` holds west, south, east, north of
    each area in degrees.
    `tolerance_deg` is None where nothing was simplified.
    """

    codes: tuple[str, ...]
    names: tuple[str, ...]
    parents: tuple[str | None, ...]
    group: Whole
    grouped_by_parent: bool
    arcs: Arcs
    levels: Whole
    bounds: NDArray[np.float64]
    tolerance_deg: float | None
    grid: int


def draw_shapes(frame: "GeoDataFrame", vertex_budget: int = VERTEX_BUDGET) -> Shapes:
    """
    Give the areas of a frame (code, geometry, perhaps name, parent_name and parent_code).

    Borders are simplified no more than it takes to keep within so many vertices, or
    `VERTICES_PER_AREA` for each area where that is more.

    Raises
    ------
    MapError
        If the frame is empty, repeats a code, is not in EPSG:4326, or an area has no polygon.
    """
    _check(frame)
    frame = frame.sort_values("code", kind="stable")
    codes = tuple(str(code) for code in frame["code"])
    geometry = go_on_east(_polygonal(frame.geometry.to_numpy(), codes))
    names = tuple(map(str, frame["name"])) if "name" in frame else codes
    parents = _texts(frame, "parent_name")
    bounds = shapely.bounds(geometry)
    group, by_parent = _groups(frame, parents, bounds)
    cut = cut_arcs(geometry)
    levels, unmatched = _levels(cut, geometry, group)
    arcs, tolerance_deg = _simplify(cut, geometry, unmatched, vertex_budget)
    grid = _grid(geometry, tolerance_deg)
    return Shapes(
        codes=codes,
        names=names,
        parents=parents,
        group=group,
        grouped_by_parent=by_parent,
        arcs=snap_arcs(arcs, grid) if grid > 1 else arcs,
        levels=levels,
        bounds=bounds,
        tolerance_deg=tolerance_deg,
        grid=grid,
    )


def home_extent(bounds: NDArray[np.float64]) -> Extent:
    """
    Give the extent that shows the bulk of some areas.

    An area whose centre lies over three interquartile ranges outside the quartiles, as far
    islands do, stays on the map but does not decide the first view.
    """
    centres = (bounds[:, :2] + bounds[:, 2:]) / 2
    low, high = np.quantile(centres, 0.25, axis=0), np.quantile(centres, 0.75, axis=0)
    reach = FENCE_IQR * (high - low)
    near = np.all((centres >= low - reach) & (centres <= high + reach), axis=1)
    return whole_extent(bounds[near] if near.any() else bounds)


def whole_extent(bounds: NDArray[np.float64]) -> Extent:
    """Give the extent that shows all of some areas: west, south, east, north."""
    west, south = bounds[:, :2].min(axis=0)
    east, north = bounds[:, 2:].max(axis=0)
    return (
        round(float(west), 5),
        round(float(south), 5),
        round(float(east), 5),
        round(float(north), 5),
    )


def _check(frame: "GeoDataFrame") -> None:
    if frame.empty:
        raise MapError("there are no areas to draw: the result has no geometry")
    if frame.crs is None or frame.crs.to_epsg() != 4326:
        raise MapError(
            "areas to draw must be in EPSG:4326 (lon, lat), not {crs}", crs=str(frame.crs)
        )
    repeated = frame["code"][frame["code"].duplicated()]
    if not repeated.empty:
        raise MapError("the area code {code} stands twice in the geometry", code=repeated.iloc[0])


def _texts(frame: "GeoDataFrame", column: str) -> tuple[str | None, ...]:
    if column not in frame:
        return (None,) * len(frame)
    return tuple(value if isinstance(value, str) else None for value in frame[column])


def _polygonal(geometry: Any, codes: tuple[str, ...]) -> NDArray[np.object_]:
    """Keep polygons only: a repair can leave lines behind, which enclose nothing."""
    kept: NDArray[np.object_] = np.array(geometry, dtype=object)
    kinds = shapely.get_type_id(kept)
    areal = (kinds == shapely.GeometryType.POLYGON) | (kinds == shapely.GeometryType.MULTIPOLYGON)
    for index in np.flatnonzero(~areal & ~shapely.is_missing(kept)):
        parts = shapely.get_parts(kept[index])
        kept[index] = shapely.union_all([part for part in parts if part.area > 0])
    without = np.flatnonzero(shapely.is_missing(kept) | shapely.is_empty(kept))
    if without.size:
        raise MapError("area {code} has no polygon to draw", code=codes[without[0]])
    return kept


def _groups(
    frame: "GeoDataFrame", parents: tuple[str | None, ...], bounds: NDArray[np.float64]
) -> tuple[Whole, bool]:
    """Number the area each lies in: its parent, or a cell of a grid where no parent is known."""
    keys = [code or name for code, name in zip(_texts(frame, "parent_code"), parents, strict=True)]
    if all(keys) and 1 < len(set(keys)) < len(keys):
        _, group = np.unique(np.array(keys, dtype=object).astype(str), return_inverse=True)
        return group.astype(np.int64), True
    if len(frame) < GROUP_FROM_AREAS:
        return np.arange(len(frame)), False
    centres = (bounds[:, :2] + bounds[:, 2:]) / 2
    width = float(np.median(bounds[:, 2:] - bounds[:, :2])) * AREAS_PER_CELL**0.5 or 1.0
    cells = np.floor((centres - centres.min(axis=0)) / width).astype(np.int64)
    _, group = np.unique((cells[:, 0] << 32) + cells[:, 1], return_inverse=True)
    return group.astype(np.int64), False


def _levels(
    arcs: Arcs, geometry: NDArray[np.object_], group: Whole
) -> tuple[Whole, NDArray[np.bool_]]:
    """Give each arc's level, and which have one owner though another area is close by."""
    neighbour = arcs.owners[:, 1].copy()
    alone = np.flatnonzero(neighbour < 0)
    middle = arcs.points[(arcs.starts[alone] + arcs.starts[alone + 1] - 1) // 2]
    found, area = shapely.STRtree(geometry).query(
        shapely.points(middle / STEPS_PER_DEGREE),
        predicate="dwithin",
        distance=NEIGHBOUR_WITHIN_DEG,
    )
    other = area != arcs.owners[alone[found], 0]
    neighbour[alone[found[other]]] = area[other]
    unmatched = (arcs.owners[:, 1] < 0) & (neighbour >= 0)
    same = group[arcs.owners[:, 0]] == group[neighbour]
    levels = np.where(neighbour < 0, OUTER, np.where(same, SAME_GROUP, OTHER_GROUP))
    return levels, unmatched


def _simplify(
    arcs: Arcs,
    geometry: NDArray[np.object_],
    unmatched: NDArray[np.bool_],
    vertex_budget: int,
) -> tuple[Arcs, float | None]:
    budget = max(vertex_budget, VERTICES_PER_AREA * len(geometry))
    widths = np.sqrt(shapely.area(geometry))
    beside = np.where(arcs.owners < 0, arcs.owners[:, :1], arcs.owners)
    # A small area keeps its shape: its corners move by a fraction of its own width at most.
    most = widths[beside].min(axis=1) * TOLERANCE_OF_WIDTH
    factor = np.where(unmatched, UNMATCHED_FACTOR, 1.0)
    used: float | None = None
    for tolerance_deg in TOLERANCES_DEG:
        if len(arcs.points) <= budget:
            break
        used = tolerance_deg
        arcs = simplify_arcs(arcs, np.minimum(tolerance_deg * factor, most))
    return arcs, used


def _grid(geometry: NDArray[np.object_], tolerance_deg: float | None) -> int:
    """Give the grid that what was simplified by so much needs, and the smallest area allows."""
    if tolerance_deg is None:
        return 1
    width_deg = float(np.sqrt(shapely.area(geometry).min()))
    finest = min(tolerance_deg * GRID_OF_TOLERANCE, width_deg * GRID_OF_WIDTH) * STEPS_PER_DEGREE
    return next((grid for grid in GRIDS if grid <= finest + 1e-9), 1)
