"""
Put a link under load with plain HTTP transfers, and probe it from beside them.

Two halves of a responsiveness test (draft-ietf-ippm-responsiveness): load-generating connections
that download or upload without end, and short foreign probes: connect, TLS where the target has
it, one small GET, each timed.
"""

import os
import random
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ..data.sample import Outcome
from .connection import (
    READ,
    WRITE,
    Deadline,
    client_context,
    open_connection,
    open_tcp,
    read_head,
    ready,
    receive_some,
    send_all,
    shake_hands,
)
from .engines import tcp_info
from .engines.ndt7 import USER_AGENT
from .engines.websocket import parse_head, status_of
from .interface import Address, AttemptError, Limits, Target

MAX_SMALL_BYTES = 65_536
_UPLOAD_BYTES = 1 << 40
_BLOCK_BYTES = 1 << 18
_TLS_RECORD_BYTES = 1 << 14
_NOTSENT_BYTES = 1 << 17
_TURN_S = 0.1
_JOIN_S = 3.0
_TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25 if sys.platform == "linux" else None)
# TLS 1.3 needs one round trip before data may be sent, TLS 1.2 needs two.
_TLS_ROUND_TRIPS = {"TLSv1.3": 1, "TLSv1.2": 2}


@dataclass(frozen=True, slots=True)
class ForeignProbe:
    """One foreign probe: when it ended (monotonic seconds), and what each step took."""

    ended_s: float
    tcp_ms: float
    tls_ms: float | None
    http_ms: float


def probe_foreign(
    target: Target, address: Address, path: str, context: ssl.SSLContext | None, seconds: float
) -> ForeignProbe:
    """
    Connect anew and get one small object.

    `tls_ms` is a round trip of the handshake: its time over the number of round trips that its
    version of TLS needs.

    Raises
    ------
    AttemptError, OSError
        If it did not come whole and in time.
    """
    deadline = Deadline.after(seconds)
    started = time.monotonic()
    sock = open_tcp(address, deadline)
    connected = secured = time.monotonic()
    round_trips = 0
    try:
        # Without it the request waits behind the end of the TLS handshake.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            sock = context.wrap_socket(
                sock, server_hostname=target.host, do_handshake_on_connect=False
            )
            shake_hands(sock, deadline)
            secured = time.monotonic()
            round_trips = _TLS_ROUND_TRIPS.get(sock.version() or "", 1)
        fetch(sock, target, path, deadline)
        ended = time.monotonic()
    finally:
        sock.close()
    return ForeignProbe(
        ended_s=ended,
        tcp_ms=(connected - started) * 1000,
        tls_ms=(secured - connected) * 1000 / round_trips if round_trips else None,
        http_ms=(ended - secured) * 1000,
    )


def fetch(sock: socket.socket, target: Target, path: str, deadline: Deadline) -> bytes:
    """
    Get a small object over an open connection.

    Raises
    ------
    AttemptError
        If the answer is no 200, has no length, is too long, or ends early.
    """
    send_all(sock, request_head("GET", target, path, close=True), deadline)
    head, body = read_head(sock, deadline)
    status = status_of(head)
    if status != 200:
        raise AttemptError(Outcome.SERVER_ERROR, "status", status=status)
    length = parse_head(head)[1].get("content-length", "")
    if not (length.isascii() and length.isdigit()) or int(length[:9]) > MAX_SMALL_BYTES:
        raise AttemptError(Outcome.PROTOCOL_ERROR, "no_length")
    while len(body) < int(length):
        chunk = receive_some(sock, MAX_SMALL_BYTES, deadline)
        if not chunk:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "closed_early")
        body += chunk
    return body[: int(length)]


def request_head(method: str, target: Target, path: str, *, close: bool) -> bytes:
    """Give a request's head; an upload's body may be as long as anyone could want."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {target.authority}",
        f"User-Agent: {USER_AGENT}",
        "Accept-Encoding: identity",
    ]
    if method == "POST":
        lines += [
            "Content-Type: application/octet-stream",
            f"Content-Length: {_UPLOAD_BYTES}",
        ]
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


class WorkingLoad:
    """
    Load-generating connections of one direction: ``with WorkingLoad(...) as load: load.add()``.

    `error` is what ended a connection that was not ours to end; the test is then over.
    """

    def __init__(
        self, target: Target, address: Address, path: str, *, upload: bool, limits: Limits
    ) -> None:
        self.error: BaseException | None = None
        self._target = target
        self._address = address
        self._path = path
        self.upload = upload
        self._limits = limits
        self._open: list[socket.socket] = []
        self._ended_bytes = 0
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._block = os.urandom(_BLOCK_BYTES) if upload else b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        deadline = Deadline.after(_JOIN_S)
        for thread in self._threads:
            thread.join(deadline.left())

    def add(self) -> None:
        """Open one more connection, in a thread of its own."""
        thread = threading.Thread(target=self._run, daemon=True, name="working-load")
        self._threads.append(thread)
        thread.start()

    @property
    def connections(self) -> int:
        """Give the number of connections that carry load now."""
        with self._lock:
            return len(self._open)

    def received_bytes(self) -> int:
        """Give the bytes that have arrived at the receiver, over all connections."""
        with self._lock:
            return self._ended_bytes + sum(self._count(sock) for sock in self._open)

    def self_rtt_ms(self) -> float | None:
        """
        Give the round trip that the kernel estimates on one connection, chosen at random.

        The draft's substitute for a self probe where requests cannot be multiplexed, as in
        HTTP/1.1. The sender's estimate on upload, the receiver's (by timestamps) on download.
        """
        with self._lock:
            if not self._open:
                return None
            info = tcp_info.read(random.choice(self._open))
        if info is None:
            return None
        return (info.rtt_us if self.upload else info.rcv_rtt_us) / 1000 or None

    def congestion_control(self) -> str | None:
        """Give what our ends send with; of a download's far end nothing is known here."""
        with self._lock:
            names = {tcp_info.congestion_control(sock) for sock in self._open}
        return ",".join(sorted(name for name in names if name)) or None

    def _run(self) -> None:
        try:
            # A server may end a transfer at its own limit; then the next one begins.
            while not self._stop.is_set() and self._transfer():
                pass
        except (AttemptError, OSError, MemoryError) as error:
            if not self._stop.is_set():
                self.error = self.error or error

    def _transfer(self) -> bool:
        """Move bytes until told to stop or the server ends it; tell whether anything moved."""
        limits = self._limits
        sock = open_connection(self._target, self._address, Deadline.after(limits.connect_s))
        try:
            method = "POST" if self.upload else "GET"
            head = request_head(method, self._target, self._path, close=False)
            send_all(sock, head, Deadline.after(limits.handshake_s))
            if self.upload and _TCP_NOTSENT_LOWAT is not None:
                sock.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _NOTSENT_BYTES)
            if not self.upload:
                status = status_of(read_head(sock, Deadline.after(limits.handshake_s))[0])
                if status != 200:
                    raise AttemptError(Outcome.SERVER_ERROR, "status", status=status)
            with self._lock:
                self._open.append(sock)
            (self._send if self.upload else self._drain)(sock)
        finally:
            with self._lock:
                moved = self._count(sock)
                if sock in self._open:
                    self._open.remove(sock)
                    self._ended_bytes += moved
            sock.close()
        return moved > 0

    def _drain(self, sock: socket.socket) -> None:
        plain = sys.platform == "linux" and not isinstance(sock, ssl.SSLSocket)
        flags = socket.MSG_TRUNC if plain else 0
        sink = bytearray(_BLOCK_BYTES)
        self._move(sock, READ, lambda: sock.recv_into(sink, len(sink), flags))

    def _send(self, sock: socket.socket) -> None:
        tls = isinstance(sock, ssl.SSLSocket)
        block = memoryview(self._block)[: _TLS_RECORD_BYTES if tls else None]
        self._move(sock, WRITE, lambda: sock.send(block))

    def _move(self, sock: socket.socket, events: int, step: Callable[[], int]) -> None:
        alive = Deadline.after(self._limits.stall_s)
        while not self._stop.is_set():
            try:
                if not step():
                    return
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if alive.passed():
                    raise TimeoutError from None
                ready(sock, events, _TURN_S)
            except (BrokenPipeError, ConnectionResetError):
                return
            else:
                alive = Deadline.after(self._limits.stall_s)

    def _count(self, sock: socket.socket) -> int:
        info = tcp_info.read(sock)
        if info is None:
            return 0
        return info.bytes_acked if self.upload else info.bytes_received


def tls_context(target: Target) -> ssl.SSLContext | None:
    """Give one TLS context for many probes of a target; None where it has no TLS."""
    return client_context(target.ca_file) if target.tls else None
