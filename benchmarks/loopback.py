"""
The ceiling of the instrument on this machine, and what it costs at a gigabit.

Over loopback, in turn with iperf3: our client against our server, plain, one flow and three; then
over TLS beside the `websockets` library, where that is installed. Then a wire of 1 Gbit/s between
two namespaces, slowed down by the kernel: the client's share of a processor while bytes move, and
its memory. Medians of the rounds, and in brackets the lowest and the highest; ratios are of the two
that ran one after the other. `--real-time` runs all of them before other work on the machine.

Goal: at least 1.3 times iperf3 down and 1.0 times up, plain; at least twice `websockets` over
TLS; at 1 Gbit/s at most 10 % of a core plain, 25 % with TLS, and 60 MB.
"""

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from lab import Wire, tools, why_no_namespaces

PEER = Path(__file__).parent / "lab" / "websockets_peer.py"
FAR_MB = 1_000_000
# On a very busy machine the peer does not always come through its handshake.
PATIENCE = 3
# Of real time, for all programs alike.
PRIORITY = 3


def make_certificate(folder: Path, ip: str) -> tuple[Path, Path]:
    """Write a certificate for an address, which is its own authority, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(ip))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    paths = folder / "bench.pem", folder / "bench.key"
    paths[0].write_bytes(made.public_bytes(pem))
    form = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return paths


@contextmanager
def served(*options: object) -> Iterator[int]:
    words = [tools.PHUSONG, "probe", "serve", "--bind", "127.0.0.1", "--port", 0, "--json"]
    words += ["--max-test-mb", FAR_MB, *options]
    process = subprocess.Popen(
        [*map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout
        yield int(json.loads(process.stdout.readline())["port"])
    finally:
        process.terminate()
        process.wait()


def visit(url: str, *options: object) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        words = [tools.PHUSONG, "--db", f"{folder}/b.db", "probe", "run", "--server", url]
        words += ["--allow-private", "--json", "--within", 0, "--max-mb", 100_000, *options]
        done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
    return json.loads(done.stdout)["reading"]


def iperf3(seconds: int, *options: str) -> float:
    server = subprocess.Popen(
        ["iperf3", "-s", "-1", "-p", "5299", "--forceflush"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout
    while "listening" not in server.stdout.readline():
        pass
    words = ["iperf3", "-c", "127.0.0.1", "-p", "5299", "-J", "-t", str(seconds), *options]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    server.wait()
    return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 1e6


def websockets_mbps(folder: Path, seconds: int) -> dict[str, float]:
    words = [sys.executable, PEER, folder / "bench.pem", folder / "bench.key", seconds]
    for _ in range(PATIENCE):
        done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return json.loads(done.stdout)
    raise RuntimeError(done.stderr)


def show(title: str, seen: dict[str, list[float]], peer: str | None) -> None:
    """Print medians, and beside the peer the median and the spread of the rounds' ratios."""
    for way in ("down", "up"):
        base = seen[f"{peer} {way}"] if peer else []
        for key, values in seen.items():
            if key.endswith(way):
                ratios = sorted(mine / its for mine, its in zip(values, base, strict=False))
                beside = f"   {_spread(ratios)} x {peer}" if ratios else ""
                middle = statistics.median(values)
                print(f"{title:14s} {key:28s} {middle:8.0f} Mbit/s{beside}", flush=True)


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):5.2f} ({min(values):.2f} to {max(values):.2f})"


def plain(rounds: int, seconds: int) -> None:
    seen: dict[str, list[float]] = defaultdict(list)
    peer = "iperf3" if shutil.which("iperf3") else None
    with served() as port:
        for _ in range(rounds):
            if peer:
                seen["iperf3 down"].append(iperf3(seconds, "-R"))
                seen["iperf3 up"].append(iperf3(seconds))
            for flows in (1, 3):
                reading = visit(
                    f"ws://127.0.0.1:{port}",
                    *("--engine", "multistream", "--flows", flows, "--duration", seconds),
                )
                seen[f"phusong {flows} flows down"].append(reading["down_mbps"])
                seen[f"phusong {flows} flows up"].append(reading["up_mbps"])
    show("loopback plain", seen, peer)


def tls(rounds: int, seconds: int) -> None:
    seen: dict[str, list[float]] = defaultdict(list)
    peer = "websockets" if importlib.util.find_spec("websockets") else None
    with tempfile.TemporaryDirectory() as name:
        certificate, key = make_certificate(Path(name), "127.0.0.1")
        with served("--cert", certificate, "--key", key) as port:
            for _ in range(rounds):
                if peer:
                    for way, rate in websockets_mbps(Path(name), seconds).items():
                        seen[f"websockets {way}"].append(rate)
                reading = visit(
                    f"wss://127.0.0.1:{port}",
                    *("--engine", "ndt7", "--ca", certificate, "--duration", seconds),
                )
                seen["phusong ndt7 down"].append(reading["down_mbps"])
                seen["phusong ndt7 up"].append(reading["up_mbps"])
    show("loopback TLS", seen, peer)


def gigabit(rounds: int) -> None:
    """Count what the client uses while a gigabit goes through it, and its memory."""
    with tempfile.TemporaryDirectory() as name, Wire(rate_mbps=1000) as lab:
        certificate, key = make_certificate(Path(name), lab.server.addresses[4])
        ways: list[tuple[str, Sequence[object], Sequence[object]]] = [
            ("plain", (), ()),
            ("TLS", ("--cert", certificate, "--key", key), ("--ca", certificate)),
        ]
        for title, far, near in ways:
            shares: dict[str, list[float]] = defaultdict(list)
            with tools.served(lab, "--max-test-mb", FAR_MB, *far) as url:
                address = url.replace("ws:", "wss:") if far else url
                for _ in range(rounds):
                    options = ("--within", 0, "--duration", 4, "--max-mb", 100_000, *near)
                    sample, done = tools.visit(lab, address, "--engine", "ndt7", *options)
                    for phase in ("download", "upload"):
                        seen = sample["phases"][phase]
                        shares[phase].append(100 * seen["cpu_share"])
                        shares[f"{phase} rate"].append(seen["mbps"])
                    shares["memory"].append(done.memory_mb)
            for phase in ("download", "upload"):
                rate = statistics.median(shares[f"{phase} rate"])
                print(
                    f"1 Gbit/s {title:6s} {phase:10s} {_spread(shares[phase])} % of a core"
                    f" at {rate:.0f} Mbit/s",
                    flush=True,
                )
            print(f"1 Gbit/s {title:6s} memory     {_spread(shares['memory'])} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Ceiling over loopback, cost at a gigabit.")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--real-time", action="store_true", help="before other work")
    wish = parser.parse_args()
    rounds, seconds = (1, 2) if wish.quick else (3, 3)
    if wish.real_time:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    print(f"medians of {rounds}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    plain(rounds, seconds)
    tls(rounds, seconds)
    if reason := why_no_namespaces():
        print(f"1 Gbit/s: left out: {reason}")
    else:
        gigabit(rounds)


if __name__ == "__main__":
    main()
