"""
Samples from a folder of Parquet files, a chunk at a time: what a cluster reads.

The files are those that `phusong data export` writes (columns of the view `attempts`), one or
many, on this machine or at any address that fsspec knows (``s3://...``). Columns are checked
before anything is counted; what is not a column of ours is not read.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

import fsspec  # type: ignore[import-untyped]
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..data.errors import ConfigError
from .frame import NAMES, NUMBERS, Chunk, to_names

CHUNK_ROWS = 250_000
_READ = (*NAMES, *NUMBERS, "started_at", "origin")
_OPERATOR = ("probe", "operator", "plmn")


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


def read_partition(address: str, without: Collection[str] = ()) -> Iterator[Chunk]:
    """
    Give the samples of one file in chunks; columns named in `without` are left out.

    Raises
    ------
    ConfigError
        If it is cut or no Parquet, or a column is missing or holds something else.
    """
    with _opened(address) as parquet:
        names = [name for name in _READ if name not in without]
        for batch in parquet.iter_batches(CHUNK_ROWS, columns=names):
            yield _chunk(batch)


def count_operators(addresses: Iterable[str]) -> list[tuple[str, str, int]]:
    """Give (probe, operator as its samples name it, how many), as `home_operators` takes them."""
    seen: Counter[tuple[str, str]] = Counter()
    for address in addresses:
        with _opened(address) as parquet:
            for batch in parquet.iter_batches(CHUNK_ROWS, columns=list(_OPERATOR)):
                groups = pa.Table.from_batches([batch]).group_by(list(_OPERATOR))
                counts = groups.aggregate([([], "count_all")]).to_pylist()
                for row in counts:
                    if name := row["operator"] or row["plmn"]:
                        seen[row["probe"], name] += row["count_all"]
    return [(probe, operator, count) for (probe, operator), count in sorted(seen.items())]


@contextmanager
def _opened(address: str) -> Iterator[pq.ParquetFile]:
    names = [*NAMES, "origin"]
    try:
        with (
            fsspec.open(address, "rb") as file,
            pq.ParquetFile(file, read_dictionary=names) as parquet,
        ):
            _check(address, parquet.schema_arrow)
            yield parquet
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(
            "{file}: cannot be read: {error}", file=address, error=str(error)[:200]
        ) from error


def _check(address: str, schema: pa.Schema) -> None:
    for name in _READ:
        if name not in schema.names:
            raise ConfigError(
                "{file}: there is no column {name}; write it with: phusong data export",
                file=address,
                name=name,
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
                name=name,
                kind=kind,
                wanted="numbers" if name in NUMBERS else "text",
            )


def _chunk(batch: pa.RecordBatch) -> Chunk:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    started = batch.column("started_at").cast(pa.timestamp("us", tz="UTC"))
    columns["started_us"] = started.cast(pa.int64())
    columns["simulated"] = to_names(batch.column("origin")).among({"simulated"}).astype(np.int64)
    return columns
