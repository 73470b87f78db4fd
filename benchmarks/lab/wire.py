"""
A wire of a given rate between two hosts, slowed down by the kernel itself.

No delay, no loss, no program in between: what is seen of a processor here is the tools' own.
"""

from .host import run
from .network import Network, start, wire

# A packet of many segments has to fit, or the kernel takes it apart on the sender's account.
BURST_BYTES = 262_144
WAIT_MS = 20


class Wire(Network):
    """``with Wire(rate_mbps=1000) as lab:``; `rate_mbps` counts frames, the same both ways."""

    def __init__(self, *, rate_mbps: float, real_time: bool = False) -> None:
        super().__init__("cs", real_time=real_time)
        self.rate_mbps = rate_mbps

    def build(self) -> None:
        """Connect the hosts, with the kernel's token bucket at each end."""
        wire(self.client, self.server)
        for host in (self.client, self.server):
            start(host, "link", (f"{host.addresses[4]}/24", f"{host.addresses[6]}/64"))
            bucket = f"rate {self.rate_mbps}mbit burst {BURST_BYTES} latency {WAIT_MS}ms"
            tc = ["tc", "-n", host.name, "qdisc", "add", "dev", "link", "root", "tbf"]
            run([*tc, *bucket.split()])
