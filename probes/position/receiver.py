"""A receiver that is read in the background: one thread, reconnecting, never waited for."""

import threading
import time
from collections.abc import Callable, Iterator

from .belief import Belief, Report
from .fix import MAX_SPEED_MPS, STALE_AFTER_S, Fix

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 10.0

# Connects, then gives each report, or None for "connected, nothing new"; ends or raises OSError
# when the connection does. It looks at the event at least once a second and ends when it is set.
Reading = Callable[[threading.Event], Iterator[Report | None]]


class Receiver:
    """Reads a receiver until it is closed, and connects again whenever the connection ends."""

    def __init__(
        self,
        name: str,
        reading: Reading,
        *,
        stale_after_s: float = STALE_AFTER_S,
        max_speed_mps: float = MAX_SPEED_MPS,
    ) -> None:
        self.name = name
        self._reading = reading
        self._belief = Belief(name, stale_after_s=stale_after_s, max_speed_mps=max_speed_mps)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._connected = False
        self._thread = threading.Thread(target=self._run, name=f"position {name}", daemon=True)
        self._thread.start()

    def current(self) -> Fix:
        """Give what is known now, at once."""
        with self._lock:
            return self._belief.fix(time.monotonic(), connected=self._connected)

    def close(self) -> None:
        """Stop reading; the connection is closed within about a second."""
        self._closing.set()
        self._thread.join(timeout=3)

    def _run(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._closing.is_set():
            try:
                for report in self._reading(self._closing):
                    wait_s = _FIRST_WAIT_S
                    with self._lock:
                        self._connected = True
                        if report is not None:
                            self._belief.hear(report)
            except OSError:
                # Unplugged, refused, timed out: what the fix says as long as it lasts.
                pass
            with self._lock:
                self._connected = False
            self._closing.wait(wait_s)
            wait_s = min(_LONGEST_WAIT_S, wait_s * 2)
