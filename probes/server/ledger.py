"""
What each test has moved, over all its flows, and for a while after it.

A client that names its test (an id that only it knows) can ask afterwards what the server
counted. Tests are kept for ten minutes, and the number kept is bounded: the oldest go first.
"""

import re
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from .limits import MAX_FLOWS
from .requests import RefusedError

KEPT_S = 600.0
MAX_KEPT = 10_000
_ID = re.compile(r"[A-Za-z0-9_-]{22,64}")


@dataclass(eq=False, slots=True)
class FlowCount:
    """
    One connection's part of a test.

    `moved` is payload: received from the client, or handed to the kernel for it. What the far
    end's kernel acknowledged is `acked`; None where it cannot be said.
    """

    test: "Test"
    moved: int = 0
    acked: int | None = None
    retransmitted: int | None = None
    min_rtt_us: int | None = None
    congestion_control: str | None = None
    ended: str = ""
    began_ns: int = field(default_factory=time.monotonic_ns)
    ended_ns: int = 0

    def stop(self) -> None:
        """Note the end; what comes after the first call is goodbye and counts for nothing."""
        self.ended_ns = self.ended_ns or time.monotonic_ns()

    @property
    def seconds(self) -> float:
        """Give how long it took."""
        return (self.ended_ns - self.began_ns) / 1e9


@dataclass(eq=False, slots=True, kw_only=True)
class Test:
    """One direction of one measurement. Times are wall clock and monotonic nanoseconds."""

    id: str
    engine: str
    direction: str
    family: int
    max_bytes: int
    told_flows: int = 1
    began_at_ns: int = field(default_factory=time.time_ns)
    began_ns: int = field(default_factory=time.monotonic_ns)
    ended_ns: int = 0
    running: int = 0
    flows: list[FlowCount] = field(default_factory=list)

    def takes(self, engine: str, direction: str, family: int) -> bool:
        """Tell whether one more flow of this kind belongs to it."""
        same = (self.engine, self.direction, self.family) == (engine, direction, family)
        return same and len(self.flows) < MAX_FLOWS

    def spent(self) -> bool:
        """Tell whether its flows together have moved all that a test may."""
        return sum(flow.moved for flow in self.flows) >= self.max_bytes


class Ledger:
    """The tests that run and those that lately did; safe to use from every thread."""

    def __init__(self, max_test_bytes: int) -> None:
        self._max_test_bytes = max_test_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Test] = OrderedDict()

    def join(
        self, test_id: str | None, *, engine: str, direction: str, family: int, flows: int = 1
    ) -> FlowCount:
        """
        Begin a flow of a test; without an id it is a test of its own that nobody can ask for.

        Raises
        ------
        RefusedError
            400 for an id that is none, 409 for one that belongs to something else.
        """
        if test_id is not None and not _ID.fullmatch(test_id):
            raise RefusedError(400)
        with self._lock:
            test = self._kept.get(test_id) if test_id is not None else None
            if test is None:
                test = Test(
                    id=test_id or "",
                    engine=engine,
                    direction=direction,
                    family=family,
                    max_bytes=self._max_test_bytes,
                    told_flows=flows,
                )
                self._keep(test)
            elif not test.takes(engine, direction, family):
                raise RefusedError(409)
            flow = FlowCount(test)
            test.flows.append(flow)
            test.running += 1
            return flow

    def leave(self, flow: FlowCount) -> None:
        """Note that a flow has ended."""
        with self._lock:
            flow.stop()
            flow.test.running -= 1
            flow.test.ended_ns = max(flow.test.ended_ns, flow.ended_ns)

    def find(self, test_id: str) -> Test:
        """
        Give a test that has ended.

        Raises
        ------
        RefusedError
            404 if there is none, 409 while it runs.
        """
        with self._lock:
            test = self._kept.get(test_id)
            if test is None or self._is_old(test):
                raise RefusedError(404)
            if test.running:
                raise RefusedError(409, {"Retry-After": "1"})
            return test

    def _keep(self, test: Test) -> None:
        if not test.id:
            return
        while self._kept and (
            len(self._kept) >= MAX_KEPT or self._is_old(next(iter(self._kept.values())))
        ):
            self._kept.popitem(last=False)
        self._kept[test.id] = test

    @staticmethod
    def _is_old(test: Test) -> bool:
        return not test.running and time.monotonic_ns() - test.began_ns > KEPT_S * 1e9
