"""Counting by several processes: chunks go out, small tables come back, in the order of chunks."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from ..data.errors import ConfigError
from .counting import Counted, Job, count_chunk
from .frame import Chunk

_AHEAD = 2
_job: Job | None = None


def count_by(workers: int) -> Callable[[Job, Iterable[Chunk]], Iterator[Counted]]:
    """
    Give a way of counting for `compute`, with so many processes.

    Each is given the areas once. At most `_AHEAD` chunks for each wait, so that memory stays flat
    however many samples there are.
    """

    def count(job: Job, chunks: Iterable[Chunk]) -> Iterator[Counted]:
        waiting: deque[Future[Counted]] = deque()
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, _begin, (job,)) as pool:
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
                pool.shutdown(wait=False, cancel_futures=True)

    return count


def _begin(job: Job) -> None:
    global _job
    _job = job


def _count(chunk: Chunk) -> Counted:
    if _job is None:
        raise RuntimeError("this process was not given a job")
    return count_chunk(_job, chunk)
