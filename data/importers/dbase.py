"""
The values of a shapefile: its dBASE table, read as a stream and as the text that stands there.

GDAL would make 7 of ``7 6861`` and say nothing; here a damaged figure reaches the importer as it
is, and its row is rejected by name. What is imported names its place by a column, so the outlines
in the other parts are not read. The layout is that of dBASE III, which is what shapefiles have
(ESRI Shapefile Technical Description, 1998, p. 25).
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ..check import ascii_safe
from ..errors import RecordError
from ..sample import MAX_RECORD_CHARS
from .interface import Row
from .lines import KEPT_BYTES
from .openers import Content
from .table import MAX_COLUMNS, BadRow, text_problem, torn_row, unreadable_header

_HEADER = struct.Struct("<B3xIHH20x")
_FIELD = struct.Struct("<11sc4xB15x")
_VERSIONS = (0x03, 0x83)
_FIELDS_END = b"\r"
_DELETED = b"*"
_FILE_END = b"\x1a"


@dataclass(frozen=True, slots=True)
class DbaseTable:
    """A table's columns, how many bytes each has, where its rows begin and how long one is."""

    columns: tuple[str, ...]
    widths: tuple[int, ...]
    start: int
    row_bytes: int


def is_dbase(content: Content) -> bool:
    """Tell whether a content begins as a dBASE table does: no text begins with its version."""
    with content.open() as stream:
        return stream.read(1) in {bytes((version,)) for version in _VERSIONS}


def read_dbase_columns(content: Content) -> DbaseTable:
    """
    Look at the columns of a table.

    Raises
    ------
    RecordError
        If its header is damaged.
    """
    with content.open() as stream:
        head = stream.read(_HEADER.size)
        if len(head) < _HEADER.size:
            raise unreadable_header(content.name, "it ends in the middle of its header")
        _, _, start, row_bytes = _HEADER.unpack(head)
        fields = _read_fields(content.name, stream, start)
    names = tuple(name for name, _ in fields)
    widths = tuple(width for _, width in fields)
    if len(set(names)) != len(names) or sum(widths) + 1 != row_bytes or not all(widths):
        raise unreadable_header(content.name, "its columns do not make up its rows")
    return DbaseTable(names, widths, start, row_bytes)


def read_dbase_rows(content: Content, table: DbaseTable, encoding: str) -> Iterator[Row | BadRow]:
    """Give every row of a table, counted from 1, or why it is none."""
    codec = "latin-1" if encoding == "latin-1" else "utf-8"
    with content.open() as stream:
        stream.read(table.start)
        number = 0
        while (raw := stream.read(table.row_bytes)) and raw != _FILE_END:
            number += 1
            yield _read_row(number, raw, table, codec)


def _read_fields(name: str, stream: BinaryIO, start: int) -> list[tuple[str, int]]:
    fields: list[tuple[str, int]] = []
    left = start - _HEADER.size
    while left >= _FIELD.size and len(fields) <= MAX_COLUMNS:
        raw = stream.read(_FIELD.size)
        if raw.startswith(_FIELDS_END):
            return fields
        if len(raw) < _FIELD.size:
            break
        title, _, width = _FIELD.unpack(raw)
        fields.append((ascii_safe(title.split(b"\0")[0].decode("latin-1")), width))
        left -= _FIELD.size
    if left < 1 or stream.read(1) != _FIELDS_END or len(fields) > MAX_COLUMNS:
        raise unreadable_header(name, "its list of columns has no end")
    return fields


def _read_row(number: int, raw: bytes, table: DbaseTable, codec: str) -> Row | BadRow:
    shown = raw[:KEPT_BYTES].decode(codec, "backslashreplace").replace("\0", "\\x00")
    if len(raw) < table.row_bytes:
        return BadRow(number, torn_row(len(raw), table.row_bytes), shown)
    if raw.startswith(_DELETED):
        error = RecordError("the row is marked as deleted", reason="deleted_row")
        return BadRow(number, error, shown)
    if b"\0" in raw:
        return BadRow(number, text_problem("nul_byte"), shown)
    cells: dict[str, str] = {}
    start = 1
    for name, width in zip(table.columns, table.widths, strict=True):
        try:
            cells[name] = raw[start : start + width].decode(codec).strip()
        except UnicodeDecodeError:
            return BadRow(number, text_problem("bad_encoding"), shown)
        start += width
    return Row(number, cells, json.dumps(cells, ensure_ascii=False)[:MAX_RECORD_CHARS])
