"""
Two hosts and an emulated link between them.

The kernel's netem makes it where there is one, otherwise the emulator beside this file.
"""

import functools
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .host import LabError, end, ip, remove, run
from .network import MTU, NAME, Network, start, why_no_namespaces, wire

HERE = Path(__file__).parent
BUILT = HERE.parent.parent / ".build" / "lab"
# From here on a TUN device cannot keep up packet by packet.
GSO_FROM_MBPS = 300
LEAST_QUEUE_BYTES = 48_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """
    One direction of the link.

    `rate_mbps` counts IP bytes; 0 is unlimited. `jitter_ms` is uniform from 0 and keeps the order.
    `queue_bytes` is what waits at most in front of the rate; by default one bandwidth-delay
    product of the lab, at least 48 kB.
    """

    rate_mbps: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    queue_bytes: int | None = None
    aqm: Literal["fifo", "codel", "fq_codel"] = "fifo"


class Lab(Network):
    """
    Two hosts and a link: ``with Lab(down=Link(rate_mbps=50, delay_ms=15)) as lab:``.

    `down` is towards the client, `up` away from it; one that is not given is like the other.
    With `real_time` the programs in it go before other work on the machine.
    `lab.backend` tells what makes the link: the kernel's netem where it has one and the queue is
    a plain one, otherwise the emulator beside this file.

    Raises
    ------
    LabError
        From ``with``, naming what is missing here.
    """

    def __init__(
        self,
        *,
        down: Link | None = None,
        up: Link | None = None,
        seed: int = 1,
        backend: Literal["netem", "emulator"] | None = None,
        real_time: bool = False,
    ) -> None:
        super().__init__("cs", real_time=real_time)
        self.down = down or up or Link()
        self.up = up or self.down
        plain = self.down.aqm == self.up.aqm == "fifo"
        self.backend = backend or ("netem" if plain and has_netem() else "emulator")
        self._seed = seed
        self._emulator: subprocess.Popen[str] | None = None

    @property
    def rtt_ms(self) -> float:
        """Give the round trip of an empty link, without jitter."""
        return self.down.delay_ms + self.up.delay_ms

    def goodput_mbps(self, link: Link, family: int = 4) -> float:
        """Give what TCP with timestamps can carry over a direction: payload over IP bytes."""
        return link.rate_mbps * (MTU - (72 if family == 6 else 52)) / MTU

    def missing(self) -> str | None:
        """Give why it cannot be built here; None if it can."""
        return why_not()

    def close(self) -> None:
        """End everything that runs here and remove the namespaces."""
        if self._emulator is not None:
            end(self._emulator)
            self._emulator = None
        super().close()

    def counters(self) -> dict[str, dict[str, int]]:
        """Give what the emulator has counted: packets seen, lost, dropped, delivered; bytes."""
        if self._emulator is None or not self._emulator.stdin or not self._emulator.stdout:
            raise LabError("only the emulator counts")
        self._emulator.stdin.write("counters\n")
        self._emulator.stdin.flush()
        up, down = json.loads(self._emulator.stdout.readline())
        return {"up": up, "down": down}

    def break_ipv6(self, fault: Literal["blackhole", "reject", "small_mtu"]) -> None:
        """
        Break IPv6 between the hosts; IPv4 goes on.

        `blackhole` drops everything, `reject` answers what comes to the server with ICMPv6
        "administratively prohibited", `small_mtu` drops packets above 1280 bytes without saying
        so, as behind a tunnel whose "packet too big" is filtered: connections open, then stall.
        """
        verdict = {
            "blackhole": "drop",
            "reject": "reject with icmpv6 type admin-prohibited",
            "small_mtu": "meta length > 1280 drop",
        }[fault]
        # An ICMPv6 answer must not be rejected in its turn.
        for host in (self.server,) if fault == "reject" else (self.client, self.server):
            host.run(["nft", "add table ip6 lab"])
            host.run(["nft", "add chain ip6 lab in { type filter hook input priority 0; }"])
            host.run(["nft", f"add rule ip6 lab in iifname link {verdict}"])

    def mend_ipv6(self) -> None:
        """Undo `break_ipv6`."""
        for host in (self.client, self.server):
            host.run(["nft", "delete table ip6 lab"], check=False)

    def build(self) -> None:
        """Make the link."""
        if self.backend == "netem":
            self._build_netem()
        else:
            self._build_emulator()
        for host in self.hosts:
            start(host, "link", (f"{host.addresses[4]}/24", f"{host.addresses[6]}/64"))

    def _build_emulator(self) -> None:
        fastest = max(self.down.rate_mbps or 1e9, self.up.rate_mbps or 1e9)
        words = [
            str(built_emulator()),
            *(self.client.name, self.server.name),
            str(int(fastest >= GSO_FROM_MBPS)),
            str(self._seed),
        ]
        for link in (self.up, self.down):
            words += [
                f"{link.rate_mbps * 1e6:.0f}",
                f"{link.delay_ms * 1e6:.0f}",
                f"{link.jitter_ms * 1e6:.0f}",
                f"{link.loss:.9f}",
                str(self.queue_bytes(link)),
                link.aqm,
            ]
        self._emulator = subprocess.Popen(
            words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        if not self._emulator.stdout or self._emulator.stdout.readline() != "ready\n":
            said = self._emulator.stderr.read() if self._emulator.stderr else ""
            raise LabError(f"the emulator did not start: {said.strip()}")

    def _build_netem(self) -> None:
        wire(self.client, self.server)
        for host, link in ((self.client, self.up), (self.server, self.down)):
            # What netem holds are packets in flight, too; a packet of many segments counts as one.
            flight = link.rate_mbps * 1e6 / 8 * (link.delay_ms + link.jitter_ms) / 1e3
            packets = 100_000
            if link.rate_mbps:
                packets = max(10, round((self.queue_bytes(link) + flight) / MTU))
            ip("-n", host.name, "link", "set", "dev", "link", "gso_max_segs", "1")
            words = [f"delay {link.delay_ms + link.jitter_ms / 2}ms {link.jitter_ms / 2}ms"]
            words.append(f"loss {link.loss * 100}% limit {packets}")
            if link.rate_mbps:
                words.append(f"rate {link.rate_mbps}mbit")
            tc = ["tc", "-n", host.name, "qdisc", "add", "dev", "link", "root", "netem"]
            run([*tc, *" ".join(words).split()])

    def queue_bytes(self, link: Link) -> int:
        """Give how much waits at most in front of a direction's rate."""
        if link.queue_bytes is not None:
            return link.queue_bytes
        if not link.rate_mbps:
            return 1 << 30
        return max(LEAST_QUEUE_BYTES, round(link.rate_mbps * 1e6 / 8 * self.rtt_ms / 1e3))


@functools.cache
def why_not() -> str | None:
    """Give why no lab can be built here; None if one can."""
    if reason := why_no_namespaces():
        return reason
    if not has_netem():
        if _compiler() is None:
            return "the link lab needs a C compiler (gcc) where the kernel has no netem"
        try:
            os.close(os.open("/dev/net/tun", os.O_RDWR))
        except OSError as error:
            return f"the link lab needs /dev/net/tun: {error.strerror}"
        try:
            built_emulator()
        except LabError as error:
            return str(error)
    return None


@functools.cache
def has_netem() -> bool:
    """Tell whether this kernel has netem."""
    if os.geteuid() != 0 or shutil.which("tc") is None:
        return False
    name = NAME.format(pid=os.getpid(), number="0", side="c") + "-netem"
    try:
        ip("netns", "add", name)
        run(["tc", "-n", name, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"])
    except LabError:
        return False
    finally:
        remove(name)
    return True


@functools.cache
def built_emulator() -> Path:
    """Compile the emulator, once for each state of its source; give the program."""
    sources = sorted(HERE.glob("*.[ch]"))
    state = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    built = BUILT / f"emulator-{state}"
    if not built.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        fresh = built.with_suffix(f".{os.getpid()}")
        run([_compiler() or "cc", "-O2", "-o", str(fresh), str(HERE / "emulator.c"), "-lm"])
        fresh.replace(built)
    return built


def _compiler() -> str | None:
    return shutil.which("gcc") or shutil.which("cc")
