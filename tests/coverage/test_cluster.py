"""Samples from Parquet files, counted here, by processes and on a cluster: the same bytes."""

import json
import os
import signal
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phusong.coverage.areas import hexagon_areas
from phusong.coverage.cluster import cluster, count_on
from phusong.coverage.counting import Job, count_chunk, merge_counted
from phusong.coverage.partitions import find_partitions, read_partition
from phusong.coverage.rules import load_rule
from phusong.data.errors import ConfigError
from phusong.data.export import Format, export
from phusong.data.sample import (
    RADIO_CHANGED,
    Kind,
    Outcome,
    Position,
    Provenance,
    Radio,
    Rat,
    Reading,
    Sample,
)
from phusong.data.store import Store

Run = Callable[..., Any]
RULE = load_rule("vn-4g")


def sample(n: int) -> Sample:
    failed = n % 7 == 0
    return Sample(
        probe=f"car-{n % 3}",
        seq=n + 1,
        kind=Kind.SPEED,
        started_at=datetime(2026, 7, 1, tzinfo=UTC) + timedelta(hours=n),
        outcome=Outcome.NO_SIGNAL if failed else Outcome.OK,
        reason=RADIO_CHANGED if n % 20 == 1 else None,
        reading=None if failed else Reading(down_mbps=1.0 + n % 40, rtt_idle_ms=20.0),
        position=Position(lon=105.8 + n % 13 / 100, lat=21.0 + n % 17 / 100, accuracy_m=30.0),
        radio=None if failed else Radio(operator=f"Op {n % 3}", rat=Rat.LTE),
        source=Provenance(tool="test"),
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Export one store of 240 samples into four files."""
    folder = tmp_path / "parts"
    folder.mkdir()
    with Store.open(tmp_path / "test.db") as store:
        store.append([sample(n) for n in range(240)])
        export(store, tmp_path / "whole.parquet", Format.PARQUET)
    whole = pq.read_table(tmp_path / "whole.parquet")
    for n in range(4):
        pq.write_table(whole.slice(60 * n, 60), folder / f"{n}.parquet")
    (folder / "notes.txt").write_text("not a part")
    return folder


def table(counted: Any) -> list[Any]:
    tallies = [tally for level in counted.placed for tally in level.tallies.values()]
    return [
        [tally.operators]
        + [
            (name, column.tolist())
            for sums in (tally.totals, tally.occasions, tally.bins)
            for name, column in [*enumerate(sums.keys), *sorted(sums.values.items())]
        ]
        for tally in tallies
    ]


def test_every_way_of_counting_keeps_the_same_result(
    phusong: Run, files: Path, tmp_path: Path
) -> None:
    ways = [
        [],
        ["--from", files],
        ["--from", files, "--workers", 2],
        ["--from", files, "--scheduler", "local", "--workers", 2],
        ["--from", tmp_path / "whole.parquet"],
    ]
    for way in ways:
        done = phusong("coverage", "compute", "--rule", "vn-4g", "--by", "h3:6", *way)
        assert done.code == 0, done.err
    with sqlite3.connect(tmp_path / "test.db") as kept:
        results = [
            kept.execute(
                "SELECT code, operator, verdict, share, share_low, share_high, trials, successes,"
                " places, simulated, summary FROM result_area WHERE result_id = ? ORDER BY 1, 2",
                (number,),
            ).fetchall()
            for number in range(1, len(ways) + 1)
        ]
        inputs = kept.execute("SELECT DISTINCT inputs FROM result").fetchall()
    assert results[0]
    assert all(result == results[0] for result in results)
    assert len(inputs) == 1
    # Of the samples 1, 21, 41 … of 240 every one has it, whatever it ended in.
    assert json.loads(inputs[0][0])["inputs"]["excluded"] == {"radio_changed": 12}


def test_a_period_limits_what_is_read_from_files(phusong: Run, files: Path) -> None:
    options = ["--rule", "vn-4g", "--by", "h3:6", "--period", "2026-07-02", "--json"]
    kept = phusong("coverage", "compute", *options)
    read = phusong("coverage", "compute", *options, "--from", files)
    assert '"samples": 24,' in kept.out
    assert '"samples": 24,' in read.out


def test_a_worker_killed_midway_changes_nothing(files: Path) -> None:
    parts = find_partitions(str(files)) * 6
    job = Job(areas=(hexagon_areas("h3:6"),), rules=(RULE,))
    whole = merge_counted(
        merge_counted(count_chunk(job, chunk) for chunk in read_partition(part)) for part in parts
    )
    with cluster("local", 2) as client:
        pids = list(client.run(os.getpid).values())
        counts = count_on(client, job, parts)
        first = next(counts)
        os.kill(pids[0], signal.SIGKILL)
        counted = merge_counted([first, *counts])
    assert table(counted) == table(whole)
    assert counted.samples == whole.samples == 6 * 240


def test_a_cluster_that_does_not_answer_is_named(
    phusong: Run, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phusong.coverage.cluster.WAIT_S", 1)
    done = phusong(
        "coverage", "compute", "--rule", "vn-4g", "--by", "h3:6",
        "--from", files, "--scheduler", "tcp://127.0.0.1:9",
    )  # fmt: skip
    assert done.code == 3
    assert "no cluster answers at tcp://127.0.0.1:9" in done.err
    assert phusong("coverage", "list", "--json").out == ""


def test_a_scheduler_without_files_is_refused(phusong: Run, files: Path) -> None:
    done = phusong("coverage", "compute", "--rule", "vn-4g", "--scheduler", "local")
    assert (done.code, "--scheduler needs --from" in done.err) == (3, True)


def spoiled(files: Path, how: str) -> None:
    part = files / "2.parquet"
    if how == "cut":
        part.write_bytes(part.read_bytes()[:-100])
        return
    whole = pq.read_table(part)
    if how == "missing":
        pq.write_table(whole.drop_columns(["lat"]), part)
    else:
        column = pa.array(["x"] * len(whole))
        place = whole.schema.get_field_index("down_mbps")
        pq.write_table(whole.set_column(place, "down_mbps", column), part)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("cut", "2.parquet: cannot be read"),
        ("missing", '2.parquet: there is no column "lat"'),
        ("retyped", '2.parquet: column "down_mbps" holds string, not numbers'),
    ],
)
def test_a_spoiled_file_is_named_and_nothing_is_kept(
    phusong: Run, files: Path, how: str, told: str
) -> None:
    spoiled(files, how)
    done = phusong("coverage", "compute", "--rule", "vn-4g", "--by", "h3:6", "--from", files)
    assert done.code == 3
    assert told in done.err
    assert "Traceback" not in done.err
    assert phusong("coverage", "list", "--json").out == ""


def test_a_spoiled_file_is_named_by_a_cluster_too(files: Path) -> None:
    spoiled(files, "missing")
    job = Job(areas=(hexagon_areas("h3:6"),), rules=(RULE,))
    with cluster("local", 1) as client, pytest.raises(ConfigError, match='no column "lat"'):
        merge_counted(count_on(client, job, find_partitions(str(files))))


@pytest.mark.parametrize("address", ["nowhere", "nosuch://a/b", ""])
def test_an_address_without_files_is_named(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError):
        find_partitions(address if "://" in address else str(tmp_path / address))
