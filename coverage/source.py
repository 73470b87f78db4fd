"""Where samples to judge come from, and who counts them: this process, several, or a cluster."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from ..data.errors import ConfigError
from .compute import Counting, count_here
from .frame import Chunk
from .operators import home_operators
from .parallel import count_by


@dataclass(frozen=True, slots=True)
class Given:
    """
    Samples to judge: chunks of them, or files of which each is read by whoever counts it.

    `total` is how many there are, None where nobody has counted; `homes` the operators of probes.
    """

    chunks: Iterable[Chunk]
    total: int | None
    homes: Mapping[str, str]
    files: Sequence[str] = ()


def from_files(source: str, without: Collection[str] = ()) -> Given:
    """Give the samples of exported Parquet files, from a folder or an address."""
    # Parquet and remote storage are wanted here only.
    from .partitions import count_operators, find_partitions, read_partition

    files = find_partitions(source)
    chunks = chain.from_iterable(read_partition(file, without) for file in files)
    return Given(chunks, None, home_operators(count_operators(files)), files)


@contextmanager
def counting(given: Given, *, workers: int = 1, scheduler: str | None = None) -> Iterator[Counting]:
    """Give the way to count: here, by several processes, or on a cluster."""
    if scheduler is None:
        yield count_by(workers) if workers > 1 else count_here
        return
    if not given.files:
        raise ConfigError("--scheduler needs --from: a cluster reads exported Parquet files")
    from .cluster import cluster, count_on

    with cluster(scheduler, workers) as client:
        yield lambda job, _: count_on(client, job, given.files)
