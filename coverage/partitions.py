"""
Samples from a folder of Parquet files, a chunk at a time: what a cluster reads.

The files are those that `phusong data export` writes (columns of the view `attempts`), one or
many, on this machine or at any address that fsspec knows (``s3://...``). Columns are checked
before anything is counted; what is not a column of ours is not read.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import fsspec  # type: ignore[import-untyped]
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..data.errors import ConfigError
from .file_rows import quoted, refuse_strange_rows
from .frame import NAMES, NUMBERS, Chunk, to_names

CHUNK_ROWS = 250_000
# As `phusong data export --partition` marks a folder while it writes it.
UNFINISHED = "_unfinished"
_ENDINGS = (".parquet", ".geoparquet")
READ = (*NAMES, *NUMBERS, "started_at", "origin")
# Looked at only where a rule asks for it.
_RARELY_READ = ("engine", "tool")


def find_partitions(address: str) -> list[str]:
    """
    Give the addresses of all Parquet files at an address (a file, or a folder), by name.

    Raises
    ------
    ConfigError
        If there is none, or the address cannot be read.
    """
    try:
        system, path = fsspec.core.url_to_fs(address)
        # Over HTTP, a folder's page is a file too; and a file's address would be read as a page.
        one = path.endswith(_ENDINGS) and system.isfile(path)
        found = [path] if one else system.find(path)
        if not found:
            # To `find`, a server that does not answer has nothing there: this says so.
            with suppress(FileNotFoundError):
                system.ls(path)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError("{file}: cannot be read: {error}", file=address, error=error) from error
    if any(name.rsplit("/", 1)[-1] == UNFINISHED for name in found):
        raise ConfigError(
            "{file}: an export to this folder has not finished; write it again with: phusong data"
            " export --partition --overwrite",
            file=address,
        )
    parts = sorted(name for name in found if name.endswith(_ENDINGS))
    if not parts:
        raise ConfigError(
            "{file}: no Parquet file there; write some with: phusong data export", file=address
        )
    return [system.unstrip_protocol(name) for name in parts]


def read_partition(address: str, without: Collection[str] = ()) -> Iterator[Chunk]:
    """
    Give the samples of one file in chunks; columns named in `without` are left out.

    Raises
    ------
    ConfigError
        If it is cut or no Parquet, or a column is missing or holds something else.
    """
    names = [name for name in READ if name not in without]
    row = 1
    for batch in batches(address, names):
        with readable(address):
            refuse_strange_rows(address, row, batch)
            chunk = _chunk(batch)
        yield chunk
        row += len(batch)


def batches(address: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Give some columns of a file, a part at a time."""
    with opened(address, columns) as (file, about):
        held = about.schema.to_arrow_schema().names
        few = [name for name in (*NAMES, "origin") if name in held]
        with pq.ParquetFile(file, metadata=about, read_dictionary=few) as parquet:
            yield from parquet.iter_batches(CHUNK_ROWS, columns=list(columns))


@contextmanager
def opened(address: str, columns: Collection[str]) -> Iterator[tuple[Any, Any]]:
    """Open a file whose columns are in order; give it, and what it says of itself."""
    with readable(address), fsspec.open(address, "rb") as file:
        about = pq.read_metadata(file)
        _check(address, about.schema.to_arrow_schema(), columns)
        yield file, about


@contextmanager
def readable(address: str) -> Iterator[None]:
    """Say of a file that it cannot be read, whatever is wrong with it."""
    try:
        yield
    # A ValueError: text that is no UTF-8, or a server that cannot give parts of a file.
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ConfigError(
            "{file}: cannot be read: {error}; write it again with: phusong data export",
            file=address,
            error=str(error)[:200],
        ) from error


def _check(address: str, schema: pa.Schema, wanted: Collection[str]) -> None:
    for name in READ:
        if name in _RARELY_READ and name not in wanted:
            continue
        if (count := schema.names.count(name)) > 1:
            raise ConfigError(
                "{file}: {count} columns are called {name}; write it with: phusong data export",
                file=address,
                count=count,
                name=quoted(name),
            )
        if not count:
            raise ConfigError(
                "{file}: there is no column {name}; write it with: phusong data export",
                file=address,
                name=quoted(name),
            )
        kind = schema.field(name).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        number = pa.types.is_floating(kind) or pa.types.is_integer(kind)
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        # A column that holds nothing at all has no type to be wrong.
        if not pa.types.is_null(kind) and not (number if name in NUMBERS else text):
            raise ConfigError(
                "{file}: column {name} holds {kind}, not {wanted}; write it with: phusong data"
                " export",
                file=address,
                name=quoted(name),
                kind=kind,
                wanted="numbers" if name in NUMBERS else "text",
            )


def _chunk(batch: pa.RecordBatch) -> Chunk:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    started = batch.column("started_at").cast(pa.timestamp("us", tz="UTC"))
    columns["started_us"] = started.cast(pa.int64())
    columns["simulated"] = to_names(batch.column("origin")).among({"simulated"}).astype(np.int64)
    return columns
