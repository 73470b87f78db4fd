"""A folder of GeoParquet files: complete or not there, and judged to the same bytes."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import geopandas as gpd
import pyarrow.parquet as pq
import pytest

from phusong.coverage.partitions import find_partitions
from phusong.data import points
from phusong.data.dataset import UNFINISHED, export_partitions
from phusong.data.errors import ConfigError, StoreError
from phusong.data.sample import Outcome, Position, Sample
from phusong.data.store import Store

MakeSample = Callable[..., Sample]


@pytest.fixture
def filled(tmp_path: Path, make_sample: MakeSample) -> Path:
    """Keep 25 attempts, some failed, one without a position, one in parts of a second."""
    failed: dict[str, Any] = {"outcome": Outcome.TIMEOUT, "reading": None}
    samples = [
        make_sample(
            seq=n + 1,
            position=Position(lon=105.8 + n / 100, lat=21.0) if n else None,
            started_at=make_sample().started_at.replace(
                day=1 + n % 5, microsecond=250_000 * (n % 4)
            ),
            **(failed if n % 4 == 0 else {}),
        )
        for n in range(25)
    ]
    with Store.open(tmp_path / "test.db") as store:
        store.append(samples)
    return tmp_path / "test.db"


def test_parts_have_at_most_so_many_rows_and_together_all_of_them(
    filled: Path, tmp_path: Path
) -> None:
    with Store.open(filled) as store:
        assert export_partitions(store, str(tmp_path / "out"), rows_a_file=10) == (25, 3)
    parts = sorted((tmp_path / "out").iterdir())
    assert [part.name for part in parts] == [f"part-0000{n}.parquet" for n in range(3)]
    assert [pq.read_metadata(part).num_rows for part in parts] == [10, 10, 5]
    numbers = [n for part in parts for n in pq.read_table(part)["seq"].to_pylist()]
    assert numbers == list(range(1, 26))
    first = gpd.read_parquet(parts[0])
    assert first.crs.to_epsg() == 4326
    assert (first.geometry.isna().sum(), first.geometry[1].x) == (1, 105.81)


def test_chunks_that_do_not_divide_a_file_lose_no_row(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "CHUNK_ROWS", 7)
    seen: list[int] = []
    with Store.open(filled) as store:
        assert export_partitions(
            store, str(tmp_path / "out"), rows_a_file=11, on_progress=seen.append
        ) == (25, 3)
    rows = [pq.read_table(part).num_rows for part in sorted((tmp_path / "out").iterdir())]
    assert rows == [11, 11, 3]
    assert sum(seen) == 25


@pytest.mark.parametrize("where", ["folder", "address"])
def test_the_dataset_is_judged_to_the_same_bytes_as_the_store(
    phusong: Any, filled: Path, tmp_path: Path, where: str
) -> None:
    out = str(tmp_path / "out") if where == "folder" else f"memory://{tmp_path.name}/out"
    done = phusong("data", "export", out, "--partition", "--rows-per-file", 8)
    assert (done.code, "25 samples in 4 files" in done.err) == (0, True)
    options = ["--rule", "vn-4g", "--rule", "fcc-5-1", "--by", "h3:6"]
    assert phusong("coverage", "compute", *options).code == 0
    assert phusong("coverage", "compute", *options, "--from", out).code == 0
    with sqlite3.connect(filled) as kept:
        tables = [
            kept.execute(
                "SELECT r.rule, r.inputs, a.code, a.operator, a.verdict, a.share, a.share_low,"
                " a.trials, a.summary FROM result r JOIN result_area a ON a.result_id = r.id"
                " WHERE r.id IN (?, ?) ORDER BY 1, 3, 4",
                pair,
            ).fetchall()
            for pair in ((1, 2), (3, 4))
        ]
    assert tables[0]
    assert tables[0] == tables[1]


def test_a_store_without_samples_gives_one_file_without_rows(tmp_path: Path, phusong: Any) -> None:
    with Store.open(tmp_path / "test.db") as store:
        assert export_partitions(store, str(tmp_path / "out")) == (0, 1)
    done = phusong(
        "coverage", "compute", "--rule", "vn-4g", "--by", "h3:6", "--from", tmp_path / "out"
    )
    assert (done.code, "there is no sample to judge" in done.err) == (3, True)
    assert phusong("coverage", "list", "--json").out == ""


def test_what_is_there_is_replaced_only_when_asked_and_only_if_it_is_ours(
    filled: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with Store.open(filled) as store:
        export_partitions(store, str(out), rows_a_file=5)
        with pytest.raises(StoreError, match="is there already"):
            export_partitions(store, str(out))
        export_partitions(store, str(out), overwrite=True)
        assert [part.name for part in out.iterdir()] == ["part-00000.parquet"]
        (out / "thesis.odt").write_text("years of work")
        with pytest.raises(StoreError, match=r"holds other files, such as thesis\.odt"):
            export_partitions(store, str(out), overwrite=True)
        (tmp_path / "file").write_text("x")
        with pytest.raises(StoreError, match="is a file; name a folder"):
            export_partitions(store, str(tmp_path / "file"))
        with pytest.raises(StoreError, match="cannot write"):
            export_partitions(store, str(tmp_path / "no" / "such" / "folder"))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("where", ["folder", "address"])
def test_an_export_that_fails_leaves_nothing_half_written(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    out = str(tmp_path / "out") if where == "folder" else f"memory://{tmp_path.name}/failed"
    written = points._table

    def full(rows: Any, schema: Any) -> Any:
        if rows[0]["seq"] > 10:
            raise OSError(28, "No space left on device")
        return written(rows, schema)

    monkeypatch.setattr(points, "CHUNK_ROWS", 5)
    monkeypatch.setattr(points, "_table", full)
    with Store.open(filled) as store, pytest.raises(StoreError, match="No space left on device"):
        export_partitions(store, out, rows_a_file=5)
    assert {path.name for path in tmp_path.iterdir()} <= {"test.db", "test.db-wal", "test.db-shm"}
    assert fsspec.filesystem("memory").find(f"{tmp_path.name}/failed") == []


def test_a_folder_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    (tmp_path / UNFINISHED).write_text("")
    (tmp_path / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match="has not finished"):
        find_partitions(str(tmp_path))


def test_an_address_that_nothing_knows_is_named(filled: Path, phusong: Any) -> None:
    done = phusong("data", "export", "nosuch://bucket/out", "--partition")
    assert (done.code, "cannot write nosuch://bucket/out" in done.err) == (3, True)
    assert phusong("data", "export", "x", "--partition", "--format", "csv").code == 2
