"""
A set of boundaries: named by its content, and as rows to keep and back.

It goes by the SHA-256 of its checked content, so the same boundaries have the same id whichever
file they came from, and loading a file twice changes nothing.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import geopandas as gpd
import shapely

ID_DIGITS = 12
COLUMNS = ("code", "name", "level", "parent_code", "parent_name", "geometry")
_ROWS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundarySet:
    """
    Boundaries of one or more levels, and what was found out about them.

    `frame` has `COLUMNS`, EPSG:4326, by level as in the file and then by code. `report` is plain
    data: for a file its format, SHA-256 and layers, each with the fields taken and the features
    repaired.
    """

    id: str
    name: str
    source: str
    vintage: str | None
    approximate: bool
    frame: gpd.GeoDataFrame
    report: dict[str, Any]


def make_set(
    frame: gpd.GeoDataFrame,
    *,
    name: str,
    source: str,
    vintage: str | None,
    approximate: bool = False,
    report: dict[str, Any],
) -> BoundarySet:
    """Give a checked frame of `COLUMNS` as a set, named by its content."""
    digest = hashlib.sha256()
    for row in _rows(frame):
        for value in row.values():
            content = value if isinstance(value, bytes) else str(value).encode()
            digest.update(len(content).to_bytes(8, "little") + content)
    return BoundarySet(
        id=digest.hexdigest()[:ID_DIGITS],
        name=name,
        source=source,
        vintage=vintage,
        approximate=approximate,
        frame=frame,
        report=report,
    )


def set_to_rows(boundaries: BoundarySet) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Give a set's header and its boundaries as rows to keep, shapes as WKB."""
    header = {
        "id": boundaries.id,
        "name": boundaries.name,
        "source": boundaries.source,
        "vintage": boundaries.vintage,
        "approximate": boundaries.approximate,
        "report": json.dumps(boundaries.report, ensure_ascii=False, sort_keys=True),
    }
    return header, _rows(boundaries.frame)


def frame_from_rows(rows: Iterable[Mapping[str, Any]]) -> gpd.GeoDataFrame:
    """Give kept boundaries as a frame of `COLUMNS`, EPSG:4326, in the order given."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    left = iter(rows)
    # A part at a time: a country's shapes would else be held twice, as they were kept and as made.
    while part := list(islice(left, _ROWS_AT_ONCE)):
        for name in columns.keys() - {"geometry"}:
            columns[name] += (row[name] for row in part)
        columns["geometry"] += shapely.from_wkb([row["wkb"] for row in part]).tolist()
    shapes = columns.pop("geometry")
    return gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4326")


def _rows(frame: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    shapes = shapely.to_wkb(frame.geometry.to_numpy(), byte_order=1)
    columns = ["level", "code", "name", "parent_code", "parent_name"]
    rows = zip(*(frame[name].tolist() for name in columns), shapes.tolist(), strict=True)
    return [
        dict(zip([*columns, "wkb"], (None if v != v else v for v in row), strict=True))
        for row in rows
    ]
