"""
How busy a test kept this machine: was it the link that set the pace, or we?

A thread that measures a link sleeps until the network wakes it. One that never sleeps, because
it computes or waits for its turn on a processor, measures the processor. Linux counts both
times of a thread; elsewhere only the computing is known.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_SCHEDSTAT = Path("/proc/thread-self/schedstat")
# From here on there was no time left to notice that the link could carry more.
FULL_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Load:
    """Shares of the time: on a processor, and on one or waiting for one."""

    cpu_share: float
    busy_share: float


class Meter:
    """The calling thread's time on a processor since the meter was made."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._cpu_s, self._waited_s = _thread_times()

    def read(self) -> Load:
        """Give the shares until now; from the same thread."""
        cpu_s, waited_s = _thread_times()
        took_s = max(1e-6, time.monotonic() - self._began_s)
        used_s = cpu_s - self._cpu_s
        return Load(used_s / took_s, (used_s + waited_s - self._waited_s) / took_s)


def together(loads: list[Load]) -> Load:
    """Give several threads' load: processor time added up, busyness against what there is."""
    if not loads:
        return Load(0.0, 0.0)
    room = min(len(loads), os.cpu_count() or 1)
    return Load(
        sum(load.cpu_share for load in loads), sum(load.busy_share for load in loads) / room
    )


def _thread_times() -> tuple[float, float]:
    try:
        used_ns, waited_ns, _ = _SCHEDSTAT.read_text("ascii").split()
    except (OSError, ValueError):
        return time.thread_time(), 0.0
    return int(used_ns) / 1e9, int(waited_ns) / 1e9
