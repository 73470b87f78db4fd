"""
How far each tool is from what the link carries, and what it costs to find out.

Each cell is an emulated link (Mbit/s / RTT ms / loss %), the same both ways, with a queue of one
bandwidth-delay product; the truth is its TCP goodput, rate x 1448/1500. The tools take turns on
the same link, round after round; medians of the rounds. `--quick` takes a few minutes; without
it, every rate, round trip and loss. Peers are left out where they are not installed.

The whole grid takes hours: with `--keep FILE` each visit is kept as a line of JSON, and what is
there is not measured again. `--report` measures nothing: with `--markdown` and `--figure` it makes
the tables and the picture of docs/engines.md from such a file. `--real-time` runs the lab's
programs before everything else on the machine, so that other work does not become the link's.

Goal: median error at most 0.5 %, every cell at most 2 %; at RTT up to 30 ms without loss at most
4 s and a third of a 10 s test's bytes.
"""

import argparse
import itertools
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import Lab, LabError, Link, tools, why_not
from lab.drawing import draw_errors
from lab.results import WAYS, Cell, Point, Results, Visit, name

RATES_MBPS = (5, 10, 50, 100, 300, 1000)
RTTS_MS = (5, 30, 100)
LOSSES_PCT = (0.0, 0.1, 1.0)
QUICK = ((10, 30, 0.0), (100, 5, 0.0), (100, 30, 0.0), (100, 30, 1.0), (300, 100, 0.0))
# From here on a link is alone on the machine; the others take little of a processor.
ALONE_FROM_MBPS = 1000
GOALS = (
    "goals: median <= 0.5 %, each link <= 2 %; at RTT <= 30 ms without loss <= 4 s and <= 0.33 of "
    "the data of a 10 s test"
)

Tool = Callable[[Lab, str], list[tools.Run]]


def tools_here(chosen: Sequence[str]) -> dict[str, Tool]:
    """Give the tools that are installed, in the order of their turns."""
    found: dict[str, Tool] = {
        "phusong ndt7": lambda lab, url: tools.phusong(lab, url, "--engine", "ndt7"),
        "phusong multistream": lambda lab, url: tools.phusong(lab, url, "--engine", "multistream"),
        "iperf3 bbr": lambda lab, url: tools.iperf3(lab),
    }
    if tools.has_speedtest():
        found["speedtest-cli --mini"] = lambda lab, url: tools.speedtest_mini(lab)
    if tools.official_client():
        found["ndt7 JavaScript"] = lambda lab, url: tools.ndt7_official(lab)
    return {tool: run for tool, run in found.items() if not chosen or tool in chosen}


def measure(cell: Cell, number: int, wanted: dict[str, Tool], results: Results, fast: bool) -> None:
    """Let the tools take their turns on one link, those that have not had this round's yet."""
    left = {tool: run for tool, run in wanted.items() if (cell, tool, number) not in results}
    if not left:
        return
    rate, rtt_ms, loss_pct = cell
    link = Link(rate_mbps=rate, delay_ms=rtt_ms / 2, loss=loss_pct / 100)
    with Lab(down=link, seed=int(rate) + number, real_time=fast) as lab, tools.served(lab) as url:
        truth = lab.goodput_mbps(link)
        for tool, run in left.items():
            try:
                runs = run(lab, url)
            except (LabError, OSError, ValueError, KeyError) as error:
                print(f"   {name(cell)} {tool}: {str(error)[:150]}", file=sys.stderr)
                runs = []
            visit: Visit = cell, tool, number
            results.add(visit, truth, runs)
            for each in runs:
                print(
                    f"   {number + 1}: {name(cell):16s} {tool:20s} {each.direction:5s}"
                    f" {100 * (each.mbps / truth - 1):+7.2f} % {each.seconds:6.1f} s",
                    file=sys.stderr,
                )


def measure_all(
    cells: Sequence[Cell], rounds: int, results: Results, wish: argparse.Namespace
) -> None:
    wanted = tools_here(wish.tool)
    for number in range(rounds):
        slow = [cell for cell in cells if cell[0] < ALONE_FROM_MBPS]
        with ThreadPoolExecutor(wish.jobs) as pool:
            done = [
                pool.submit(measure, cell, number, wanted, results, wish.real_time) for cell in slow
            ]
            for each in done:
                each.result()
        for cell in cells:
            if cell[0] >= ALONE_FROM_MBPS:
                measure(cell, number, wanted, results, wish.real_time)


def show(results: Results) -> None:
    print(f"{'Mbit/s / RTT ms / loss %':24s} {'tool':22s} way   error %      s  of 10 s   CPU s")
    for cell in results.cells():
        for tool, way in itertools.product(results.tools(), WAYS):
            point = results.points(tool, way).get(cell)
            if point is not None:
                print(f"{name(cell):24s} {tool:22s} {way:5s} {_row(point)}")


def _row(point: Point) -> str:
    share = "      -" if point.share is None else f"{point.share:7.2f}"
    return f"{point.error_pct:+7.2f} {point.seconds:6.1f}  {share}  {point.cpu_s:6.2f}"


def show_markdown(results: Results) -> None:
    for way in WAYS:
        print("\n".join(results.table(way)), end="\n\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Accuracy on emulated links.")
    parser.add_argument("--quick", action="store_true", help="a few cells, one round")
    parser.add_argument("--rounds", type=int, help="rounds a cell (3; with --quick, 1)")
    parser.add_argument("--tool", action="append", default=[], help="only this one; repeatable")
    parser.add_argument("--cell", action="append", help="rate/rtt/loss; repeatable")
    parser.add_argument("--keep", type=Path, help="file of JSON lines to go on with")
    parser.add_argument("--jobs", type=int, default=1, help="slow links at the same time")
    parser.add_argument("--real-time", action="store_true", help="before other work")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    parser.add_argument("--markdown", action="store_true", help="tables for the documentation")
    parser.add_argument("--figure", type=Path, help="draw the errors as SVG")
    return parser.parse_args()


def main() -> None:
    wish = parse()
    results = Results(wish.keep)
    if not wish.report:
        if reason := why_not():
            print(f"left out: {reason}")
            return
        cells: list[Cell] = list(
            QUICK if wish.quick else itertools.product(RATES_MBPS, RTTS_MS, LOSSES_PCT)
        )
        if wish.cell:
            cells = [
                (float(a), float(b), float(c)) for a, b, c in (x.split("/") for x in wish.cell)
            ]
        rounds = wish.rounds or (1 if wish.quick else 3)
        load = os.getloadavg()[0]
        print(f"medians of {rounds}; load {load:.1f} on {os.cpu_count()} processors", flush=True)
        measure_all(cells, rounds, results, wish)
    if wish.markdown:
        show_markdown(results)
    else:
        show(results)
    print("\n".join(["", *results.summary(), "", *results.beside(), "", GOALS]))
    if wish.figure:
        wish.figure.write_text(draw_errors(results), "utf-8")


if __name__ == "__main__":
    main()
