"""Samples as columns: typed, whole, and the store open again afterwards."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("adbc_driver_sqlite", reason="needs the analysis extra")

from phusong.data import columns
from phusong.data.columns import load_samples
from phusong.data.sample import Kind, Outcome, Position, Provenance, Sample
from phusong.data.store import Store

MOMENT = datetime(2026, 7, 1, tzinfo=UTC)
BARE = Sample(
    probe="p",
    kind=Kind.SPEED,
    started_at=MOMENT,
    outcome=Outcome.TIMEOUT,
    source=Provenance(tool="test"),
)


def test_a_column_that_begins_with_nothing_keeps_what_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "BATCH_ROWS", 2)
    placed = replace(BARE, position=Position(lon=105.5, lat=21.25, accuracy_m=7.5))
    with Store.open(tmp_path / "a b#?.db") as store:
        store.append([BARE, BARE, BARE, placed])
        batches = list(load_samples(store, without={"plmn"}))
        store.append([BARE])
        assert sum(batch.num_rows for batch in load_samples(store)) == 5
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert [row["accuracy_m"] for row in rows] == [None, None, None, 7.5]
    assert [row["lon"] for row in rows] == [None, None, None, 105.5]
    assert rows[0]["operator"] is None
    assert "plmn" not in rows[0]


def test_a_period_has_its_start_and_not_its_end(tmp_path: Path) -> None:
    with Store.open(tmp_path / "test.db") as store:
        store.append([BARE])
        start = int(MOMENT.timestamp()) * 1_000_000
        spans = [(start, start + 1), (start - 1, start), (start + 1, start + 2)]
        found = [
            sum(batch.num_rows for batch in load_samples(store, start_us=a, end_us=b))
            for a, b in spans
        ]
    assert found == [1, 0, 0]


def test_a_store_on_a_read_only_medium_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(tmp_path / "test.db") as store:
        store.append([BARE])
    monkeypatch.setattr("phusong.data.opening._is_writable", lambda path: False)
    with Store.open(tmp_path / "test.db", create=False) as store:
        assert sum(batch.num_rows for batch in load_samples(store)) == 1
