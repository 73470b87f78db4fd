"""Samples as columns: typed, whole, and the store open again afterwards."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("adbc_driver_sqlite", reason="needs the analysis extra")

from phusong.data import columns
from phusong.data.columns import load_samples
from phusong.data.errors import StoreError
from phusong.data.kept import count_samples
from phusong.data.sample import Kind, Outcome, Position, Provenance, Radio, Rat, Sample
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


# Another program: it has the store open, keeps a sample, begins one more, and ends it when told.
WRITER = """
import sys
from datetime import UTC, datetime
from phusong.data.sample import Kind, Outcome, Provenance, Sample
from phusong.data.store import Store

def keep(store):
    store.append([Sample(probe="other", kind=Kind.SPEED, started_at=datetime.now(UTC),
                         outcome=Outcome.TIMEOUT, source=Provenance(tool="test"))])

with Store.open(sys.argv[1], create=False) as store:
    keep(store)
    store.connection.execute("BEGIN IMMEDIATE")
    store.connection.execute("INSERT INTO source_file (sha256, name, tool, imported_us)"
                             " VALUES ('x', 'x', 'x', 0)")
    print("begun", flush=True)
    sys.stdin.readline()
    store.connection.execute("COMMIT")
    keep(store)
    print("kept", flush=True)
    sys.stdin.readline()
"""


def test_another_program_may_write_while_samples_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "BATCH_ROWS", 100)
    file = tmp_path / "test.db"
    with Store.open(file) as store:
        store.append([BARE] * 1_000)
        command = [sys.executable, "-c", WRITER, str(file)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdin
            assert other.stdout
            assert other.stdout.readline() == "begun\n"
            # What it has kept is there, what it has begun is not, and nobody waits for it.
            batches = load_samples(store)
            read = next(batches).num_rows
            other.stdin.write("\n")
            other.stdin.flush()
            assert other.stdout.readline() == "kept\n"
            read += sum(batch.num_rows for batch in batches)
            assert read == 1_001
            assert count_samples(store) == 1_002
            store.append([BARE])
            other.stdin.write("\n")
            other.stdin.flush()
            assert other.wait(timeout=60) == 0
        assert count_samples(store) == 1_003
        assert store.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_store_is_open_again_after_reading_failed_or_was_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "BATCH_ROWS", 2)
    with Store.open(tmp_path / "test.db") as store:
        store.append([BARE] * 9)
        batches = load_samples(store)
        next(batches)
        batches.close()
        store.append([BARE])
        monkeypatch.setattr(columns, "SAMPLE_COLUMNS", {"no_such_column": "0"})
        with pytest.raises(StoreError, match="no_such_column"):
            list(load_samples(store))
        store.append([BARE])
        assert count_samples(store) == 11


def test_texts_and_flags_come_back_as_they_were_kept(tmp_path: Path) -> None:
    named = [
        replace(BARE, radio=Radio(operator='Viettel "một"\\, [null]', rat=Rat.LTE)),
        replace(BARE, radio=Radio(operator="Vùng sâu | \u00a0")),
        replace(BARE, simulated=True),
    ]
    with Store.open(tmp_path / "test.db") as store:
        store.append(named)
        rows = [row for batch in load_samples(store) for row in batch.to_pylist()]
    assert [row["operator"] for row in rows] == [
        'Viettel "một"\\, [null]',
        "Vùng sâu | \u00a0",
        None,
    ]
    assert [row["rat"] for row in rows] == ["LTE", None, None]
    assert [row["simulated"] for row in rows] == [0, 0, 1]
    assert [row["near_ceiling"] for row in rows] == [None, None, None]
