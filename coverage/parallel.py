"""
Counting by several processes: chunks go out, small tables come back, in the order of chunks.

An index of areas that is kept in a file is not sent: each process maps the same file, which is in
memory once however many they are.
"""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import cache

from ..data.errors import ConfigError
from .counting import Counted, Job, count_chunk
from .frame import Chunk

_AHEAD = 2
_sent: Job | None = None


def count_by(workers: int) -> Callable[[Job, Iterable[Chunk]], Iterator[Counted]]:
    """
    Give a way of counting for `compute`, with so many processes.

    Each is given the areas once. At most `_AHEAD` chunks for each wait, so that memory stays flat
    however many samples there are.
    """

    def count(job: Job, chunks: Iterable[Chunk]) -> Iterator[Counted]:
        waiting: deque[Future[Counted]] = deque()
        context = multiprocessing.get_context("spawn")
        sent = replace(job, areas=tuple(each.without_kept_index() for each in job.areas))
        with ProcessPoolExecutor(workers, context, _begin, (sent,)) as pool:
            try:
                for chunk in chunks:
                    waiting.append(pool.submit(_count, chunk))
                    if len(waiting) > _AHEAD * workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            except BrokenProcessPool:
                raise ConfigError(
                    "a worker process ended before it was done, perhaps for want of memory;"
                    " nothing was kept; try again with fewer --workers than {workers}",
                    workers=workers,
                ) from None
            finally:
                # What is not wanted any more is not waited for.
                pool.shutdown(wait=not waiting, cancel_futures=True)

    return count


def _begin(job: Job) -> None:
    global _sent
    _sent = job


def _count(chunk: Chunk) -> Counted:
    return count_chunk(_job(), chunk)


@cache
def _job() -> Job:
    if _sent is None:
        raise RuntimeError("this process was not given a job")
    return replace(_sent, areas=tuple(each.again_with_index() for each in _sent.areas))
