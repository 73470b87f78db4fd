"""
Tables of a GeoPackage, read where the file stands, through SQLite.

Each table with a point for each row is a text of its own: its rows' columns as they are called
there, and the point as ``geom.lon`` and ``geom.lat``. The database is a stranger's: it is opened
for reading, as a file that does not change, and views and virtual tables are left alone.
"""

import json
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

from ..check import ascii_safe
from ..errors import RecordError
from ..sample import MAX_RECORD_CHARS
from .interface import Row
from .openers import Content
from .table import BadRow

MAX_VALUE_BYTES = 1 << 20
_MAGIC = b"SQLite format 3\0"
_MAX_TABLES = 1_000
_WGS_84 = 4326
# Bytes of the envelope that a geometry may carry, by the code in its flags.
_ENVELOPE_BYTES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}
_POINTS = frozenset({1, 1001, 2001, 3001, 0x80000001, 0x40000001, 0xC0000001})


@dataclass(frozen=True, slots=True)
class GeoTable:
    """One table's columns, its geometry as two of them, and the column of its geometry."""

    columns: tuple[str, ...]
    geometry: str


def is_database(content: Content) -> bool:
    """Tell whether a file is one of SQLite's, whatever it is called."""
    with content.open() as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def read_tables(content: Content) -> list[tuple[Content, GeoTable]]:
    """
    Give every table of points in a GeoPackage.

    Raises
    ------
    RecordError
        If the file is packed, damaged, or no GeoPackage.
    """
    if content.path is None:
        raise RecordError(
            "{file} is a database inside an archive; unpack it, it is read where it stands",
            reason="packed_database",
            file=content.name,
        )
    with _opened(content) as connection:
        real = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            " AND sql NOT LIKE 'CREATE VIRTUAL%' LIMIT ?",
            (_MAX_TABLES,),
        ).fetchall()
        names = {name for (name,) in real}
        if "gpkg_geometry_columns" not in names:
            raise RecordError(
                "{file} is a database, but no GeoPackage", reason="no_geopackage", file=content.name
            )
        shapes = connection.execute(
            "SELECT table_name, column_name FROM gpkg_geometry_columns ORDER BY 1 LIMIT ?",
            (_MAX_TABLES,),
        ).fetchall()
        tables = [
            (
                replace(content, name=f"{content.name}/{ascii_safe(str(table))}", table=str(table)),
                GeoTable(_columns(connection, table, geometry), str(geometry)),
            )
            for table, geometry in shapes
            if table in names
        ]
    if not tables:
        raise RecordError(
            "{file} is a GeoPackage without any table of points",
            reason="empty_file",
            file=content.name,
        )
    return tables


def read_table_rows(content: Content, table: GeoTable) -> Iterator[Row | BadRow]:
    """Give every row of a table, in the order they were kept, counted from 1."""
    with _opened(content) as connection:
        cursor = connection.execute(f"SELECT * FROM {_quoted(content.table or '')} ORDER BY rowid")
        names = [column[0] for column in cursor.description]
        for number, values in enumerate(cursor, 1):
            record = dict(zip(names, values, strict=True))
            text = json.dumps(
                {name: _shown(value) for name, value in record.items()}, ensure_ascii=False
            )[:MAX_RECORD_CHARS]
            try:
                lon, lat = _read_point(record.pop(table.geometry, None))
            except RecordError as error:
                yield BadRow(number, error, text)
                continue
            cells = {name: _cell(value) for name, value in record.items()}
            yield Row(number, {**cells, "geom.lon": lon, "geom.lat": lat}, text)


@contextmanager
def _opened(content: Content) -> Iterator[sqlite3.Connection]:
    if content.path is None:
        raise ValueError(content.name)
    uri = f"{content.path.resolve().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
            connection.execute("PRAGMA trusted_schema = OFF")
            yield connection
    except sqlite3.Error as error:
        raise RecordError(
            "{file} is a damaged database: {error}",
            reason="bad_geopackage",
            file=content.name,
            error=error,
        ) from error


def _columns(connection: sqlite3.Connection, table: str, geometry: str) -> tuple[str, ...]:
    rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return (*(name for (name,) in rows if name != geometry), "geom.lon", "geom.lat")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _cell(value: object) -> str:
    return "" if value is None or isinstance(value, bytes) else str(value).strip()


def _shown(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


def _read_point(blob: object) -> tuple[str, str]:
    """Read the header of GeoPackage 1.3, 2.1.3, then a point in WKB; empty is no position."""
    if blob is None:
        return "", ""
    if isinstance(blob, bytes) and blob[:2] == b"GP" and len(blob) >= 8:
        order = "<" if blob[3] & 1 else ">"
        (srs,) = struct.unpack_from(f"{order}i", blob, 4)
        start = 8 + _ENVELOPE_BYTES.get(blob[3] >> 1 & 7, 1 << 30)
        if blob[3] >> 4 & 1:
            return "", ""
        if srs == _WGS_84 and len(blob) >= start + 21:
            order = "<" if blob[start] == 1 else ">"
            kind, lon, lat = struct.unpack_from(f"{order}Idd", blob, start + 1)
            if kind in _POINTS:
                return ("", "") if lon != lon or lat != lat else (repr(lon), repr(lat))
    raise RecordError("the row's geometry is no point in EPSG:4326", reason="bad_geometry")
