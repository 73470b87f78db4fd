"""
Samples as points, in WGS 84, for geographic tools: GeoParquet and GeoPackage.

Rows go through Arrow in chunks, so that a store larger than memory can be written. The columns
are those of the view `attempts`, with a `geometry` that is null where there is no position.
"""

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .errors import StoreError
from .store import Store

if TYPE_CHECKING:
    import pyarrow

CHUNK_ROWS = 50_000
_CRS = "EPSG:4326"
_TEXT = frozenset(
    [
        "id",
        "started_at",
        "probe",
        "kind",
        "outcome",
        "reason",
        "engine",
        "server",
        "operator",
        "plmn",
        "rat",
        "nr_evidence",
        "cell_id",
        "located_by",
        "tool",
        "file",
        "origin",
    ]
)
_WHOLE = frozenset(["n", "seq", "family", "bytes_down", "bytes_up", "line"])


def write_geoparquet(store: Store, target: Path, on_progress: Callable[[int], None]) -> int:
    """Write GeoParquet 1.0 with points as WKB; give the number of rows."""
    import pyarrow.parquet

    schema = _geo_schema(store)
    count = 0
    with pyarrow.parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        for chunk in _chunks(store, schema):
            writer.write_table(chunk)
            count += chunk.num_rows
            on_progress(chunk.num_rows)
    return count


def write_parts(
    store: Store,
    open_next: Callable[[], IO[bytes]],
    rows_a_file: int,
    on_progress: Callable[[int], None],
) -> tuple[int, int]:
    """
    Write GeoParquet files of at most so many rows; give the numbers of rows and of files.

    A store without samples gives one file without rows.
    """
    import pyarrow.parquet

    schema = _geo_schema(store)
    chunks = _chunks(store, schema)
    waiting = next(chunks, schema.empty_table())
    count = files = 0
    while waiting.num_rows or not files:
        files += 1
        left = rows_a_file
        with (
            open_next() as file,
            pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer,
        ):
            while left and waiting.num_rows:
                taken = waiting.slice(0, left)
                writer.write_table(taken)
                on_progress(taken.num_rows)
                count, left = count + taken.num_rows, left - taken.num_rows
                waiting = waiting.slice(taken.num_rows)
                if not waiting.num_rows:
                    waiting = next(chunks, waiting)
    return count, files


def _geo_schema(store: Store) -> "pyarrow.Schema":
    from pyproj import CRS

    # https://geoparquet.org/releases/v1.0.0/
    geo = {
        "version": "1.0.0",
        "primary_column": "geometry",
        "columns": {
            "geometry": {
                "encoding": "WKB",
                "geometry_types": ["Point"],
                "crs": CRS(_CRS).to_json_dict(),
            }
        },
    }
    return _schema(store).with_metadata({"geo": json.dumps(geo)})


def write_geopackage(store: Store, target: Path, on_progress: Callable[[int], None]) -> int:
    """Write a GeoPackage with one layer, ``attempts``; give the number of rows."""
    from pyogrio import write_arrow
    from pyogrio.errors import DataSourceError

    schema = _schema(store)
    layer = {
        "layer": "attempts",
        "driver": "GPKG",
        "geometry_name": "geometry",
        "geometry_type": "Point",
        "crs": _CRS,
    }
    count = 0
    try:
        # The layer is made with no row, so that it is there even where no sample is.
        write_arrow(schema.empty_table(), target, **layer)
        for chunk in _chunks(store, schema):
            write_arrow(chunk, target, append=True, **layer)
            count += chunk.num_rows
            on_progress(chunk.num_rows)
    except DataSourceError as error:
        raise StoreError("cannot write {file}: {error}", file=target, error=error) from error
    return count


def _schema(store: Store) -> "pyarrow.Schema":
    import pyarrow

    kinds = {
        name: pyarrow.string() if name in _TEXT else pyarrow.int64() if name in _WHOLE else None
        for name in (column.name for column in store.tables["attempts"].columns)
    }
    fields = [(name, kind or pyarrow.float64()) for name, kind in kinds.items()]
    return pyarrow.schema([*fields, ("geometry", pyarrow.binary())])


def _chunks(store: Store, schema: "pyarrow.Schema") -> Iterator["pyarrow.Table"]:
    rows = store.tables.query("SELECT * FROM attempts ORDER BY n")
    while chunk := list(islice(rows, CHUNK_ROWS)):
        yield _table(chunk, schema)


def _table(rows: list[dict[str, Any]], schema: "pyarrow.Schema") -> "pyarrow.Table":
    import numpy
    import pyarrow
    import shapely

    lon = numpy.array([row["lon"] for row in rows], dtype=float)
    lat = numpy.array([row["lat"] for row in rows], dtype=float)
    points: Any = shapely.to_wkb(shapely.points(lon, lat))
    points[numpy.isnan(lon)] = None
    columns = [
        pyarrow.array([row[field.name] for row in rows], field.type) for field in list(schema)[:-1]
    ]
    return pyarrow.Table.from_arrays(
        [*columns, pyarrow.array(points, pyarrow.binary())], schema=schema
    )
