"""
Not to be a burden: a pause with jitter between visits to one server or to one network.

A list of agencies is often a list of names on the same few machines. Turns are given per
address and per network (/24 and /48), the longer wait counts. A web server that says when to
come back (429 or 503 with Retry-After) is left alone until then.
"""

import asyncio
import random
from ipaddress import ip_address, ip_network

MAX_REMEMBERED = 10_000


class Pace:
    """Gives turns; `address_gap_s` and `network_gap_s` are mean pauses, varied by a half."""

    def __init__(self, address_gap_s: float, network_gap_s: float) -> None:
        self.address_gap_s = address_gap_s
        self.network_gap_s = network_gap_s
        self._next: dict[str, float] = {}
        self._held: dict[str, float] = {}

    async def turn(self, ip: str) -> None:
        """Wait until this address may be asked again."""
        now = _clock()
        start = now
        for key, _ in self._keys(ip):
            start = max(start, self._next.get(key, now))
        for key, gap_s in self._keys(ip):
            self._next[key] = start + gap_s * random.uniform(0.5, 1.5)
        self._next = _forgotten(self._next, now)
        if start > now:
            await asyncio.sleep(start - now)

    def hold(self, ip: str, seconds: float) -> None:
        """Leave a web server alone for so long, as it asked."""
        now = _clock()
        self._held[ip] = max(self._held.get(ip, now), now + seconds)
        self._held = _forgotten(self._held, now)

    def held_s(self, ip: str) -> float:
        """Give for how many seconds a web server is still left alone."""
        return max(0.0, self._held.get(ip, 0.0) - _clock())

    def _keys(self, ip: str) -> list[tuple[str, float]]:
        keys = [(ip, self.address_gap_s)] if self.address_gap_s else []
        if self.network_gap_s:
            address = ip_address(ip.split("%")[0])
            prefix = 24 if address.version == 4 else 48
            keys.append((str(ip_network((address, prefix), strict=False)), self.network_gap_s))
        return keys


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _forgotten(moments: dict[str, float], now: float) -> dict[str, float]:
    if len(moments) <= MAX_REMEMBERED:
        return moments
    return {key: at for key, at in moments.items() if at > now}
