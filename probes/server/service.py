"""
The measurement server: listeners, threads, limits.

A thread a connection, because the data path spends its time in system calls that let other
threads run. Whatever a client does, it holds one thread for a bounded time: the head has a
deadline, a test has a longest time and ends when nothing moves, and connections are counted in
all and by address before anything is read.
"""

import contextlib
import errno
import json
import secrets
import socket
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Self

from ...data.errors import ConfigError, ProbeError
from ..connection import READ, Deadline, read_head, ready, send_all, shake_hands
from ..echo import answer, new_token
from ..engines.flow import Flow
from ..engines.ndt7 import SUBPROTOCOL
from ..engines.websocket import upgrade_response
from ..interface import AttemptError, one_line
from .ndt7 import FinishedTest, run_test
from .requests import RefusedError, Request, plain_answer, read_request

LOOPBACK = ("127.0.0.1", "::1")
_POLL_S = 0.2
_PORT_TRIES = 20
_KEPT_TESTS = 1000
_ANSWER_S = 2.0
_LINGER_BYTES = 1 << 16
_CLOSE_S = 3.0


class ListenError(ProbeError):
    """The server cannot listen where it was told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """What clients may take. `runtime_s` is a test's length, `max_runtime_s` bounds it."""

    runtime_s: float = 10.0
    max_runtime_s: float = 15.0
    idle_s: float = 7.0
    head_s: float = 5.0
    max_head_bytes: int = 16_384
    connections: int = 128
    connections_per_address: int = 32


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a listener is."""

    family: int
    host: str
    port: int


class MeasurementServer:
    """
    Serve ndt7 and the UDP echo: ``with MeasurementServer() as server: server.url(4)``.

    `listening` tells where; `unavailable` tells which addresses could not be listened on, and
    why, where others could. `finished` holds the last tests as the server counted them, `served`
    is how many there were.

    Parameters
    ----------
    hosts
        Numeric addresses to listen on.
    port
        0 takes one that is free, the same for all addresses, TCP and UDP.
    certificate, key
        PEM files; with them the server speaks ``wss`` only.

    Raises
    ------
    ListenError
        From ``with``, if no address can be listened on.
    ConfigError
        If certificate and key cannot be used.
    """

    def __init__(
        self,
        hosts: Sequence[str] = LOOPBACK,
        port: int = 0,
        *,
        certificate: Path | None = None,
        key: Path | None = None,
        limits: ServerLimits | None = None,
    ) -> None:
        for host in hosts:
            _check_numeric(host)
        self.listening: tuple[Listening, ...] = ()
        self.unavailable: dict[str, str] = {}
        self.finished: deque[FinishedTest] = deque(maxlen=_KEPT_TESTS)
        self.served = 0
        self._hosts = tuple(hosts)
        self._port = port
        self._limits = limits or ServerLimits()
        self._tls = _server_context(certificate, key)
        self._secret = secrets.token_bytes(32)
        self._sockets: list[socket.socket] = []
        self._open: dict[socket.socket, str] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads: set[threading.Thread] = set()

    def __enter__(self) -> Self:
        self._listen()
        for sock in self._sockets:
            stream = sock.type == socket.SOCK_STREAM
            self._start(self._accept if stream else self._echo, sock)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def url(self, family: int) -> str:
        """Give the address that a probe of a family connects to."""
        for place in self.listening:
            if place.family == family:
                return self.url_of(place)
        raise ListenError("the server does not listen on IPv{family}", family=family)

    def url_of(self, place: Listening) -> str:
        """Give the address of one listener."""
        host = f"[{place.host}]" if place.family == 6 else place.host
        return f"{'wss' if self._tls else 'ws'}://{host}:{place.port}"

    @property
    def busy(self) -> int:
        """Give the number of connections open now."""
        with self._lock:
            return len(self._open)

    def close(self) -> None:
        """Stop listening, end running tests, and wait for the threads."""
        self._stopping.set()
        with self._lock:
            connections = list(self._open)
        for sock in connections:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        deadline = Deadline.after(_CLOSE_S)
        for thread in list(self._threads):
            thread.join(deadline.left())
        for sock in self._sockets:
            sock.close()

    def _listen(self) -> None:
        """Take one port for every address; on a free choice that is half taken, choose again."""
        for _ in range(_PORT_TRIES):
            self.unavailable.clear()
            port = self._port
            for host in self._hosts:
                try:
                    port = self._listen_on(host, port)
                except OSError as error:
                    self.unavailable[host] = error.strerror or str(error)
                    if error.errno == errno.EADDRINUSE and not self._port:
                        break
            else:
                break
            self._forget_listeners()
        if not self._sockets:
            host, why = next(iter(self.unavailable.items()), ("", "no address given"))
            raise ListenError(
                "cannot listen on {host} port {port}: {why}; choose another (--bind, --port)",
                host=one_line(host),
                port=self._port,
                why=why,
            )

    def _forget_listeners(self) -> None:
        for sock in self._sockets:
            sock.close()
        self._sockets, self.listening = [], ()

    def _listen_on(self, host: str, port: int) -> int:
        family = 6 if ":" in host else 4
        made: list[socket.socket] = []
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                sock = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, kind)
                made.append(sock)
                if kind == socket.SOCK_STREAM:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == 6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((host, port))
                port = int(sock.getsockname()[1])
                sock.settimeout(0)
            made[0].listen(128)
        except BaseException:
            for sock in made:
                sock.close()
            raise
        self._sockets += made
        self.listening += (Listening(family, host, port),)
        return port

    def _start(self, work: Callable[..., None], sock: socket.socket, *rest: str) -> None:
        def run() -> None:
            try:
                work(sock, *rest)
            finally:
                self._threads.discard(thread)

        thread = threading.Thread(target=run, daemon=True, name="measurement-server")
        self._threads.add(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            if not ready(listener, READ, _POLL_S):
                continue
            try:
                sock, peer = listener.accept()
            except OSError:
                # The client has gone again, or there are no descriptors left just now.
                self._stopping.wait(_POLL_S / 10)
                continue
            ip = str(peer[0])
            if self._admit(sock, ip):
                try:
                    self._start(self._serve, sock, ip)
                except RuntimeError:
                    self._release(sock)
            else:
                sock.close()

    def _admit(self, sock: socket.socket, ip: str) -> bool:
        with self._lock:
            if len(self._open) >= self._limits.connections or self._stopping.is_set():
                return False
            if Counter(self._open.values())[ip] >= self._limits.connections_per_address:
                return False
            self._open[sock] = ip
            return True

    def _release(self, sock: socket.socket) -> None:
        with self._lock:
            self._open.pop(sock, None)
        sock.close()

    def _serve(self, raw: socket.socket, ip: str) -> None:
        sock = raw
        try:
            raw.settimeout(0)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            deadline = Deadline.after(self._limits.head_s)
            if self._tls is not None:
                sock = self._tls.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
                with self._lock:
                    self._open[sock] = self._open.pop(raw)
                shake_hands(sock, deadline)
            head, rest = read_head(sock, deadline, max_bytes=self._limits.max_head_bytes)
            self._answer(sock, ip, head, rest)
        except (AttemptError, OSError):
            # A client that breaks off or breaks the rules is its own affair; others go on.
            pass
        finally:
            self._release(sock)

    def _answer(self, sock: socket.socket, ip: str, head: bytes, rest: bytes) -> None:
        deadline = Deadline.after(_ANSWER_S)
        try:
            request = read_request(head)
        except RefusedError as error:
            send_all(sock, plain_answer(error.status), deadline)
            _linger(sock, deadline)
            return
        if request.wants == "echo":
            token = new_token(self._secret, ip, time.monotonic()).hex()
            body = json.dumps({"token": token}).encode("ascii")
            send_all(sock, plain_answer(200, body, "application/json"), deadline)
            _linger(sock, deadline)
            return
        send_all(sock, upgrade_response(request.key, SUBPROTOCOL), deadline)
        self._test(sock, request, rest)

    def _test(self, sock: socket.socket, request: Request, rest: bytes) -> None:
        identity = {
            "Client": _endpoint(sock.getpeername()),
            "Server": _endpoint(sock.getsockname()),
            "UUID": secrets.token_hex(8),
        }
        limits = self._limits
        test = run_test(
            Flow(sock, masks=False, rest=rest),
            direction=request.wants,
            identity=identity,
            runtime_s=min(limits.runtime_s, limits.max_runtime_s),
            idle_s=limits.idle_s,
            max_bytes=request.max_bytes,
            stopping=self._stopping.is_set,
        )
        with self._lock:
            self.finished.append(test)
            self.served += 1

    def _echo(self, sock: socket.socket) -> None:
        while not self._stopping.is_set():
            if not ready(sock, READ, _POLL_S):
                continue
            try:
                data, peer = sock.recvfrom(64)
                reply = answer(data, str(peer[0]), self._secret, time.monotonic())
                if reply is not None:
                    sock.sendto(reply, peer)
            except OSError:
                # One client's unreachable port or a full buffer: that answer is lost, as any.
                continue


def _check_numeric(host: str) -> None:
    try:
        ip_address(host)
    except ValueError:
        raise ConfigError("{host} is no numeric address (--bind)", host=one_line(host)) from None


def _endpoint(name: tuple[object, ...]) -> str:
    host = str(name[0])
    return f"[{host}]:{name[1]}" if ":" in host else f"{host}:{name[1]}"


def _linger(sock: socket.socket, deadline: Deadline) -> None:
    """Let the client read the answer: closing with unread bytes would reset it away."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_WR)
    taken = 0
    while taken < _LINGER_BYTES and ready(sock, READ, deadline.left()):
        try:
            chunk = sock.recv(4096)
        except (BlockingIOError, ssl.SSLWantReadError):
            continue
        if not chunk:
            return
        taken += len(chunk)


def _server_context(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ConfigError("TLS needs both a certificate and its key (--cert, --key)")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            "{certificate} and {key} are no certificate with its key: {error}",
            certificate=certificate,
            key=key,
            error=error,
        ) from None
    return context
