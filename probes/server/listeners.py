"""Where the server listens: one port for all addresses, TCP and UDP."""

import errno
import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from ...data.errors import ConfigError, ProbeError
from ..interface import one_line

_PORT_TRIES = 20
_BACKLOG = 512
_HIGHEST_PORT = 65_535
_UDP_BUFFER_BYTES = 1 << 20


class ListenError(ProbeError):
    """The server cannot listen where it was told to."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a listener is."""

    family: int
    host: str
    port: int


@dataclass(slots=True)
class Listeners:
    """Open sockets: TCP and UDP for each place. `unavailable` says why an address has none."""

    places: tuple[Listening, ...] = ()
    streams: list[socket.socket] = field(default_factory=list)
    datagrams: list[socket.socket] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)

    def close(self) -> None:
        """Close them all."""
        for sock in (*self.streams, *self.datagrams):
            sock.close()


class Bell:
    """What ends the waiting of every thread at once, so that nobody has to look now and then."""

    def __init__(self) -> None:
        self._heard, self._rung = socket.socketpair()

    def ring(self) -> None:
        """End all waiting, now and in the future."""
        self._rung.close()

    def ready(self, sock: socket.socket, seconds: float | None = None) -> bool:
        """Wait until a socket can be read; False: it cannot, or the bell has rung."""
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        poll.register(self._heard, select.POLLIN)
        events = poll.poll(None if seconds is None else seconds * 1000)
        return [number for number, _ in events] == [sock.fileno()]

    def close(self) -> None:
        """Let go of it."""
        self._rung.close()
        self._heard.close()


def listen(hosts: Sequence[str], port: int, *, udp: bool = True) -> Listeners:
    """
    Take one port for every address; on a free choice that is half taken, choose again.

    Raises
    ------
    ConfigError
        If an address is not numeric.
    ListenError
        If no address can be listened on.
    """
    for host in hosts:
        check_numeric(host)
    for _ in range(_PORT_TRIES):
        found = Listeners()
        chosen = port
        for host in hosts:
            try:
                chosen = _listen_on(found, host, chosen, udp=udp)
            except OSError as error:
                found.unavailable[host] = error.strerror or str(error)
                if error.errno == errno.EADDRINUSE and not port:
                    break
        else:
            break
        found.close()
    if not found.streams:
        host, why = next(iter(found.unavailable.items()), ("", "no address given"))
        raise ListenError(
            "cannot listen on {host} port {port}: {why}; choose another (--bind, --port)",
            host=one_line(host),
            port=port,
            why=why,
        )
    return found


def read_bind(text: str) -> tuple[str, int]:
    """
    Read ``HOST:PORT``, an IPv6 host in brackets.

    Raises
    ------
    ConfigError
        If it is anything else.
    """
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not (port.isascii() and port.isdigit()) or bracketed != (":" in bare):
        raise ConfigError(
            "{text} is no address and port; write 127.0.0.1:9101 or [::1]:9101 (--metrics-bind)",
            text=one_line(text),
        )
    if int(port[:6]) > _HIGHEST_PORT:
        raise ConfigError("{port} is no port (--metrics-bind)", port=one_line(port))
    check_numeric(bare)
    return bare, int(port)


def check_numeric(host: str) -> None:
    """Refuse a name: what it resolves to may change."""
    try:
        ip_address(host)
    except ValueError:
        raise ConfigError("{host} is no numeric address (--bind)", host=one_line(host)) from None


def _listen_on(found: Listeners, host: str, port: int, *, udp: bool) -> int:
    family = 6 if ":" in host else 4
    made: list[socket.socket] = []
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)[: 2 if udp else 1]:
            sock = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, kind)
            made.append(sock)
            if kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            else:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UDP_BUFFER_BYTES)
            if family == 6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((host, port))
            port = int(sock.getsockname()[1])
            sock.settimeout(0)
        made[0].listen(_BACKLOG)
    except BaseException:
        for sock in made:
            sock.close()
        raise
    found.streams.append(made[0])
    found.datagrams += made[1:]
    found.places += (Listening(family, host, port),)
    return port
