"""
A path whose middle takes smaller packets than its ends: client, two routers, server.

Whether the routers' "packet too big" gets through to the sender decides between a path that
works and one on which connections open and then carry nothing.
"""

import itertools

from .host import Host, ip
from .network import MTU, Network, start, wire


class MtuStep(Network):
    """
    The path: ``with MtuStep(mtu=1280) as lab:``; then `lab.lose_too_big()` as a bad firewall does.
    """

    def __init__(self, *, mtu: int = 1280) -> None:
        super().__init__("cnfs")
        self._mtu = mtu
        self.routers = self.hosts[1:-1]
        self.server.addresses = {4: "10.77.2.2", 6: "fd77:0:0:2::2"}

    def lose_too_big(self) -> None:
        """Have the routers' "packet too big" and "fragmentation needed" get lost."""
        for router in self.routers:
            router.run(["nft", "add table inet lab"])
            router.run(["nft", "add chain inet lab o { type filter hook output priority 0; }"])
            router.run(["nft", "add rule inet lab o icmpv6 type packet-too-big drop"])
            router.run(["nft", "add rule inet lab o icmp type destination-unreachable drop"])

    def build(self) -> None:
        """Connect neighbours and route over both routers."""
        for host in self.hosts:
            host.run(["sysctl", "-q", "-w", "net.ipv4.tcp_mtu_probing=0"])
        for router in self.routers:
            for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
                router.run(["sysctl", "-q", "-w", f"{key}=1"])
        for net, (left, right) in enumerate(itertools.pairwise(self.hosts)):
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
        wire(left, right, names)
        mtu = self._mtu if net == 1 else MTU
        for place, (host, name) in enumerate(zip((left, right), names, strict=True), start=1):
            start(host, name, (f"10.77.{net}.{place}/24", f"fd77:0:0:{net}::{place}/64"), mtu=mtu)

    def _route(self, host: Host, version: int, net: str, via: str) -> None:
        ip("-n", host.name, f"-{version}", "route", "add", net, "via", via)
