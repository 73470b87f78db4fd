"""
How many domains a second the DNS part of an audit takes, beside a bare dnspython loop.

A local nsd serves every name of the .gov zone (or as many invented ones where the list is not
there); both ask it for A, AAAA, NS, MX, DS and DNSKEY, the audit for the name servers' and mail
hosts' addresses too, and it judges and makes a sample of each domain. Needs nsd; says so and
ends where it is not installed.
"""

import asyncio
import csv
import os
import random
import resource
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.asyncquery
import dns.message

from phusong.probes.ipv6.audit import run_audit
from phusong.probes.ipv6.resolver import Server
from phusong.probes.ipv6.settings import Settings
from phusong.probes.ipv6.targets import ListedHost

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(os.environ.get("PHUSONG_SHARED", ROOT.parent / "shared")) / "data/us-dotgov"
TYPES = ("A", "AAAA", "NS", "MX", "DS", "DNSKEY")
BARE_DOMAINS = 1_000
ROUNDS = 3
WORKERS = 64
KEY = "oJMRESz5E4gYzS/q6XDrvU1qMPYIjCWzJaOau8XNEZeqCYKD5ar0IRd8KqXXFJkqmVfRvMGPmM1x8fGAa2XhSA=="
ZONE = f"""$TTL 300
@ IN SOA ns1.hosting.test. h.hosting.test. 1 3600 600 86400 300
@ IN NS ns1.hosting.test.
@ IN NS ns2.hosting.test.
@ IN MX 10 mx.hosting.test.
@ IN A 198.51.100.7
@ IN AAAA 2606:4700::7
@ IN DNSKEY 257 3 13 {KEY}
"""
HOSTING = """$TTL 300
@ IN SOA ns1 h 1 3600 600 86400 300
@ IN NS ns1
ns1 IN AAAA 2606:4700::1
ns2 IN AAAA 2606:4700::2
mx IN AAAA 2606:4700::3
"""


def names() -> list[str]:
    """Give the domains of the list, in an order that mixes them."""
    found = LIST / "current-full.csv"
    if found.exists():
        with found.open(encoding="utf-8") as file:
            listed = [row["Domain name"].lower() for row in csv.DictReader(file)]
    else:
        listed = [f"domain{n}.gov" for n in range(16_539)]
    random.Random(1).shuffle(listed)
    return listed


@contextmanager
def nsd(domains: list[str]) -> Iterator[Server]:
    """Serve every domain on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "zone").write_text(ZONE)
        Path(folder, "hosting").write_text(HOSTING)
        zones = "".join(f'zone:\n name: "{name}"\n zonefile: "zone"\n' for name in domains)
        Path(folder, "nsd.conf").write_text(
            f'server:\n ip-address: 127.0.0.1@{port}\n server-count: 1\n username: ""\n'
            f' zonesdir: "{folder}"\n database: ""\n pidfile: "{folder}/pid"\n'
            f' xfrdfile: ""\n zonelistfile: "{folder}/list"\n logfile: "{folder}/log"\n'
            f"remote-control:\n control-enable: no\n{zones}"
            'zone:\n name: "hosting.test"\n zonefile: "hosting"\n'
        )
        program = shutil.which("nsd") or "/usr/sbin/nsd"
        server = subprocess.Popen([program, "-d", "-c", f"{folder}/nsd.conf"])
        try:
            wait_until_up(port, domains[-1])
            yield Server("127.0.0.1", port)
        finally:
            server.terminate()
            server.wait(10)


def wait_until_up(port: int, name: str) -> None:
    """Ask until an answer comes."""
    query = dns.message.make_query(name, "A").to_wire()
    for _ in range(300):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("127.0.0.1", port))
            sock.settimeout(0.1)
            try:
                sock.send(query)
                if sock.recv(1000)[3] & 0xF == 0:
                    return
            except OSError:
                time.sleep(0.1)
    raise SystemExit("nsd did not come up")


def audit(domains: list[str], server: Server) -> tuple[float, float, int]:
    """Run our DNS part; give its seconds, CPU seconds and how many were found whole."""
    settings = Settings(parts=("dns", "mail"))
    good = 0

    def count(sample: object) -> None:
        nonlocal good
        good += '"test":"ns_aaaa","mark":"good"' in (sample.source.record or "")

    listed = (ListedHost(line=n, host=name, site=name, about={}) for n, name in enumerate(domains))
    wall, cpu = time.perf_counter(), time.process_time()
    run_audit(
        listed,
        [server],
        settings,
        probe="benchmark",
        references=("[::1]:1",),
        workers=WORKERS,
        on_sample=count,
    )
    return time.perf_counter() - wall, time.process_time() - cpu, good


async def bare(domains: list[str], server: Server) -> None:
    """Ask the six questions of each domain with dnspython alone."""
    waiting = iter(domains)

    async def work() -> None:
        for name in waiting:
            for kind in TYPES:
                query = dns.message.make_query(name, kind)
                await dns.asyncquery.udp(query, server.ip, timeout=5, port=server.port)

    await asyncio.gather(*(work() for _ in range(WORKERS)))


def main() -> None:
    if not (shutil.which("nsd") or Path("/usr/sbin/nsd").exists()):
        print("nsd is not installed: nothing measured")
        return
    domains = names()
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    with nsd(domains) as server:
        for _ in range(ROUNDS):
            wall, cpu, good = audit(domains, server)
            ours.append((len(domains) / wall, len(domains) / cpu))
            if len(ours) == 1:
                # Before the peer has run: this process and nobody else's memory.
                peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            some = domains[:BARE_DOMAINS]
            wall, cpu = time.perf_counter(), time.process_time()
            asyncio.run(bare(some, server))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            theirs.append((len(some) / wall, len(some) / cpu))
    print(f"{good} of {len(domains)} domains whole; medians of {ROUNDS}, in domains a second:")
    for label, rates in (("audit", ours), ("dnspython", theirs)):
        wall, cpu = (statistics.median(column) for column in zip(*rates, strict=True))
        print(f"{label + ':':11}{wall:6.0f}, {cpu:6.0f} per CPU second")
    ratio = statistics.median(one[1] / other[1] for one, other in zip(ours, theirs, strict=True))
    print(f"ratio per CPU second {ratio:.1f}; the audit's peak memory {peak_mb:.0f} MB")


if __name__ == "__main__":
    main()
