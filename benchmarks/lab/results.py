"""
What a benchmark of accuracy has measured: kept line by line, so that it can be gone on with.

A line is one visit: a tool, a link and a round. `Results` gives medians of the rounds, and writes
them as tables.
"""

import json
import statistics
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from .tools import Run

TEST_S = 10.0
SHORT_RTT_MS = 30
WAYS = ("down", "up")

Cell = tuple[float, float, float]
Visit = tuple[Cell, str, int]


@dataclass(frozen=True, slots=True)
class Point:
    """The medians of one tool in one cell and direction; errors from lowest to highest too."""

    error_pct: float
    errors_pct: tuple[float, ...]
    seconds: float
    share: float | None
    cpu_s: float


class Results:
    """Visits by link, tool and round; kept in a file of JSON lines where one is given."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._runs: dict[Visit, list[Run]] = {}
        self._truths: dict[Cell, float] = {}
        if path is not None and path.exists():
            for line in path.read_text("utf-8").splitlines():
                kept = json.loads(line)
                visit = tuple(kept["cell"]), kept["tool"], kept["round"]
                self._take(visit, kept["truth"], [Run(**run) for run in kept["runs"]])

    def __contains__(self, visit: Visit) -> bool:
        return visit in self._runs

    def add(self, visit: Visit, truth: float, runs: list[Run]) -> None:
        """Keep what a visit gave; an empty list says that it failed."""
        cell, tool, number = visit
        with self._lock:
            self._take(visit, truth, runs)
            if self._path is not None:
                line = {"cell": cell, "tool": tool, "round": number, "truth": truth}
                line["runs"] = [asdict(run) for run in runs]
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")

    def _take(self, visit: Visit, truth: float, runs: list[Run]) -> None:
        self._runs[visit] = runs
        self._truths[visit[0]] = truth

    def tools(self) -> list[str]:
        """Give the tools in the order in which they came."""
        return list(dict.fromkeys(tool for _, tool, _ in self._runs))

    def cells(self) -> list[Cell]:
        """Give the links, slow and near ones first."""
        return sorted({cell for cell, _, _ in self._runs})

    def points(self, tool: str, way: str) -> dict[Cell, Point]:
        """Give a tool's medians by link."""
        seen: dict[Cell, list[Run]] = defaultdict(list)
        for (cell, name, _), runs in self._runs.items():
            if name == tool:
                seen[cell] += [run for run in runs if run.direction == way]
        return {cell: _point(seen[cell], self._truths[cell]) for cell in sorted(seen) if seen[cell]}

    def summary(self) -> Iterator[str]:
        """Give a table of all tools: median error, worst link, time and data, as Markdown."""
        yield (
            "| tool | way | links | median error % | within 2 % | worst error % (link) "
            "| longest s, most data of a 10 s test, at RTT ≤ 30 ms without loss |"
        )
        yield "|---|---|---|---|---|---|---|"
        for tool in self.tools():
            for way in WAYS:
                if points := self.points(tool, way):
                    yield _summary_row(tool, way, points)

    def beside(self) -> Iterator[str]:
        """Give each tool's median error on the links that all of them have measured."""
        for way in WAYS:
            seen = {tool: points for tool in self.tools() if (points := self.points(tool, way))}
            shared = set.intersection(*(set(points) for points in seen.values())) if seen else set()
            if not shared:
                continue
            medians = (
                f"{tool} {statistics.median(abs(points[cell].error_pct) for cell in shared):.2f} %"
                for tool, points in seen.items()
            )
            yield f"On the {len(shared)} links of all, median error {way}: {', '.join(medians)}."

    def table(self, way: str) -> Iterator[str]:
        """Give every link's median errors in one direction, as Markdown."""
        tools = {tool: points for tool in self.tools() if (points := self.points(tool, way))}
        yield f"| Mbit/s / RTT ms / loss %, {way} | " + " | ".join(tools) + " |"
        yield "|---|" + "---|" * len(tools)
        for cell in self.cells():
            shown = [
                f"{points[cell].error_pct:+.2f}" if cell in points else ""
                for points in tools.values()
            ]
            if any(shown):
                yield f"| {name(cell)} | " + " | ".join(shown) + " |"


def name(cell: Cell) -> str:
    """Give a link as it is written: rate / round trip / loss."""
    return " / ".join(f"{part:g}" for part in cell)


def is_short(cell: Cell) -> bool:
    """Tell whether a link is one of those that a test has to be done with early."""
    return cell[1] <= SHORT_RTT_MS and not cell[2]


def _point(runs: list[Run], truth: float) -> Point:
    errors = sorted(100 * (run.mbps / truth - 1) for run in runs)
    sizes = [run.megabytes for run in runs if run.megabytes is not None]
    whole_mb = truth * TEST_S / 8
    return Point(
        statistics.median(errors),
        tuple(errors),
        statistics.median(run.seconds for run in runs),
        statistics.median(sizes) / whole_mb if sizes else None,
        statistics.median(run.cpu_s or 0.0 for run in runs),
    )


def _summary_row(tool: str, way: str, points: dict[Cell, Point]) -> str:
    errors = [abs(point.error_pct) for point in points.values()]
    worst = max(points, key=lambda cell: abs(points[cell].error_pct))
    short = [point for cell, point in points.items() if is_short(cell)]
    shares = [point.share for point in short if point.share is not None]
    cost = f"{max(point.seconds for point in short):.1f} s" if short else ""
    if shares:
        cost += f", {max(shares):.2f}"
    return (
        f"| {tool} | {way} | {len(points)} | {statistics.median(errors):.2f} "
        f"| {sum(error <= 2 for error in errors)} "
        f"| {points[worst].error_pct:+.2f} ({name(worst)}) | {cost} |"
    )
