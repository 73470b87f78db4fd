"""What every reader of a boundary file gives: layers of features, before any of it is checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from ..data.errors import BoundaryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """
    One layer of a file as it stands there.

    `shapes` are shapely geometries in the file's own coordinates, longitude (or easting) first,
    None where the feature has none; `fields` maps a field's name to its values, one a feature;
    `ids` are the features' own ids, where the format has such. `crs` is what the file says, as
    text that pyproj reads, or None. `collapsed` counts rings of fewer than four points that
    were left out, by feature number.
    """

    name: str
    shapes: npt.NDArray[np.object_]
    fields: Mapping[str, Sequence[Any]]
    ids: Sequence[Any] | None = None
    crs: str | None = None
    collapsed: Mapping[int, int] = field(default_factory=dict)


def shape_of(
    polygons: Sequence[Sequence[npt.NDArray[np.float64]]],
) -> tuple[shapely.Geometry | None, int]:
    """
    Make one geometry of a feature's polygons, and count the rings that were left out.

    A ring of fewer than four points encloses nothing: an islet that the file's own grid could
    not hold. Where a feature has no other ring, its line is given, so that the area is not
    forgotten.
    """
    collapsed = sum(len(ring) < 4 for rings in polygons for ring in rings)
    parts = [
        shapely.Polygon(rings[0], [ring for ring in rings[1:] if len(ring) >= 4])
        for rings in polygons
        if rings and len(rings[0]) >= 4
    ]
    if parts:
        return (parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)), collapsed
    lines = [rings[0] for rings in polygons if rings and len(np.unique(rings[0], axis=0)) > 1]
    return (shapely.LineString(lines[0]) if lines else None), collapsed


def to_positions(file: object, feature: int, points: object) -> npt.NDArray[np.float64]:
    """
    Give a ring's positions as an array of x, y; a height is left out.

    Raises
    ------
    BoundaryError
        If they are not finite numbers, two or three to a position.
    """
    try:
        array = np.array(points, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(0)
    if array.ndim != 2 or array.shape[1] not in (2, 3) or not np.isfinite(array).all():
        raise BoundaryError(
            "{file}: feature {feature}: a ring is not a list of [longitude, latitude] numbers",
            file=file,
            feature=feature,
        )
    return np.ascontiguousarray(array[:, :2])
