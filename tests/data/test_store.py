"""The store keeps what it acknowledged, and leaves other people's files alone."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from phusong.data import opening, schema
from phusong.data.errors import RecordError, StoreError
from phusong.data.opening import split_statements
from phusong.data.sample import Kind, Outcome, Reading, Sample, sample_id
from phusong.data.store import Merged, Rejected, Store

MakeSample = Callable[..., Sample]


def count(store: Store, table: str = "sample") -> int:
    return int(store.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_the_narrow_row_repeats_what_the_body_says(store: Store, make_sample: MakeSample) -> None:
    sample = make_sample(reason="note", server="s", simulated=True)
    store.merge([sample])
    row = next(iter(store.tables.query("SELECT * FROM sample")))
    body = json.loads(sample.body())
    assert row["id"] == sample_id(sample.body())
    sections = {**body, **body["reading"], **body["position"], **body["radio"], **body["source"]}
    for column, value in row.items():
        if column not in ("n", "id", "started_us", "simulated"):
            assert value == sections.get(column), column
    assert row["started_us"] == 1782869400_000000
    assert row["simulated"] == 1


def test_missing_values_are_null_and_never_zero(store: Store, make_sample: MakeSample) -> None:
    failed = make_sample(outcome=Outcome.REFUSED, reading=None, position=None, radio=None)
    store.merge([failed])
    row = next(iter(store.tables.query("SELECT * FROM sample")))
    for column in ("down_mbps", "up_mbps", "rtt_idle_ms", "loss_ratio", "bytes_down", "lon", "rat"):
        assert row[column] is None


def test_the_evidence_is_kept_byte_for_byte(store: Store, make_sample: MakeSample) -> None:
    samples = [make_sample(seq=i, server=name) for i, name in enumerate(["Độ trễ", 'a"b\\', "😀"])]
    store.merge(samples)
    assert [body for _, body in store.bodies()] == [s.body() for s in samples]
    assert [identity for identity, _ in store.bodies()] == [sample_id(s.body()) for s in samples]


def test_adding_the_same_sample_twice_changes_nothing(
    store: Store, make_sample: MakeSample
) -> None:
    assert store.merge([make_sample(), make_sample(seq=2)]) == Merged(new=2, duplicate=0)
    assert store.merge([make_sample(seq=2), make_sample()]) == Merged(new=0, duplicate=2)
    assert count(store) == count(store, "evidence") == 2


def test_merging_in_any_order_gives_the_same_samples(
    tmp_path: Path, make_sample: MakeSample
) -> None:
    samples = [make_sample(seq=i) for i in range(20)]
    seen = set()
    for order in range(6):
        random.Random(order).shuffle(samples)
        with Store.open(tmp_path / f"{order}.db") as store:
            store.merge(samples[:13])
            store.merge(samples[7:])
            store.merge(samples)
            seen.add(frozenset(store.bodies()))
    assert len(seen) == 1


def test_one_number_with_two_bodies_is_kept_and_listed_as_a_conflict(
    store: Store, make_sample: MakeSample
) -> None:
    store.merge([make_sample(seq=700), make_sample(seq=700, duration_s=9.0), make_sample(seq=1)])
    conflicts = store.connection.execute("SELECT * FROM conflict").fetchall()
    assert conflicts == [("test-probe", 700, 2)]


def test_own_attempts_are_numbered_without_gaps(store: Store, make_sample: MakeSample) -> None:
    probe = store.own_probe()
    assert store.own_probe() == probe
    first = store.append([make_sample(probe=probe, seq=0), make_sample(probe=probe, seq=0)])
    second = store.append([make_sample(probe=probe, seq=0)])
    assert [s.seq for s in first + second] == [1, 2, 3]
    assert [json.loads(body)["seq"] for _, body in store.bodies()] == [1, 2, 3]


def test_a_failed_step_keeps_nothing_of_itself_and_all_before_it(
    store: Store, make_sample: MakeSample
) -> None:
    store.append([make_sample(seq=0)])

    def broken() -> Iterator[Sample]:
        yield make_sample(seq=0)
        raise RecordError("bad")

    with pytest.raises(RecordError):
        store.append(broken())
    assert [s.seq for s in store.append([make_sample(seq=0)])] == [2]
    assert count(store) == 2


@pytest.mark.parametrize("table", ["sample", "evidence", "rejected"])
@pytest.mark.parametrize("change", ["UPDATE {} SET n = 99", "DELETE FROM {}"])
def test_what_is_kept_cannot_be_changed(
    store: Store, make_sample: MakeSample, table: str, change: str
) -> None:
    rejected = Rejected(
        tool="t", file="f", file_sha256="h", line=1, reason="r", message="m", record="x"
    )
    store.merge_records("test-probe", [make_sample()], [rejected])
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        store.connection.execute(change.format(table))
    assert count(store, table) == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [("lat", 200.0), ("lon", "east"), ("id", b"short"), ("simulated", 2), ("tool", None)],
)
def test_the_tables_themselves_refuse_nonsense(
    store: Store, make_sample: MakeSample, column: str, value: object
) -> None:
    store.merge([make_sample()])
    row = next(iter(store.tables.query("SELECT * FROM sample")))
    row |= {"n": 2, "id": b"x" * 32, column: value}
    with pytest.raises(sqlite3.IntegrityError):
        store.connection.execute(
            f"INSERT INTO sample ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
            list(row.values()),
        )


def test_a_file_imported_under_another_name_is_the_same_file(
    store: Store, make_sample: MakeSample
) -> None:
    named = [make_sample(probe="tool-abc", seq=i) for i in (1, 2)]
    renamed = [replace(s, server="other") for s in named]
    bad = Rejected(
        tool="t", file="f", file_sha256="abc", line=3, reason="r", message="m", record="x"
    )
    assert store.merge_records("tool-abc", named, [bad]) == Merged(new=2, duplicate=0)
    assert store.merge_records("tool-abc", renamed, [bad]) == Merged(new=0, duplicate=2)
    assert count(store) == 2
    assert count(store, "rejected") == 1


def test_pragmas_are_those_that_survive_a_power_cut(store: Store) -> None:
    pragma = {
        name: store.connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "application_id", "user_version")
    }
    assert pragma == {
        "journal_mode": "wal",
        "synchronous": 2,
        "application_id": schema.APPLICATION_ID,
        "user_version": schema.SCHEMA_VERSION,
    }


def test_all_kept_tables_are_strict(store: Store) -> None:
    tables = store.connection.execute(
        "SELECT name, strict FROM pragma_table_list"
        " WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    ).fetchall()
    assert {"sample", "evidence"} <= {name for name, _ in tables}
    assert all(strict for _, strict in tables)


def test_the_view_for_people_shows_times_and_marks_simulation(
    store: Store, make_sample: MakeSample
) -> None:
    store.merge([make_sample(), make_sample(seq=2, simulated=True)])
    rows = list(store.tables.query("SELECT started_at, origin FROM attempts"))
    assert [r["origin"] for r in rows] == ["measured", "simulated"]
    assert rows[0]["started_at"] == "2026-07-01T01:30:00Z"


WRITER = """
import sys
from datetime import UTC, datetime
from phusong.data.opening import split_statements
from phusong.data.sample import Kind, Outcome, Provenance, Sample
from phusong.data.store import Store
with Store.open(sys.argv[1]) as store:
    while True:
        sample = Sample(probe="p", kind=Kind.SIGNAL, started_at=datetime.now(UTC),
                        outcome=Outcome.OK, source=Provenance(tool="t"))
        if sys.argv[2] == "honest":
            print(store.append([sample])[0].seq, flush=True)
        else:
            store.connection.execute("BEGIN IMMEDIATE")
            print(len(sys.argv) + 10**9, flush=True)
            store.connection.execute("ROLLBACK")
"""


def killed_writer(path: Path, mode: str, after_s: float) -> list[int]:
    """Run a writer, kill -9 it, and give the numbers that it had acknowledged."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), mode], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    first = writer.stdout.readline()
    time.sleep(after_s)
    writer.send_signal(signal.SIGKILL)
    lines = [first, *writer.stdout.read().splitlines(keepends=True)]
    writer.wait()
    return [int(line) for line in lines if line.endswith("\n")]


def test_an_acknowledged_commit_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "killed.db"
    acknowledged: list[int] = []
    for after_ms in (5, 30, 80, 140):
        acknowledged += killed_writer(path, "honest", after_ms / 1000)
    with Store.open(path) as store:
        kept = [row[0] for row in store.connection.execute("SELECT seq FROM sample ORDER BY seq")]
        assert set(acknowledged) <= set(kept)
        assert kept == list(range(1, len(kept) + 1))
        assert list(store.verify()) == []
    assert len(acknowledged) > 20


def test_the_kill_test_sees_an_acknowledgement_before_the_commit(tmp_path: Path) -> None:
    path = tmp_path / "killed.db"
    acknowledged = killed_writer(path, "lying", 0.02)
    with Store.open(path) as store:
        kept = {row[0] for row in store.connection.execute("SELECT seq FROM sample")}
    assert not set(acknowledged) <= kept


def test_writers_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "shared.db"
    Store.open(path).close()
    program = WRITER.replace("while True:", "for _ in range(60):").replace(
        'probe="p"', "probe=sys.argv[3]"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path), "honest", name], stdout=subprocess.DEVNULL
        )
        for name in ("a", "b", "c")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    with Store.open(path) as store:
        rows = store.connection.execute("SELECT probe, max(seq), count(*) FROM sample GROUP BY 1")
        assert rows.fetchall() == [("a", 60, 60), ("b", 60, 60), ("c", 60, 60)]


def refused(path: Path) -> str:
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(StoreError) as caught:
        Store.open(path)
    assert (path.read_bytes() if path.is_file() else b"") == before
    assert not path.with_name(path.name + "-wal").exists()
    return str(caught.value)


def test_a_text_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("my notes")
    assert "not a SQLite file (it starts with my notes)" in refused(path)


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE t (x)")
    other.close()
    assert "another program" in refused(path)


def test_a_newer_store_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    Store.open(path).close()
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    newer.execute("PRAGMA journal_mode = DELETE")
    newer.close()
    message = refused(path)
    assert "newer phusong" in message
    assert "update phusong" in message


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    path.write_bytes(b"SQLite format 3\x00" + b"\x00" * 84)
    refused(path)


def test_a_folder_is_not_a_store(tmp_path: Path) -> None:
    assert "is a folder" in refused(tmp_path)


def test_a_missing_store_is_not_made_by_a_question(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store"):
        Store.open(tmp_path / "none.db", create=False)
    assert not (tmp_path / "none.db").exists()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a folder"):
        Store.open(tmp_path / "no" / "such.db")


READ_ONLY = """
import os, sys
import urllib.parse  # pathlib loads it when asked; another user may not see where Python stands
from phusong.data.errors import StoreError
from phusong.data.store import Store
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    with Store.open(sys.argv[1]) as store:
        print(store.connection.execute("SELECT count(*) FROM sample").fetchone()[0])
        store.own_probe()
except StoreError as error:
    print(error)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter (pytest's own are closed to them)."""
    folder = Path("/tmp") / f"phusong-test-{os.getpid()}"
    folder.mkdir(mode=0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_read_only_store_can_be_read_and_says_why_it_cannot_be_written(
    open_folder: Path, make_sample: MakeSample
) -> None:
    path = open_folder / "read-only.db"
    with Store.open(path) as store:
        store.merge([make_sample()])
    path.chmod(0o444)
    open_folder.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(path)], capture_output=True, text=True, timeout=30
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "1", done.stderr
    assert "read-only" in lines[1]


FULL_DISK = """
import resource, sys
from datetime import UTC, datetime
from phusong.data.errors import StoreError
from phusong.data.opening import split_statements
from phusong.data.sample import Kind, Outcome, Provenance, Sample
from phusong.data.store import Store
def attempt():
    return Sample(probe="p", kind=Kind.SIGNAL, started_at=datetime.now(UTC), outcome=Outcome.OK,
                  source=Provenance(tool="t", record="x" * 2000))
with Store.open(sys.argv[1]) as store:
    kept = 0
    try:
        while kept < 100_000:
            kept = store.append([attempt()])[0].seq
    except StoreError as error:
        print(kept, error)
"""


def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine does not let a small file system be mounted")
    try:
        (disk / "ballast").write_bytes(b"x" * 500_000)
        path = disk / "small.db"
        done = subprocess.run(
            [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, timeout=60
        )
        kept, message = done.stdout.split(" ", 1)
        assert "is full" in message
        assert "free some space" in message
        (disk / "ballast").unlink()
        with Store.open(path) as store:
            assert count(store) == int(kept) > 50
            assert list(store.verify()) == []
            assert len(store.append([Sample.from_body(next(store.bodies())[1])])) == 1
    finally:
        subprocess.run(["umount", disk], check=True)


def test_verify_names_the_sample_whose_evidence_was_changed(
    store: Store, make_sample: MakeSample
) -> None:
    store.merge([make_sample(seq=i) for i in range(3)])
    assert list(store.verify()) == []
    store.connection.execute("DROP TRIGGER evidence_no_update")
    store.connection.execute("UPDATE evidence SET body = replace(body, '76.86', '99.99') WHERE n=2")
    identity = sample_id(make_sample(seq=1).body()).hex()[:16]
    assert list(store.verify()) == [f"sample {identity}: its evidence was changed"]


def test_a_copy_for_handing_over_holds_what_the_file_alone_does_not(
    store: Store, make_sample: MakeSample, tmp_path: Path
) -> None:
    store.merge([make_sample(seq=i) for i in range(50)])
    naive = tmp_path / "naive.db"
    shutil.copy(store.path, naive)
    target = tmp_path / "copy.db"
    store.export_copy(target)
    with Store.open(target) as copy:
        assert list(copy.bodies()) == list(store.bodies())
    with sqlite3.connect(naive) as lost:
        tables = lost.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'sample'").fetchone()
        rows = lost.execute("SELECT count(*) FROM sample").fetchone()[0] if tables[0] else 0
    assert rows < 50
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".part")]


def test_a_copy_never_replaces_a_file(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "there.db"
    target.write_text("mine")
    with pytest.raises(StoreError, match="there already"):
        store.export_copy(target)
    assert target.read_text() == "mine"


def test_an_older_store_is_brought_forward_and_keeps_its_samples(
    tmp_path: Path, make_sample: MakeSample, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.db"
    with Store.open(path) as store:
        store.merge([make_sample()])
    steps = (*schema.MIGRATIONS, "ALTER TABLE sample ADD COLUMN weather TEXT;")
    monkeypatch.setattr(opening, "MIGRATIONS", steps)
    monkeypatch.setattr(opening, "SCHEMA_VERSION", len(steps))
    with Store.open(path) as store:
        assert store.connection.execute("SELECT weather FROM sample").fetchall() == [(None,)]
        assert store.connection.execute("PRAGMA user_version").fetchone()[0] == len(steps)


def test_a_store_of_the_first_schema_is_read_and_written_on(
    tmp_path: Path, make_sample: MakeSample
) -> None:
    path = tmp_path / "first.db"
    with sqlite3.connect(path) as first:
        first.executescript(schema.MIGRATIONS[0])
        first.execute(
            "INSERT INTO sample (n, id, probe, seq, kind, started_us, outcome, down_mbps, tool,"
            " simulated) VALUES (1, zeroblob(32), 'old', 1, 'speed', 0, 'ok', 5.0, 'phusong', 0)"
        )
        first.execute("INSERT INTO evidence VALUES (1, '{}')")
        first.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        first.execute("PRAGMA user_version = 1")
    first.close()
    reading = Reading(
        down_mbps=9.0, down_low_mbps=8.5, down_high_mbps=9.5, loss_up_ratio=0.5, near_ceiling=True
    )
    with Store.open(path) as store:
        store.merge([make_sample(kind=Kind.SPEED, reading=reading)])
        rows = store.connection.execute(
            "SELECT down_mbps, down_low_mbps, loss_up_ratio, near_ceiling FROM attempts ORDER BY n"
        ).fetchall()
    assert rows == [(5.0, None, None, None), (9.0, 8.5, 0.5, 1)]


def test_a_migration_that_fails_leaves_the_older_store(
    tmp_path: Path, make_sample: MakeSample, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.db"
    with Store.open(path) as store:
        store.merge([make_sample()])
    steps = (*schema.MIGRATIONS, "ALTER TABLE sample ADD COLUMN a TEXT; CREATE TABLE broken (;")
    with monkeypatch.context() as patch:
        patch.setattr(opening, "MIGRATIONS", steps)
        patch.setattr(opening, "SCHEMA_VERSION", len(steps))
        patch.setattr(opening, "split_statements", lambda text: text.split(";"))
        with pytest.raises(StoreError):
            Store.open(path)
    with Store.open(path) as store:
        columns = [row[1] for row in store.connection.execute("PRAGMA table_info(sample)")]
        assert "a" not in columns
        assert count(store) == 1


def test_a_trigger_is_one_statement() -> None:
    statements = list(split_statements(schema.MIGRATIONS[0]))
    assert sum("CREATE TRIGGER" in s for s in statements) == 6
    assert all(sqlite3.complete_statement(s) for s in statements)


def test_the_schema_can_be_read_with_nothing_trusted(store: Store, make_sample: MakeSample) -> None:
    store.merge([make_sample(kind=Kind.SPEED)])
    store.connection.execute("PRAGMA trusted_schema = OFF")
    for name in ("sample", "evidence", "attempts", "rejections", "conflict"):
        store.connection.execute(f"SELECT * FROM {name}").fetchall()


def test_a_number_that_a_batch_repeats_is_kept_once(store: Store, make_sample: MakeSample) -> None:
    first, again = make_sample(seq=3), make_sample(seq=3, engine="another")
    merged = store.merge_records("test-probe", [first, again])
    assert (merged.new, merged.duplicate) == (1, 1)
    assert [body for _, body in store.bodies()] == [first.body()]
    merged = store.merge_records("test-probe", [make_sample(seq=2), again])
    assert (merged.new, merged.duplicate) == (1, 1)
    assert list(store.verify()) == []


def test_writing_in_bulk_leaves_the_settings_as_they_were(store: Store) -> None:
    def settings_now() -> list[int]:
        names = ("cache_size", "wal_autocheckpoint", "synchronous")
        return [store.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    before = settings_now()
    with store.in_bulk():
        # What is acknowledged is on the disk, in bulk as ever.
        assert settings_now()[2] == before[2] == 2
        assert settings_now()[:2] != before[:2]
    assert settings_now() == before
