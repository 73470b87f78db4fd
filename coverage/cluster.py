"""
Counting on a Dask cluster: each worker reads its own files, only small tables travel.

Boundaries and their index go out once to every worker. A file is one task, and a task's result
does not depend on who did it or how often: a worker that dies costs time, never a number. Samples
are not shuffled; a dataframe group-by of the same samples moved every one of them and took four
times as long.

A cluster that has no worker left would wait for one for ever. Whoever waits here looks at it
every few seconds, and gives up once there has been none for `WAIT_S`.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, TypeVar

from distributed import Client, KilledWorker, LocalCluster, as_completed
from distributed.comm.core import connect

from ..data.errors import ConfigError, PhusongError
from .counting import Counted, Job, count_chunk, merge_counted
from .partitions import read_partition
from .trials import unread_columns

Found = TypeVar("Found")
LOCAL = "local"
# Dask's own functions carry no types.
_client: Any = Client
_local: Any = LocalCluster
_as_completed: Any = as_completed
_connect: Any = connect
WAIT_S = 20.0
_LOOK_S = 1.0
_PAUSE_S = 0.02
_TRIES = 3
_LOST = (KilledWorker, CancelledError, TimeoutError, OSError)


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
        asyncio.run(_greet(scheduler))
        client = _client(scheduler, timeout=WAIT_S)
    # Dask has a TypeError for an address with TLS where no certificates are set up.
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            "no cluster answers at {scheduler}: {error}; start one with: dask scheduler",
            scheduler=scheduler,
            error=str(error)[:200] or f"no answer for {WAIT_S:.0f} s",
        ) from error
    with client:
        yield client


async def _greet(scheduler: str) -> None:
    """
    Have a scheduler answer, or give up after `WAIT_S`.

    A client waits without end for what takes a connection and says nothing, or is another server.
    """
    made = await asyncio.wait_for(_connect(scheduler, timeout=WAIT_S), WAIT_S)
    await made.close()


def count_on(client: Any, job: Job, files: Sequence[str]) -> Iterator[Counted]:
    """
    Count files on a cluster, and give what each came to as they come.

    Raises
    ------
    ConfigError
        If a file cannot be used, or the cluster has lost its workers too often.
    """
    return _each(
        client, files, lambda: (_count_file, client.scatter(job, broadcast=True, hash=False))
    )


def each_on(client: Any, do: Callable[[str], Found], files: Sequence[str]) -> Iterator[Found]:
    """
    Have something done on a cluster for every file, and give what was found as it comes.

    Raises
    ------
    ConfigError
        As `count_on`.
    """
    return _each(client, files, lambda: (do,))


def _each(
    client: Any, files: Sequence[str], prepare: Callable[[], tuple[Any, ...]]
) -> Iterator[Any]:
    """
    Have something done for every file, and give the answers as they come.

    `prepare` gives what to do, and what that is given before the file's name.
    """
    waiting = list(files)
    try:
        for _ in range(_TRIES):
            lost: list[str] = []
            client.wait_for_workers(1, timeout=WAIT_S)
            do, *given = prepare()
            tasks = {
                client.submit(_done, do, *given, file, retries=_TRIES, pure=False): file
                for file in waiting
            }
            done = _as_completed(tasks)
            for _ in waiting:
                task = _next(client, done)
                try:
                    answer = _result(client, task)
                except CancelledError:
                    # A worker died with the only copy of what was sent out: it is sent again.
                    lost.append(tasks[task])
                    continue
                if isinstance(answer, PhusongError):
                    raise answer
                yield answer
            if not lost:
                return
            waiting = lost
        raise TimeoutError(f"{len(waiting)} files were given up {_TRIES} times")
    except PhusongError:
        raise
    except _LOST as error:
        raise ConfigError(
            "the cluster has lost its workers, or has none: {error}; nothing was kept; start some"
            " with dask worker and try again",
            error=(str(error) or type(error).__name__)[:200],
        ) from error


def _next(client: Any, tasks: Any) -> Any:
    """Wait for the next task that is done, as long as there is somebody to do it."""
    seen_at = looked_at = time.monotonic()
    while not tasks.has_ready():
        time.sleep(_PAUSE_S)
        now = time.monotonic()
        if now - looked_at < _LOOK_S:
            continue
        looked_at = now
        if _threads(client):
            seen_at = now
        elif now - seen_at > WAIT_S:
            raise TimeoutError(f"no worker for {WAIT_S:.0f} s")
    return next(tasks)


def _result(client: Any, task: Any) -> Any:
    """Fetch what a task came to, as long as the scheduler answers: it may be much."""
    while True:
        asked_at = time.monotonic()
        try:
            return task.result(timeout=WAIT_S)
        except TimeoutError:
            # What came sooner is not that nothing came in time, but the task's own.
            if time.monotonic() - asked_at < WAIT_S:
                raise
            _threads(client)


def _threads(client: Any) -> Any:
    """Ask how many threads there are; `client.nthreads()` waits for an answer without end."""
    return client.sync(client.scheduler.ncores, workers=None, callback_timeout=WAIT_S)


def _done(do: Callable[..., Any], *given: Any) -> Any:
    """
    Do something for a file; give an error that another try would not mend as the answer.

    Raised, it would be tried again, and told at length by every worker that met it.
    """
    try:
        return do(*given)
    except PhusongError as error:
        return error


def _count_file(job: Job, file: str) -> Counted:
    chunks = read_partition(file, unread_columns(job.rules))
    return merge_counted(count_chunk(job, chunk) for chunk in chunks)
