"""
Bytes in and out of one WebSocket at once, as fast as plain Python can move them.

Payload that arrives is dropped inside the kernel where it can (``MSG_TRUNC``: no copy, 1.6
times the rate of copying); payload that leaves is random bytes under a random mask, so that
no XOR is ever computed and the frame is valid all the same. One thread does both directions,
because a TLS socket must not be read and written by two.
"""

import os
import secrets
import socket
import ssl
import sys
from collections import deque
from collections.abc import Callable

from ..connection import READ, WRITE, Deadline, ready
from .websocket import NORMAL_CLOSE, FrameDecoder, Message, Opcode, frame, header

FIRST_MESSAGE_BYTES = 1 << 13
LARGEST_MESSAGE_BYTES = 1 << 20
_GROW_AT_SHARE = 16
# Enough that a sender whose thread waits 10 ms does not run dry at a gigabit.
_NOTSENT_BYTES = 1 << 22
# At most; the kernel gives up to half of its own limit (net.ipv4.tcp_rmem).
_WINDOW_BYTES = 1 << 27
# 2 ms of a gigabit.
_WAKE_BYTES = 1 << 18
HEAD_READ_BYTES = 1 << 14
COPY_READ_BYTES = 1 << 16
TLS_RECORD_BYTES = 1 << 14
# A TLS call moves one record: so many go in a row before anything else is looked at.
_TLS_BURST = 16
_MAX_QUEUED_FRAMES = 64
_TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25 if sys.platform == "linux" else None)
RANDOM = memoryview(os.urandom(2 * LARGEST_MESSAGE_BYTES))


def keep_little_unsent(sock: socket.socket) -> None:
    """Have bytes wait here, where they can still be left unsent, not in the kernel."""
    if _TCP_NOTSENT_LOWAT is not None:
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _NOTSENT_BYTES)


def burst(move_one: Callable[[], bool], *, tls: bool) -> bool:
    """Move as much as one turn should; tell whether anything moved."""
    if not tls:
        return move_one()
    moved = 0
    while moved < _TLS_BURST and move_one():
        moved += 1
    return moved > 0


def open_wide(sock: socket.socket) -> None:
    """
    Offer a large window from the start (Linux).

    The kernel otherwise lets it grow with what the reader takes, and behind a hole the reader
    takes nothing: the sender then meets the window and believes that it has met the link. Asking
    to be woken only for so many bytes makes room for them at once; the room stays.
    """
    if sys.platform == "linux":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, _WINDOW_BYTES)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


def wake_seldom(sock: socket.socket) -> None:
    """
    Be woken for many packets at once (Linux), as long as somebody looks again soon anyway.

    Fewer bytes are read all the same when the wait ends for another reason.
    """
    if sys.platform == "linux":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, _WAKE_BYTES)


class Flow:
    """
    An open WebSocket. `closed` tells how the peer ended it: `close`, `eof`, `reset`.

    `sent_bytes` counts binary payload handed to the kernel: of use for a budget, never
    a result.
    """

    def __init__(self, sock: socket.socket, *, masks: bool, rest: bytes = b"") -> None:
        self.sock = sock
        self.decoder = FrameDecoder(masked=not masks)
        self.closed: str | None = None
        self.answered = True
        self.sent_bytes = 0
        self._gone = False
        self._masks = masks
        self.tls = isinstance(sock, ssl.SSLSocket)
        self._drop = 0 if self.tls or sys.platform != "linux" else socket.MSG_TRUNC
        self._sink = bytearray(LARGEST_MESSAGE_BYTES if self._drop else COPY_READ_BYTES)
        self._message_bytes = FIRST_MESSAGE_BYTES
        self._parts: deque[memoryview] = deque()
        self._control: deque[bytes] = deque()
        self._early = self._take(self.decoder.feed(rest)) if rest else []
        sock.settimeout(0)
        keep_little_unsent(sock)
        open_wide(sock)

    @property
    def received_bytes(self) -> int:
        """Give the binary payload that was read."""
        return self.decoder.binary_bytes

    @property
    def other_bytes(self) -> int:
        """Give what was read beside it: headers, texts, control frames."""
        return self.decoder.other_bytes

    def leave(self) -> None:
        """
        Go without waiting for what is still under way.

        Whoever sends has half a message out, so that a close frame would be read as payload.
        """
        try:
            if not self.sent_bytes and not self.closed:
                self.send_close()
                self._send(fill=False)
        finally:
            self.sock.close()

    def send_text(self, text: str) -> None:
        """Queue a text message between two binary ones."""
        self._queue(frame(Opcode.TEXT, text.encode("utf-8"), masked=self._masks))

    def send_close(self) -> None:
        """Queue the close frame."""
        code = NORMAL_CLOSE.to_bytes(2, "big")
        self._queue(frame(Opcode.CLOSE, code, masked=self._masks))

    def turn(self, until: Deadline, *, fill: bool) -> list[Message]:
        """
        Move what can be moved, or wait until something can; give the text messages that came.

        With `fill`, random binary messages go out whenever nothing else does. Pings are
        answered here; a close frame, an end or a reset sets `closed`.
        """
        messages, self._early = self._early, []
        try:
            received = burst(lambda: self._receive(messages), tls=self.tls)
            sent = burst(lambda: self._send(fill=fill), tls=self.tls)
        except (ConnectionResetError, BrokenPipeError):
            self._gone, self.closed = True, self.closed or "reset"
            return messages
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self._gone, self.closed = True, self.closed or "eof"
            return messages
        if not (received or sent or messages):
            unsent = fill or self._parts or self._control
            if not self.closed:
                ready(self.sock, READ | WRITE if unsent else READ, until.left())
            elif unsent:
                # A peer that has ended its side can always be read: only room to send counts.
                ready(self.sock, WRITE, until.left())
        return messages

    def flush(self, deadline: Deadline) -> None:
        """Send what is queued, as far as the peer takes it until then."""
        while (self._parts or self._control) and not deadline.passed():
            if self._gone or self.closed in ("eof", "reset"):
                return
            self.turn(deadline, fill=False)

    def finish(self, deadline: Deadline) -> None:
        """Say goodbye, wait until the peer does so too or the deadline comes, and close."""
        try:
            self.send_close()
            while not self.closed and not deadline.passed():
                self.turn(deadline, fill=False)
            self.flush(deadline)
        finally:
            self.sock.close()

    def _queue(self, data: bytes) -> None:
        if len(self._control) < _MAX_QUEUED_FRAMES:
            self._control.append(data)

    def _receive(self, messages: list[Message]) -> bool:
        left = self.decoder.payload_left
        try:
            if left:
                size = min(left, len(self._sink))
                count = self.sock.recv_into(self._sink, size, self._drop)
                self.decoder.skip(count)
            else:
                data = self.sock.recv(HEAD_READ_BYTES)
                count = len(data)
                messages += self._take(self.decoder.feed(data))
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        if count == 0:
            self.closed = self.closed or "eof"
        return count > 0 and not self.closed

    def _take(self, messages: list[Message]) -> list[Message]:
        texts = []
        for message in messages:
            if message.opcode is Opcode.TEXT:
                texts.append(message)
            elif message.opcode is Opcode.PING:
                self._queue(frame(Opcode.PONG, message.payload, masked=self._masks))
            elif message.opcode is Opcode.CLOSE:
                self.closed = "close"
        return texts

    def _send(self, *, fill: bool) -> bool:
        if not self._parts:
            if self._control:
                self._parts.append(memoryview(self._control.popleft()))
            elif fill:
                self._next_message()
            else:
                return False
        part = self._parts[0]
        try:
            count = self.sock.send(part[:TLS_RECORD_BYTES] if self.tls else part)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        if part.obj is RANDOM.obj:
            self.sent_bytes += count
        if count == len(part):
            self._parts.popleft()
        else:
            self._parts[0] = part[count:]
        return count > 0

    def _next_message(self) -> None:
        """Begin a message, twice as long as the last where that is at most 1/16 of all so far."""
        doubled = 2 * self._message_bytes
        if doubled <= min(LARGEST_MESSAGE_BYTES, self.sent_bytes // _GROW_AT_SHARE):
            self._message_bytes = doubled
        size = self._message_bytes
        mask = secrets.token_bytes(4) if self._masks else None
        start = secrets.randbelow(len(RANDOM) - size + 1)
        self._parts.append(memoryview(header(Opcode.BINARY, size, mask)))
        self._parts.append(RANDOM[start : start + size])
