"""
A path asked with packets of our own, by scapy, where raw sockets are allowed.

Times are those of the packets, because capturing costs tens of milliseconds that are not the
network's. This module is only imported when a path is asked for: scapy costs half a second
and 30 MB.
"""

import logging
import os
from collections.abc import Callable
from typing import Any

_HEADERS = 48  # IPv6 and ICMPv6
_TRIES = 3
_LARGEST = 1500


class ScapyProber:
    """Sends ICMPv6 echoes and TCP SYNs, and reads the answers."""

    def __init__(self, ip: str, port: int, timeout_s: float) -> None:
        logging.getLogger("scapy").setLevel(logging.ERROR)
        from scapy.layers import inet, inet6
        from scapy.sendrecv import sr1

        self.ip, self.port, self.timeout_s = ip, port, timeout_s
        self.inet, self.inet6, self._sr1 = inet, inet6, sr1
        self.identity = os.getpid() & 0xFFFF

    def echo(self, seq: int) -> float | None:
        """Send a small echo; give how long its answer took."""
        reply, took_ms = self._echo(64, seq)
        return took_ms if reply is not None and self.inet6.ICMPv6EchoReply in reply else None

    def why_no_echo(self) -> str | None:
        """Raw sockets may send echoes."""
        return None

    def hop(self, limit: int) -> tuple[str | None, float | None, bool]:
        """Send one TCP SYN that dies after so many hops; give who answered, and if it is there."""
        syn = self.inet.TCP(sport=33000 + limit, dport=self.port, flags="S", seq=self.identity)
        reply, took_ms = self._ask(self.inet6.IPv6(dst=self.ip, hlim=limit) / syn)
        if reply is None or took_ms is None:
            return None, None, False
        there = self.inet.TCP in reply and self.inet6.ICMPv6TimeExceeded not in reply
        return str(reply.src), round(took_ms, 3), there

    def sizes(self, *, echoes: bool) -> tuple[str, int, Callable[[int], bool | int]] | None:
        """Try sizes by echo, where echoes are answered."""
        return ("echo", _LARGEST, self._fits) if echoes else None

    def _fits(self, size: int) -> bool | int:
        for seq in range(_TRIES):
            reply, _ = self._echo(size, 100 + seq)
            if reply is not None and self.inet6.ICMPv6PacketTooBig in reply:
                return int(reply[self.inet6.ICMPv6PacketTooBig].mtu)
            if reply is not None and self.inet6.ICMPv6EchoReply in reply:
                return True
        return False

    def _echo(self, size: int, seq: int) -> tuple[Any, float | None]:
        data = b"\0" * (size - _HEADERS)
        request = self.inet6.ICMPv6EchoRequest(id=self.identity, seq=seq, data=data)
        return self._ask(self.inet6.IPv6(dst=self.ip) / request)

    def _ask(self, packet: Any) -> tuple[Any, float | None]:
        reply = self._sr1(packet, timeout=self.timeout_s, verbose=False)
        if reply is None:
            return None, None
        return reply, (float(reply.time) - float(packet.sent_time)) * 1000
