"""
Build a lab, and leave nothing of it behind.

The names of its namespaces carry this process's id. What a killed process left is removed by the
next lab of anyone on the machine; its emulator and its programs have ended with it.
"""

import contextlib
import functools
import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

HERE = Path(__file__).parent
BUILT = HERE.parent.parent / ".build" / "lab"
NETNS = Path("/run/netns")
NAME = "phlab-{pid}-{number}-{side}"
STALE = re.compile(r"phlab-(\d+)-\d+-[a-z]")
MTU = 1500
# From here on a TUN device cannot keep up packet by packet.
GSO_FROM_MBPS = 300
LEAST_QUEUE_BYTES = 48_000
COMMAND_S = 30
SYSCTLS = {
    # One flow at 100 ms needs 12.5 MB for a gigabit; the usual 4 to 6 MB would be the limit.
    "net.ipv4.tcp_rmem": "4096 131072 67108864",
    "net.ipv4.tcp_wmem": "4096 131072 67108864",
    # A figure must not depend on the one before it.
    "net.ipv4.tcp_no_metrics_save": "1",
    "net.ipv4.ping_group_range": "0 2147483647",
    "net.ipv6.conf.all.accept_dad": "0",
}
_numbers = itertools.count()


class LabError(Exception):
    """The lab cannot be built here."""


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


class Host:
    """One end: its namespace, its addresses, and the programs that run there."""

    def __init__(self, name: str, place: int) -> None:
        self.name = name
        self.addresses = {4: f"10.77.0.{place}", 6: f"fd77::{place}"}
        self._spawned: list[subprocess.Popen[str]] = []

    def command(self, words: Sequence[object]) -> list[str]:
        """Give the words with which a program runs here, and ends when this process does."""
        inside = ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", self.name]
        return [*inside, *map(str, words)]

    def run(
        self, words: Sequence[object], *, timeout_s: float = 60, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; its output is text."""
        return subprocess.run(
            self.command(words),
            capture_output=True,
            text=True,
            check=check,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
        )

    def spawn(self, words: Sequence[object], *, ready: str | None = None) -> subprocess.Popen[str]:
        """Start a program; with `ready`, wait for the line of its output that holds that word."""
        process = subprocess.Popen(
            self.command(words),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if ready else subprocess.DEVNULL,
            stderr=subprocess.STDOUT if ready else subprocess.DEVNULL,
        )
        self._spawned.append(process)
        if ready and process.stdout:
            seen = []
            for line in process.stdout:
                seen.append(line)
                if ready in line:
                    break
            else:
                raise LabError(f"{words} ended before it was ready: {''.join(seen)}")
        return process

    def stop(self, process: subprocess.Popen[str]) -> None:
        """End one program that was spawned."""
        _end(process)
        self._spawned.remove(process)

    def close(self) -> None:
        """End what was spawned, and whatever else runs here, then remove the namespace."""
        while self._spawned:
            _end(self._spawned.pop())
        _remove(self.name)


class Lab:
    """
    Two hosts and a link: ``with Lab(down=Link(rate_mbps=50, delay_ms=15)) as lab:``.

    `down` is towards the client, `up` away from it; one that is not given is like the other.
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
    ) -> None:
        self.down = down or up or Link()
        self.up = up or self.down
        number = next(_numbers)
        self.client, self.server = (
            Host(NAME.format(pid=os.getpid(), number=number, side=side), place)
            for place, side in enumerate("cs", start=1)
        )
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
        """End everything that runs here and remove the namespaces."""
        if self._emulator is not None:
            _end(self._emulator)
            self._emulator = None
        for host in (self.client, self.server):
            host.close()

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

    def _build(self) -> None:
        for host in (self.client, self.server):
            _ip("netns", "add", host.name)
            for key, value in SYSCTLS.items():
                host.run(["sysctl", "-q", "-w", f"{key}={value}"])
        if self.backend == "netem":
            self._build_netem()
        else:
            self._build_emulator()
        for host in (self.client, self.server):
            device = ("-n", host.name, "link", "set", "dev")
            _ip(*device, "lo", "up")
            _ip(*device, "link", "mtu", str(MTU), "txqueuelen", "10000", "up")
            _ip("-n", host.name, "addr", "add", f"{host.addresses[4]}/24", "dev", "link")
            _ip("-n", host.name, "addr", "add", f"{host.addresses[6]}/64", "dev", "link", "nodad")

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
        ends = (self.client.name, self.server.name)
        peer = ("peer", "name", "link", "netns", ends[1])
        _ip("link", "add", "name", "link", "netns", ends[0], "type", "veth", *peer)
        for host, link in ((self.client, self.up), (self.server, self.down)):
            # What netem holds are packets in flight, too; a packet of many segments counts as one.
            flight = link.rate_mbps * 1e6 / 8 * (link.delay_ms + link.jitter_ms) / 1e3
            packets = 100_000
            if link.rate_mbps:
                packets = max(10, round((self.queue_bytes(link) + flight) / MTU))
            _ip("-n", host.name, "link", "set", "dev", "link", "gso_max_segs", "1")
            words = [f"delay {link.delay_ms + link.jitter_ms / 2}ms {link.jitter_ms / 2}ms"]
            words.append(f"loss {link.loss * 100}% limit {packets}")
            if link.rate_mbps:
                words.append(f"rate {link.rate_mbps}mbit")
            tc = ["tc", "-n", host.name, "qdisc", "add", "dev", "link", "root", "netem"]
            _run([*tc, *" ".join(words).split()])

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
    if os.geteuid() != 0:
        return "the link lab needs root"
    for tool in ("ip", "setpriv", "sysctl"):
        if shutil.which(tool) is None:
            return f"the link lab needs the program {tool}"
    name = NAME.format(pid=os.getpid(), number="0", side="c") + "-trial"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"the link lab needs network namespaces: {made.stderr.strip()}"
    _remove(name)
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
        _ip("netns", "add", name)
        _run(["tc", "-n", name, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"])
    except LabError:
        return False
    finally:
        _remove(name)
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
        _run([_compiler() or "cc", "-O2", "-o", str(fresh), str(HERE / "emulator.c"), "-lm"])
        fresh.replace(built)
    return built


def remove_stale() -> None:
    """Remove the namespaces that dead processes left."""
    for path in NETNS.glob("phlab-*"):
        found = STALE.match(path.name)
        if found and not Path("/proc", found[1]).exists():
            _remove(path.name)


def _compiler() -> str | None:
    return shutil.which("gcc") or shutil.which("cc")


def _remove(name: str) -> None:
    """Kill what runs in a namespace of ours and delete it; what is not there is not there."""
    inside = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
    for pid in inside.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def _end(process: subprocess.Popen[Any]) -> None:
    for stop in (process.terminate, process.kill):
        stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(3)
            break
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _ip(*words: str) -> None:
    _run(["ip", *words])


def _run(words: list[str]) -> None:
    try:
        subprocess.run(words, check=True, capture_output=True, text=True, timeout=COMMAND_S)
    except subprocess.CalledProcessError as error:
        raise LabError(f"{' '.join(words)}: {error.stderr.strip()}") from None
    except OSError as error:
        raise LabError(f"{words[0]}: {error.strerror}") from None
