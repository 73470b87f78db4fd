"""Samples as the columns that the judge is given."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from phusong.coverage.frame import COLUMNS

Chunk = dict[str, Sequence[Any]]
ATTEMPT: dict[str, Any] = {
    **dict.fromkeys(COLUMNS),
    "probe": "p",
    "kind": "speed",
    "outcome": "ok",
    "operator": "Viettel",
    "rat": "LTE",
    "down_mbps": 50.0,
    "up_mbps": 20.0,
    "rtt_idle_ms": 20.0,
    "lon": 105.85,
    "lat": 21.03,
    "accuracy_m": 8.0,
    "started_us": 1_782_869_400_000_000,
    "simulated": 0,
}
FAILED = {"down_mbps": None, "up_mbps": None, "rtt_idle_ms": None}


@pytest.fixture
def chunk() -> Callable[..., Chunk]:
    """Make a chunk of attempts; name for each what differs from a good 4G speed test."""

    def make(*changes: Mapping[str, Any]) -> Chunk:
        rows = []
        for change in changes:
            failed = change.get("outcome", "ok") != "ok" or change.get("kind") == "signal"
            rows.append({**ATTEMPT, **(FAILED if failed else {}), **change})
        return {name: [row[name] for row in rows] for name in COLUMNS}

    return make
