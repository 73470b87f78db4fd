"""
What must be known of every probe in files of samples before anything is judged.

Only what the rules need is looked at: uploads, delays and engines where a rule asks for them,
operators where some sample may name none.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from .asked import MAY_BE_LEFT_OUT, Tested, need_more_than_download, unasked_metrics
from .frame import NAMES, NUMBERS, to_names
from .operators import home_operators
from .partitions import READ, batches, opened, readable
from .rules import Rule

_OPERATORS = ("operator", "plmn")


def may_lack_operators(without: Collection[str], address: str) -> bool:
    """
    Tell from a file's statistics whether some sample may name neither operator nor PLMN.

    That takes none of its samples to be read. Columns are checked as `read_partition` does.

    Raises
    ------
    ConfigError
        As `read_partition`.
    """
    with opened(address, [name for name in READ if name not in without]) as (_, about):
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
    for batch in batches(address, columns):
        with readable(address):
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
