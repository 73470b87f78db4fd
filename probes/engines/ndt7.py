"""
ndt7, the client (M-Lab's protocol, v0.11): one TCP connection a direction, over ``ws`` or ``wss``.

Only bytes that the receiver counted make a speed. Download: what our kernel has received.
Upload: what the far end's kernel has acknowledged to ours; where our kernel does not tell, what
the server says it received, on our clock and never more than we sent. Where neither is to be
had there is no speed: what a sender handed to its own buffers is not one.

The kernel's counters include what TLS adds to each 16 KiB record (22 bytes, 0.13 %); WebSocket
headers and text messages are taken off.
"""

import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from ...data.sample import Outcome
from ..connection import Deadline, open_connection, read_head, send_all
from ..interface import Address, AttemptError, Limits, Target, Throughput, failure_of
from . import tcp_info
from .flow import FIRST_MESSAGE_BYTES, Flow
from .ramp import RULE, Point, cut_ramp
from .tcp_info import TcpInfo
from .websocket import Message, check_response, new_key, upgrade_request

VERSION = metadata.version("phusong")
SUBPROTOCOL = "net.measurementlab.ndt.v7"
USER_AGENT = f"phusong/{VERSION}"
TICK_S = 0.05
# ndt7 allows ten text messages a second; a peer that sends many more is not measuring.
MAX_TEXTS_PER_S = 40
# A server may end at its own ten seconds, which begin a little before ours.
COMPLETE_SHARE = 0.9
# Below this, even slow start has not begun to tell what the link carries.
SHORTEST_S = 0.1
# Fewer counts than these leave no window after the ramp.
FEWEST_POINTS = 3
_GOODBYE_S = 0.5
# What a server may claim beyond what we handed over: headers, TLS records, the handshake.
_CLAIM_SHARE, _CLAIM_BYTES = 1.02, 65_536
_TLS_RECORD, _TLS_RECORD_EXTRA = 16_384, 22

ReadCounters = Callable[[socket.socket], TcpInfo | None]


class Ndt7:
    """The engine; `read_counters` asks the kernel about a socket."""

    name = "ndt7"
    version = VERSION

    def __init__(self, read_counters: ReadCounters = tcp_info.read) -> None:
        self._read_counters = read_counters

    def download(self, target: Target, address: Address, limits: Limits) -> Throughput:
        """Measure towards us."""
        flow = open_test(target, address, "download", limits)
        return _measured(_Download(flow, limits, self._read_counters))

    def upload(self, target: Target, address: Address, limits: Limits) -> Throughput:
        """Measure away from us."""
        flow = open_test(target, address, "upload", limits)
        return _measured(_Upload(flow, limits, self._read_counters))


def open_test(target: Target, address: Address, direction: str, limits: Limits) -> Flow:
    """Connect and ask for one test."""
    sock = open_connection(target, address, Deadline.after(limits.connect_s))
    try:
        deadline = Deadline.after(limits.handshake_s)
        key = new_key()
        path = f"/ndt/v7/{direction}?client_name=phusong&client_version={VERSION}"
        send_all(
            sock, upgrade_request(path, target.authority, USER_AGENT, SUBPROTOCOL, key), deadline
        )
        head, rest = read_head(sock, deadline)
        check_response(head, key=key, subprotocol=SUBPROTOCOL)
        return Flow(sock, masks=True, rest=rest)
    except BaseException:
        sock.close()
        raise


@dataclass
class _Test:
    """One direction while it runs; its points are bytes counted at the receiver."""

    flow: Flow
    limits: Limits
    read_counters: ReadCounters
    started: float = field(default_factory=time.monotonic)
    points: list[Point] = field(default_factory=list)
    texts: int = 0
    server_said: dict[str, Any] = field(default_factory=dict)
    stopped_by: str = ""
    ended_s: float = 0.0
    fill = False
    counter = ""

    def __post_init__(self) -> None:
        self.base = self.read_counters(self.flow.sock)
        self.kernel = self.base

    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def run(self) -> None:
        """Move bytes until the time, the budget or the peer ends it."""
        end = Deadline(self.started + self.limits.duration_s)
        progress, progressed = -1, self.started
        while not self.stopped_by:
            now = time.monotonic()
            self.note_point(now - self.started)
            if self.progress() > progress:
                progress, progressed = self.progress(), now
            elif now - progressed >= self.limits.stall_s:
                raise AttemptError(Outcome.STALLED, "stalled")
            tick = Deadline(min(now + TICK_S, end.at))
            while not self.stopped_by and not tick.passed():
                for message in self.flow.turn(tick, fill=self.fill):
                    self.hear(message)
                if self.flow.closed:
                    self.stopped_by = "peer"
                elif self.moved() >= self.limits.max_bytes:
                    self.stopped_by = "budget"
            if not self.stopped_by and end.passed():
                self.stopped_by = "duration"
        self.ended_s = self.elapsed()
        self.note_point(self.ended_s)

    def hear(self, message: Message) -> None:
        """Take one of the server's measurements."""
        self.texts += 1
        if self.texts > MAX_TEXTS_PER_S * (self.elapsed() + 1):
            raise AttemptError(Outcome.PROTOCOL_ERROR, "text_flood")
        try:
            said = json.loads(message.payload)
        except (ValueError, RecursionError):
            raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_json") from None
        if isinstance(said, dict):
            # Its ConnectionInfo holds our public address: not ours to keep.
            for section in ("AppInfo", "TCPInfo"):
                if isinstance(said.get(section), dict):
                    self.server_said[section] = _counters(said[section])
            self.heard()

    def note_point(self, at_s: float) -> None:
        self.kernel = self.read_counters(self.flow.sock) if self.base else None
        count = self.count()
        if count is not None:
            self.points.append(Point(at_s, max(0, count)))

    def count(self) -> int | None:
        """Give the payload bytes that the receiver has counted; None: nobody can say now."""
        raise NotImplementedError

    def progress(self) -> int:
        """Give a number that grows as long as the test is alive."""
        raise NotImplementedError

    def moved(self) -> int:
        """Give the payload bytes that the test has cost so far."""
        raise NotImplementedError

    def arrived(self) -> int:
        """Give the payload bytes that are known to have arrived."""
        return self.points[-1].count

    def heard(self) -> None:
        """Use a measurement of the server's."""

    def judge(self) -> None:
        """Refuse what is no measurement."""
        early = self.ended_s < COMPLETE_SHARE * self.limits.duration_s
        if self.stopped_by == "peer" and early:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "closed_early")
        if self.stopped_by == "budget" and self.ended_s < SHORTEST_S:
            raise AttemptError(Outcome.CANCELLED, "budget_spent")

    def record(self) -> dict[str, Any]:
        """Give what was seen, small enough to keep."""
        info = self.kernel
        seen: dict[str, Any] = {
            "counter": self.counter,
            "ramp": RULE,
            "stopped_by": self.stopped_by or None,
            "elapsed_s": round(self.elapsed(), 4),
            "payload_bytes": self.moved(),
            "points_s_bytes": [[round(point.at_s, 3), point.count] for point in self.points[::4]],
            "server": self.server_said or None,
        }
        if info is not None:
            seen["tcp"] = {
                "min_rtt_ms": info.min_rtt_us / 1000,
                "rtt_ms": info.rtt_us / 1000,
                "bytes_retrans": info.bytes_retrans,
            }
        congestion = _congestion_control(self.flow.sock)
        return seen | ({"congestion_control": congestion} if congestion else {})


class _Download(_Test):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.counter = "kernel_bytes_received" if self.base else "bytes_read"

    def count(self) -> int | None:
        decoder = self.flow.decoder
        if self.base is None or self.kernel is None:
            return decoder.binary_bytes
        return self.kernel.bytes_received - self.base.bytes_received - decoder.other_bytes

    def progress(self) -> int:
        return self.flow.decoder.binary_bytes

    def moved(self) -> int:
        return self.flow.decoder.binary_bytes

    def arrived(self) -> int:
        return self.flow.decoder.binary_bytes

    def judge(self) -> None:
        if not self.moved() and self.texts:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "text_only")
        super().judge()
        if self.moved() < FIRST_MESSAGE_BYTES:
            raise AttemptError(Outcome.STALLED, "too_little" if self.moved() else "stalled")


class _Upload(_Test):
    fill = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.counter = "kernel_bytes_acked" if self.base else "server_bytes_received"

    def count(self) -> int | None:
        if self.base is None or self.kernel is None:
            return None
        acked = self.kernel.bytes_acked - self.base.bytes_acked
        return acked - acked * _TLS_RECORD_EXTRA // _TLS_RECORD if self.flow.tls else acked

    def progress(self) -> int:
        count = self.count()
        return self.flow.sent_bytes if count is None else count

    def moved(self) -> int:
        return self.flow.sent_bytes

    def heard(self) -> None:
        if self.base is not None:
            return
        said = self.server_said
        received = said.get("TCPInfo", {}).get("BytesReceived")
        if received is None:
            received = said.get("AppInfo", {}).get("NumBytes")
        if received is None:
            return
        if received > _CLAIM_SHARE * self.flow.sent_bytes + _CLAIM_BYTES:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "server_overcounts")
        self.points.append(Point(self.elapsed(), received))

    def judge(self) -> None:
        super().judge()
        if self.base is None and len(self.points) < FEWEST_POINTS:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "no_receiver_count")
        if self.points[-1].count - self.points[0].count < FIRST_MESSAGE_BYTES:
            raise AttemptError(Outcome.STALLED, "stalled")


def _measured(test: _Test) -> Throughput:
    """Run one direction to its end; whatever stops it, what was seen goes along."""
    try:
        test.run()
        test.judge()
        window = cut_ramp(test.points)
    except (AttemptError, OSError, MemoryError, KeyboardInterrupt) as error:
        failure = failure_of(error)
        record = test.record() | failure.record
        test.flow.sock.close()
        raise AttemptError(failure.outcome, failure.reason, **record) from error
    record = test.record() | {
        "mbps": round(window.mbps, 4),
        "window_s": [round(window.start_s, 4), round(window.end_s, 4)],
        "window_bytes": window.count,
    }
    _leave(test.flow)
    return Throughput(
        mbps=window.mbps,
        bytes_moved=test.arrived(),
        start_s=test.started + window.start_s,
        end_s=test.started + window.end_s,
        record=record,
    )


def _leave(flow: Flow) -> None:
    """End politely where nothing of ours is under way; the result stands already."""
    try:
        if flow.sent_bytes:
            flow.sock.close()
        else:
            flow.finish(Deadline.after(_GOODBYE_S))
    except (AttemptError, OSError):
        flow.sock.close()


def _counters(section: dict[str, Any]) -> dict[str, int]:
    """Keep the whole numbers of a server's section that can be counters."""
    return {
        key: value
        for key, value in section.items()
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62
        if len(key) <= 32 and key.isascii() and key.isalnum()
    }


def _congestion_control(sock: socket.socket) -> str | None:
    option = getattr(socket, "TCP_CONGESTION", None)
    if option is None:
        return None
    try:
        name = sock.getsockopt(socket.IPPROTO_TCP, option, 16)
    except OSError:
        return None
    return name.rstrip(b"\0").decode("ascii", "replace")
