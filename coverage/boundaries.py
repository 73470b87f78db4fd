"""
Boundaries: named polygons with a code and a level, checked before anything is joined to them.

Everything ends in EPSG:4326, longitude first. What can be repaired without a doubt is repaired
and reported (rings that touch or cross themselves); what cannot is refused with the feature
named: two features with one code, no geometry, latitudes beyond 90, a polygon across the
antimeridian.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj
import shapely

from ..data.errors import BoundaryError
from .boundary_rows import BoundarySet, make_set
from .field_names import FEATURE_ID, Fields, as_text, find_fields
from .file_formats import read_layers
from .layers import Layer

SLIVER_DEG = 1e-6
Shapes = npt.NDArray[np.object_]


def read_boundaries(
    path: Path,
    *,
    code_field: str | None = None,
    name_field: str | None = None,
    parent_field: str | None = None,
    level: str | None = None,
    layer: str | None = None,
    crs: str | None = None,
    vintage: str | None = None,
) -> BoundarySet:
    """
    Read a boundary file and check it.

    The format is told by the content. Fields, level and layer are found where they are not
    named; `crs` is for a file that names none.

    Raises
    ------
    BoundaryError
        If the file cannot be used as it is; the message names the feature and what to try.
    """
    file_format, layers = read_layers(path)
    chosen = [item for item in layers if layer in (None, item.name)]
    if not chosen:
        raise BoundaryError(
            "{file}: there is no layer {layer}; it has: {layers}",
            file=path,
            layer=layer or "",
            layers=", ".join(item.name for item in layers) or "none",
        )
    frames, reports = [], []
    for item in chosen:
        fields = find_fields(
            item, code=code_field, name=name_field, parent=parent_field, level=level
        )
        if fields.code is None and len(chosen) > 1 and item is not chosen[0]:
            reports.append({"layer": item.name, "skipped": "no field names its features"})
            continue
        frame, report = _check_layer(path, item, fields, crs)
        frames.append(frame)
        reports.append(report)
    _refuse_doubled_levels(path, frames)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return make_set(
        gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs="EPSG:4326"),
        name=path.stem,
        source=path.name,
        vintage=vintage,
        report={"format": file_format, "sha256": digest, "layers": reports},
    )


def _refuse_doubled_levels(path: Path, frames: Sequence[gpd.GeoDataFrame]) -> None:
    levels = Counter(frame["level"].iloc[0] for frame in frames)
    for level, count in levels.items():
        if count > 1:
            raise BoundaryError(
                "{file}: {count} layers are of level {level}; choose one with --layer",
                file=path,
                count=count,
                level=level,
            )


def _check_layer(
    path: Path, layer: Layer, fields: Fields, crs: str | None
) -> tuple[gpd.GeoDataFrame, dict[str, Any]]:
    if not len(layer.shapes):
        raise BoundaryError("{file}: {layer}: no feature in it", file=path, layer=layer.name)
    codes = _codes(path, layer, fields)
    for number, shape in enumerate(layer.shapes):
        if shape is None or shape.is_empty:
            raise BoundaryError(
                "{file}: {layer}: feature {feature} (code {code}) has no geometry; draw it, or"
                " leave it out of the file",
                file=path,
                layer=layer.name,
                feature=number + 1,
                code=codes[number],
            )
        polygonal = shape.geom_type in ("Polygon", "MultiPolygon")
        if not polygonal and number + 1 not in layer.collapsed:
            raise BoundaryError(
                "{file}: feature {feature} is a {kind}; a boundary is a Polygon or MultiPolygon",
                file=path,
                feature=number + 1,
                kind=shape.geom_type,
            )
    taken = _crs_of(path, layer, crs)
    shapes = _to_degrees(layer.shapes, taken)
    _refuse_misplaced(path, shapes, codes)
    shapes, repaired = _repair(shapes, codes)
    names = _texts(path, layer, fields.name, len(codes))
    frame = gpd.GeoDataFrame(
        {
            "code": codes,
            "name": [name or code for name, code in zip(names, codes, strict=True)],
            "level": fields.level,
            "parent_code": _texts(path, layer, fields.parent_code, len(codes)),
            "parent_name": _texts(path, layer, fields.parent_name, len(codes)),
        },
        geometry=shapes,
        crs="EPSG:4326",
    )
    report = {
        "layer": layer.name,
        "level": fields.level,
        "areas": len(codes),
        "crs": taken.to_string()[:80],
        "code_field": fields.code,
        "name_field": fields.name,
        "parent_field": fields.parent_code or fields.parent_name,
        "repaired": repaired,
        "collapsed_rings": sum(layer.collapsed.values()),
    }
    return frame.sort_values("code", kind="stable", ignore_index=True), report


def _codes(path: Path, layer: Layer, fields: Fields) -> list[str]:
    if fields.code is None:
        raise BoundaryError(
            "{file}: {layer}: no field is known to hold codes; say which with --code-field"
            " (fields: {fields})",
            file=path,
            layer=layer.name,
            fields=", ".join(layer.fields) or "none",
        )
    codes = _texts(path, layer, fields.code, len(layer.shapes))
    if None in codes:
        raise BoundaryError(
            "{file}: {layer}: feature {feature} has no {field}; codes must be complete"
            " (--code-field?)",
            file=path,
            layer=layer.name,
            feature=codes.index(None) + 1,
            field=fields.code,
        )
    code, count = Counter(codes).most_common(1)[0]
    if count > 1:
        raise BoundaryError(
            "{file}: {layer}: {count} features share {field} {code}; codes must be unique"
            " (--code-field?)",
            file=path,
            layer=layer.name,
            count=count,
            field=fields.code,
            code=code,
        )
    return [str(code) for code in codes]


def _texts(path: Path, layer: Layer, field: str | None, count: int) -> list[str | None]:
    if field is None:
        return [None] * count
    values: Sequence[Any] | None = layer.ids if field == FEATURE_ID else layer.fields.get(field)
    if values is None:
        raise BoundaryError(
            "{file}: {layer}: there is no field {field}; it has: {fields}",
            file=path,
            layer=layer.name,
            field=field,
            fields=", ".join(layer.fields) or "none",
        )
    texts = [as_text(value) for value in values]
    for number, text in enumerate(texts):
        if text is not None and (len(text) > 1_000 or not _is_unicode(text)):
            raise BoundaryError(
                "{file}: {layer}: feature {feature}: {field} is not a text of at most 1,000"
                " characters",
                file=path,
                layer=layer.name,
                feature=number + 1,
                field=field,
            )
    return texts


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _crs_of(path: Path, layer: Layer, named: str | None) -> pyproj.CRS:
    try:
        taken = pyproj.CRS.from_user_input(named or layer.crs) if named or layer.crs else None
    except pyproj.exceptions.CRSError as error:
        raise BoundaryError(
            "{file}: {layer}: unknown CRS: {error}",
            file=path,
            layer=layer.name,
            error=str(error)[:150],
        ) from None
    # GDAL writes an "undefined" engineering CRS where it knows none: that is none.
    if taken is None or not (taken.is_geographic or taken.is_projected):
        raise BoundaryError(
            "{file}: {layer}: no CRS is given, so its numbers could lie anywhere;"
            " say which with --crs, for example --crs EPSG:4326",
            file=path,
            layer=layer.name,
        )
    return taken


def _to_degrees(shapes: Shapes, crs: pyproj.CRS) -> Shapes:
    if crs.is_geographic and crs.equals("EPSG:4326", ignore_axis_order=True):
        return shapes
    return in_crs(shapes, pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True))


def in_crs(shapes: Shapes, transformer: pyproj.Transformer) -> Shapes:
    """Give shapes with every point transformed."""

    def move(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    return np.asarray(shapely.transform(shapes, move))


def _refuse_misplaced(path: Path, shapes: Shapes, codes: Sequence[str]) -> None:
    bounds = shapely.bounds(shapes)
    lon = np.abs(bounds[:, [0, 2]]).max(axis=1)
    lat = np.abs(bounds[:, [1, 3]]).max(axis=1)
    for number in np.flatnonzero(~((lon <= 180) & (lat <= 90)))[:1]:
        if 90 < lat[number] <= 180 and lon[number] <= 90:
            raise BoundaryError(
                "{file}: {code}: a latitude of {lat:.4f}; longitude and latitude are swapped",
                file=path,
                code=codes[number],
                lat=float(lat[number]),
            )
        raise BoundaryError(
            "{file}: {code}: coordinates {x:.1f}, {y:.1f} are not degrees; say which CRS they are"
            " in with --crs",
            file=path,
            code=codes[number],
            x=float(bounds[number, 0]),
            y=float(bounds[number, 1]),
        )
    points, owner = shapely.get_coordinates(shapes, return_index=True)
    jump = (np.abs(np.diff(points[:, 0])) > 180) & (np.diff(owner) == 0)
    for start in np.flatnonzero(jump):
        shape = shapes[owner[start]]
        if _crosses_antimeridian(shape):
            raise BoundaryError(
                "{file}: {code} crosses the antimeridian; cut it at longitude 180 into two"
                " polygons (RFC 7946, 3.1.9)",
                file=path,
                code=codes[owner[start]],
            )


def _crosses_antimeridian(shape: shapely.Geometry) -> bool:
    """Whether one ring jumps from one end of the map to the other; separate parts may."""
    for ring in shapely.get_rings(shape):
        if (np.abs(np.diff(shapely.get_coordinates(ring)[:, 0])) > 180).any():
            return True
    return False


def _repair(shapes: Shapes, codes: Sequence[str]) -> tuple[Shapes, list[dict[str, Any]]]:
    """
    Make invalid shapes valid, keeping what is polygonal of them, and say what was done.

    A shape that encloses nothing at all (a town that a coarse grid turned into a line) stays as
    a sliver of that line, so that its area is listed and seen to have no data.
    """
    repaired, fixed = [], shapes.copy()
    lines = shapely.get_dimensions(shapes) == 1
    for number in np.flatnonzero(lines | ~shapely.is_valid(shapes)).tolist():
        shape = shapes[number]
        valid = shapely.make_valid(shape)
        parts = shapely.get_parts(shapely.get_parts(valid))
        polygons = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
        reason = shapely.is_valid_reason(shape).split("[")[0]
        change = None
        if len(polygons):
            fixed[number] = shapely.union_all(polygons)
            change = round(abs(fixed[number].area / shape.area - 1), 6) if shape.area else None
        else:
            reason = "Collapsed to a line"
            fixed[number] = shapely.buffer(valid, SLIVER_DEG, quad_segs=1)
        repaired.append({"code": codes[number], "reason": reason, "area_change": change})
    return fixed, repaired
