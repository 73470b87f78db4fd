"""
What it costs that nothing acknowledged is ever lost.

Commits of one sample each, then one merge of many, beside sqlite-utils' own insert with its
defaults on a table of the same columns (which survives less: see docs/architecture.md). Same
machine, same folder, in turn; medians of the rounds.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import sqlite_utils

from phusong.data.sample import Kind, Outcome, Position, Provenance, Radio, Rat, Reading, Sample
from phusong.data.store import Store

ROUNDS = 3
SINGLE = 300
BULK = 20_000

SAMPLE = Sample(
    probe="bench",
    kind=Kind.SPEED,
    started_at=datetime(2026, 7, 1, tzinfo=UTC),
    outcome=Outcome.OK,
    reading=Reading(down_mbps=76.86, up_mbps=26.98, rtt_idle_ms=21.5),
    position=Position(lon=105.85, lat=21.03, accuracy_m=8.0),
    radio=Radio(plmn="45204", operator="Viettel", rat=Rat.LTE, rsrp_dbm=-95.0),
    source=Provenance(tool="bench", record="x" * 200),
)


def per_s(count: int, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def rates(folder: Path) -> tuple[float, float, float, float]:
    rows = [{"n": i, "body": SAMPLE.body().decode()} for i in range(BULK)]
    with Store.open(folder / "ours.db") as store:
        one = per_s(SINGLE, lambda: [store.append([SAMPLE]) for _ in range(SINGLE)])
        samples = [replace(SAMPLE, probe="bulk", seq=i) for i in range(BULK)]
        bulk = per_s(BULK, lambda: store.merge(samples))
    peer = sqlite_utils.Database(folder / "peer.db")["sample"]
    peer_one = per_s(SINGLE, lambda: [peer.insert(row) for row in rows[:SINGLE]])
    peer_bulk = per_s(BULK, lambda: peer.insert_all(rows[SINGLE:]))
    return one, peer_one, bulk, peer_bulk


def main() -> None:
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(rates(Path(folder)))
    one, peer_one, bulk, peer_bulk = (
        statistics.median(column) for column in zip(*rounds, strict=True)
    )
    print(f"one sample a commit, per second: {one:8.0f}   sqlite-utils insert     {peer_one:8.0f}")
    print(
        f"samples merged, per second:      {bulk:8.0f}   sqlite-utils insert_all {peer_bulk:8.0f}"
    )
    print(f"ratio to the peer: single {one / peer_one:.2f}, bulk {bulk / peer_bulk:.2f}")
    print("(ours also validates, hashes and keeps narrow columns beside the evidence)")


if __name__ == "__main__":
    main()
