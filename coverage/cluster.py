"""
Counting on a Dask cluster: each worker reads its own files, only small tables travel.

Boundaries and their index go out once to every worker. A file is one task, and a task's result
does not depend on who did it or how often: a worker that dies costs time, never a number. Samples
are not shuffled; a dataframe group-by of the same samples moved every one of them and took four
times as long.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from distributed import Client, KilledWorker, LocalCluster, as_completed

from ..data.errors import ConfigError, PhusongError
from .counting import Counted, Job, count_chunk, merge_counted
from .partitions import read_partition
from .trials import unasked

LOCAL = "local"
# Dask's own functions carry no types.
_client: Any = Client
_local: Any = LocalCluster
_as_completed: Any = as_completed
_WAIT_S = 20
_TRIES = 3


@contextmanager
def cluster(scheduler: str, workers: int) -> Iterator[Any]:
    """
    Give a client of the cluster at an address such as ``tcp://host:8786``, or of one made here.

    Raises
    ------
    ConfigError
        If it cannot be reached.
    """
    if scheduler == LOCAL:
        with (
            _local(
                n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=40
            ) as made,
            _client(made) as client,
        ):
            yield client
        return
    try:
        client = _client(scheduler, timeout=_WAIT_S)
    except (OSError, ValueError) as error:
        raise ConfigError(
            "no cluster answers at {scheduler}: {error}; start one with: dask scheduler",
            scheduler=scheduler,
            error=str(error)[:200],
        ) from error
    with client:
        yield client


def count_on(client: Any, job: Job, files: Sequence[str]) -> Iterator[Counted]:
    """
    Count files on a cluster, and give what each came to as they come.

    Raises
    ------
    ConfigError
        If a file cannot be used, or the cluster has lost its workers too often.
    """
    try:
        client.wait_for_workers(1, timeout=_WAIT_S)
        sent = client.scatter(job, broadcast=True)
        tasks = [client.submit(_count_file, sent, file, retries=_TRIES) for file in files]
        for task in _as_completed(tasks):
            yield task.result()
    except PhusongError:
        raise
    except (KilledWorker, TimeoutError, OSError) as error:
        raise ConfigError(
            "the cluster has lost its workers, or has none: {error}; nothing was kept",
            error=str(error)[:200],
        ) from error


def _count_file(job: Job, file: str) -> Counted:
    chunks = read_partition(file, unasked(job.rules))
    return merge_counted(count_chunk(job, chunk) for chunk in chunks)
