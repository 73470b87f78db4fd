"""
Parquet files, read as a stream of batches by pyarrow, which the analysis extra brings.

A batch is some thousand rows, so that memory does not grow with their number. What a file says of
its own size is checked before anything of it is unpacked.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..check import ascii_safe
from ..errors import ConfigError, RecordError
from ..sample import MAX_RECORD_CHARS
from .interface import Row
from .openers import MAX_RATIO, Content
from .table import unreadable_header

BATCH_ROWS = 2_000
_PARQUET = b"PAR1"
# Of a row group: what the library may hold at one time.
_MAX_GROUP_BYTES = 2 << 30
_MIN_ALLOWED_BYTES = 64 << 20
_MAX_FOOTER_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """The columns of a Parquet file."""

    columns: tuple[str, ...]


def is_parquet(content: Content) -> bool:
    """Tell whether a file is Parquet, whatever it is called."""
    with content.open() as stream:
        return stream.read(len(_PARQUET)) == _PARQUET


def read_parquet_columns(content: Content) -> ParquetTable:
    """
    Look at a Parquet file's columns.

    Raises
    ------
    RecordError
        If it stands in an archive, is damaged, or says that it unpacks to far more than it is.
    ConfigError
        If the library that reads it is not installed.
    """
    if content.path is None:
        raise RecordError(
            "{file} is Parquet inside an archive; unpack it, it is read where it stands",
            reason="packed_parquet",
            file=content.name,
        )
    with _reading(content), _parquet(content) as file:
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        sizes = [group.total_byte_size for group in groups]
        allowed = max(_MIN_ALLOWED_BYTES, content.path.stat().st_size * MAX_RATIO)
        if sum(sizes) > allowed or max(sizes, default=0) > _MAX_GROUP_BYTES:
            raise RecordError(
                "{file} would unpack to {size} bytes, more than {limit}; it is not read",
                reason="bad_archive",
                file=content.name,
                size=sum(sizes),
                limit=min(allowed, _MAX_GROUP_BYTES),
            )
        return ParquetTable(tuple(file.schema_arrow.names))


def read_parquet_rows(content: Content) -> Iterator[Row]:
    """Give every row of a Parquet file, in its order, counted from 1."""
    number = 0
    with _reading(content), _parquet(content) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
            for values in batch.to_pylist():
                number += 1
                cells = {name: _cell(value) for name, value in values.items()}
                yield Row(number, cells, _record(values))


@contextmanager
def _parquet(content: Content) -> Iterator[Any]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(
        content.path,
        buffer_size=1 << 20,
        pre_buffer=False,
        thrift_string_size_limit=_MAX_FOOTER_BYTES,
        thrift_container_size_limit=_MAX_FOOTER_BYTES,
    ) as file:
        yield file


@contextmanager
def _reading(content: Content) -> Iterator[None]:
    """Say in our words what the library says, and when it is not there."""
    try:
        import pyarrow
    except ImportError:
        raise ConfigError(
            "{file} is Parquet, which pyarrow reads: install phusong[analysis]", file=content.name
        ) from None
    try:
        yield
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise unreadable_header(content.name, ascii_safe(str(error)[:200])) from error


def _cell(value: object) -> str:
    if value is None or isinstance(value, bytes | list | dict):
        return ""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        # A column of whole numbers that has gaps comes as one of floats.
        return str(int(value))
    return str(value).strip()


def _record(values: Mapping[str, object]) -> str:
    shown = {
        name: value.hex() if isinstance(value, bytes) else value for name, value in values.items()
    }
    return json.dumps(shown, ensure_ascii=False, default=str)[:MAX_RECORD_CHARS]
