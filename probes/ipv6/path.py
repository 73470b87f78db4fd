"""
A closer look at the path to one IPv6 address: echo, hops, the largest packet that arrives.

Where raw sockets are allowed, scapy asks (`path_scapy`); elsewhere the kernel does what it
allows everyone (`path_kernel`): TCP connections that die on the way, an echo where the
administrator lets us, and packets of a chosen size.

A black hole is a path that carries small packets and swallows large ones without saying so
(RFC 8201 asks routers to say *packet too big*): connections open, then stall.
"""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..address import check_address
from .path_kernel import KernelProber

MINIMUM_MTU = 1280
LARGEST_MTU = 1500
ECHOES = 3
SILENT_HOPS = 8
DEADLINE_S = 90.0


@dataclass(slots=True, kw_only=True)
class PathReport:
    """What was seen of a path; what could not be asked is None and its reason in `unknown`."""

    address: str
    raw: bool
    echo_ms: list[float] = field(default_factory=list)
    echo_lost: int = 0
    hops: list[tuple[int, str | None, float | None]] = field(default_factory=list)
    mtu: int | None = None
    mtu_by: str | None = None
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
            "hops": [list(hop) for hop in self.hops],
            "mtu": self.mtu,
            "mtu_by": self.mtu_by,
            "black_hole": self.black_hole,
            "too_big_heard": self.too_big_heard,
            "unknown": self.unknown,
        }


class Prober(Protocol):
    """One way to ask a path; times in milliseconds, sizes in bytes with all headers."""

    def echo(self, seq: int) -> float | None:
        """Send a small echo; give how long its answer took."""
        ...

    def why_no_echo(self) -> str | None:
        """Give why no echo can be sent at all, or None."""
        ...

    def hop(self, limit: int) -> tuple[str | None, float | None, bool]:
        """Ask who is so many hops away; give its address, its time, and if it is the end."""
        ...

    def sizes(self, *, echoes: bool) -> tuple[str, int, Callable[[int], bool | int]] | None:
        """
        Give how sizes can be tried: by what, the largest, and a function of a size.

        The function says True (it arrived), False (nothing came back), or the MTU that a router
        named. None where nothing answers that could tell.
        """
        ...


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
    prober = _prober(ip, port, timeout_s, raw=report.raw)
    end = time.monotonic() + DEADLINE_S
    _ask_echoes(report, prober)
    _ask_hops(report, prober, max_hops, end)
    _ask_sizes(report, prober, end)
    return report


def _prober(ip: str, port: int, timeout_s: float, *, raw: bool) -> Prober:
    if raw:
        from .path_scapy import ScapyProber

        return ScapyProber(ip, port, timeout_s)
    return KernelProber(ip, port, timeout_s)


def _ask_echoes(report: PathReport, prober: Prober) -> None:
    forbidden = prober.why_no_echo()
    if forbidden:
        report.unknown["echo"] = forbidden
        return
    for seq in range(ECHOES):
        took_ms = prober.echo(seq)
        if took_ms is None:
            report.echo_lost += 1
        else:
            report.echo_ms.append(took_ms)


def _ask_hops(report: PathReport, prober: Prober, max_hops: int, end: float) -> None:
    silent = 0
    for limit in range(1, max_hops + 1):
        who, took_ms, there = prober.hop(limit)
        report.hops.append((limit, who, took_ms))
        silent = 0 if who else silent + 1
        if there or silent >= SILENT_HOPS or time.monotonic() > end:
            return


def _ask_sizes(report: PathReport, prober: Prober, end: float) -> None:
    means = prober.sizes(echoes=bool(report.echo_ms))
    if means is None:
        report.unknown["mtu"] = "nothing_answers"
        return
    report.mtu_by, largest, tried = means

    def fits(size: int) -> bool | int:
        if time.monotonic() > end:
            raise TimeoutError
        return tried(size)

    try:
        report.mtu, report.black_hole, report.too_big_heard = search_mtu(fits, largest)
    except TimeoutError:
        report.unknown["mtu"] = "too_slow"


def search_mtu(
    fits: Callable[[int], bool | int], largest: int = LARGEST_MTU
) -> tuple[int | None, bool | None, bool]:
    """
    Find the largest packet that arrives.

    Returns
    -------
    mtu, black_hole, too_big_heard
        No MTU, and no word on black holes, where even the smallest packet is lost. A black hole
        is a loss above the MTU that no router spoke of.
    """
    if fits(MINIMUM_MTU) is not True:
        return None, None, False
    low, high, heard, silent = MINIMUM_MTU, max(MINIMUM_MTU, largest), False, False
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
