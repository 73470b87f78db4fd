"""
Samples from a folder of Parquet files, a chunk at a time: what a cluster reads.

The files are those that `phusong data export` writes (columns of the view `attempts`), one or
many, on this machine or at any address that fsspec knows (``s3://...``). Columns are checked
before anything is counted; what is not a column of ours is not read.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.parquet as pq

from ..data.errors import ConfigError
from .counting import Chunk
from .frame import NAMES, NUMBERS

CHUNK_ROWS = 250_000
_READ = (*NAMES, *NUMBERS, "started_at", "origin")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
        found = [path] if system.isfile(path) else system.find(path)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError("{file}: cannot be read: {error}", file=address, error=error) from error
    parts = sorted(name for name in found if name.endswith((".parquet", ".geoparquet")))
    if not parts:
        raise ConfigError(
            "{file}: no Parquet file there; write some with: phusong data export", file=address
        )
    return [system.unstrip_protocol(name) for name in parts]


def read_partition(address: str) -> Iterator[Chunk]:
    """
    Give the samples of one file in chunks.

    Raises
    ------
    ConfigError
        If it is cut or no Parquet, or a column is missing or holds something else.
    """
    try:
        with fsspec.open(address, "rb") as file, pq.ParquetFile(file) as parquet:
            _check(address, parquet.schema_arrow)
            for batch in parquet.iter_batches(CHUNK_ROWS, columns=list(_READ)):
                yield _chunk(batch)
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(
            "{file}: cannot be read: {error}", file=address, error=str(error)[:200]
        ) from error


def count_operators(addresses: Iterable[str]) -> list[tuple[str, str, int]]:
    """Give (probe, operator as its samples name it, how many), as `home_operators` takes them."""
    seen: Counter[tuple[str, str]] = Counter()
    for address in addresses:
        for chunk in read_partition(address):
            names = zip(chunk["probe"], chunk["operator"], chunk["plmn"], strict=True)
            seen.update(
                (probe, operator or plmn) for probe, operator, plmn in names if operator or plmn
            )
    return [(probe, operator, count) for (probe, operator), count in sorted(seen.items())]


def _check(address: str, schema: pa.Schema) -> None:
    for name in _READ:
        if name not in schema.names:
            raise ConfigError(
                "{file}: there is no column {name}; write it with: phusong data export",
                file=address,
                name=name,
            )
        kind = schema.field(name).type
        number = pa.types.is_floating(kind) or pa.types.is_integer(kind)
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        # A column that holds nothing at all has no type to be wrong.
        if not pa.types.is_null(kind) and not (number if name in NUMBERS else text):
            raise ConfigError(
                "{file}: column {name} holds {kind}, not {wanted}; write it with: phusong data"
                " export",
                file=address,
                name=name,
                kind=kind,
                wanted="numbers" if name in NUMBERS else "text",
            )


def _chunk(batch: pa.RecordBatch) -> Chunk:
    columns: dict[str, list[Any]] = {name: batch.column(name).to_pylist() for name in _READ}
    started = columns.pop("started_at")
    columns["started_us"] = [
        (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1) for text in started
    ]
    columns["simulated"] = [int(origin == "simulated") for origin in columns.pop("origin")]
    return columns
