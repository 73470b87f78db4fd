"""
Ookla's tiles as Parquet and as a shapefile, in files written here from the published columns.

The Parquet has `quadkey`, `tile` (WKT), `tile_x`, `tile_y` and, since the end of 2022, latency
under load; the zipped shapefile has the first six figures alone.
"""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phusong.data.errors import ConfigError, RecordError
from phusong.data.importers import parquet
from phusong.data.importers.interface import Options
from phusong.data.importers.run import check_files, import_file
from phusong.data.store import Store

from .test_mutations import add_up, spoil

pa = pytest.importorskip("pyarrow")
NAME = "2026-04-01_performance_mobile_tiles"
OPTIONS = Options()
WKT = "POLYGON((105 21, 106 21, 106 20, 105 20, 105 21))"


def figures(rows: int) -> dict[str, Any]:
    return {
        "quadkey": [f"13223111303211{i % 4}{i // 4 % 4}" for i in range(rows)],
        "avg_d_kbps": pa.array([76860 + i for i in range(rows)], pa.int64()),
        "avg_u_kbps": pa.array([26980] * rows, pa.int64()),
        "avg_lat_ms": pa.array([22] * rows, pa.int64()),
        "tests": pa.array([12] * rows, pa.int64()),
        "devices": pa.array([5] * rows, pa.int64()),
    }


def write_parquet(folder: Path, rows: int = 4, **more: Any) -> Path:
    import pyarrow.parquet

    path = folder / f"{NAME}.parquet"
    columns = figures(rows) | {
        "tile": [WKT] * rows,
        "tile_x": pa.array([105.5] * rows),
        "tile_y": pa.array([20.5] * rows),
        "avg_lat_down_ms": pa.array([310 if i % 2 == 0 else None for i in range(rows)], pa.int32()),
        "avg_lat_up_ms": pa.array([None] * rows, pa.int32()),
    }
    pyarrow.parquet.write_table(pa.table(columns | more), path)
    return path


def write_shapefile(folder: Path, rows: int = 4) -> Path:
    import geopandas
    from shapely.geometry import box

    frame = geopandas.GeoDataFrame(
        {name: list(pa.array(values).to_pylist()) for name, values in figures(rows).items()},
        geometry=[box(105, 20, 106, 21)] * rows,
        crs=4326,
    )
    import pyogrio

    path = folder / "gps_mobile_tiles.shp"
    pyogrio.write_dataframe(frame, path)
    return path


def write_zip(folder: Path, rows: int = 4) -> Path:
    parts = folder / "parts"
    parts.mkdir()
    write_shapefile(parts, rows)
    path = folder / f"{NAME}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(parts.iterdir()):
            archive.write(part, f"{NAME}/{part.name}")
    return path


def averages(store: Store, path: Path) -> list[dict[str, Any]]:
    import_file(store, path, OPTIONS)
    return list(store.tables.query("SELECT * FROM aggregate ORDER BY n"))


def test_tiles_of_parquet_are_averages_with_their_counts(store: Store, tmp_path: Path) -> None:
    rows = averages(store, write_parquet(tmp_path))
    assert store.tables["sample"].count == 0
    assert [row["down_mbps"] for row in rows] == [76.86, 76.861, 76.862, 76.863]
    first, second = rows[:2]
    assert (first["tool"], first["tests"], first["devices"]) == ("ookla-tiles", 12, 5)
    assert (first["up_mbps"], first["rtt_idle_ms"]) == (26.98, 22.0)
    assert (first["rtt_loaded_down_ms"], first["rtt_loaded_up_ms"]) == (310.0, None)
    assert second["rtt_loaded_down_ms"] is None
    assert (first["period"], first["access"], first["line"]) == ("2026-04-01", "mobile", 1)
    assert json.loads(first["record"])["tile"] == WKT


def test_tiles_of_a_zipped_shapefile_are_the_same_averages(store: Store, tmp_path: Path) -> None:
    rows = averages(store, write_zip(tmp_path))
    assert [row["place"] for row in rows] == [f"quadkey 13223111303211{i}0" for i in range(4)]
    assert [row["down_mbps"] for row in rows] == [76.86, 76.861, 76.862, 76.863]
    assert (rows[0]["period"], rows[0]["access"]) == ("2026-04-01", "mobile")
    # A shapefile's names have ten characters: latency under load is in the Parquet alone.
    assert rows[0]["rtt_loaded_down_ms"] is None


def test_the_parts_of_a_shapefile_are_counted_and_not_read_by_themselves(
    store: Store, tmp_path: Path
) -> None:
    report = import_file(store, write_zip(tmp_path), OPTIONS)
    assert [file.tool for file in report.files] == ["ookla-tiles"]
    assert report.skipped == []
    assert report.ignored["shapefile_part"] >= 3


def test_a_shapefile_beside_its_parts_is_read_where_it_stands(store: Store, tmp_path: Path) -> None:
    assert len(averages(store, write_shapefile(tmp_path))) == 4


@pytest.mark.parametrize("write", [write_parquet, write_zip, write_shapefile])
def test_imported_twice_it_is_there_once(
    store: Store, tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    path = write(tmp_path)
    assert len(averages(store, path)) == 4
    (report,) = import_file(store, path, OPTIONS).files
    assert (report.accepted, report.duplicate) == (0, 4)


def test_other_values_beside_the_same_outlines_are_another_file(
    store: Store, tmp_path: Path
) -> None:
    path = write_shapefile(tmp_path)
    averages(store, path)
    values = path.with_suffix(".dbf")
    values.write_bytes(values.read_bytes().replace(b"76860", b"11111"))
    (report,) = import_file(store, path, OPTIONS).files
    assert report.accepted == 4


def test_it_is_told_by_its_content_whatever_it_is_called(store: Store, tmp_path: Path) -> None:
    path = write_parquet(tmp_path).rename(tmp_path / "tiles.csv")
    (first, *_) = averages(store, path)
    assert (first["tool"], first["period"]) == ("ookla-tiles", None)


def test_any_parquet_table_is_read_by_a_map(store: Store, tmp_path: Path) -> None:
    import pyarrow.parquet

    path = tmp_path / "drive.parquet"
    moments = ["2026-07-01T01:30:00Z", "2026-07-01T01:31:00Z"]
    pyarrow.parquet.write_table(pa.table({"when": moments, "DL": pa.array([76860.0, 5.5])}), path)
    options = Options(mapping=("time=when", "down_mbps=DL/1000"))
    (report,) = import_file(store, path, options).files
    assert report.accepted == 2
    speeds = [row["down_mbps"] for row in store.tables.query("SELECT down_mbps FROM sample")]
    assert speeds == [76.86, 0.0055]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"tests": pa.array([0, 1, 1, 1])}, "no_count"),
        ({"quadkey": ["x", "1", "2", "3"]}, "bad_quadkey"),
        ({"avg_d_kbps": pa.array([-5, 1, 1, 1])}, "bad_down_mbps"),
        ({"avg_lat_ms": pa.array([float("nan"), 1.0, 1.0, 1.0])}, "bad_number"),
        ({"avg_lat_ms": ["22,5", "22", "22", "22"]}, "decimal_comma"),
    ],
)
def test_a_row_that_is_no_average_is_rejected_by_name(
    store: Store, tmp_path: Path, more: dict[str, Any], reason: str
) -> None:
    (report,) = import_file(store, write_parquet(tmp_path, **more), OPTIONS).files
    assert (report.accepted, dict(report.rejected)) == (3, {reason: 1})


def test_every_part_of_a_shapefile_leads_to_its_values(store: Store, tmp_path: Path) -> None:
    path = write_shapefile(tmp_path)
    for ending in (".shp", ".shx", ".dbf"):
        assert len(averages(store, path.with_suffix(ending))) == 4
    path.with_suffix(".dbf").unlink()
    with pytest.raises(RecordError, match="which is not beside it"):
        check_files([path], OPTIONS)


def test_a_shapefiles_values_are_those_that_gdal_reads(store: Store, tmp_path: Path) -> None:
    import pyogrio

    path = write_shapefile(tmp_path, 40)
    theirs = pyogrio.read_dataframe(path, read_geometry=False)
    ours = [json.loads(row["record"]) for row in averages(store, path)]
    assert list(theirs.columns) == list(ours[0])
    assert theirs.astype(str).to_dict("records") == ours


def with_values(path: Path, old: bytes, new: bytes) -> Path:
    values = path.with_suffix(".dbf")
    whole = values.read_bytes()
    assert old in whole
    values.write_bytes(whole.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b" 76861", b"7 6861", "bad_number"),
        (b" 76861", b"7,6861", "decimal_comma"),
        (b" 76861", b"\0\0\0\0\0\0", "nul_byte"),
        (b" 132231113032110", b"*132231113032110", "deleted_row"),
        (b"132231113032110", b"13223111303\xff\xff10", "bad_encoding"),
        (b"132231113032110", b"undefined      ", "bad_quadkey"),
    ],
)
def test_a_damaged_row_of_a_shapefile_is_rejected_by_name_and_costs_no_other(
    store: Store, tmp_path: Path, old: bytes, new: bytes, reason: str
) -> None:
    path = write_shapefile(tmp_path)
    values = path.with_suffix(".dbf")
    if len(new) != len(old):
        new = new[: len(old)]
    (report,) = import_file(store, with_values(path, old, new), OPTIONS).files
    assert values.exists()
    assert (report.accepted, dict(report.rejected)) == (3, {reason: 1})


def test_a_shapefile_whose_copy_was_broken_off_has_one_torn_row(
    store: Store, tmp_path: Path
) -> None:
    path = write_shapefile(tmp_path)
    values = path.with_suffix(".dbf")
    values.write_bytes(values.read_bytes()[:-40])
    (report,) = import_file(store, path, OPTIONS).files
    assert (report.accepted, dict(report.rejected)) == (3, {"torn_last_line": 1})


@pytest.mark.parametrize("cut", [1, 20, 33, 100])
def test_a_shapefile_with_half_a_header_is_refused(tmp_path: Path, cut: int) -> None:
    values = write_shapefile(tmp_path).with_suffix(".dbf")
    values.write_bytes(values.read_bytes()[:cut])
    with pytest.raises(RecordError, match="is a damaged table"):
        check_files([values], OPTIONS)


def test_parquet_inside_an_archive_says_so(tmp_path: Path) -> None:
    path = tmp_path / "tiles.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(write_parquet(tmp_path), "tiles.parquet")
    with pytest.raises(RecordError, match="Parquet inside an archive"):
        check_files([path], OPTIONS)


def test_a_parquet_bomb_is_refused_before_its_rows_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_MIN_ALLOWED_BYTES", 1 << 20)
    import pyarrow.parquet

    path = tmp_path / "bomb.parquet"
    table = pa.table({"quadkey": ["3" * 4_000] * 20_000})
    pyarrow.parquet.write_table(table, path, compression="gzip", use_dictionary=False)
    assert path.stat().st_size < 400_000
    with pytest.raises(RecordError, match="would unpack to"):
        check_files([path], OPTIONS)


def test_a_zipped_shapefile_that_is_a_bomb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.shp", b"\x00\x00\x27\x0a" + bytes(40 << 20))
        archive.writestr("a.dbf", b"\x03" + bytes(40 << 20))
    with pytest.raises(RecordError, match="would unpack to"):
        check_files([path], OPTIONS)


def test_without_the_library_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_parquet(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pyarrow reads: install phusong\[analysis\]"):
        check_files([path], OPTIONS)


def test_a_shapefile_needs_no_library(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_zip(tmp_path)
    for name in ("pyarrow", "pyogrio", "geopandas"):
        monkeypatch.setitem(sys.modules, name, None)
    assert len(averages(store, path)) == 4


def test_memory_stays_flat_in_the_number_of_rows(tmp_path: Path) -> None:
    program = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from phusong.data.importers.interface import Options\n"
        "from phusong.data.importers.run import import_file\n"
        "from phusong.data.store import Store\n"
        "with Store.open(sys.argv[2]) as store:\n"
        "    import_file(store, Path(sys.argv[1]), Options())\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)\n"
    )

    def peak_mib(rows: int) -> int:
        folder = tmp_path / str(rows)
        folder.mkdir()
        words = [str(write_parquet(folder, rows)), str(folder / "m.db")]
        done = subprocess.run(
            [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    # Six times the rows; all of them at one time would be some 60 MiB more.
    assert peak_mib(48_000) - peak_mib(8_000) < 30


SETTINGS = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize(
    ("write", "ending"),
    [(write_parquet, ".parquet"), (write_zip, ".zip"), (write_shapefile, ".dbf")],
)
def test_a_spoilt_table_ends_in_our_error_or_in_rows_that_add_up(
    store: Store, tmp_path: Path, write: Callable[[Path], Path], ending: str
) -> None:
    path = write(tmp_path)
    spoilt = path.with_suffix(ending)
    whole = spoilt.read_bytes()

    @SETTINGS
    @given(st.data())
    def spoil_and_import(data: st.DataObject) -> None:
        content = bytearray(whole)
        spoil(data, content, 0, len(content))
        spoilt.write_bytes(content)
        add_up(store, path, OPTIONS)

    spoil_and_import()
