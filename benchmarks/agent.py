"""
What the field agent costs the device it runs on while it drives.

One `phusong probe drive` on a terminal of 40 columns, with a receiver that writes NMEA every second
from a car at 10 m/s and a far end on this machine: one visit, then it waits for the next. After
that visit its CPU time is counted for half a minute, and its memory's highest mark is read. Beside
it, in the same run, a Python that sleeps a second at a time with rich loaded. Goals: memory under
80 MB, idle CPU under 1 %.
"""

import os
import pty
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from phusong.probes.server.service import MeasurementServer

ROUNDS = 3
IDLE_S = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")
PEER = "import time, rich.live\nwhile True: time.sleep(1)"


def sentence(body: str) -> str:
    checksum = 0
    for byte in body.encode("ascii"):
        checksum ^= byte
    return f"${body}*{checksum:02X}\r\n"


def drive_by(pipe: Path) -> None:
    """Write what a receiver in a car says, once a second, until nobody reads it."""
    lon_minutes = 51.0
    try:
        with pipe.open("w", buffering=1, encoding="ascii") as receiver:
            while True:
                now = datetime.now(UTC)
                lon_minutes += 10 / 103_900 * 60
                place = f"2101.8000,N,105{lon_minutes:07.4f},E"
                clock = f"{now:%H%M%S}.00"
                receiver.write(sentence(f"GPGGA,{clock},{place},1,08,1.0,10.0,M,0.0,M,,"))
                receiver.write(sentence(f"GPRMC,{clock},A,{place},19.4,90.0,{now:%d%m%y},,,A"))
                time.sleep(1)
    except BrokenPipeError:
        return


def cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_mb(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def started(words: list[str]) -> tuple["subprocess.Popen[bytes]", int]:
    """Start a process on a terminal of its own, whose screen is read and thrown away."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        words,
        stdin=follower,
        stdout=follower,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "40", "LINES": "24"},
    )
    os.close(follower)

    def drain() -> None:
        try:
            while os.read(leader, 65_536):
                pass
        except OSError:
            os.close(leader)

    threading.Thread(target=drain, daemon=True).start()
    return process, leader


def idle_share(words: list[str], settle_s: float) -> tuple[float, float]:
    """Give the share of one processor that a process takes when it waits, and its memory in MB."""
    process, _ = started(words)
    try:
        time.sleep(settle_s)
        before, began = cpu_s(process.pid), time.monotonic()
        time.sleep(IDLE_S)
        share = (cpu_s(process.pid) - before) / (time.monotonic() - began)
        return share, peak_mb(process.pid)
    finally:
        process.kill()
        process.wait()


def main() -> None:
    shares, peaks, peers, bases = [], [], [], []
    with tempfile.TemporaryDirectory() as folder, MeasurementServer() as server:
        for number in range(ROUNDS):
            pipe = Path(folder) / f"receiver-{number}"
            os.mkfifo(pipe)
            words = ["-m", "phusong", "--db", f"{folder}/{number}.db", "probe", "drive"]
            words += ["--server", server.url(4), "--allow-private", "--every-m", "100000"]
            words += ["--position", f"nmea:{pipe}", "--duration", "3", "--max-mb", "100000"]
            threading.Thread(target=drive_by, args=(pipe,), daemon=True).start()
            share, peak = idle_share([sys.executable, *words], 15)
            peer, base = idle_share([sys.executable, "-c", PEER], 3)
            shares.append(share)
            peaks.append(peak)
            peers.append(peer)
            bases.append(base)
    print(f"idle CPU      {100 * statistics.median(shares):5.2f} %   (goal: under 1 %)")
    print(f"memory        {statistics.median(peaks):5.1f} MB  (goal: under 80 MB)")
    print(f"a sleeping Python with rich: {100 * statistics.median(peers):.2f} % of a processor,")
    ratio = statistics.median(mine / theirs for mine, theirs in zip(peaks, bases, strict=True))
    print(f"and {statistics.median(bases):.1f} MB; memory, ratio pair by pair: {ratio:.2f}")


if __name__ == "__main__":
    main()
