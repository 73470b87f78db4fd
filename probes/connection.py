"""
Connections that never wait for ever.

Every socket is non-blocking, and whoever waits says until when: a socket's own timeout starts
again with each byte, so a peer that drips one byte a second would hold it for hours.
"""

import errno
import os
import select
import socket
import ssl
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from ..data.errors import ConfigError
from ..data.sample import Outcome
from .address import resolve
from .interface import Address, AttemptError, Limits, Target

READ = select.POLLIN
WRITE = select.POLLOUT
MAX_HEAD_BYTES = 16_384
# IPv4's least reassembly of 576 bytes, which IPv6's least MTU of 1280 has room for, less headers.
SMALL_SEGMENT_BYTES = 536
_SMALL_S = 2.0


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock at which waiting ends."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        """Give the moment that is so many seconds from now."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Give the seconds until then, never negative."""
        return max(0.0, self.at - time.monotonic())

    def passed(self) -> bool:
        """Tell whether it is over."""
        return time.monotonic() >= self.at


def ready(sock: socket.socket | int, events: int, seconds: float) -> bool:
    """Wait until a socket, or a descriptor, can be read or written, at most so long."""
    poll = select.poll()
    poll.register(sock, events)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def wait(sock: socket.socket, events: int, deadline: Deadline) -> None:
    """
    Wait until a socket can be read or written.

    Raises
    ------
    TimeoutError
        At the deadline.
    """
    if not ready(sock, events, deadline.left()):
        raise TimeoutError


def reach(target: Target, limits: Limits) -> Address:
    """
    Find the first address of a target that takes a connection, TLS included.

    Every later connection of the visit goes to this address: no second lookup.
    """
    deadline = Deadline.after(limits.connect_s)
    addresses = resolve(
        target.host,
        target.port,
        target.family,
        allow_private=target.allow_private,
        timeout_s=deadline.left(),
    )
    for position, address in enumerate(addresses):
        share = deadline.left() / (len(addresses) - position)
        try:
            open_connection(target, address, Deadline.after(share)).close()
        except ssl.SSLError:
            raise
        except (OSError, AttemptError) as error:
            if position < len(addresses) - 1:
                continue
            if isinstance(error, AttemptError) and _opens_when_small(target, address):
                raise AttemptError(Outcome.TIMEOUT, "path_mtu", during="tls") from None
            raise
        else:
            return address
    raise TimeoutError


def _opens_when_small(target: Target, address: Address) -> bool:
    """Tell whether TLS that got no answer gets one in small packets."""
    small = replace(address, small_segments=True)
    try:
        open_connection(target, small, Deadline.after(_SMALL_S)).close()
    except (OSError, AttemptError):
        return False
    return True


def open_connection(target: Target, address: Address, deadline: Deadline) -> socket.socket:
    """Connect to one checked address; with TLS where the target asks for it. Non-blocking."""
    sock = open_tcp(address, deadline)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.tls:
            context = client_context(target.ca_file)
            sock = context.wrap_socket(
                sock, server_hostname=target.host, do_handshake_on_connect=False
            )
            try:
                shake_hands(sock, deadline)
            except TimeoutError:
                # TCP is open and TLS is silent: often a path that loses full-size packets.
                raise AttemptError(Outcome.TIMEOUT, "tls_timeout") from None
    except BaseException:
        sock.close()
        raise
    return sock


def open_tcp(address: Address, deadline: Deadline) -> socket.socket:
    """Connect to one checked address. Non-blocking."""
    sock = socket.socket(address.socket_family, socket.SOCK_STREAM)
    try:
        sock.settimeout(0)
        if address.small_segments:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENT_BYTES)
        code = sock.connect_ex(address.sockaddr)
        if code == errno.EINPROGRESS:
            wait(sock, WRITE, deadline)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock


def client_context(ca_file: Path | None) -> ssl.SSLContext:
    """
    Give the settings under which a server's certificate is checked.

    Raises
    ------
    ConfigError
        If the file with the certificate authority cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            "{file} is no file of CA certificates: {error}", file=ca_file, error=error
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 began to ask for extensions that browsers do without, such as an authority key
    # identifier: the same server must not fail on one Python and be measured on another.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def shake_hands(sock: ssl.SSLSocket, deadline: Deadline) -> None:
    """Do the TLS handshake of a non-blocking socket."""
    while True:
        try:
            return sock.do_handshake()
        except ssl.SSLWantReadError:
            wait(sock, READ, deadline)
        except ssl.SSLWantWriteError:
            wait(sock, WRITE, deadline)


def send_all(sock: socket.socket, data: bytes, deadline: Deadline) -> None:
    """Send a short message whole."""
    left = memoryview(data)
    while left:
        try:
            left = left[sock.send(left) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            wait(sock, WRITE, deadline)
        except ssl.SSLWantReadError:
            wait(sock, READ, deadline)


def receive_some(sock: socket.socket, size: int, deadline: Deadline) -> bytes:
    """Give the next bytes, at most `size`; none means that the peer has closed."""
    while True:
        try:
            return sock.recv(size)
        except (BlockingIOError, ssl.SSLWantReadError):
            wait(sock, READ, deadline)
        except ssl.SSLWantWriteError:
            wait(sock, WRITE, deadline)


def read_head(
    sock: socket.socket, deadline: Deadline, *, max_bytes: int = MAX_HEAD_BYTES
) -> tuple[bytes, bytes]:
    """
    Read an HTTP head.

    Returns
    -------
    head, rest
        The head without its empty line, and what came after it already.

    Raises
    ------
    AttemptError
        If the peer closed first, or the head is longer than it may be.
    """
    seen = bytearray()
    while True:
        chunk = receive_some(sock, 4096, deadline)
        if not chunk:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "closed_in_head")
        start = max(0, len(seen) - 3)
        seen += chunk
        end = seen.find(b"\r\n\r\n", start)
        if end >= 0:
            return bytes(seen[:end]), bytes(seen[end + 4 :])
        if len(seen) > max_bytes:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "endless_head")
