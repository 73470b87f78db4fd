"""Three network namespaces in a row: us, a router, the far end at fd02::1 and 10.78.2.1."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from phusong.probes.ipv6.path import may_use_raw_sockets

ADDRESSES = (
    ("here", "e0", "fd01::1/64", "10.78.1.1/24"),
    ("router", "e1", "fd01::2/64", "10.78.1.2/24"),
    ("router", "e2", "fd02::ffff/64", "10.78.2.254/24"),
    ("there", "e0", "fd02::1/64", "10.78.2.1/24"),
)


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found:
        pytest.skip(f"needs the program {name}, which is not installed")
    return found


def shell(*words: object) -> None:
    subprocess.run([*map(str, words)], check=True, capture_output=True, timeout=60)


@dataclass
class Routed:
    """The three namespaces by what they are, and how a program runs in one."""

    names: dict[str, str]
    stack: ExitStack

    def command(self, where: str, *words: object) -> list[str]:
        inside = [program("setpriv"), "--pdeathsig", "KILL", program("ip"), "netns", "exec"]
        return [*inside, self.names[where], *map(str, words)]

    def run(self, where: str, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(where, *words), capture_output=True, text=True, timeout=300
        )

    def start(self, where: str, *words: object) -> None:
        """Start a server; it ends with the lab."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(self.command(where, *words), **quiet)  # type: ignore[call-overload]
        self.stack.callback(process.wait, 20)
        self.stack.callback(process.terminate)

    def drop(self, rule: str) -> None:
        """Let the router swallow what a rule of nftables says, or skip where it cannot."""
        chain = f"chain c {{ type filter hook forward priority 0; {rule} drop; }}"
        made = self.run("router", program("nft"), f"table ip6 f {{ {chain}; }}")
        if made.returncode:
            pytest.skip(f"this kernel has no nftables: {made.stderr[:80]}")

    def pass_all(self) -> None:
        self.run("router", program("nft"), "flush", "ruleset")

    def until(self, where: str, tried: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not tried():
            assert time.monotonic() < end, f"nothing came up in {where}"
            time.sleep(0.2)


@contextmanager
def routed_namespaces() -> Iterator[Routed]:
    """Make the namespaces, or skip and say why not."""
    if not may_use_raw_sockets() or os.geteuid() != 0 or not Path("/run").is_dir():
        pytest.skip("needs root, to make network namespaces")
    ip = program("ip")
    names = {end: f"phu{os.getpid()}{end}" for end in ("here", "router", "there")}
    with ExitStack() as stack:
        for name in names.values():
            try:
                shell(ip, "netns", "add", name)
            except subprocess.CalledProcessError:
                pytest.skip("this machine lets us make no network namespace")
            stack.callback(shell, ip, "netns", "del", name)
            shell(ip, "-n", name, "link", "set", "lo", "up")
        for end, side in (("here", "e1"), ("there", "e2")):
            peer = ("peer", "name", side, "netns", names["router"])
            shell(ip, "-n", names[end], "link", "add", "e0", "type", "veth", *peer)
        for end, link, six, four in ADDRESSES:
            shell(ip, "-n", names[end], "addr", "add", six, "dev", link, "nodad")
            shell(ip, "-n", names[end], "addr", "add", four, "dev", link)
            shell(ip, "-n", names[end], "link", "set", link, "up")
        forwarding = ("net.ipv6.conf.all.forwarding=1", "net.ipv4.ip_forward=1")
        shell(ip, "netns", "exec", names["router"], "sysctl", "-qw", *forwarding)
        for end, six, four in (
            ("here", "fd01::2", "10.78.1.2"),
            ("there", "fd02::ffff", "10.78.2.254"),
        ):
            shell(ip, "-n", names[end], "-6", "route", "add", "default", "via", six)
            shell(ip, "-n", names[end], "route", "add", "default", "via", four)
        routed = Routed(names, stack)
        ping = (
            (program("ping"), "-6", "-c", "1", "-W", "1", "fd02::1")
            if shutil.which("ping")
            else None
        )
        if ping:
            routed.until("here", lambda: routed.run("here", *ping).returncode == 0)
        else:
            time.sleep(2)
        yield routed
