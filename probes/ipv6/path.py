"""
A closer look at the path to one IPv6 address: echo, hops, the largest packet that arrives.

With raw sockets, scapy sends ICMPv6 echoes and TCP SYNs and reads the answers; times are those
of the packets, because capturing costs tens of milliseconds that are not the network's. Without
raw sockets the kernel does what it allows everyone: an ICMPv6 echo on a datagram socket where
the administrator's ``ping_group_range`` lets us, and TCP's own handshake; hops and sizes are
then unknown, with the reason.

A black hole is a path that carries small packets and swallows large ones without saying so
(RFC 8201 asks routers to say *packet too big*): connections open, then stall.
"""

import os
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..address import check_address

MINIMUM_MTU = 1280
LARGEST_MTU = 1500
_HEADERS = 48  # IPv6 and ICMPv6
_TRIES = 3


@dataclass(slots=True, kw_only=True)
class PathReport:
    """What was seen of a path; what could not be asked is None and its reason in `unknown`."""

    address: str
    raw: bool
    echo_ms: list[float] = field(default_factory=list)
    echo_lost: int = 0
    hops: list[tuple[int, str | None, float | None]] | None = None
    mtu: int | None = None
    black_hole: bool | None = None
    too_big_heard: bool = False
    unknown: dict[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Give it as JSON shows it."""
        return {
            "address": self.address,
            "raw": self.raw,
            "echo_ms": [round(ms, 3) for ms in self.echo_ms],
            "echo_lost": self.echo_lost,
            "hops": self.hops,
            "mtu": self.mtu,
            "black_hole": self.black_hole,
            "too_big_heard": self.too_big_heard,
            "unknown": self.unknown,
        }


def may_use_raw_sockets() -> bool:
    """Tell whether this process may open raw and packet sockets."""
    try:
        for family in (socket.AF_INET6, socket.AF_PACKET):
            protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else 0
            socket.socket(family, socket.SOCK_RAW, protocol).close()
    except (OSError, AttributeError):
        return False
    return True


def look_at_path(
    ip: str, *, port: int = 443, allow_private: bool, timeout_s: float = 1.0, max_hops: int = 30
) -> PathReport:
    """
    Ask a path: three echoes, hops by TCP, the largest packet.

    Raises
    ------
    AttemptError
        If the address may not be connected to.
    """
    check_address(ip, allow_private=allow_private)
    report = PathReport(address=ip, raw=may_use_raw_sockets())
    if report.raw:
        _ask_with_scapy(report, port, timeout_s, max_hops)
    else:
        _ask_without(report, timeout_s)
    return report


def search_mtu(fits: Callable[[int], bool | int]) -> tuple[int | None, bool, bool]:
    """
    Find the largest packet that arrives.

    `fits` says True (arrived), False (nothing came back), or the MTU that a router named.

    Returns
    -------
    mtu, black_hole, too_big_heard
        No MTU where even the smallest packet is lost. A black hole is a loss above the MTU that
        no router spoke of.
    """
    if fits(MINIMUM_MTU) is not True:
        return None, False, False
    low, high, heard, silent = MINIMUM_MTU, LARGEST_MTU, False, False
    size = high
    while low < high:
        said = fits(size)
        if said is True:
            low = size
        elif said is False:
            silent, high = True, size - 1
        else:
            heard = True
            high = min(size - 1, max(low, said))
            size = high
            continue
        size = (low + high + 1) // 2
    return low, silent and not heard, heard


class _Scapy:
    """Probes of one path. Loaded only when asked for: scapy costs half a second and 30 MB."""

    def __init__(self, ip: str, timeout_s: float) -> None:
        import logging

        logging.getLogger("scapy").setLevel(logging.ERROR)
        from scapy.layers import inet, inet6
        from scapy.sendrecv import sr1

        self.ip = ip
        self.timeout_s = timeout_s
        self.inet, self.inet6, self._sr1 = inet, inet6, sr1
        self.identity = os.getpid() & 0xFFFF

    def ask(self, packet: Any) -> tuple[Any, float | None]:
        """Give the answer to a packet and how long it took by the packets' own times."""
        reply = self._sr1(packet, timeout=self.timeout_s, verbose=False)
        if reply is None:
            return None, None
        return reply, (float(reply.time) - float(packet.sent_time)) * 1000

    def echo(self, size: int, seq: int) -> tuple[Any, float | None]:
        """Send one ICMPv6 echo of a size in all, headers counted."""
        data = b"\0" * (size - _HEADERS)
        request = self.inet6.ICMPv6EchoRequest(id=self.identity, seq=seq, data=data)
        return self.ask(self.inet6.IPv6(dst=self.ip) / request)

    def fits(self, size: int) -> bool | int:
        """Tell whether a packet of a size arrives, or the MTU that a router named."""
        for seq in range(_TRIES):
            reply, _ = self.echo(size, 100 + seq)
            if reply is not None and self.inet6.ICMPv6PacketTooBig in reply:
                return int(reply[self.inet6.ICMPv6PacketTooBig].mtu)
            if reply is not None and self.inet6.ICMPv6EchoReply in reply:
                return True
        return False

    def hop(self, limit: int, port: int) -> tuple[str | None, float | None, bool]:
        """Send one TCP SYN that dies after so many hops; give who answered, and if it is there."""
        syn = self.inet.TCP(sport=33000 + limit, dport=port, flags="S", seq=self.identity)
        reply, took_ms = self.ask(self.inet6.IPv6(dst=self.ip, hlim=limit) / syn)
        if reply is None or took_ms is None:
            return None, None, False
        there = self.inet.TCP in reply and self.inet6.ICMPv6TimeExceeded not in reply
        return str(reply.src), round(took_ms, 3), there


def _ask_with_scapy(report: PathReport, port: int, timeout_s: float, max_hops: int) -> None:
    scapy = _Scapy(report.address, timeout_s)
    for seq in range(_TRIES):
        reply, took_ms = scapy.echo(64, seq)
        if took_ms is not None and scapy.inet6.ICMPv6EchoReply in reply:
            report.echo_ms.append(took_ms)
        else:
            report.echo_lost += 1
    report.hops = []
    for limit in range(1, max_hops + 1):
        who, took_ms, there = scapy.hop(limit, port)
        report.hops.append((limit, who, took_ms))
        if there:
            break
    if report.echo_ms:
        report.mtu, report.black_hole, report.too_big_heard = search_mtu(scapy.fits)
    else:
        report.unknown["mtu"] = "no_echo"


def _ask_without(report: PathReport, timeout_s: float) -> None:
    report.unknown["hops"] = report.unknown["mtu"] = "needs_raw_sockets"
    try:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6)
    except OSError:
        report.unknown["echo"] = "ping_not_allowed"
        return
    with sock:
        sock.settimeout(0)
        try:
            sock.connect((report.address, 0))
        except OSError:
            report.unknown["echo"] = "no_route"
            return
        for seq in range(_TRIES):
            took_ms = _ping(sock, seq, timeout_s)
            if took_ms is None:
                report.echo_lost += 1
            else:
                report.echo_ms.append(took_ms)


def _ping(sock: socket.socket, seq: int, timeout_s: float) -> float | None:
    started = time.perf_counter()
    try:
        sock.send(struct.pack("!BBHHH", 128, 0, 0, 0, seq) + b"phusong!")
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        while (left_s := started + timeout_s - time.perf_counter()) > 0:
            if poll.poll(left_s * 1000):
                reply = sock.recv(1500)
                if len(reply) >= 8 and reply[0] == 129 and reply[6:8] == struct.pack("!H", seq):
                    return (time.perf_counter() - started) * 1000
    except OSError:
        return None
    return None
