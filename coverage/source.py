"""Where samples to judge come from, and who counts them: this process, several, or a cluster."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from .asked import Tested
from .compute import Counting, count_here
from .frame import Chunk
from .parallel import count_by
from .rules import Rule
from .trials import unread_columns

if TYPE_CHECKING:
    from .survey import Survey


@dataclass(frozen=True, slots=True)
class Given:
    """
    Samples to judge: chunks of them, and the way to count them.

    `total` is how many there are, None where nobody has counted; `homes` the operators of probes,
    `unasked` the metrics that a probe does not measure, `tested` the engines that it uses, where a
    rule asks for some. On a cluster the chunks are none: whoever
    counts reads the files.
    """

    chunks: Iterable[Chunk]
    total: int | None
    homes: Mapping[str, str]
    unasked: Mapping[str, frozenset[str]] = field(default_factory=dict)
    count: Counting = count_here
    tested: Sequence[Tested] = ()


def count_with(workers: int) -> Counting:
    """Give the way to count by so many processes on this machine."""
    return count_by(workers) if workers > 1 else count_here


@contextmanager
def from_files(
    source: str, rules: Iterable[Rule], *, workers: int = 1, scheduler: str | None = None
) -> Iterator[Given]:
    """
    Give the samples of exported Parquet files, from a folder or an address.

    Columns that none of the rules looks at are left out. With a `scheduler` the files are read by
    a cluster, and by nobody else.
    """
    # Parquet, remote storage and Dask are wanted here only.
    from .partitions import find_partitions, read_partition

    files, rules = find_partitions(source), list(rules)
    without = unread_columns(rules)
    if scheduler is None:
        seen = _surveyed(rules, lambda do: map(do, files))
        chunks = chain.from_iterable(read_partition(file, without) for file in files)
        yield Given(chunks, None, seen.homes(), seen.unasked(), count_with(workers), seen.tested())
        return
    from .cluster import cluster, count_on, each_on

    with cluster(scheduler, workers) as client:
        seen = _surveyed(rules, lambda do: each_on(client, do, files))
        yield Given(
            (),
            None,
            seen.homes(),
            seen.unasked(),
            lambda job, _: count_on(client, job, files),
            seen.tested(),
        )


def _surveyed(
    rules: Sequence[Rule], each: Callable[[Callable[[str], Any]], Iterator[Any]]
) -> "Survey":
    """
    Find what must be known of every probe; `each` does something for every file.

    The operators of a probe are asked about where a sample of it may name none, and those of all
    files then: they decide together which one it is.
    """
    from .survey import Survey, may_lack_operators, survey_partition, surveyed_columns

    # A list, not any(each(...)): this is where the columns of every file are checked.
    lacking = list(each(partial(may_lack_operators, unread_columns(rules))))
    seen = Survey()
    if columns := surveyed_columns(rules, operators=any(lacking)):
        for survey in each(partial(survey_partition, columns)):
            seen.add(survey)
    return seen
