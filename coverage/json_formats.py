"""
GeoJSON (RFC 7946) and TopoJSON, read without GDAL.

GDAL tries every driver it has on a file and believes the content, not the name: a VRT in a file
called ``.geojson`` makes it fetch addresses and read other files. Here bytes become numbers and
nothing is ever opened or fetched because a file says so.

Coordinates are WGS 84, longitude first, as RFC 7946 demands; an older file's ``crs`` member is
obeyed where it names a CRS and refused where it links to one.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.errors import BoundaryError
from .layers import Layer, shape_of, to_positions

_CRS_NAME = re.compile(
    r"(?:urn:ogc:def:crs:(?P<body>EPSG|OGC):[0-9.]*:|(?P<short>EPSG|OGC):)(?P<code>CRS84|[0-9]{4,6})\Z",
    re.IGNORECASE,
)


def read_json(file: object, content: bytes, stem: str) -> tuple[str, list[Layer]]:
    """Give the format and layers of a JSON file; `stem` names GeoJSON's only layer."""
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BoundaryError(
            "{file}: not UTF-8 (byte {byte}); GeoJSON and TopoJSON are UTF-8: convert it first",
            file=file,
            byte=error.start,
        ) from None
    except RecursionError:
        raise BoundaryError("{file}: JSON nested too deep to be boundaries", file=file) from None
    except ValueError as error:
        raise BoundaryError(
            "{file}: broken JSON (cut short?): {error}", file=file, error=str(error)[:150]
        ) from None
    kind = document.get("type") if isinstance(document, dict) else None
    if kind == "FeatureCollection":
        return "GeoJSON", [_read_features(file, document, stem)]
    if kind == "Topology":
        return "TopoJSON", _read_topology(file, document)
    raise BoundaryError(
        "{file}: JSON, but neither a GeoJSON FeatureCollection nor a TopoJSON Topology"
        " (its type is {kind})",
        file=file,
        kind=str(kind)[:40],
    )


def _read_features(file: object, document: dict[str, Any], stem: str) -> Layer:
    features = document.get("features")
    if not isinstance(features, list):
        raise BoundaryError("{file}: a FeatureCollection without features", file=file)
    shapes, collapsed = np.full(len(features), None, dtype=object), {}
    for number, feature in enumerate(features, 1):
        geometry = feature.get("geometry") if isinstance(feature, dict) else None
        polygons = [
            [to_positions(file, number, ring) for ring in rings]
            for rings in _polygons(file, number, geometry, "coordinates")
        ]
        shapes[number - 1], lost = shape_of(polygons)
        if lost:
            collapsed[number] = lost
    name = document.get("name")
    return Layer(
        name=name if isinstance(name, str) and name else stem,
        shapes=shapes,
        fields=_fields(features),
        ids=_ids(features),
        crs=_read_crs(file, document),
        collapsed=collapsed,
    )


def _read_topology(file: object, document: dict[str, Any]) -> list[Layer]:
    objects = document.get("objects")
    if not isinstance(objects, dict) or not isinstance(document.get("arcs"), list):
        raise BoundaryError("{file}: a Topology without objects or arcs", file=file)
    arcs = _read_arcs(file, document)
    crs = _read_crs(file, document)
    return [_read_object(file, name, content, arcs, crs) for name, content in objects.items()]


def _read_object(
    file: object, name: str, content: Any, arcs: list[npt.NDArray[np.float64]], crs: str
) -> Layer:
    members = content.get("geometries") if isinstance(content, dict) else None
    if not isinstance(members, list):
        members = [content]
    shapes, collapsed = np.full(len(members), None, dtype=object), {}
    for number, member in enumerate(members, 1):
        polygons = [
            [_stitch(file, number, ring, arcs) for ring in rings]
            for rings in _polygons(file, number, member, "arcs")
        ]
        shapes[number - 1], lost = shape_of(polygons)
        if lost:
            collapsed[number] = lost
    return Layer(
        name=name,
        shapes=shapes,
        fields=_fields(members),
        ids=_ids(members),
        crs=crs,
        collapsed=collapsed,
    )


def _read_arcs(file: object, document: dict[str, Any]) -> list[npt.NDArray[np.float64]]:
    """Give the arcs as coordinates: with a transform, positions are differences on a grid."""
    transform = document.get("transform")
    try:
        arcs = [np.array(arc, dtype=np.float64)[:, :2] for arc in document["arcs"]]
        if transform is not None:
            scale = np.array(transform["scale"], dtype=np.float64).reshape(2)
            offset = np.array(transform["translate"], dtype=np.float64).reshape(2)
            arcs = [arc.cumsum(axis=0) * scale + offset for arc in arcs]
    except (TypeError, ValueError, KeyError, IndexError, OverflowError):
        arcs = [np.array([[np.nan, np.nan]])]
    if not all(np.isfinite(arc).all() for arc in arcs):
        raise BoundaryError("{file}: its arcs or transform are not numbers", file=file)
    return arcs


def _stitch(
    file: object, number: int, ring: Any, arcs: list[npt.NDArray[np.float64]]
) -> npt.NDArray[np.float64]:
    """Join a ring's arcs; a negative index is an arc backwards, and joints are not repeated."""
    pieces: list[npt.NDArray[np.float64]] = []
    for index in ring if isinstance(ring, list) else [None]:
        if not isinstance(index, int) or not -len(arcs) <= index < len(arcs):
            raise BoundaryError(
                "{file}: feature {feature}: no arc has the number {index}",
                file=file,
                feature=number,
                index=str(index)[:40],
            )
        arc = arcs[index] if index >= 0 else arcs[~index][::-1]
        pieces.append(arc[1:] if pieces else arc)
    return np.concatenate(pieces) if pieces else np.empty((0, 2))


def _polygons(file: object, number: int, geometry: Any, key: str) -> Sequence[Sequence[Any]]:
    """Give a geometry's polygons as lists of rings; none where there is no geometry."""
    if geometry is None:
        return []
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    content = geometry.get(key) if isinstance(geometry, dict) else None
    if kind is None and content is None:
        return []
    if kind == "Polygon":
        content = [content]
    elif kind != "MultiPolygon":
        raise BoundaryError(
            "{file}: feature {feature} is a {kind}; a boundary is a Polygon or MultiPolygon",
            file=file,
            feature=number,
            kind=str(kind)[:40],
        )
    if not isinstance(content, list) or not all(isinstance(rings, list) for rings in content):
        raise BoundaryError(
            "{file}: feature {feature}: a ring is not a list of [longitude, latitude] numbers",
            file=file,
            feature=number,
        )
    return content


def _fields(features: Sequence[Any]) -> dict[str, list[Any]]:
    """Give every property's values, one a feature, None where a feature lacks it."""
    tables = [
        feature.get("properties") if isinstance(feature, dict) else None for feature in features
    ]
    rows = [table if isinstance(table, dict) else {} for table in tables]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _ids(features: Sequence[Any]) -> list[Any] | None:
    ids = [feature.get("id") if isinstance(feature, dict) else None for feature in features]
    return ids if any(value is not None for value in ids) else None


def _read_crs(file: object, document: dict[str, Any]) -> str:
    member = document.get("crs")
    if member is None:
        return "EPSG:4326"
    properties = member.get("properties") if isinstance(member, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    match = _CRS_NAME.match(name) if isinstance(name, str) else None
    if match is None:
        raise BoundaryError(
            "{file}: its crs member does not name a CRS (EPSG:… or CRS84), it says {seen};"
            " remove it or convert the file",
            file=file,
            seen=str(member)[:120],
        )
    return "EPSG:4326" if match["code"] == "CRS84" else f"EPSG:{match['code']}"
