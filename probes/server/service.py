"""
The measurement server: listeners, threads, and the way of a connection through it.

A thread a connection, because the data path spends its time in system calls that let other
threads run. Whatever a client does, it holds one thread for a bounded time: the head has a
deadline, a transfer has a longest time and ends when nothing moves, a connection has a longest
life, and places are counted in all and by client before anything is read (`places`).
"""

import secrets
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from ...data.errors import ConfigError
from ..connection import Deadline, send_all, shake_hands
from ..echo import receive_stamped, stamp_arrivals
from ..interface import AttemptError
from .echoing import EchoDesk
from .exchange import ANSWER_S, Exchange, FinishedTest, Hub, linger, read_head
from .ledger import Ledger
from .limits import ServerLimits
from .listeners import Bell, ListenError, Listeners, Listening, check_numeric, listen
from .metrics import Metrics
from .places import Places
from .receipts import Signer
from .requests import Answer, RefusedError, read_request
from .routes import METRICS_ROUTES, ROUTES, Route, find_route

LOOPBACK = ("127.0.0.1", "::1")
_RETRY_S = 0.02
_CLOSE_S = 3.0
_LEAVING_S = 1.0
_MOST_LEAVING = 256
_DATAGRAM_BYTES = 64


class MeasurementServer:
    """
    Be the far end of every engine: ``with MeasurementServer() as server: server.url(4)``.

    `listening` tells where; `unavailable` tells which addresses could not be listened on, and
    why, where others could. `finished` holds the last flows of tests as the server counted them,
    `served` is how many tests have ended.

    Parameters
    ----------
    hosts
        Numeric addresses to listen on.
    port
        0 takes one that is free, the same for all addresses, TCP and UDP.
    certificate, key
        PEM files; with them the server speaks TLS only.
    signing_key
        File of the key that receipts are signed with, made if it is not there.
    metrics_bind
        Address and port on which the counters are told, to whoever reaches it; without it
        they are told on the measurement port, to this machine only.

    Raises
    ------
    ListenError
        From ``with``, if no address can be listened on.
    ConfigError
        If certificate and key, or the signing key, cannot be used.
    """

    def __init__(
        self,
        hosts: Sequence[str] = LOOPBACK,
        port: int = 0,
        *,
        certificate: Path | None = None,
        key: Path | None = None,
        limits: ServerLimits | None = None,
        signing_key: Path | None = None,
        metrics_bind: tuple[str, int] | None = None,
    ) -> None:
        for host in (*hosts, *(metrics_bind[:1] if metrics_bind else ())):
            check_numeric(host)
        self._hosts = tuple(hosts)
        self._port = port
        self._metrics_bind = metrics_bind
        self._tls = _server_context(certificate, key)
        limits = limits or ServerLimits()
        self.metrics = Metrics()
        self._hub = Hub(
            limits=limits,
            places=Places(limits),
            ledger=Ledger(limits.max_test_bytes),
            metrics=self.metrics,
            signer=Signer(signing_key),
            secret=secrets.token_bytes(32),
            tls=self._tls is not None,
            metrics_apart=metrics_bind is not None,
        )
        places = self._hub.places
        self.metrics.watch(connections=lambda: places.open, flows=lambda: places.tests)
        self._bell = Bell()
        self._listeners = Listeners()
        self._metrics_listeners = Listeners()
        self._threads: set[threading.Thread] = set()

    def __enter__(self) -> Self:
        self._listeners = listen(self._hosts, self._port)
        try:
            if self._metrics_bind is not None:
                host, port = self._metrics_bind
                self._metrics_listeners = listen((host,), port, udp=False)
        except BaseException:
            self._listeners.close()
            raise
        for sock in self._listeners.streams:
            self._start(partial(self._accept, sock, ROUTES, self._tls))
        for sock in self._listeners.datagrams:
            self._start(partial(self._echo, sock))
        for sock in self._metrics_listeners.streams:
            self._start(partial(self._accept, sock, METRICS_ROUTES, None))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def listening(self) -> tuple[Listening, ...]:
        """Tell where the server listens."""
        return self._listeners.places

    @property
    def metrics_at(self) -> Listening | None:
        """Tell where the counters are told, where that is a port of their own."""
        return next(iter(self._metrics_listeners.places), None)

    @property
    def unavailable(self) -> dict[str, str]:
        """Tell which addresses could not be listened on, and why."""
        return self._listeners.unavailable

    @property
    def finished(self) -> deque[FinishedTest]:
        """Give the last flows of tests."""
        return self._hub.finished

    @property
    def served(self) -> int:
        """Give the number of tests that have ended, however many flows each had."""
        return int(self.metrics.value("phusong_tests_total"))

    @property
    def busy(self) -> int:
        """Give the number of connections open now."""
        return self._hub.places.open

    @property
    def public_key(self) -> str | None:
        """Give the PEM text of the key that receipts are checked with."""
        return self._hub.signer.public_key

    def url(self, family: int) -> str:
        """Give the address that a probe of a family connects to."""
        for place in self.listening:
            if place.family == family:
                return self.url_of(place)
        raise ListenError("the server does not listen on IPv{family}", family=family)

    def url_of(self, place: Listening, scheme: str | None = None) -> str:
        """Give the address of one listener."""
        host = f"[{place.host}]" if place.family == 6 else place.host
        return f"{scheme or ('wss' if self._tls else 'ws')}://{host}:{place.port}"

    def close(self) -> None:
        """Stop listening, end running tests, and wait for the threads."""
        self._hub.stopping.set()
        self._bell.ring()
        self._hub.places.close()
        deadline = Deadline.after(_CLOSE_S)
        for thread in list(self._threads):
            thread.join(deadline.left())
        self._listeners.close()
        self._metrics_listeners.close()
        self._bell.close()

    def _start(self, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                self._threads.discard(thread)

        thread = threading.Thread(target=run, daemon=True, name="measurement-server")
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            self._threads.discard(thread)
            raise

    def _accept(
        self, listener: socket.socket, routes: Mapping[str, Route], tls: ssl.SSLContext | None
    ) -> None:
        leaving: deque[tuple[float, socket.socket]] = deque()
        while not self._hub.stopping.is_set():
            _close_left(leaving)
            if not self._bell.ready(listener, _LEAVING_S if leaving else None):
                continue
            try:
                sock, peer = listener.accept()
            except OSError:
                # The client has gone again, or there are no descriptors left just now.
                self._hub.stopping.wait(_RETRY_S)
                continue
            ip = str(peer[0])
            admission = self._hub.places.admit(sock, ip)
            if admission.reason:
                outcome = "replaced" if admission.admitted else "refused"
                reason = f"{admission.reason}_{outcome}"
                self.metrics.add("phusong_refused_total", reason=reason)
            if not admission.admitted:
                self._turn_away(sock, plain=tls is None)
                leaving.append((time.monotonic(), sock))
                continue
            try:
                self._start(partial(self._serve, sock, ip, routes, tls))
            except RuntimeError:
                self._hub.places.release(sock)
        for _, sock in leaving:
            sock.close()

    def _turn_away(self, sock: socket.socket, *, plain: bool) -> None:
        """Say that there is no place, without waiting for what the client has to say."""
        try:
            sock.settimeout(0)
            if plain:
                headers = {"Retry-After": str(self._hub.limits.retry_after_s)}
                sock.send(Answer(status=503, headers=headers).bytes(keep=False))
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def _serve(
        self,
        raw: socket.socket,
        ip: str,
        routes: Mapping[str, Route],
        tls: ssl.SSLContext | None,
    ) -> None:
        sock = raw
        limits, places = self._hub.limits, self._hub.places
        try:
            raw.settimeout(0)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            life = Deadline.after(limits.connection_s)
            deadline = Deadline.after(limits.head_s)
            if tls is not None:
                sock = tls.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
                places.replace(raw, sock)
                shake_hands(sock, deadline)
            rest = b""
            for _ in range(limits.requests_per_connection):
                read = read_head(sock, rest, deadline, max_bytes=limits.max_head_bytes)
                if read is None or not places.works(sock):
                    return
                left = self._answer(sock, ip, routes, *read)
                if left is None or life.passed():
                    return
                rest = left
                places.waits(sock)
                deadline = Deadline(min(life.at, time.monotonic() + limits.keep_alive_s))
        except (AttemptError, OSError):
            # A client that breaks off or breaks the rules is its own affair; others go on.
            pass
        finally:
            places.release(sock)

    def _answer(
        self,
        sock: socket.socket,
        ip: str,
        routes: Mapping[str, Route],
        head: bytes,
        rest: bytes,
    ) -> bytes | None:
        """Answer a request; give what has come after it, None if the connection has to end."""
        try:
            request = read_request(head)
            exchange = Exchange(self._hub, sock, ip, request, rest)
            find_route(routes, request).handle(exchange)
        except RefusedError as error:
            self.metrics.add("phusong_answers_total", status=str(error.status))
            answer = Answer(status=error.status, headers=error.headers)
            send_all(sock, answer.bytes(keep=False), Deadline.after(ANSWER_S))
        else:
            if exchange.keep:
                return exchange.rest
            if exchange.parted:
                return None
        # Whoever only has to read its answer makes room for who comes.
        self._hub.places.waits(sock)
        linger(sock, Deadline.after(ANSWER_S))
        return None

    def _echo(self, sock: socket.socket) -> None:
        desk = EchoDesk(self._hub.secret, self.metrics)
        stamp_arrivals(sock)
        while not self._hub.stopping.is_set():
            if not self._bell.ready(sock):
                continue
            try:
                data, peer, arrived_ns = receive_stamped(sock, _DATAGRAM_BYTES)
                reply = desk.reply(data, str(peer[0]), arrived_ns)
                if reply is not None:
                    sock.sendto(reply, peer)
            except OSError:
                # One client's unreachable port or a full buffer: that answer is lost, as any.
                continue


def _close_left(leaving: deque[tuple[float, socket.socket]]) -> None:
    """Close those that were turned away and have had time to read why, and the oldest of many."""
    while leaving and (
        len(leaving) > _MOST_LEAVING or time.monotonic() - leaving[0][0] > _LEAVING_S
    ):
        leaving.popleft()[1].close()


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
