"""
One flow of a transfer: its counts at the receiver, its texts, its kernel's view.

`Stream` is what an engine opens: a WebSocket, an HTTP connection. `Lane` runs one; `Download` and
`Upload` know whose count is a result.
"""

import json
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ...data.sample import Outcome
from ..connection import Deadline
from ..interface import AttemptError
from . import tcp_info
from .estimate import Point
from .flow import wake_seldom
from .load import Load, Meter
from .tcp_info import TcpInfo
from .websocket import Message

if TYPE_CHECKING:
    from .transfer import Transfer

TICK_S = 0.02
# ndt7 allows ten text messages a second; a peer that sends many more is not measuring.
MAX_TEXTS_PER_S = 40
# Fewer counts than these leave no window after the ramp.
FEWEST_POINTS = 3
# A flow that carried less than one of ndt7's smallest messages carried nothing.
LEAST_BYTES = 1 << 13
# What a server may claim beyond what we handed over: headers, TLS records, the handshake.
_CLAIM_SHARE, _CLAIM_BYTES = 1.02, 65_536
_TLS_RECORD, _TLS_RECORD_EXTRA = 16_384, 22

ReadCounters = Callable[[socket.socket], TcpInfo | None]


class Stream(Protocol):
    """
    A connection that carries a test's payload.

    `received_bytes` and `sent_bytes` count payload, `other_bytes` what else was received;
    `closed` tells how the peer ended it, None while it has not; `answered`, whether the peer has
    said that it speaks the protocol.
    """

    sock: socket.socket
    tls: bool
    closed: str | None
    answered: bool
    sent_bytes: int

    @property
    def received_bytes(self) -> int:
        """Give the payload that was read."""
        ...

    @property
    def other_bytes(self) -> int:
        """Give what was read beside payload."""
        ...

    def turn(self, until: Deadline, *, fill: bool) -> list[Message]:
        """Move what can be moved or wait until something can; give the texts that came."""
        ...

    def leave(self) -> None:
        """End it now, politely where that costs nothing."""
        ...


@dataclass
class Lane(ABC):
    """One flow while it runs; its points are bytes counted at the receiver."""

    stream: Stream
    transfer: "Transfer"
    number: int
    points: list[Point] = field(default_factory=list)
    texts: int = 0
    server_said: dict[str, Any] = field(default_factory=dict)
    test_id: str | None = None
    load: Load | None = None
    congestion_control: str | None = None
    fill = False
    counter = ""

    def __post_init__(self) -> None:
        self.base = self.transfer.read_counters(self.stream.sock)
        self.kernel = self.base
        self.congestion_control = tcp_info.congestion_control(self.stream.sock)

    def run(self) -> None:
        """Move bytes until the transfer is stopped, by this flow or another."""
        transfer, limits = self.transfer, self.transfer.limits
        meter = Meter()
        end = Deadline(transfer.started + limits.duration_s)
        progress, progressed = -1, time.monotonic()
        while not transfer.stopped_by:
            now = time.monotonic()
            self.note_point()
            if self.progress() > progress:
                progress, progressed = self.progress(), now
            elif now - progressed >= limits.stall_s:
                raise self.stalled()
            tick = Deadline(min(now + TICK_S, end.at))
            while not transfer.stopped_by and not tick.passed():
                for message in self.stream.turn(tick, fill=self.fill):
                    self.hear(message)
                if self.stream.closed:
                    transfer.stop("peer")
                else:
                    transfer.look()
            if end.passed():
                transfer.stop("duration")
            elif self.number == 0:
                transfer.judge_progress()
        self.note_point()
        self.load = meter.read()

    def stalled(self) -> AttemptError:
        """Give the reason of a flow in which nothing moves."""
        if self.moved_on():
            return AttemptError(Outcome.STALLED, "stalled")
        # Small packets came through, full ones do not: what a black hole for large ones looks like.
        info = self.kernel
        lost = info is not None and info.total_retrans > 0
        return AttemptError(Outcome.STALLED, "opened_then_stalled", own_segments_lost=lost)

    def hear(self, message: Message) -> None:
        """Take one of the server's measurements."""
        self.texts += 1
        if self.texts > MAX_TEXTS_PER_S * (self.transfer.elapsed() + 1):
            raise AttemptError(Outcome.PROTOCOL_ERROR, "text_flood")
        try:
            said = json.loads(message.payload)
        except (ValueError, RecursionError):
            raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_json") from None
        if isinstance(said, dict):
            # Its ConnectionInfo holds our public address: not ours to keep. The name is.
            identity = said.get("ConnectionInfo")
            named = identity.get("UUID") if isinstance(identity, dict) else None
            self.test_id = named if isinstance(named, str) else self.test_id
            for section in ("AppInfo", "TCPInfo", "BBRInfo"):
                if isinstance(said.get(section), dict):
                    self.server_said[section] = _counters(said[section])
            self.heard()

    def note_point(self) -> None:
        """Count now."""
        self.kernel = self.transfer.read_counters(self.stream.sock) if self.base else None
        at_s, count = self.transfer.elapsed(), self.count()
        if count is not None and (not self.points or at_s > self.points[-1].at_s):
            self.points.append(Point(at_s, max(0, count), self.held()))

    def held(self) -> int:
        """Give the memory that the receiver's kernel holds of what `count` has not in it yet."""
        return 0

    @abstractmethod
    def count(self) -> int | None:
        """Give the payload bytes that the receiver has counted; None: nobody can say now."""

    @abstractmethod
    def progress(self) -> int:
        """Give a number that grows as long as the flow is alive."""

    @abstractmethod
    def moved(self) -> int:
        """Give the payload bytes that the flow has cost so far."""

    def moved_on(self) -> bool:
        """Tell whether payload ever came through."""
        return self.progress() >= LEAST_BYTES

    @abstractmethod
    def arrived(self) -> int:
        """Give the payload bytes that are known to have arrived."""

    @abstractmethod
    def heard(self) -> None:
        """Use a measurement of the server's."""

    @abstractmethod
    def judge(self) -> None:
        """Refuse a flow that is no measurement."""

    def tcp(self) -> dict[str, Any] | None:
        """Give the kernel's view of our end, as it is kept."""
        info = self.kernel
        if info is None:
            return None
        return {
            "min_rtt_ms": info.min_rtt_us / 1000,
            "rtt_ms": info.rtt_us / 1000,
            "bytes_retrans": info.bytes_retrans,
            "cwnd_segments": info.cwnd_segments,
            "pacing_mbps": round(min(info.pacing_rate_bytes_per_s * 8e-6, 1e9), 3),
            "busy_ms": info.busy_us // 1000,
            "rwnd_limited_ms": info.rwnd_limited_us // 1000,
            "sndbuf_limited_ms": info.sndbuf_limited_us // 1000,
            "mss_bytes": info.mss_bytes,
            "path_mtu_bytes": info.path_mtu_bytes,
        }

    def wire_bytes(self) -> int:
        """Give about what the flow cost at the IP layer."""
        family = 6 if self.stream.sock.family == socket.AF_INET6 else 4
        return self.kernel.wire_bytes(family) if self.kernel else 0


class Download(Lane):
    def __post_init__(self) -> None:
        super().__post_init__()
        # TLS hides how long its records are, so over TLS only what is decrypted is counted.
        self.by_kernel = self.base is not None and not self.stream.tls
        self.counter = "kernel_bytes_received" if self.by_kernel else "bytes_read"
        if self.by_kernel:
            wake_seldom(self.stream.sock)

    def count(self) -> int | None:
        if not self.by_kernel or self.base is None or self.kernel is None:
            return self.stream.received_bytes + self.stream.other_bytes
        return self.kernel.bytes_received - self.base.bytes_received

    def held(self) -> int:
        if self.kernel is None:
            return 0
        counted = self.kernel.unread_bytes if self.by_kernel else 0
        return max(0, self.kernel.memory_bytes - counted)

    def progress(self) -> int:
        return self.stream.received_bytes

    def moved(self) -> int:
        return self.stream.received_bytes

    def arrived(self) -> int:
        return self.stream.received_bytes

    def heard(self) -> None:
        """Let it pass: the receiver is here, and knows."""

    def judge(self) -> None:
        """Take every flow: its bytes were counted here."""


class Upload(Lane):
    fill = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.counter = "kernel_bytes_delivered" if self.base else "server_bytes_received"
        self.delivered = 0

    def count(self) -> int | None:
        if self.base is None or self.kernel is None:
            return None
        # A short segment counts as a whole one while it waits behind a hole, so never less.
        delivered = self.kernel.bytes_delivered() - self.base.bytes_delivered()
        self.delivered = max(self.delivered, self._payload(delivered))
        return self.delivered

    def _payload(self, count: int) -> int:
        return count - count * _TLS_RECORD_EXTRA // _TLS_RECORD if self.stream.tls else count

    def progress(self) -> int:
        count = self.count()
        return self.stream.sent_bytes if count is None else count

    def moved(self) -> int:
        return self.stream.sent_bytes

    def arrived(self) -> int:
        # What waits behind a hole has come to its kernel, but nobody there can read it yet.
        if self.base is not None and self.kernel is not None:
            return self._payload(self.kernel.bytes_acked - self.base.bytes_acked)
        return self.points[-1].count if self.points else 0

    def heard(self) -> None:
        if self.base is not None:
            return
        said = self.server_said
        received = said.get("TCPInfo", {}).get("BytesReceived")
        if received is None:
            received = said.get("AppInfo", {}).get("NumBytes")
        if received is None:
            return
        if received > _CLAIM_SHARE * self.stream.sent_bytes + _CLAIM_BYTES:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "server_overcounts")
        self.points.append(Point(self.transfer.elapsed(), received))

    def judge(self) -> None:
        if self.base is None and len(self.points) < FEWEST_POINTS:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "no_receiver_count")


def _counters(section: dict[str, Any]) -> dict[str, int]:
    """Keep the whole numbers of a server's section that can be counters."""
    return {
        key: value
        for key, value in section.items()
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62
        if len(key) <= 32 and key.isascii() and key.isalnum()
    }
