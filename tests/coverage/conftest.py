"""Samples as the columns that the judge is given, and as the files that it reads."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from phusong.coverage.frame import COLUMNS
from phusong.data.dataset import export_partitions
from phusong.data.sample import Position, Sample
from phusong.data.store import Store

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


@pytest.fixture
def dataset(tmp_path: Path, make_sample: Callable[..., Sample]) -> Path:
    """Give a folder of four exported files, five samples in each; the store is beside it."""
    samples = [
        make_sample(seq=n + 1, position=Position(lon=105.8 + n / 100, lat=21.0)) for n in range(20)
    ]
    with Store.open(tmp_path / "test.db") as store:
        store.append(samples)
        export_partitions(store, str(tmp_path / "parts"), rows_a_file=5)
    return tmp_path / "parts"
