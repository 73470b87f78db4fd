"""
What each test has moved, over all its flows, and for a while after it.

A client that names its test (an id that only it knows) can ask afterwards what the server
counted. Tests are kept for ten minutes, and the number kept is bounded: the oldest go first.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from ..engines.tcp_info import TcpInfo
from ..receipt import is_test_id
from .limits import MAX_FLOWS
from .requests import RefusedError

KEPT_S = 600.0
MAX_KEPT = 10_000


@dataclass(eq=False, slots=True)
class FlowCount:
    """
    One connection's part of a test.

    `moved` is payload: received from the client, or handed to the kernel for it. What the far
    end's kernel acknowledged is `acked`; None where it cannot be said. `kernel` is what ours said
    of the connection at the end.
    """

    test: "Test"
    moved: int = 0
    acked: int | None = None
    retransmitted: int | None = None
    kernel: TcpInfo | None = None
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
    counted: bool = False
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
        if test_id is not None and not is_test_id(test_id):
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

    def leave(self, flow: FlowCount) -> bool:
        """Note that a flow has ended; tell whether its test has with it, for the first time."""
        test = flow.test
        with self._lock:
            flow.stop()
            test.running -= 1
            test.ended_ns = max(test.ended_ns, flow.ended_ns)
            # A flow may begin after the others have ended: its test has been counted by then.
            ended = not test.running and not test.counted
            test.counted = test.counted or ended
            return ended

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
