"""
One direction of a test over one or several connections, whatever they speak.

An engine opens streams; here they are run, counted every 20 ms, added up, and stopped: at the
time, at the budget, when the rate is known well enough (`estimate`), or when a peer ends it.
Only bytes that the receiver counted make a speed. Download: what our kernel has received, or
over TLS what we have decrypted. Upload: what the far end's kernel has acknowledged to ours;
where our kernel does not tell, what the server says that it received, on our clock and never
more than we sent. What a sender handed to its own buffers is not a speed.

Each stream has a thread, the first one the caller's: the data path spends its time in system
calls that let the others run.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from ...data.sample import Outcome
from ..connection import Deadline
from ..interface import DATA_CAP, AttemptError, Limits, Throughput, failure_of
from . import tcp_info
from .estimate import (
    FORMULA,
    Estimate,
    Point,
    common_points,
    estimate,
    is_enough,
    series,
    with_held,
)
from .lane import LEAST_BYTES, TICK_S, Download, Lane, ReadCounters, Stream, Upload
from .load import FULL_SHARE, Load, together

# A server may end at its own ten seconds, which begin a little before ours.
COMPLETE_SHARE = 0.9
# Below this, even slow start has not begun to tell what the link carries.
SHORTEST_S = 0.1
_JUDGE_EVERY_S = 0.1
_JOIN_S = 5.0

Open = Callable[[int], Stream]
# How many flows there are to be, told once the first one stands.
Choose = Callable[[Stream], int]


def measure(
    open_stream: Open,
    *,
    upload: bool,
    flows: int | Choose,
    limits: Limits,
    read_counters: ReadCounters = tcp_info.read,
) -> Throughput:
    """
    Run one direction to its end.

    `open_stream` is called with each flow's number, in the thread that will run it.

    Raises
    ------
    AttemptError
        If it gave no speed; what was seen goes along.
    """
    transfer = Transfer(open_stream, upload, flows, limits, read_counters)
    try:
        transfer.run()
        transfer.judge()
        points = transfer.points()
        seen = estimate(points, rtt_s=transfer.rtt_s())
    except (AttemptError, OSError, MemoryError, KeyboardInterrupt) as error:
        failure = failure_of(error)
        record = transfer.record() | failure.record
        transfer.close()
        raise AttemptError(failure.outcome, failure.reason, **record) from error
    load = transfer.load()
    record = transfer.record() | _shown(seen)
    arrived = transfer.arrived()
    transfer.leave()
    return Throughput(
        mbps=seen.mbps,
        low_mbps=seen.low_mbps,
        high_mbps=seen.high_mbps,
        cpu_full=load.busy_share >= FULL_SHARE,
        test_id=transfer.lanes[0].test_id,
        bytes_moved=arrived,
        start_s=transfer.started + seen.start_s,
        end_s=transfer.started + seen.end_s,
        record=record,
    )


class Transfer:
    """What the flows of one direction share."""

    def __init__(
        self,
        open_stream: Open,
        upload: bool,
        flows: int | Choose,
        limits: Limits,
        read_counters: ReadCounters,
    ) -> None:
        self.open_stream = open_stream
        self.upload = upload
        self.limits = limits
        self.read_counters = read_counters
        self.choose = flows
        self.flows = 1
        self.lanes: list[Lane] = []
        self.started = time.monotonic()
        self.stopped_by = ""
        self.ended_s = 0.0
        self.error: BaseException | None = None
        self._lock = threading.Lock()
        self._judge_at_s = 0.0

    def run(self) -> None:
        """Move bytes until the time, the budget, the estimate or a peer ends it."""
        threads: list[threading.Thread] = []
        try:
            stream = self.open_stream(0)
            lane = self._lane(stream, 0)
            self.flows = self.choose if isinstance(self.choose, int) else self.choose(stream)
            for number in range(1, self.flows):
                thread = threading.Thread(
                    target=self._beside, args=(number,), daemon=True, name="flow"
                )
                threads.append(thread)
                thread.start()
            lane.run()
        except BaseException:
            self.stop("error")
            raise
        finally:
            deadline = Deadline.after(_JOIN_S)
            for thread in threads:
                thread.join(deadline.left())
        if self.error is not None:
            raise self.error

    def _beside(self, number: int) -> None:
        try:
            if not self.stopped_by:
                self._lane(self.open_stream(number), number).run()
        except (AttemptError, OSError, MemoryError) as error:
            self.error = self.error or error
            self.stop("error")

    def _lane(self, stream: Stream, number: int) -> Lane:
        lane = (Upload if self.upload else Download)(stream, self, number)
        with self._lock:
            if not self.lanes:
                self.started = time.monotonic()
            self.lanes.append(lane)
        return lane

    def stop(self, why: str) -> None:
        """End all flows; the first reason stands."""
        with self._lock:
            if not self.stopped_by:
                self.stopped_by = why
                self.ended_s = self.elapsed()

    def elapsed(self) -> float:
        """Give the seconds since the first flow began."""
        return time.monotonic() - self.started

    def look(self) -> None:
        """Stop where the budget is spent; called often, by every flow."""
        moved, meter = self.moved(), self.limits.meter
        if meter is not None and not meter.allows(moved):
            self.stop(DATA_CAP)
        elif moved >= self.limits.max_bytes:
            self.stop("budget")

    def judge_progress(self) -> None:
        """Stop where the rate is known well enough; called by the first flow."""
        now = self.elapsed()
        if self.limits.width is None or now < self._judge_at_s:
            return
        self._judge_at_s = now + _JUDGE_EVERY_S
        if len(self.lanes) < self.flows:
            return
        try:
            seen = estimate(self.points(), rtt_s=self.rtt_s())
        except AttemptError:
            return
        if is_enough(seen, now, rtt_s=self.rtt_s(), wish=self.limits.width):
            self.stop("enough")

    def points(self) -> list[Point]:
        """Give the sum of all flows' counters at common times."""
        return common_points([with_held(list(lane.points)) for lane in self.lanes], TICK_S)

    def rtt_s(self) -> float:
        """Give the shortest round trip that the kernel has seen; 0 where it does not tell."""
        known = [lane.kernel.min_rtt_us for lane in self.lanes if lane.kernel]
        return min(known, default=0) / 1e6

    def moved(self) -> int:
        """Give the payload bytes that the test has cost so far."""
        return sum(lane.moved() for lane in self.lanes)

    def arrived(self) -> int:
        """Give the payload bytes that are known to have arrived."""
        return sum(lane.arrived() for lane in self.lanes)

    def load(self) -> Load:
        """Give how busy the flows' threads were."""
        return together([lane.load for lane in self.lanes if lane.load is not None])

    def judge(self) -> None:
        """Refuse what is no measurement."""
        texts = any(lane.texts for lane in self.lanes)
        if not self.upload and texts and not self.moved():
            raise AttemptError(Outcome.PROTOCOL_ERROR, "text_only")
        early = self.ended_s < COMPLETE_SHARE * self.limits.duration_s
        if self.stopped_by == "peer" and early:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "closed_early")
        if self.stopped_by == DATA_CAP:
            raise AttemptError(Outcome.CANCELLED, DATA_CAP)
        if self.stopped_by == "budget" and self.ended_s < SHORTEST_S:
            raise AttemptError(Outcome.CANCELLED, "budget_spent")
        if not any(lane.stream.answered for lane in self.lanes):
            raise AttemptError(Outcome.PROTOCOL_ERROR, "no_answer")
        for lane in self.lanes:
            lane.judge()
        if self.upload:
            risen = sum(lane.points[-1].count - lane.points[0].count for lane in self.lanes)
        else:
            risen = self.moved()
        if risen <= 0:
            raise self.lanes[0].stalled()
        if risen < LEAST_BYTES:
            raise AttemptError(Outcome.STALLED, "too_little")

    def record(self) -> dict[str, Any]:
        """Give what was seen, small enough to keep."""
        load = self.load()
        seen: dict[str, Any] = {
            "counter": self.lanes[0].counter if self.lanes else None,
            "formula": FORMULA,
            "flows": self.flows,
            "stopped_by": self.stopped_by or None,
            "elapsed_s": round(self.elapsed(), 4),
            "payload_bytes": self.moved(),
            "series": series(self.points()),
            "cpu_share": round(load.cpu_share, 4),
            "busy_share": round(load.busy_share, 4),
        }
        said = [lane.server_said for lane in self.lanes if lane.server_said]
        if said:
            seen["server"] = said[0] if self.flows == 1 else said
        tcp = [shown for lane in self.lanes if (shown := lane.tcp())]
        if tcp:
            seen["tcp"] = tcp[0] if self.flows == 1 else tcp
            seen["wire_bytes"] = sum(lane.wire_bytes() for lane in self.lanes)
        congestion = {name for lane in self.lanes if (name := lane.congestion_control)}
        if congestion:
            seen["congestion_control"] = ",".join(sorted(congestion))
        return seen

    def leave(self) -> None:
        """End every connection; the result stands already."""
        for lane in self.lanes:
            try:
                lane.stream.leave()
            except (AttemptError, OSError):
                lane.stream.sock.close()

    def close(self) -> None:
        """Close every connection."""
        for lane in self.lanes:
            lane.stream.sock.close()


def _shown(seen: Estimate) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "mbps": round(seen.mbps, 4),
        "window_s": [round(seen.start_s, 4), round(seen.end_s, 4)],
        "window_bytes": seen.count,
        "batches": seen.batches,
    }
    if seen.low_mbps is not None and seen.high_mbps is not None:
        shown["interval_mbps"] = [round(seen.low_mbps, 4), round(seen.high_mbps, 4)]
    return shown
