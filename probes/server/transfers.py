"""
Bytes out of and into one connection, as fast as plain Python can move them, until told to end.

Sending gives the kernel slices of one block of random bytes; receiving drops payload inside the
kernel where that can be done (``MSG_TRUNC``). Both end by themselves when the time is over,
the test's bytes are spent, nothing moves any more or the server stops.
"""

import os
import secrets
import socket
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..connection import READ, WRITE, ready
from .bodies import Body
from .ledger import FlowCount

_RANDOM = memoryview(os.urandom(1 << 22))
_SEND_BYTES = 1 << 20
_TLS_SEND_BYTES = 1 << 14
# A TLS call moves one record: so many go in a row before the rules are looked at.
_TLS_BURST = 16
_READ_BYTES = 1 << 14
_TLS_SINK_BYTES = 1 << 16
_STOP_CHECK_S = 0.2
# With MSG_TRUNC nothing is ever written here, so all connections may share it.
_UNTOUCHED = bytearray(1 << 20)
_AGAIN = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What ends a transfer. Times are on the monotonic clock."""

    end_s: float
    idle_s: float
    stopping: Callable[[], bool]


class _Progress:
    """Tell a transfer that runs from one that has stalled."""

    def __init__(self, flow: FlowCount, watch: Watch) -> None:
        self._flow = flow
        self._watch = watch
        self._seen, self._seen_s = flow.moved, time.monotonic()

    def ending(self) -> str:
        """Say why the transfer has to end now; empty: it goes on."""
        now = time.monotonic()
        if now >= self._watch.end_s:
            return "time"
        if self._flow.test.spent():
            return "budget"
        if self._watch.stopping():
            return "stopping"
        if self._flow.moved > self._seen:
            self._seen, self._seen_s = self._flow.moved, now
        elif now - self._seen_s >= self._watch.idle_s:
            return "idle"
        return ""

    def pause_s(self) -> float:
        return min(_STOP_CHECK_S, max(0.0, self._watch.end_s - time.monotonic()))


def pour(sock: socket.socket, flow: FlowCount, watch: Watch, size: int | None = None) -> str:
    """Send random bytes, so many or without end; say what ended it, `complete` if all went."""
    progress = _Progress(flow, watch)
    at = secrets.randbelow(len(_RANDOM))
    tls = isinstance(sock, ssl.SSLSocket)
    most, burst = (_TLS_SEND_BYTES, _TLS_BURST) if tls else (_SEND_BYTES, 1)
    while size is None or flow.moved < size:
        if ended := progress.ending():
            return ended
        try:
            for _ in range(burst):
                room = most if size is None else min(most, size - flow.moved)
                if not room:
                    break
                count = sock.send(_RANDOM[at : at + room])
                flow.moved += count
                at = (at + count) % len(_RANDOM)
        except _AGAIN as again:
            reads = isinstance(again, ssl.SSLWantReadError)
            ready(sock, READ if reads else WRITE, progress.pause_s())
        except OSError:
            return "reset"
    return "complete"


def _skip(sock: socket.socket, body: Body, sink: bytearray, drop: int) -> int:
    """Drop some payload; give how much, 0 at the end of the connection."""
    count = sock.recv_into(sink, min(body.left, len(sink)), drop)
    body.skip(count)
    moved = count
    try:
        for _ in range(0 if drop else _TLS_BURST):
            if not (count and body.left):
                break
            count = sock.recv_into(sink, min(body.left, len(sink)))
            body.skip(count)
            moved += count
    except _AGAIN:
        pass
    return moved


def drain(
    sock: socket.socket,
    flow: FlowCount,
    body: Body,
    watch: Watch,
    early: bytes = b"",
    on_turn: Callable[[], None] = lambda: None,
) -> tuple[str, bytes]:
    """
    Receive a body and drop it.

    Returns
    -------
    ended, rest
        `complete` or what ended it before; what came after the body already.

    Raises
    ------
    AttemptError
        If the body breaks the rules of its framing.
    """
    progress = _Progress(flow, watch)
    tls = isinstance(sock, ssl.SSLSocket)
    drop = 0 if tls or sys.platform != "linux" else socket.MSG_TRUNC
    sink = _UNTOUCHED if drop else bytearray(_TLS_SINK_BYTES)
    rest = body.feed(early)
    flow.moved = body.count
    while not body.done:
        if ended := progress.ending():
            return ended, b""
        on_turn()
        try:
            if body.left:
                count = _skip(sock, body, sink, drop)
            else:
                data = sock.recv(_READ_BYTES)
                count = len(data)
                rest = body.feed(data)
        except _AGAIN as again:
            writes = isinstance(again, ssl.SSLWantWriteError)
            ready(sock, WRITE if writes else READ, progress.pause_s())
            continue
        except OSError:
            return "reset", b""
        if not count:
            return "eof", b""
        flow.moved = body.count
    return "complete", rest
