"""Where samples to judge come from, and who counts them: this process, several, or a cluster."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from .asked import Tested
from .compute import Counting, count_here
from .frame import Chunk
from .parallel import count_by

if TYPE_CHECKING:
    from .partitions import Survey


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
    source: str,
    without: Collection[str] = (),
    *,
    workers: int = 1,
    scheduler: str | None = None,
) -> Iterator[Given]:
    """
    Give the samples of exported Parquet files, from a folder or an address.

    Columns named in `without` are left out. With a `scheduler` the files are read by a cluster,
    and by nobody else.
    """
    # Parquet, remote storage and Dask are wanted here only.
    from .partitions import find_partitions, read_partition, survey_partition

    files = find_partitions(source)
    if scheduler is None:
        seen = _merged(survey_partition(file, without) for file in files)
        chunks = chain.from_iterable(read_partition(file, without) for file in files)
        yield Given(chunks, None, seen.homes(), seen.unasked(), count_with(workers), seen.tested())
        return
    from .cluster import cluster, count_on, survey_on

    with cluster(scheduler, workers) as client:
        seen = _merged(survey_on(client, files, without))
        yield Given(
            (),
            None,
            seen.homes(),
            seen.unasked(),
            lambda job, _: count_on(client, job, files),
            seen.tested(),
        )


def _merged(surveys: "Iterable[Survey]") -> "Survey":
    from .partitions import Survey

    seen = Survey()
    for survey in surveys:
        seen.add(survey)
    return seen
