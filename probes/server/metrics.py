"""
What the server has done, as numbers for Prometheus (its text format, version 0.0.4).

Labels are few and fixed: no address, no id and nothing that a client wrote is ever in them.
"""

import threading
from collections import Counter
from collections.abc import Callable

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HELP = {
    "phusong_tests_total": "Tests that have ended, by engine and direction.",
    "phusong_flows_total": "Connections of tests that have ended, by engine, direction and end.",
    "phusong_test_bytes_total": "Payload of tests, by engine and direction.",
    "phusong_flow_seconds_total": "Time spent on connections of tests, by engine and direction.",
    "phusong_answers_total": "HTTP answers, by status.",
    "phusong_refused_total": "What was turned away, by reason.",
    "phusong_echoes_total": "UDP questions, by what came of them.",
    "phusong_receipts_total": "Receipts given.",
}
_GAUGES = {
    "phusong_open_connections": "Connections open now.",
    "phusong_running_flows": "Connections that run a test now.",
}
_Key = tuple[str, tuple[tuple[str, str], ...]]


class Metrics:
    """Counters that every thread may add to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[_Key] = Counter()
        self._gauges: dict[str, Callable[[], int]] = {}

    def watch(self, *, connections: Callable[[], int], flows: Callable[[], int]) -> None:
        """Say how to learn what is open and running now."""
        self._gauges = {
            "phusong_open_connections": connections,
            "phusong_running_flows": flows,
        }

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Count something up."""
        with self._lock:
            self._counts[(name, tuple(sorted(labels.items())))] += amount  # type: ignore[assignment]

    def value(self, name: str, /, **labels: str) -> float:
        """Give one counter, or the sum of those that carry these labels."""
        wanted = set(labels.items())
        with self._lock:
            return sum(
                count
                for (key, pairs), count in self._counts.items()
                if key == name and wanted <= set(pairs)
            )

    def text(self) -> bytes:
        """Give all of it in Prometheus' format."""
        with self._lock:
            counts = sorted(self._counts.items())
        lines = []
        for name, words in _HELP.items():
            lines += [f"# HELP {name} {words}", f"# TYPE {name} counter"]
            lines += [
                f"{name}{_labels(pairs)} {count:.10g}"
                for (key, pairs), count in counts
                if key == name
            ]
        for name, words in _GAUGES.items():
            lines += [f"# HELP {name} {words}", f"# TYPE {name} gauge"]
            if name in self._gauges:
                lines.append(f"{name} {self._gauges[name]()}")
        return ("\n".join(lines) + "\n").encode("utf-8")


def _labels(pairs: tuple[tuple[str, str], ...]) -> str:
    inside = ",".join(f'{name}="{value}"' for name, value in pairs)
    return f"{{{inside}}}" if inside else ""
