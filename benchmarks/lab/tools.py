"""
The programs that a benchmark sets beside each other, run in a lab and read alike.

Each gives one `Run` a direction: the rate it would report, and what that cost. CPU and memory
are the client's process as the kernel counted it, from its start to its end.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .host import Host, LabError
from .network import Network

BIN = Path(sys.executable).parent
PHUSONG = str(BIN / "phusong")
PORT = 80
OFFICIAL = Path(__file__).with_name("ndt7_official.js")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One direction of one tool: rate, seconds, megabytes moved, CPU seconds, peak memory."""

    direction: str
    mbps: float
    seconds: float
    megabytes: float | None = None
    cpu_s: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that has ended: its code and output, and what it used."""

    code: int
    out: str
    err: str
    cpu_s: float
    memory_mb: float
    seconds: float


def finish(host: Host, words: Sequence[object], *, timeout_s: float = 120) -> Finished:
    """Run a program to its end, and count what it used."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            host.command(words), stdin=subprocess.DEVNULL, stdout=out, stderr=err, text=True
        )
        began = os.times().elapsed
        guard = threading.Timer(timeout_s, process.send_signal, (signal.SIGKILL,))
        guard.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        finally:
            guard.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Finished(
            process.returncode,
            out.read(),
            err.read(),
            used.ru_utime + used.ru_stime,
            used.ru_maxrss / 1024,
            os.times().elapsed - began,
        )


@contextmanager
def served(lab: Network, *options: object) -> Iterator[str]:
    """Run our server at the lab's far end; give its address."""
    words = [PHUSONG, "probe", "serve", "--port", PORT, "--json", *options]
    process = lab.server.spawn(words, ready='"port"')
    try:
        yield f"ws://{lab.server.addresses[4]}:{PORT}"
    finally:
        lab.server.stop(process)


def visit(lab: Network, url: str, *options: object) -> tuple[dict[str, Any], Finished]:
    """Run `phusong probe run` once; give the sample it kept, with its phases by name."""
    with tempfile.TemporaryDirectory() as folder:
        words = [PHUSONG, "--db", f"{folder}/lab.db", "probe", "run", "--server", url]
        done = finish(lab.client, [*words, "--allow-private", "--json", *options])
    if not done.out.strip():
        raise LabError(f"phusong probe run said: {done.err.strip()}")
    sample = json.loads(done.out.splitlines()[-1])
    record = json.loads(sample.get("source", {}).get("record") or "{}")
    sample["phases"] = {phase["phase"]: phase for phase in record.get("phases", [])}
    return sample, done


def phusong(lab: Network, url: str, *options: object) -> list[Run]:
    """Measure as a user does; CPU and memory are of the whole visit."""
    sample, done = visit(lab, url, *options)
    runs = []
    for direction, phase in (("down", "download"), ("up", "upload")):
        seen = sample["phases"].get(phase, {})
        rate = sample.get("reading", {}).get(f"{direction}_mbps")
        if rate is not None:
            runs.append(
                Run(
                    direction=direction,
                    mbps=rate,
                    seconds=seen.get("elapsed_s", float("nan")),
                    megabytes=seen.get("payload_bytes", float("nan")) / 1e6,
                    cpu_s=done.cpu_s,
                    memory_mb=done.memory_mb,
                )
            )
    if not runs:
        raise LabError(f"phusong: {sample['outcome']} {sample.get('reason')}")
    return runs


def iperf3(lab: Network, *, seconds: int = 8, congestion: str = "bbr") -> list[Run]:
    """Measure with iperf3, the first two seconds left out."""
    runs = []
    for direction, extra in (("down", ["-R"]), ("up", [])):
        server = lab.server.spawn(["iperf3", "-s", "-1", "--forceflush"], ready="listening")
        words = ["iperf3", "-c", lab.server.addresses[4], "-J", "-O", 2, "-t", seconds]
        done = finish(lab.client, [*words, "-C", congestion, *extra])
        lab.server.stop(server)
        seen = json.loads(done.out or "{}").get("end", {}).get("sum_received")
        if seen is None:
            raise LabError(f"iperf3 said: {done.out[-300:]}{done.err}")
        runs.append(
            Run(
                direction=direction,
                mbps=seen["bits_per_second"] / 1e6,
                seconds=done.seconds,
                megabytes=seen["bytes"] / 1e6 * (seconds + 2) / seconds,
                cpu_s=done.cpu_s,
                memory_mb=done.memory_mb,
            )
        )
    return runs


def has_speedtest() -> bool:
    """Tell whether speedtest-cli is installed."""
    return (BIN / "speedtest-cli").exists()


def speedtest_mini(lab: Network) -> list[Run]:
    """Measure with speedtest-cli against our server's Mini endpoints, on port 80."""
    names = Path("/etc/netns") / lab.client.name
    names.mkdir(parents=True, exist_ok=True)
    ip = lab.server.addresses[4]
    try:
        # It asks this name for its settings first, whatever server it is told to measure with.
        (names / "hosts").write_text(f"{ip} www.speedtest.net\n127.0.0.1 localhost\n")
        words = [BIN / "speedtest-cli", "--mini", f"http://{ip}/", "--json"]
        done = finish(lab.client, words)
    finally:
        shutil.rmtree(names)
    if not done.out.strip():
        raise LabError(f"speedtest-cli said: {done.err.strip()[-300:]}")
    seen = json.loads(done.out.splitlines()[-1])
    return [
        Run(
            direction=direction,
            mbps=seen[name] / 1e6,
            seconds=done.seconds / 2,
            megabytes=seen[f"bytes_{kind}"] / 1e6,
            cpu_s=done.cpu_s,
            memory_mb=done.memory_mb,
        )
        for direction, name, kind in (("down", "download", "received"), ("up", "upload", "sent"))
    ]


def official_client() -> Path | None:
    """Give the node_modules folder that holds @m-lab/ndt7 and ws; None where there is none."""
    folders = [Path(name) for name in os.environ.get("NODE_PATH", "").split(os.pathsep) if name]
    folders.append(Path.cwd() / "node_modules")
    found = (f for f in folders if (f / "@m-lab" / "ndt7").is_dir() and (f / "ws").is_dir())
    return next(found, None) if shutil.which("node") else None


def ndt7_official(lab: Network) -> list[Run]:
    """Measure with M-Lab's own JavaScript client against our server."""
    modules = official_client()
    words = ["env", f"NODE_PATH={modules}", "node", OFFICIAL, lab.server.addresses[4], PORT]
    done = finish(lab.client, words)
    runs = []
    for found in re.finditer(r'^\{.*"direction".*\}$', done.out, re.MULTILINE):
        seen = json.loads(found[0])
        runs.append(
            Run(
                direction=seen["direction"],
                mbps=seen["mbps"],
                seconds=seen["seconds"],
                megabytes=seen["bytes"] / 1e6,
                cpu_s=done.cpu_s,
                memory_mb=done.memory_mb,
            )
        )
    if not runs:
        raise LabError(f"the JavaScript client said: {done.out[-200:]}{done.err[-200:]}")
    return runs
