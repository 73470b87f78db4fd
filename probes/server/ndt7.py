"""
ndt7, the server: one test on one connection, and what it counted.

Sends random messages (download) or takes them (upload) until the time, the client or the limit
ends it, and tells the client several times a second what it has counted. The intervals are
drawn from an exponential distribution, mean 250 ms, clamped to 100 to 625 ms: never more than
the ten messages a second that the protocol allows.
"""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..connection import Deadline
from ..engines import tcp_info
from ..engines.flow import Flow
from ..interface import AttemptError

_MEAN_S, _SHORTEST_S, _LONGEST_S = 0.25, 0.1, 0.625
_STOP_CHECK_S = 0.2
_GOODBYE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedTest:
    """
    What the server saw of a test.

    `received_bytes` and `sent_bytes` are binary payload. `ended` is `time`, `budget`, `idle`,
    `stopping`, how the client ended it (`close`, `eof`, `reset`), or the rule that it broke.
    """

    direction: str
    family: int
    seconds: float
    sent_bytes: int
    received_bytes: int
    ended: str


def run_test(
    flow: Flow,
    *,
    direction: str,
    identity: dict[str, str],
    runtime_s: float,
    idle_s: float,
    max_bytes: int | None,
    stopping: Callable[[], bool],
) -> FinishedTest:
    """
    Serve one test to its end; close the connection.

    `identity` is the ConnectionInfo section; `idle_s` ends a test in which nothing moves.
    """
    test = _Test(flow, direction, identity)
    try:
        ended = test.run(runtime_s, idle_s, max_bytes, stopping)
    except AttemptError as error:
        ended = error.reason
    except OSError as error:
        ended = type(error).__name__
    seconds = time.monotonic() - test.started
    try:
        # Half a message cannot be followed by a close frame: then the end alone says it.
        flow.finish(Deadline.after(_GOODBYE_S))
    except (AttemptError, OSError):
        flow.sock.close()
    return FinishedTest(
        direction=direction,
        family=6 if ":" in identity["Client"].rsplit(":", 1)[0] else 4,
        seconds=seconds,
        sent_bytes=flow.sent_bytes,
        received_bytes=flow.decoder.binary_bytes,
        ended=ended,
    )


class _Test:
    def __init__(self, flow: Flow, direction: str, identity: dict[str, str]) -> None:
        self.flow = flow
        self.direction = direction
        self.identity = identity
        self.started = time.monotonic()

    def moved(self) -> int:
        return (
            self.flow.sent_bytes if self.direction == "download" else self.flow.decoder.binary_bytes
        )

    def run(
        self,
        runtime_s: float,
        idle_s: float,
        max_bytes: int | None,
        stopping: Callable[[], bool],
    ) -> str:
        """Move bytes until something ends it, and say what."""
        end = self.started + runtime_s
        report_at = self.started + _SHORTEST_S
        moved, moved_at = 0, self.started
        while True:
            now = time.monotonic()
            if self.flow.closed:
                return self.flow.closed
            if now >= end:
                return "time"
            if stopping():
                return "stopping"
            if self.moved() > moved:
                moved, moved_at = self.moved(), now
            elif now - moved_at >= idle_s:
                return "idle"
            if max_bytes is not None and moved >= max_bytes:
                return "budget"
            if now >= report_at:
                self.flow.send_text(self.report(now))
                wait_s = random.expovariate(1 / _MEAN_S)
                report_at = now + min(max(wait_s, _SHORTEST_S), _LONGEST_S)
            pause = Deadline(min(end, report_at, now + _STOP_CHECK_S))
            self.flow.turn(pause, fill=self.direction == "download")

    def report(self, now: float) -> str:
        """Give a measurement as ndt7 writes it: microseconds and bytes."""
        elapsed_us = round((now - self.started) * 1e6)
        measurement: dict[str, object] = {
            "AppInfo": {"ElapsedTime": elapsed_us, "NumBytes": self.moved()},
            "ConnectionInfo": self.identity,
            "Origin": "server",
            "Test": self.direction,
        }
        info = tcp_info.read(self.flow.sock)
        if info is not None:
            measurement["TCPInfo"] = {
                "BusyTime": info.busy_us,
                "BytesAcked": info.bytes_acked,
                "BytesReceived": info.bytes_received,
                "BytesSent": info.bytes_sent,
                "BytesRetrans": info.bytes_retrans,
                "ElapsedTime": elapsed_us,
                "MinRTT": info.min_rtt_us,
                "RTT": info.rtt_us,
                "RTTVar": info.rttvar_us,
                "RWndLimited": info.rwnd_limited_us,
                "SndBufLimited": info.sndbuf_limited_us,
            }
        return json.dumps(measurement)
