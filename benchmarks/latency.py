"""
Round trips and loss beside ping and irtt, on the same emulated link at the same time.

Loaded: four flows of cubic fill the link's queue in turn with none, while our echo, ping and
irtt ask beside each other. Loss: a link that loses 1 % each way at random, told by way, our echo
beside irtt. Queues: a FIFO of a second against FQ-CoDel, what our own measurements say.
Medians of the rounds, of loss their mean; `--quick` takes about two minutes.

Goal: loaded RTT within 5 % of ping and irtt, loss within 0.2 points of irtt; hundreds of
milliseconds behind the deep FIFO, and not behind fair queueing.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from lab import Lab, Link, tools, why_not

PROBE = Path(__file__).parent / "lab" / "ask.py"
FIFO_BYTES = 2_500_000


def ours(lab: Lab, url: str, *words: object) -> subprocess.Popen[str]:
    command = lab.client.command([sys.executable, PROBE, url, *words])
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def echo_ready(lab: Lab, url: str, *words: object) -> subprocess.Popen[str]:
    """Start our echo and have it wait: a Python takes its time to start, the others do not."""
    process = ours(lab, url, "echo", *words)
    assert process.stderr
    if "ready" not in process.stderr.readline():
        raise SystemExit(f"our echo said: {process.stderr.read()}")
    return process


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


def read(process: subprocess.Popen[str]) -> dict[str, float]:
    out, said = process.communicate(timeout=180)
    if not out:
        raise SystemExit(f"our measurement said: {said}")
    return json.loads(out)


def ping_ms(text: str) -> float:
    return statistics.median(float(each) for each in re.findall(r"time=([\d.]+)", text))


def loaded(rate: float, rounds: int, seconds: int) -> None:
    """Ask three ways at once, while iperf3 fills the queue."""
    link = Link(rate_mbps=rate, delay_ms=15, queue_bytes=int(rate * 125_000 * 0.3))
    table: dict[str, list[tuple[float, float, float]]] = {"idle": [], "loaded": []}
    with Lab(down=link) as lab, tools.served(lab) as url:
        host = lab.server.addresses[4]
        lab.server.spawn(["irtt", "server", "-i", "1ms", "-b", f"{host}:2112"], ready="starting")
        for _ in range(rounds):
            for state, rows in table.items():
                load = None
                echo = echo_ready(lab, url, seconds * 50, 0.02)
                if state == "loaded":
                    lab.server.spawn(["iperf3", "-s", "-1", "--forceflush"], ready="listening")
                    words = ["iperf3", "-c", host, "-R", "-P", 4, "-C", "cubic", "-t", seconds + 6]
                    load = subprocess.Popen(lab.client.command(words), stdout=subprocess.DEVNULL)
                    lab.client.run(["sleep", "3"])
                begin(echo)
                ping = subprocess.Popen(
                    lab.client.command(["ping", "-i", "0.02", "-c", seconds * 50, host]),
                    stdout=subprocess.PIPE,
                    text=True,
                )
                mine, peer = irtt(lab, seconds)["rtt_ms"], ping.communicate()[0]
                rows.append((read(echo)["p50"], ping_ms(peer), mine))
                if load:
                    load.wait()
    for state, rows in table.items():
        echo_ms, peer_ms, irtt_ms = (
            statistics.median(column) for column in zip(*rows, strict=True)
        )
        print(
            f"{rate:5g} Mbit/s {state:7s} ours {echo_ms:8.2f} ms   ping {peer_ms:8.2f} "
            f"({100 * (echo_ms / peer_ms - 1):+.1f} %)   irtt {irtt_ms:8.2f} "
            f"({100 * (echo_ms / irtt_ms - 1):+.1f} %)",
            flush=True,
        )


def irtt(lab: Lab, seconds: int, interval: str = "20ms") -> dict[str, float]:
    """Give irtt's median and its loss by way."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "irtt.json"
        words = ["irtt", "client", "-i", interval, "-d", f"{seconds}s", "-o", file, "-Q"]
        lab.client.run([*words, f"{lab.server.addresses[4]}:2112"], timeout_s=seconds + 30)
        stats = json.loads(file.read_text())["stats"]
    return {
        "rtt_ms": stats["rtt"]["median"] / 1e6,
        "up": stats["upstream_loss_percent"],
        "down": stats["downstream_loss_percent"],
    }


def loss(rounds: int, seconds: int) -> None:
    """Ask two ways at once over a link that loses 1 % each way."""
    link = Link(rate_mbps=50, delay_ms=15, loss=0.01)
    rows = []
    with Lab(down=link) as lab, tools.served(lab) as url:
        lab.server.spawn(
            ["irtt", "server", "-i", "1ms", "-b", f"{lab.server.addresses[4]}:2112"],
            ready="starting",
        )
        for _ in range(rounds):
            echo = echo_ready(lab, url, seconds * 400, 0.0025)
            begin(echo)
            peer = irtt(lab, seconds, "2500us")
            mine = read(echo)
            rows.append((mine["up"], mine["down"], peer["up"], peer["down"]))
    # Few are lost, so the rounds are pooled: of n sent, the share's own deviation is left.
    up, down, peer_up, peer_down = (statistics.fmean(column) for column in zip(*rows, strict=True))
    deviation = 100 * (0.01 * 0.99 * 2 / (rounds * seconds * 400)) ** 0.5
    print(
        f"loss % up {up:.2f} down {down:.2f}   irtt {peer_up:.2f} {peer_down:.2f}   apart "
        f"{abs(up - peer_up):.2f} {abs(down - peer_down):.2f}   (link: 1.00 1.00; two true figures "
        f"differ by {deviation:.2f}, one standard deviation)",
        flush=True,
    )


def queues() -> None:
    """Say what our own measurements make of a deep queue and of a fair one."""
    for aqm in ("fifo", "codel", "fq_codel"):
        link = Link(rate_mbps=20, delay_ms=15, queue_bytes=FIFO_BYTES, aqm=aqm)
        with Lab(down=link) as lab, tools.served(lab) as url:
            for direction in ("download", "upload"):
                bloat = read(ours(lab, url, "bloat", direction))
                rpm = read(ours(lab, url, "rpm", direction))
                print(
                    f"{aqm:9s} {direction:9s} idle {bloat['idle']:6.1f} ms   4 cubic "
                    f"{bloat['loaded']:6.1f} (p90 {bloat['p90']:.1f}, p99 {bloat['p99']:.1f})   "
                    f"RPM {rpm['rpm']:5.0f} (foreign {rpm['foreign']:.0f}, self "
                    f"{rpm['loaded']:.0f}, {rpm['confidence']})",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description="Latency and loss beside ping and irtt.")
    parser.add_argument("--quick", action="store_true", help="one rate, one round")
    wish = parser.parse_args()
    if reason := why_not():
        print(f"left out: {reason}")
        return
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    rounds, seconds = (1, 6) if wish.quick else (3, 10)
    if all(map(shutil.which, ("irtt", "iperf3", "ping"))):
        for rate in (20.0,) if wish.quick else (5.0, 20.0, 100.0):
            loaded(rate, rounds, seconds)
        loss(1 if wish.quick else 3, 30 if wish.quick else 60)
    else:
        print("beside ping and irtt: left out, needs irtt, iperf3 and ping")
    queues()


if __name__ == "__main__":
    main()
