"""
Who is connected, and who has to go when it gets full.

A connection waits (for its TLS handshake, its request's head, its next request) or works. When
there is no place left, the connection that has waited longest goes: first of the client that
holds too many itself, else of the client with the most waiting ones. So connections that say
nothing, however many, keep nobody out; one that works is never sent away.
"""

import contextlib
import socket
import threading
from collections import Counter
from dataclasses import dataclass

from .limits import ServerLimits, source_of


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a connection was let in; if not, or only in another's place, why."""

    admitted: bool
    reason: str = ""


class Places:
    """The connections that are open; safe to use from every thread."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._sources: dict[socket.socket, str] = {}
        self._waiting: dict[socket.socket, None] = {}
        self._held: Counter[str] = Counter()
        self._tests = 0
        self._closed = False

    @property
    def open(self) -> int:
        """Give the number of connections open now."""
        with self._lock:
            return len(self._sources)

    @property
    def tests(self) -> int:
        """Give the number of transfers that run now."""
        with self._lock:
            return self._tests

    def admit(self, sock: socket.socket, ip: str) -> Admission:
        """Give a connection a place, if need be that of another which only waits."""
        source = source_of(ip)
        reason = ""
        with self._lock:
            if self._closed:
                return Admission(admitted=False, reason="stopping")
            if self._held[source] >= self._limits.connections_per_address:
                reason = "address_full"
                victim = self._longest_waiting(source)
            elif len(self._sources) >= self._limits.connections:
                reason = "server_full"
                victim = self._longest_waiting(self._most_waiting())
            if reason:
                if victim is None:
                    return Admission(admitted=False, reason=reason)
                self._forget(victim)
                _shut(victim)
            self._sources[sock] = source
            self._waiting[sock] = None
            self._held[source] += 1
            return Admission(admitted=True, reason=reason)

    def replace(self, sock: socket.socket, other: socket.socket) -> None:
        """Put the TLS socket in the place of the plain one that it has taken over."""
        with self._lock:
            if sock in self._sources:
                self._sources[other] = self._sources.pop(sock)
                self._waiting.pop(sock, None)
                self._waiting[other] = None
            if self._closed or other not in self._sources:
                _shut(other)

    def works(self, sock: socket.socket) -> bool:
        """Note that a request is being served; tell whether it still has its place."""
        with self._lock:
            self._waiting.pop(sock, None)
            return sock in self._sources

    def waits(self, sock: socket.socket) -> None:
        """Note that nothing but a next request can come."""
        with self._lock:
            if sock in self._sources:
                self._waiting[sock] = None

    def begin_test(self) -> bool:
        """Take one of the places for transfers; False: there is none."""
        with self._lock:
            if self._tests >= self._limits.tests or self._closed:
                return False
            self._tests += 1
            return True

    def end_test(self) -> None:
        """Give it back."""
        with self._lock:
            self._tests -= 1

    def release(self, sock: socket.socket) -> None:
        """Forget a connection and close it."""
        with self._lock:
            self._forget(sock)
        sock.close()

    def close(self) -> None:
        """Let nobody in any more, and shut every connection."""
        with self._lock:
            self._closed = True
            for sock in self._sources:
                _shut(sock)

    def _forget(self, sock: socket.socket) -> None:
        source = self._sources.pop(sock, None)
        self._waiting.pop(sock, None)
        if source is not None:
            self._held[source] -= 1
            if not self._held[source]:
                del self._held[source]

    def _longest_waiting(self, source: str | None) -> socket.socket | None:
        return next((sock for sock in self._waiting if self._sources[sock] == source), None)

    def _most_waiting(self) -> str | None:
        waiting = Counter(self._sources[sock] for sock in self._waiting)
        return waiting.most_common(1)[0][0] if waiting else None


def _shut(sock: socket.socket) -> None:
    """End a connection that another thread waits on: closing it there would not wake that."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
