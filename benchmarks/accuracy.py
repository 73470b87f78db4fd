"""
How far each tool is from what the link carries, and what it costs to find out.

Each cell is an emulated link (Mbit/s / RTT ms / loss %), the same both ways, with a queue of one
bandwidth-delay product; the truth is its TCP goodput, rate x 1448/1500. The tools take turns on
the same link, round after round; medians of the rounds. `--quick` takes a few minutes; without
it, every rate, round trip and loss. Peers are left out where they are not installed, and under
random loss where they measure the loss (a flow of cubic).

Goal: median error at most 0.5 %, every cell at most 2 %; at RTT up to 30 ms without loss at most
4 s and a third of a 10 s test's bytes.
"""

import argparse
import itertools
import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from lab import Lab, LabError, Link, tools, why_not

RATES_MBPS = (5, 10, 50, 100, 300, 1000)
RTTS_MS = (5, 30, 100)
LOSSES_PCT = (0.0, 0.1, 1.0)
QUICK = ((10, 30, 0.0), (100, 5, 0.0), (100, 30, 0.0), (100, 30, 1.0), (300, 100, 0.0))
GOAL_MEDIAN_PCT, GOAL_CELL_PCT, GOAL_SECONDS, GOAL_SHARE = 0.5, 2.0, 4.0, 1 / 3
TEST_S = 10.0

Cell = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Point:
    """The medians of one tool in one cell and direction."""

    error_pct: float
    seconds: float
    share: float | None
    cpu_s: float


def tools_here(url: str, chosen: list[str]) -> dict[str, Callable[[Lab], list[tools.Run]]]:
    found: dict[str, Callable[[Lab], list[tools.Run]]] = {
        "phusong": lambda lab: tools.phusong(lab, url),
        "phusong ndt7": lambda lab: tools.phusong(lab, url, "--engine", "ndt7"),
        "iperf3 bbr": tools.iperf3,
    }
    if tools.has_speedtest():
        found["speedtest-cli --mini"] = tools.speedtest_mini
    if tools.official_client():
        found["ndt7 JavaScript"] = tools.ndt7_official
    return {name: run for name, run in found.items() if not chosen or name in chosen}


def measure(cell: Cell, rounds: int, chosen: list[str]) -> dict[tuple[str, str], Point]:
    """Give each tool's medians, by tool and direction."""
    rate, rtt_ms, loss_pct = cell
    link = Link(rate_mbps=rate, delay_ms=rtt_ms / 2, loss=loss_pct / 100)
    seen: dict[tuple[str, str], list[tools.Run]] = defaultdict(list)
    with Lab(down=link, seed=int(rate)) as lab, tools.served(lab) as url:
        truth = lab.goodput_mbps(link)
        for _ in range(rounds):
            for name, run in tools_here(url, chosen).items():
                try:
                    for each in run(lab):
                        seen[name, each.direction].append(each)
                except (LabError, OSError, ValueError, KeyError) as error:
                    print(f"   {name}: {str(error)[:150]}", file=sys.stderr)
    return {key: point(runs, truth) for key, runs in seen.items()}


def point(runs: list[tools.Run], truth: float) -> Point:
    errors = [100 * (run.mbps / truth - 1) for run in runs]
    sizes = [run.megabytes for run in runs if run.megabytes is not None]
    whole_mb = truth * TEST_S / 8
    return Point(
        statistics.median(errors),
        statistics.median(run.seconds for run in runs),
        statistics.median(sizes) / whole_mb if sizes else None,
        statistics.median(run.cpu_s or 0.0 for run in runs),
    )


def show(name: str, points: dict[Cell, dict[tuple[str, str], Point]]) -> None:
    for direction in ("down", "up"):
        mine = {
            cell: each[name, direction]
            for cell, each in points.items()
            if (name, direction) in each
        }
        if not mine:
            continue
        errors = [abs(each.error_pct) for each in mine.values()]
        worst = max(mine, key=lambda cell: abs(mine[cell].error_pct))
        short = [p for (_, rtt, loss), p in mine.items() if rtt <= 30 and not loss]
        shares = [p.share for p in short if p.share is not None]
        print(
            f"{name:22s} {direction:5s} {statistics.median(errors):6.2f} "
            f"{mine[worst].error_pct:+7.2f} at {worst[0]:g}/{worst[1]:g}/{worst[2]:g}"
            + (
                f"   {max(p.seconds for p in short):5.1f} s"
                f"   {max(shares, default=float('nan')):5.2f} of 10 s"
                if short
                else ""
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Accuracy on emulated links.")
    parser.add_argument("--quick", action="store_true", help="a few cells, one round")
    parser.add_argument("--rounds", type=int, help="rounds a cell (3; with --quick, 1)")
    parser.add_argument("--tool", action="append", default=[], help="only this one; repeatable")
    parser.add_argument("--cell", action="append", help="rate/rtt/loss; repeatable")
    wish = parser.parse_args()
    if reason := why_not():
        print(f"left out: {reason}")
        return
    cells: list[Cell] = list(
        QUICK if wish.quick else itertools.product(RATES_MBPS, RTTS_MS, LOSSES_PCT)
    )
    if wish.cell:
        cells = [(float(a), float(b), float(c)) for a, b, c in (x.split("/") for x in wish.cell)]
    rounds = wish.rounds or (1 if wish.quick else 3)
    print(f"medians of {rounds}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(f"{'Mbit/s / RTT ms / loss %':24s} {'tool':22s} way   error %      s  of 10 s   CPU s")
    points: dict[Cell, dict[tuple[str, str], Point]] = {}
    for cell in cells:
        points[cell] = measure(cell, rounds, wish.tool)
        for (name, direction), each in points[cell].items():
            share = "      -" if each.share is None else f"{each.share:7.2f}"
            print(
                f"{cell[0]:>8g} / {cell[1]:>3g} / {cell[2]:<4g}    {name:22s} {direction:5s}"
                f" {each.error_pct:+7.2f} {each.seconds:6.1f}  {share}  {each.cpu_s:6.2f}",
                flush=True,
            )
    print(f"\n{'':28s} median   worst cell          RTT <= 30 ms without loss, worst:")
    for name in dict.fromkeys(name for each in points.values() for name, _ in each):
        show(name, points)
    print(
        f"goals: median <= {GOAL_MEDIAN_PCT} %, each cell <= {GOAL_CELL_PCT} %, "
        f"<= {GOAL_SECONDS:g} s and <= {GOAL_SHARE:.2f} of a 10 s test"
    )


if __name__ == "__main__":
    main()
