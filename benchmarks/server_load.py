"""
What `phusong probe serve` carries, and what it survives; loopback only.

Load: 16 downloads and 16 uploads at one time against a server process of its own, in Mbit/s, beside
iperf3 with 16 connections in the same run (where it is installed), in turn, medians of three.

Attacks: hostile connections beside an honest client that asks for one byte on a connection of
its own, again and again. Printed: how many of its requests were answered with what they asked
for, and how long the median and the slowest took. Goal: all, and the slowest under a second.
"""

import contextlib
import json
import multiprocessing
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path

ROUNDS = 3
FLOWS = 16
SECONDS = 2.0
HOSTILE = 300
ATTACKERS = 20
HONEST_S = 4.0
HONEST_EVERY_S = 0.1
BUFFER = bytearray(1 << 20)
BLOCK = bytes(1 << 20)
PHUSONG = str(Path(sys.executable).with_name("phusong"))
DOWNLOAD = b"GET /phusong/v1/download HTTP/1.1\r\nHost: x\r\n\r\n"
UPLOAD = b"POST /phusong/v1/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n\r\n"
SMALL = b"GET /phusong/v1/small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@contextlib.contextmanager
def serving() -> Iterator[tuple[int, int]]:
    """Run a server; give its port and process number."""
    command = [PHUSONG, "probe", "serve", "--bind", "127.0.0.1", "--port", "0", "--json"]
    command += ["--max-test-mb", "1000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["port"], process.pid
        finally:
            process.terminate()


def cpu_s(pid: int) -> float:
    """Give the processor seconds that a process has used; 0 where the system does not tell."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def in_parallel(work: Callable[[], int]) -> int:
    """Run the same in as many threads as there are flows; give the sum."""
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(work())) for _ in range(FLOWS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def download(port: int) -> int:
    flag = getattr(socket, "MSG_TRUNC", 0)
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(DOWNLOAD)
        count, until = 0, time.monotonic() + SECONDS
        while time.monotonic() < until:
            count += sock.recv_into(BUFFER, len(BUFFER), flag)
        return count


def upload(port: int) -> int:
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(UPLOAD)
        count, until = 0, time.monotonic() + SECONDS
        while time.monotonic() < until:
            sock.sendall(BLOCK)
            count += len(BLOCK)
        sock.shutdown(socket.SHUT_WR)
        # What the server has counted, not what went into our buffers.
        seen = b""
        while chunk := sock.recv(65536):
            seen += chunk
        return int(json.loads(seen.splitlines()[-1])["bytes"])


def mbps(work: Callable[[], int]) -> float:
    started = time.monotonic()
    count = work()
    return count * 8e-6 / (time.monotonic() - started)


def iperf3(*, reverse: bool) -> float:
    """Give what iperf3 carries with as many connections, counted by the receiver."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    far = subprocess.Popen(
        ["iperf3", "-s", "-1", "-p", port], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(0.3)
    command = ["iperf3", "-c", "127.0.0.1", "-p", port, "-P", str(FLOWS), "-t", str(int(SECONDS))]
    done = subprocess.run(
        [*command, "-J", *(["-R"] if reverse else [])], capture_output=True, text=True, timeout=60
    )
    far.wait(10)
    return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 1e6


def load() -> None:
    beside = shutil.which("iperf3") is not None
    seen: dict[str, list[float]] = {}
    with serving() as (port, pid):
        for _ in range(ROUNDS):
            for name, work in (("download", download), ("upload", upload)):
                before = cpu_s(pid)
                rate = mbps(lambda work=work: in_parallel(lambda: work(port)))
                used = cpu_s(pid) - before
                seen.setdefault(name, []).append(rate)
                seen.setdefault(f"{name} cpu", []).append(used / (rate * SECONDS / 8e3))
                if beside:
                    peer = iperf3(reverse=name == "download")
                    seen.setdefault(f"{name} iperf3", []).append(peer)
    print(f"{FLOWS} connections, loopback, medians of {ROUNDS}")
    for name in ("download", "upload"):
        ours = statistics.median(seen[name])
        cpu = statistics.median(seen[f"{name} cpu"])
        line = f"  {name:9} {ours:8.0f} Mbit/s   server {cpu:.2f} CPU-s/GB"
        if beside:
            peer = statistics.median(seen[f"{name} iperf3"])
            ratios = zip(seen[name], seen[f"{name} iperf3"], strict=True)
            ratio = statistics.median(a / b for a, b in ratios)
            line += f"   iperf3 -P {FLOWS} {peer:8.0f} Mbit/s   ratio {ratio:.2f}"
        print(line)
    if not beside:
        print("  iperf3 is not installed: nothing to compare with")


def attack(
    port: int,
    sources: list[str],
    misbehave: Callable[[socket.socket], None],
    stop: Event,
    opened: Synchronized,
) -> None:
    """Hold connections that misbehave until told to stop, opened again when they are ended."""

    def run(number: int) -> None:
        held: list[socket.socket] = []
        while not stop.is_set():
            while len(held) < HOSTILE // ATTACKERS and not stop.is_set():
                source = sources[(number + ATTACKERS * len(held)) % len(sources)]
                try:
                    sock = socket.create_connection(("127.0.0.1", port), 2, (source, 0))
                except OSError:
                    break
                sock.settimeout(0.05)
                held.append(sock)
                with opened.get_lock():
                    opened.value += 1
            for sock in list(held):
                try:
                    misbehave(sock)
                except OSError:
                    sock.close()
                    held.remove(sock)
            stop.wait(0.5)

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(ATTACKERS)]
    for thread in threads:
        thread.start()
    stop.wait()


@contextlib.contextmanager
def attacked(
    port: int, sources: list[str], misbehave: Callable[[socket.socket], None]
) -> Iterator[Synchronized]:
    """Attack from a process of its own; give the count of connections that it opens."""
    context = multiprocessing.get_context("fork")
    stop, opened = context.Event(), context.Value("i", 0)
    process = context.Process(
        target=attack, args=(port, sources, misbehave, stop, opened), daemon=True
    )
    process.start()
    time.sleep(1.5)
    try:
        yield opened
    finally:
        stop.set()
        process.join(5)
        process.kill()


def ask_small(port: int) -> float | None:
    """Ask for one byte; give the milliseconds, None if it did not come."""
    started = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as sock:
            sock.settimeout(5)
            sock.sendall(SMALL)
            seen = b""
            while chunk := sock.recv(4096):
                seen += chunk
    except OSError:
        return None
    if not (seen.startswith(b"HTTP/1.1 200 ") and seen.endswith(b"\r\n\r\nx")):
        return None
    return (time.monotonic() - started) * 1000


def honest(port: int) -> list[float | None]:
    times = []
    until = time.monotonic() + HONEST_S
    while time.monotonic() < until:
        times.append(ask_small(port))
        time.sleep(HONEST_EVERY_S)
    return times


def drip(sock: socket.socket) -> None:
    sock.sendall(b"G")


def flood_head(sock: socket.socket) -> None:
    sock.sendall(b"X: " + b"x" * 8000 + b"\r\n")


def tiny_chunks(sock: socket.socket) -> None:
    sock.sendall(b"POST /empty.php HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    sock.sendall(b"1\r\nx\r\n" * 2000)


def stop_reading(sock: socket.socket) -> None:
    sock.sendall(DOWNLOAD)


def attacks() -> None:
    many = [f"127.0.1.{number}" for number in range(1, 21)]
    cases = {
        "slow heads from 20 addresses": (many, drip),
        "slow heads from its own address": (["127.0.0.1"], drip),
        "endless heads from 20 addresses": (many, flood_head),
        "tiny chunks from 20 addresses": (many, tiny_chunks),
        "downloads that nobody reads, 3 addresses": (many[:3], stop_reading),
    }
    print(f"{HOSTILE} hostile connections, kept up; an honest client beside them")
    for name, (sources, misbehave) in cases.items():
        with serving() as (port, _):
            calm = [time_ms for time_ms in honest(port)[:10] if time_ms is not None]
            with attacked(port, sources, misbehave) as opened:
                times = honest(port)
        known = [time_ms for time_ms in times if time_ms is not None]
        slowest = max(known, default=float("nan"))
        median = statistics.median(known) if known else float("nan")
        print(
            f"  {name:42} {len(known)} of {len(times)} answered"
            f"   median {median:6.1f} ms   slowest {slowest:7.1f} ms"
            f"   (calm {statistics.median(calm):.1f} ms; {opened.value} opened)"
        )


def main() -> None:
    load()
    attacks()


if __name__ == "__main__":
    main()
