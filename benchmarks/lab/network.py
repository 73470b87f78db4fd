"""
A few hosts and what is between them: built by ``with``, and gone without a trace after it.

The names of the namespaces carry this process's id. What a killed process left is removed by the
next network of anyone on the machine; its programs have ended with it.
"""

import functools
import itertools
import os
import re
import shutil
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from .host import Host, LabError, ip, remove

NETNS = Path("/run/netns")
NAME = "phlab-{pid}-{number}-{side}"
STALE = re.compile(r"phlab-(\d+)-\d+-[a-z]")
MTU = 1500
SYSCTLS = {
    # One flow at 100 ms has 12.5 MB under way for a gigabit, and with losses of retransmissions it
    # holds four times that behind the hole; the usual 4 to 6 MB would be the limit, not the link.
    "net.ipv4.tcp_rmem": "4096 131072 268435456",
    "net.ipv4.tcp_wmem": "4096 131072 268435456",
    # A figure must not depend on the one before it.
    "net.ipv4.tcp_no_metrics_save": "1",
    "net.ipv4.ping_group_range": "0 2147483647",
    "net.ipv6.conf.all.accept_dad": "0",
}
_numbers = itertools.count()


class Network(ABC):
    """
    Hosts side by side, named by one letter each; `client` is the first and `server` the last.

    A kind of network says in `build` what is between them, and in `missing` what it needs here.

    Raises
    ------
    LabError
        From ``with``, naming what is missing here.
    """

    def __init__(self, sides: str = "cs", *, real_time: bool = False) -> None:
        number = next(_numbers)
        self.hosts = [
            Host(NAME.format(pid=os.getpid(), number=number, side=side), place, real_time=real_time)
            for place, side in enumerate(sides, start=1)
        ]
        self.client, self.server = self.hosts[0], self.hosts[-1]

    def missing(self) -> str | None:
        """Give why it cannot be built here; None if it can."""
        return why_no_namespaces()

    @abstractmethod
    def build(self) -> None:
        """Put what is between the hosts there."""

    def __enter__(self) -> Self:
        if reason := self.missing():
            raise LabError(reason)
        remove_stale()
        try:
            for host in self.hosts:
                ip("netns", "add", host.name)
                for key, value in SYSCTLS.items():
                    host.run(["sysctl", "-q", "-w", f"{key}={value}"])
                ip("-n", host.name, "link", "set", "dev", "lo", "up")
            self.build()
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
        """End what runs here and remove the namespaces."""
        for host in self.hosts:
            host.close()


def wire(left: Host, right: Host, names: tuple[str, str] = ("link", "link")) -> None:
    """Put a wire between two hosts."""
    peer = ("peer", "name", names[1], "netns", right.name)
    ip("link", "add", "name", names[0], "netns", left.name, "type", "veth", *peer)


def start(host: Host, device: str, addresses: tuple[str, str], *, mtu: int = MTU) -> None:
    """Set a device up, with an address of each family."""
    ip("-n", host.name, "link", "set", "dev", device, "mtu", str(mtu), "txqueuelen", "10000", "up")
    ip("-n", host.name, "addr", "add", addresses[0], "dev", device)
    ip("-n", host.name, "addr", "add", addresses[1], "dev", device, "nodad")


@functools.cache
def why_no_namespaces() -> str | None:
    """Give why no namespaces can be made here; None if they can."""
    if os.geteuid() != 0:
        return "the link lab needs root"
    for tool in ("ip", "setpriv", "sysctl"):
        if shutil.which(tool) is None:
            return f"the link lab needs the program {tool}"
    name = NAME.format(pid=os.getpid(), number="0", side="c") + "-trial"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"the link lab needs network namespaces: {made.stderr.strip()}"
    remove(name)
    return None


def remove_stale() -> None:
    """Remove the namespaces that dead processes left."""
    for path in NETNS.glob("phlab-*"):
        found = STALE.match(path.name)
        if found and not Path("/proc", found[1]).exists():
            remove(path.name)
