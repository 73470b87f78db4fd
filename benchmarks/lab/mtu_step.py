"""
A path whose middle takes smaller packets than its ends: client, two routers, server.

Whether the routers' "packet too big" gets through to the sender decides between a path that
works and one on which connections open and then carry nothing.
"""

import itertools
import os
from types import TracebackType
from typing import Self

from .lab import NAME, SYSCTLS, Host, LabError, _ip, remove_stale, why_not

_numbers = itertools.count(500)
_SIDES = ("c", "n", "f", "s")


class MtuStep:
    """
    The path: ``with MtuStep(mtu=1280) as lab:``; then `lab.lose_too_big()` as a bad firewall does.

    Raises
    ------
    LabError
        From ``with``, naming what is missing here.
    """

    def __init__(self, *, mtu: int = 1280) -> None:
        self._mtu = mtu
        number = next(_numbers)
        self._hosts = [
            Host(NAME.format(pid=os.getpid(), number=number, side=side), place)
            for place, side in enumerate(_SIDES, start=1)
        ]
        self.client, *self.routers, self.server = self._hosts
        self.server.addresses = {4: "10.77.2.2", 6: "fd77:0:0:2::2"}

    def __enter__(self) -> Self:
        if reason := why_not():
            raise LabError(reason)
        remove_stale()
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the namespaces and what runs in them."""
        for host in self._hosts:
            host.close()

    def lose_too_big(self) -> None:
        """Have the routers' "packet too big" and "fragmentation needed" get lost."""
        for router in self.routers:
            router.run(["nft", "add table inet lab"])
            router.run(["nft", "add chain inet lab o { type filter hook output priority 0; }"])
            router.run(["nft", "add rule inet lab o icmpv6 type packet-too-big drop"])
            router.run(["nft", "add rule inet lab o icmp type destination-unreachable drop"])

    def _build(self) -> None:
        for host in self._hosts:
            _ip("netns", "add", host.name)
            for key, value in (SYSCTLS | {"net.ipv4.tcp_mtu_probing": "0"}).items():
                host.run(["sysctl", "-q", "-w", f"{key}={value}"])
            _ip("-n", host.name, "link", "set", "dev", "lo", "up")
        for router in self.routers:
            for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
                router.run(["sysctl", "-q", "-w", f"{key}=1"])
        for net, (left, right) in enumerate(itertools.pairwise(self._hosts)):
            self._connect(left, right, net)
        near, far = self.routers
        for version, nets in ((4, "10.77.{}.0/24"), (6, "fd77:0:0:{}::/64")):
            gateway = "10.77.{}.{}" if version == 4 else "fd77:0:0:{}::{}"
            for host, hop in ((self.client, (0, 2)), (self.server, (2, 1))):
                self._route(host, version, "default", gateway.format(*hop))
            self._route(near, version, nets.format(2), gateway.format(1, 2))
            self._route(far, version, nets.format(0), gateway.format(1, 1))

    def _connect(self, left: Host, right: Host, net: int) -> None:
        """Put a wire between two neighbours; the middle one has the small MTU."""
        names = (f"right{net}", f"left{net}")
        peer = ("peer", "name", names[1], "netns", right.name)
        _ip("link", "add", "name", names[0], "netns", left.name, "type", "veth", *peer)
        mtu = self._mtu if net == 1 else 1500
        for place, (host, name) in enumerate(zip((left, right), names, strict=True), start=1):
            _ip("-n", host.name, "link", "set", "dev", name, "mtu", str(mtu), "up")
            _ip("-n", host.name, "addr", "add", f"10.77.{net}.{place}/24", "dev", name)
            _ip(
                *("-n", host.name, "addr", "add", f"fd77:0:0:{net}::{place}/64"),
                *("dev", name, "nodad"),
            )

    def _route(self, host: Host, version: int, net: str, via: str) -> None:
        _ip("-n", host.name, f"-{version}", "route", "add", net, "via", via)
