"""
Not to be a burden: a pause with jitter between visits to one server or to one network.

A list of agencies is often a list of names on the same few machines. Turns are given per
address and per network (/24 and /48), the longer wait counts.
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

    async def turn(self, ip: str) -> None:
        """Wait until this address may be asked again."""
        clock = asyncio.get_running_loop().time
        now = clock()
        start = now
        for key, _ in self._keys(ip):
            start = max(start, self._next.get(key, now))
        for key, gap_s in self._keys(ip):
            self._next[key] = start + gap_s * random.uniform(0.5, 1.5)
        if len(self._next) > MAX_REMEMBERED:
            self._next = {key: at for key, at in self._next.items() if at > now}
        if start > now:
            await asyncio.sleep(start - now)

    def _keys(self, ip: str) -> list[tuple[str, float]]:
        keys = [(ip, self.address_gap_s)] if self.address_gap_s else []
        if self.network_gap_s:
            address = ip_address(ip.split("%")[0])
            prefix = 24 if address.version == 4 else 48
            keys.append((str(ip_network((address, prefix), strict=False)), self.network_gap_s))
        return keys
