"""
Samples from a folder of Parquet files, a chunk at a time: what a cluster reads.

The files are those that `phusong data export` writes (columns of the view `attempts`), one or
many, on this machine or at any address that fsspec knows (``s3://...``). Columns are checked
before anything is counted; what is not a column of ours is not read.
"""

import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import fsspec  # type: ignore[import-untyped]
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..data.errors import ConfigError
from ..data.sample import Kind, NrEvidence, Outcome, Rat
from .asked import MAY_BE_LEFT_OUT, Tested, unasked_metrics
from .frame import NAMES, NUMBERS, Chunk, Flags, to_names
from .operators import home_operators

CHUNK_ROWS = 250_000
# As `phusong data export --partition` marks a folder while it writes it.
UNFINISHED = "_unfinished"
_ENDINGS = (".parquet", ".geoparquet")
_READ = (*NAMES, *NUMBERS, "started_at", "origin")
# Looked at only where a rule asks for it.
_RARELY_READ = ("engine", "tool")
_SURVEYED = ("probe", "operator", "plmn", "kind", "outcome")
# What a sample may hold: these texts, always something, numbers from here to there.
_TEXTS: Mapping[str, Collection[str]] = {
    "kind": frozenset(Kind),
    "outcome": frozenset(Outcome),
    "rat": frozenset(Rat),
    "nr_evidence": frozenset(NrEvidence),
    "origin": frozenset({"measured", "simulated"}),
}
_NOWHERE: Flags = np.zeros(1, dtype=np.bool_)
_NEVER_MISSING = ("probe", "kind", "outcome", "origin", "started_at")
_MOST = sys.float_info.max
_LIMITS = {
    "lon": (-180.0, 180.0),
    "lat": (-90.0, 90.0),
    "rsrp_dbm": (-_MOST, _MOST),
    "nr_rsrp_dbm": (-_MOST, _MOST),
}


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
    names = [name for name in _READ if name not in without]
    row = 1
    for batch in _batches(address, names):
        with _readable(address):
            _refuse_strange(address, row, batch)
            chunk = _chunk(batch)
        yield chunk
        row += len(batch)


@dataclass(slots=True)
class Survey:
    """
    What must be known of every probe before anything is judged; surveys of files add up.

    `operators` counts (probe, operator as its samples name it), `tests` the speed tests of a probe
    that ended well, `measured` those by (probe, metric that such a test may leave out). `engines`
    counts speed tests by (probe, engine that they name, whether they ended well).
    """

    operators: Counter[tuple[str, str]] = field(default_factory=Counter)
    tests: Counter[str] = field(default_factory=Counter)
    measured: Counter[tuple[str, str]] = field(default_factory=Counter)
    engines: Counter[tuple[str, str | None, bool]] = field(default_factory=Counter)

    def count(
        self, said: Mapping[str, str | None], samples: int, measured: Mapping[str, int]
    ) -> None:
        """Take in samples that name the same texts, and how many of them measured a metric."""
        probe = said["probe"] or ""
        name = said["plmn"] if said["operator"] is None else said["operator"]
        if name:
            self.operators[probe, name] += samples
        if said["kind"] != "speed":
            return
        well = said["outcome"] == "ok"
        if "engine" in said:
            self.engines[probe, said["engine"], well] += samples
        if well:
            self.tests[probe] += samples
            for metric, count in measured.items():
                self.measured[probe, metric] += count

    def add(self, other: "Survey") -> None:
        """Take another one in."""
        self.operators.update(other.operators)
        self.tests.update(other.tests)
        self.measured.update(other.measured)
        self.engines.update(other.engines)

    def homes(self) -> dict[str, str]:
        """Give the operator of each probe."""
        return home_operators((*key, count) for key, count in sorted(self.operators.items()))

    def tested(self) -> list[Tested]:
        """Give each probe and engine, its speed tests, and those that ended well."""
        every = sorted({key[:2] for key in self.engines}, key=lambda key: (key[0], key[1] or ""))
        return [
            (*key, self.engines[*key, False] + self.engines[*key, True], self.engines[*key, True])
            for key in every
        ]

    def unasked(self) -> dict[str, frozenset[str]]:
        """Give the metrics that a probe does not measure."""
        return unasked_metrics(
            (probe, tests, self.measured[probe, "up_mbps"], self.measured[probe, "rtt_idle_ms"])
            for probe, tests in sorted(self.tests.items())
        )


def survey_partition(address: str, without: Collection[str] = ()) -> Survey:
    """
    Look through one file for what `Survey` holds, reading no other columns.

    Engines are not looked at where `without` has their column.
    """
    keys = _SURVEYED if "engine" in without else (*_SURVEYED, "engine")
    counts = [([], "count_all"), *((name, "count") for name in MAY_BE_LEFT_OUT)]
    survey = Survey()
    for batch in _batches(address, (*keys, *MAY_BE_LEFT_OUT)):
        with _readable(address):
            names = {key: to_names(batch.column(key)) for key in keys}
        table = pa.table(
            {key: column.codes for key, column in names.items()}
            | {name: batch.column(name) for name in MAY_BE_LEFT_OUT}
        )
        for row in table.group_by(list(keys)).aggregate(counts).to_pylist():
            # The code of a missing text is -1: the last entry.
            said = {key: (*names[key].texts, None)[row[key]] for key in keys}
            survey.count(said, row["count_all"], {m: row[f"{m}_count"] for m in MAY_BE_LEFT_OUT})
    return survey


def _batches(address: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with _readable(address), fsspec.open(address, "rb") as file:
        about = pq.read_metadata(file)
        schema = about.schema.to_arrow_schema()
        _check(address, schema, columns)
        few = [name for name in (*NAMES, "origin") if name in schema.names]
        with pq.ParquetFile(file, metadata=about, read_dictionary=few) as parquet:
            yield from parquet.iter_batches(CHUNK_ROWS, columns=list(columns))


@contextmanager
def _readable(address: str) -> Iterator[None]:
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
    for name in _READ:
        if name in _RARELY_READ and name not in wanted:
            continue
        if (count := schema.names.count(name)) > 1:
            raise ConfigError(
                "{file}: {count} columns are called {name}; write it with: phusong data export",
                file=address,
                count=count,
                name=_quoted(name),
            )
        if not count:
            raise ConfigError(
                "{file}: there is no column {name}; write it with: phusong data export",
                file=address,
                name=_quoted(name),
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
                name=_quoted(name),
                kind=kind,
                wanted="numbers" if name in NUMBERS else "text",
            )


def _refuse_strange(address: str, first: int, batch: pa.RecordBatch) -> None:
    """Refuse what no sample of ours holds: it would be counted, and nobody could say as what."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        wrong = _strange_number(name, column) if name in NUMBERS else _strange_text(name, column)
        if len(rows := np.flatnonzero(wrong)):
            value = column[int(rows[0])].as_py()
            raise ConfigError(
                "{file}: row {row}: {name} is {value}, which no sample has; write it with: phusong"
                " data export",
                file=address,
                row=first + int(rows[0]),
                name=_quoted(name),
                value="missing" if value is None else str(value)[:40],
            )
    half = pc.xor(*(batch.column(name).is_null(nan_is_null=True) for name in ("lon", "lat")))
    if pc.any(half).as_py():
        raise ConfigError(
            "{file}: row {row}: of lon and lat one is missing; write it with: phusong data export",
            file=address,
            row=first + pc.index(half, True).as_py(),
        )


def _quoted(name: str) -> str:
    """Give a column's name as it stands in the file, where a word would be said in Vietnamese."""
    return f'"{name}"'


def _strange_number(name: str, column: Any) -> Flags:
    low, high = _LIMITS.get(name, (0.0, _MOST))
    ends = pc.min_max(column).as_py()
    if ends["min"] is None or (low <= ends["min"] and ends["max"] <= high):
        return _NOWHERE
    values = column.cast(pa.float64()).fill_null(np.nan).to_numpy()
    return np.asarray((values < low) | (values > high))


def _strange_text(name: str, column: Any) -> Flags:
    if name in _NEVER_MISSING and column.null_count:
        return np.asarray(column.is_null().to_numpy(zero_copy_only=False))
    if name not in _TEXTS:
        return _NOWHERE
    known = _TEXTS[name]
    return np.asarray(to_names(column).numbered(lambda text: int(text not in known), 0) == 1)


def _chunk(batch: pa.RecordBatch) -> Chunk:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    started = batch.column("started_at").cast(pa.timestamp("us", tz="UTC"))
    columns["started_us"] = started.cast(pa.int64())
    columns["simulated"] = to_names(batch.column("origin")).among({"simulated"}).astype(np.int64)
    return columns
