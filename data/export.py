"""
Samples handed over: as a table, as evidence, as points on a map, as a whole store.

A CSV, GeoParquet or GeoPackage file holds the view `attempts`, a row for each attempt, failed
and simulated ones included and told apart by `outcome` and `origin`; an attempt without a position
has no geometry and stays. JSON lines hold the bodies, byte for byte: the SHA-256 of a line
without its end is the sample's id. A target appears complete or not at all.
"""

import csv
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from .errors import ConfigError, StoreError
from .store import Store

# A spreadsheet runs a cell that starts so as a formula; the full-width forms too, in some locales.
_FORMULA_STARTS = tuple("=+-@\t\r＝＋－＠")
_PLAIN_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")

_STEP_ROWS = 1_000


class Format(StrEnum):
    """What is written."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    GPKG = "gpkg"
    STORE = "db"


_SUFFIXES = {
    ".csv": Format.CSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".parquet": Format.PARQUET,
    ".geoparquet": Format.PARQUET,
    ".gpkg": Format.GPKG,
    ".db": Format.STORE,
}


def format_of(target: Path) -> Format:
    """
    Tell the format by a file's ending.

    Raises
    ------
    ConfigError
        If the ending is none of those known.
    """
    found = _SUFFIXES.get(target.suffix.lower())
    if found is None:
        raise ConfigError(
            "{file}: its ending names no format; name one with --format: {formats}",
            file=target,
            formats=", ".join(Format),
        )
    return found


def export(
    store: Store,
    target: Path,
    form: Format,
    *,
    overwrite: bool = False,
    on_progress: Callable[[int], None] = lambda steps: None,
) -> int:
    """
    Write every sample to a file; give how many. `on_progress` is told of further samples.

    Raises
    ------
    StoreError
        If the target is there and `overwrite` is false, is the store itself, or cannot be
        written. What was there before is still there then.
    """
    with _replacing(store, target, overwrite=overwrite) as part:
        if form is Format.CSV:
            return _write_csv(store, part, on_progress)
        if form is Format.JSONL:
            return _write_jsonl(store, part, on_progress)
        if form is Format.STORE:
            store.export_copy(part)
            return int(store.tables["sample"].count)
        from .points import write_geopackage, write_geoparquet

        write = write_geoparquet if form is Format.PARQUET else write_geopackage
        return write(store, part, on_progress)


def safe_cell(value: object) -> object:
    """Give a value that no spreadsheet takes for a formula; plain numbers stay as they are."""
    if (
        isinstance(value, str)
        and value.startswith(_FORMULA_STARTS)
        and not _PLAIN_NUMBER.match(value)
    ):
        return "'" + value
    return value


@contextmanager
def _replacing(store: Store, target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a name beside the target that becomes the target once it is complete."""
    if target.is_dir():
        raise StoreError("{file} is a folder; name a file", file=target)
    if target.exists():
        if target.samefile(store.path):
            raise StoreError("{file} is the store itself; choose another name", file=target)
        if not overwrite:
            raise StoreError(
                "{file} is there already; choose another name, or --overwrite", file=target
            )
    part = target.with_name(f".{target.stem[:100]}.{os.getpid()}.part{target.suffix}")
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.replace(target)
    except OSError as error:
        raise StoreError(
            "cannot write {file}: {error}", file=target, error=error.strerror or error
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _write_csv(store: Store, part: Path, on_progress: Callable[[int], None]) -> int:
    count = 0
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_columns(store))
        for row in store.tables.query("SELECT * FROM attempts ORDER BY n"):
            writer.writerow([safe_cell(value) for value in row.values()])
            count += 1
            if count % _STEP_ROWS == 0:
                on_progress(_STEP_ROWS)
    return count


def _write_jsonl(store: Store, part: Path, on_progress: Callable[[int], None]) -> int:
    count = 0
    with part.open("wb") as file:
        for identity, body in store.bodies():
            if b"\n" in body:
                raise StoreError(
                    "the evidence of sample {id} has several lines; export the store as a .db file",
                    id=identity.hex()[:16],
                )
            file.write(body + b"\n")
            count += 1
            if count % _STEP_ROWS == 0:
                on_progress(_STEP_ROWS)
    return count


def _columns(store: Store) -> list[Any]:
    return [column.name for column in store.tables["attempts"].columns]
