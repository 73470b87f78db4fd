"""
A path asked without any privilege, with what Linux allows everyone.

- **Hops**: a TCP connection whose hop limit is too small; the router that drops it says so, and
  since Linux 5.11 the socket's error queue says which it was (older kernels name nobody).
- **Echo**: an ICMPv6 echo on a datagram socket, where the administrator's
  ``net.ipv4.ping_group_range`` lets us.
- **Sizes**: by echo with fragmentation off; where echoes get no answer, by TCP: connections whose
  segment size is bounded (TCP_MAXSEG) and that send two full segments. What is acknowledged has
  arrived; what a router refuses shows as the connection's path MTU (IPV6_MTU).
"""

import errno
import fcntl
import select
import socket
import struct
import termios
import time
from collections.abc import Callable
from contextlib import suppress

_IPV6_MTU_DISCOVER, _IPV6_MTU, _IPV6_RECVERR = 23, 24, 25
_PMTUDISC_PROBE = 3
_FROM_ICMP6 = 3  # SO_EE_ORIGIN_ICMP6
_TOO_BIG = 2
_EXTENDED_ERROR = struct.Struct("=IBBBBII")
_ECHO_REQUEST, _ECHO_REPLY = 128, 129
_ECHO_HEADERS, _TCP_HEADERS, _TIMESTAMPS = 48, 60, 12
_LARGEST = 1500
_TRIES = 2


class KernelProber:
    """Asks with ordinary sockets."""

    def __init__(self, ip: str, port: int, timeout_s: float) -> None:
        self.ip, self.port, self.timeout_s = ip, port, timeout_s

    def why_no_echo(self) -> str | None:
        """Tell why no echo can be sent: not allowed, or no way there."""
        try:
            self._ping_socket().close()
        except PermissionError:
            return "ping_not_allowed"
        except OSError as error:
            return "no_route" if error.errno == errno.ENETUNREACH else "ping_not_allowed"
        return None

    def echo(self, seq: int) -> float | None:
        """Send a small echo; give how long its answer took."""
        started = time.perf_counter()
        arrived = self._echo(64, seq)
        return (time.perf_counter() - started) * 1000 if arrived is True else None

    def hop(self, limit: int) -> tuple[str | None, float | None, bool]:
        """Begin one TCP connection that dies after so many hops; give who said so."""
        for _ in range(_TRIES):
            with self._tcp_socket() as sock:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, limit)
                sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
                started = time.perf_counter()
                if not self._connect(sock):
                    continue
                took_ms = round((time.perf_counter() - started) * 1000, 3)
                error = _queued_error(sock)
                if error is not None:
                    return error[0], took_ms, error[0] == self.ip
                ended = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                there = ended in (0, errno.ECONNREFUSED)
                return self.ip if there else None, took_ms, there
        return None, None, False

    def sizes(self, *, echoes: bool) -> tuple[str, int, Callable[[int], bool | int]] | None:
        """Try sizes by echo where echoes are answered, else by TCP where the port is open."""
        if echoes:
            return "echo", _LARGEST, self._fits_echo
        with self._tcp_socket() as sock:
            if not self._connected(sock):
                return None
            # What the far end accepts bounds what a connection can ever show.
            return "tcp", min(_LARGEST, _segment(sock)[1]), self._fits_tcp

    def _fits_echo(self, size: int) -> bool | int:
        for seq in range(_TRIES):
            said = self._echo(size, 100 + seq)
            if said is not False:
                return said
        return False

    def _echo(self, size: int, seq: int) -> bool | int:
        """Send one echo; give True (answered), the MTU that was named, or False."""
        with self._ping_socket() as sock:
            data = b"\0" * (size - _ECHO_HEADERS)
            end = time.perf_counter() + self.timeout_s
            try:
                sock.send(struct.pack("!BBHHH", _ECHO_REQUEST, 0, 0, 0, seq) + data)
                while _ready(sock, select.POLLIN, end - time.perf_counter()):
                    error = _queued_error(sock)
                    if error is not None:
                        return error[2] if error[1] == _TOO_BIG else False
                    reply = sock.recv(2000)
                    if len(reply) >= 8 and reply[0] == _ECHO_REPLY and reply[6:8] == _short(seq):
                        return True
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    return sock.getsockopt(socket.IPPROTO_IPV6, _IPV6_MTU)
        return False

    def _fits_tcp(self, size: int) -> bool | int:
        with self._tcp_socket() as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, size - _TCP_HEADERS)
            if not self._connected(sock):
                return False
            if (mtu := _path_mtu(sock)) < size:
                return mtu
            # Every packet is full, so whatever is acknowledged went through at this size.
            data = b"GET / HTTP/1.1\r\nX-Padding: ".ljust(2 * _segment(sock)[0], b"x")
            end = time.perf_counter() + 2 * self.timeout_s
            try:
                sent = sock.send(data)
                while time.perf_counter() < end:
                    if _unacknowledged(sock) < sent:
                        return True
                    if (mtu := _path_mtu(sock)) < size:
                        return mtu
                    _ready(sock, select.POLLIN, 0.02)
                    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                        # It took the packet and would have no more of it.
                        return True
            except ConnectionError:
                return True
        return False

    def _tcp_socket(self) -> socket.socket:
        made = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        made.settimeout(0)
        return made

    def _ping_socket(self) -> socket.socket:
        made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6)
        try:
            made.settimeout(0)
            made.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DONTFRAG, 1)
            made.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
            made.connect((self.ip, 0))
        except OSError:
            made.close()
            raise
        return made

    def _connect(self, sock: socket.socket) -> bool:
        """Begin a connection; tell whether anything came of it in time, good or bad."""
        with suppress(BlockingIOError):
            try:
                sock.connect((self.ip, self.port))
            except BlockingIOError:
                raise
            except OSError:
                return False
        return _ready(sock, select.POLLOUT, self.timeout_s)

    def _connected(self, sock: socket.socket) -> bool:
        return self._connect(sock) and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def _ready(sock: socket.socket, events: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(sock, events)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def _short(seq: int) -> bytes:
    return struct.pack("!H", seq)


def _queued_error(sock: socket.socket) -> tuple[str, int, int] | None:
    """Give who sent an ICMPv6 error, its type, and the MTU if it named one."""
    try:
        _, control, _, _ = sock.recvmsg(2000, 512, socket.MSG_ERRQUEUE)
    except OSError:
        return None
    for level, kind, data in control:
        if (level, kind) != (socket.IPPROTO_IPV6, _IPV6_RECVERR) or len(data) < 40:
            continue
        _, origin, icmp_type, _, _, info, _ = _EXTENDED_ERROR.unpack_from(data)
        if origin == _FROM_ICMP6:
            return socket.inet_ntop(socket.AF_INET6, data[24:40]), icmp_type, info
    return None


def _segment(sock: socket.socket) -> tuple[int, int]:
    """Give the bytes of data in a full segment, and of the packet that carries it."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    options = info[5]
    (payload,) = struct.unpack_from("=I", info, 16)
    return payload, payload + _TCP_HEADERS + (_TIMESTAMPS if options & 1 else 0)


def _path_mtu(sock: socket.socket) -> int:
    return sock.getsockopt(socket.IPPROTO_IPV6, _IPV6_MTU)


def _unacknowledged(sock: socket.socket) -> int:
    waiting = fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0\0\0\0")
    return int(struct.unpack("=i", waiting)[0])
