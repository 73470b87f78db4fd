"""
Polygons as a page carries them: once, simplified, in whole steps of 1e-5 degrees (about 1 m).

Every area that goes in comes out: one that simplifying would empty keeps its own outline.
Neighbours that share their borders exactly are simplified together, so they still touch. Real
boundary files often do not share them; then each polygon is simplified alone, and the slivers
that come of it are narrower than `tolerance_deg`, which is chosen by how much there is to draw.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from ..data.errors import MapError

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

STEPS_PER_DEGREE = 100_000
VERTEX_BUDGET = 160_000
TOLERANCES_DEG = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016)
TOLERANCE_OF_WIDTH = 0.05
FENCE_IQR = 3.0

Extent = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """
    Areas ready to draw, in order of code.

    `polygons` holds per area its polygons, per polygon its rings, per ring the first point and
    then the steps to the next, as lon, lat, lon, lat. `bounds` holds west, south, east, north
    of each area in degrees. `tolerance_deg` is None where nothing was simplified.
    """

    codes: tuple[str, ...]
    names: tuple[str, ...]
    parents: tuple[str | None, ...]
    polygons: list[list[list[list[int]]]]
    bounds: NDArray[np.float64]
    tolerance_deg: float | None


def draw_shapes(frame: "GeoDataFrame") -> Shapes:
    """
    Give the areas of a frame (code, geometry, perhaps name and parent_name; EPSG:4326).

    Raises
    ------
    MapError
        If the frame is empty, repeats a code, is not in EPSG:4326, or an area has no polygon.
    """
    _check(frame)
    frame = frame.sort_values("code", kind="stable")
    codes = tuple(str(code) for code in frame["code"])
    geometry = _polygonal(frame.geometry.to_numpy(), codes)
    simplified, tolerance_deg = _simplify(geometry)
    names = tuple(map(str, frame["name"])) if "name" in frame else codes
    parents = (
        tuple(parent if isinstance(parent, str) else None for parent in frame["parent_name"])
        if "parent_name" in frame
        else (None,) * len(codes)
    )
    return Shapes(
        codes=codes,
        names=names,
        parents=parents,
        polygons=[_steps(shape) for shape in simplified],
        bounds=shapely.bounds(geometry),
        tolerance_deg=tolerance_deg,
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


def _polygonal(geometry: Any, codes: tuple[str, ...]) -> NDArray[np.object_]:
    """Keep polygons only: make_valid leaves lines that coverage_simplify refuses."""
    kept: NDArray[np.object_] = np.array(geometry, dtype=object)
    for index, shape in enumerate(kept):
        if shape is not None and shape.geom_type not in ("Polygon", "MultiPolygon"):
            parts = shapely.get_parts(shape)
            kept[index] = shapely.union_all([part for part in parts if part.area > 0])
    without = np.flatnonzero(shapely.is_missing(kept) | shapely.is_empty(kept))
    if without.size:
        raise MapError("area {code} has no polygon to draw", code=codes[without[0]])
    return kept


def _simplify(geometry: NDArray[np.object_]) -> tuple[NDArray[np.object_], float | None]:
    used: float | None = None
    shared: bool | None = None
    simplified = geometry
    for tolerance_deg in TOLERANCES_DEG:
        if int(shapely.get_num_coordinates(simplified).sum()) <= VERTEX_BUDGET:
            break
        if shared is None:
            shared = bool(shapely.coverage_is_valid(geometry))
        used = tolerance_deg
        simplified = _simplify_once(simplified, tolerance_deg, together=shared)
    emptied = shapely.is_empty(simplified) | shapely.is_missing(simplified)
    return np.where(emptied, geometry, simplified), used


def _simplify_once(
    geometry: NDArray[np.object_], tolerance_deg: float, *, together: bool
) -> NDArray[np.object_]:
    if together:
        try:
            return np.asarray(shapely.coverage_simplify(geometry, tolerance_deg), dtype=object)
        except shapely.errors.GEOSException:
            pass  # GEOS gives up on some self-touching rings; each alone is always possible
    # A small area keeps its shape: its corners move by a fraction of its own width at most.
    widths = np.sqrt(shapely.area(geometry))
    tolerances = np.minimum(tolerance_deg, widths * TOLERANCE_OF_WIDTH)
    return np.asarray(shapely.simplify(geometry, tolerances), dtype=object)


def _steps(shape: Any) -> list[list[list[int]]]:
    """Give the rings of an area as whole steps; a ring that rounding flattens stays."""
    polygons = []
    for polygon in shapely.get_parts(shape):
        rings = []
        for ring in shapely.get_rings(polygon):
            points = np.rint(shapely.get_coordinates(ring)[:-1] * STEPS_PER_DEGREE).astype(int)
            moved = np.diff(points, axis=0, prepend=0)
            moved = moved[np.append(True, np.any(moved[1:] != 0, axis=1))]
            rings.append(moved.ravel().tolist())
        polygons.append(rings)
    return polygons
