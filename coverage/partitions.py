"""
Samples from a folder of Parquet files, a chunk at a time: what a cluster reads.

The files are those that `phusong data export` writes (columns of the view `attempts`), one or
many, on this machine or at any address that fsspec knows (``s3://...``). Columns are checked
before anything is counted; what is not a column of ours is not read.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import fsspec  # type: ignore[import-untyped]
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..data.errors import ConfigError
from .asked import MAY_BE_LEFT_OUT, Tested, need_more_than_download, unasked_metrics
from .frame import NAMES, NUMBERS, Chunk, to_names
from .operators import home_operators
from .rules import Rule

CHUNK_ROWS = 250_000
# As `phusong data export --partition` marks a folder while it writes it.
UNFINISHED = "_unfinished"
_READ = (*NAMES, *NUMBERS, "started_at", "origin")
# Looked at only where a rule asks for it.
_RARELY_READ = ("engine", "tool")
_OPERATORS = ("operator", "plmn")


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
    if any(name.rsplit("/", 1)[-1] == UNFINISHED for name in found):
        raise ConfigError(
            "{file}: an export to this folder has not finished; write it again with: phusong data"
            " export --partition --overwrite",
            file=address,
        )
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
    names = [name for name in _READ if name not in without]
    yield from map(_chunk, _batches(address, names))


def may_lack_operators(without: Collection[str], address: str) -> bool:
    """
    Tell from a file's statistics whether some sample may name neither operator nor PLMN.

    That takes none of its samples to be read. Columns are checked as `read_partition` does.

    Raises
    ------
    ConfigError
        As `read_partition`.
    """
    with _opened(address, [name for name in _READ if name not in without]) as (_, about):
        return not all(
            any(_is_full(about.row_group(group), name) for name in _OPERATORS)
            for group in range(about.num_row_groups)
        )


def _is_full(group: Any, name: str) -> bool:
    """Whether a column of a row group is known to have no missing value."""
    for column in map(group.column, range(group.num_columns)):
        if column.path_in_schema == name:
            told = column.statistics
            return told is not None and told.has_null_count and told.null_count == 0
    return False


def surveyed_columns(rules: Iterable[Rule], *, operators: bool) -> tuple[str, ...]:
    """
    Give the columns that `survey_partition` has to look at before some rules can be judged by.

    `operators` is whether some sample may name no operator. Where nothing has to be known of
    probes, there are none.
    """
    rules = list(rules)
    metrics, engines = need_more_than_download(rules), any(rule.engines for rule in rules)
    wanted = {
        **dict.fromkeys(_OPERATORS, operators),
        **dict.fromkeys(("kind", "outcome"), metrics or engines),
        **dict.fromkeys(MAY_BE_LEFT_OUT, metrics),
        "engine": engines,
    }
    names = tuple(name for name, asked in wanted.items() if asked)
    return ("probe", *names) if names else ()


@dataclass(slots=True)
class Survey:
    """
    What must be known of every probe before anything is judged; surveys of files add up.

    `operators` counts (probe, operator as its samples name it), `tests` the speed tests of a probe
    that ended well, `measured` those by (probe, metric that such a test may leave out). `engines`
    counts speed tests by (probe, engine that they name, whether they ended well). What was not
    looked at is not counted.
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
        operator = said.get("operator")
        name = said.get("plmn") if operator is None else operator
        if name:
            self.operators[probe, name] += samples
        if said.get("kind") != "speed":
            return
        well = said["outcome"] == "ok"
        if "engine" in said:
            self.engines[probe, said["engine"], well] += samples
        if well and measured:
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


def survey_partition(columns: Sequence[str], address: str) -> Survey:
    """
    Look through some columns of one file (`surveyed_columns`) for what `Survey` holds.

    Raises
    ------
    ConfigError
        As `read_partition`.
    """
    keys = [name for name in columns if name in NAMES]
    metrics = [name for name in columns if name in NUMBERS]
    counts = [([], "count_all"), *((name, "count") for name in metrics)]
    survey = Survey()
    for batch in _batches(address, columns):
        names = {key: to_names(batch.column(key)) for key in keys}
        table = pa.table(
            {key: column.codes for key, column in names.items()}
            | {name: batch.column(name) for name in metrics}
        )
        for row in table.group_by(keys).aggregate(counts).to_pylist():
            # The code of a missing text is -1: the last entry.
            said = {key: (*names[key].texts, None)[row[key]] for key in keys}
            survey.count(said, row["count_all"], {m: row[f"{m}_count"] for m in metrics})
    return survey


def _batches(address: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with _opened(address, columns) as (file, about):
        held = about.schema.to_arrow_schema().names
        few = [name for name in (*NAMES, "origin") if name in held]
        with pq.ParquetFile(file, metadata=about, read_dictionary=few) as parquet:
            yield from parquet.iter_batches(CHUNK_ROWS, columns=list(columns))


@contextmanager
def _opened(address: str, columns: Collection[str]) -> Iterator[tuple[Any, Any]]:
    """Open a file whose columns are in order; give it, and what it says of itself."""
    try:
        with fsspec.open(address, "rb") as file:
            about = pq.read_metadata(file)
            _check(address, about.schema.to_arrow_schema(), columns)
            yield file, about
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(
            "{file}: cannot be read: {error}", file=address, error=str(error)[:200]
        ) from error


def _check(address: str, schema: pa.Schema, wanted: Collection[str]) -> None:
    for name in _READ:
        if name in _RARELY_READ and name not in wanted:
            continue
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
