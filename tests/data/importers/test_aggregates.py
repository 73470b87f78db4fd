"""
Averages of many tests: kept with their counts, and never as attempts.

The files are written by hand from the columns that Ookla's open data and OpenCelliD publish.
"""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phusong.data.aggregate import count_aggregates
from phusong.data.errors import RecordError
from phusong.data.importers.aggregates import tile_bounds
from phusong.data.importers.interface import Options
from phusong.data.importers.run import FileReport, import_file
from phusong.data.store import Store

HEADER = (
    "quadkey,tile,tile_x,tile_y,avg_d_kbps,avg_u_kbps,avg_lat_ms,avg_lat_down_ms,avg_lat_up_ms,"
    "tests,devices"
)
TILE = "1322311130321122"


def tiles(tmp_path: Path, *rows: str, name: str = "tiles.csv") -> Path:
    path = tmp_path / name
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def read(store: Store, path: Path) -> tuple[FileReport, list[dict[str, Any]]]:
    (report,) = import_file(store, path, Options()).files
    return report, list(store.tables["aggregate"].rows)


def test_a_tile_is_an_average_with_its_count_and_no_sample(store: Store, tmp_path: Path) -> None:
    report, rows = read(
        store,
        tiles(
            tmp_path,
            f'{TILE},"POLYGON((1 2, 3 4))",105.8,21.0,76860,26980,22,310,290,12,5',
            name="2026-04-01_performance_mobile_tiles.csv",
        ),
    )
    assert (report.tool, report.accepted) == ("ookla-tiles", 1)
    assert store.tables["sample"].count == 0
    (row,) = rows
    assert (row["tests"], row["devices"]) == (12, 5)
    assert (row["down_mbps"], row["up_mbps"], row["rtt_idle_ms"]) == (76.86, 26.98, 22.0)
    assert (row["rtt_loaded_down_ms"], row["rtt_loaded_up_ms"]) == (310.0, 290.0)
    assert (row["period"], row["access"]) == ("2026-04-01", "mobile")
    assert "POLYGON" in row["record"]


def test_a_file_that_was_renamed_tells_neither_quarter_nor_network(
    store: Store, tmp_path: Path
) -> None:
    _, (row,) = read(store, tiles(tmp_path, f"{TILE},,,,1000,1000,22,,,3,2"))
    assert (row["period"], row["access"], row["rtt_loaded_down_ms"]) == (None, None, None)


def test_a_tiles_box_is_that_of_its_quadkey() -> None:
    # The quadkeys of Microsoft's description of the tile system: "213" is column 3, row 5 of 8.
    west, south, east, north = tile_bounds("213")
    assert (west, east) == (-45.0, 0.0)
    assert north == pytest.approx(-40.97989806962013)
    assert south == pytest.approx(-66.51326044311186)
    assert tile_bounds("0")[3] == pytest.approx(85.05112877980659)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"{TILE},,,,76860,26980,22,,,0,5", "no_count"),
        (f"{TILE},,,,76860,26980,22,,,,5", "no_count"),
        ("1322x,,,,76860,26980,22,,,12,5", "bad_quadkey"),
        ("132231113032112213223111,,,,76860,26980,22,,,12,5", "bad_quadkey"),
        (f"{TILE},,,,-5,26980,22,,,12,5", "bad_down_mbps"),
        (f'{TILE},,,,"76,86",26980,22,,,12,5', "decimal_comma"),
        (f"{TILE},,,,76860,26980,22,,,12", "wrong_cell_count"),
    ],
)
def test_a_row_that_is_no_average_is_rejected_by_name(
    store: Store, tmp_path: Path, row: str, reason: str
) -> None:
    report, rows = read(store, tiles(tmp_path, row, f"{TILE},,,,1000,1000,22,,,3,2"))
    assert (report.rejected, len(rows)) == ({reason: 1}, 1)
    assert store.tables["rejected"].count == 1


def test_averages_imported_twice_are_there_once(store: Store, tmp_path: Path) -> None:
    path = tiles(tmp_path, f"{TILE},,,,1000,1000,22,,,3,2", f"{TILE},,,,2000,1000,22,,,1,1")
    assert read(store, path)[0].accepted == 2
    report, rows = read(store, path)
    assert (report.accepted, report.duplicate, len(rows)) == (0, 2, 2)


def test_averages_cannot_be_changed_or_removed(store: Store, tmp_path: Path) -> None:
    read(store, tiles(tmp_path, f"{TILE},,,,1000,1000,22,,,3,2"))
    for change in ("UPDATE aggregate SET tests = 900", "DELETE FROM aggregate"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            store.connection.execute(change)


def test_a_cell_of_opencellid_is_an_average_at_a_point(
    store: Store, tmp_path: Path, originals: dict[str, bytes]
) -> None:
    path = tmp_path / "cells.csv"
    path.write_bytes(originals["opencellid-cells"])
    _, rows = read(store, path)
    row = rows[0]
    assert (row["place"], row["plmn"], row["rat"]) == ("cell 45204-5124-167172100", "45204", "LTE")
    assert (row["west"], row["north"], row["tests"]) == (105.85, 21.03, 7)
    assert (row["level_dbm"], row["period"]) == (-95.0, "2026-07-01")


def test_their_mean_speed_is_a_mean_over_tests(store: Store, tmp_path: Path) -> None:
    read(store, tiles(tmp_path, f"{TILE},,,,1000,1000,22,,,3,2", f"{TILE},,,,5000,,22,,,1,1"))
    (count,) = count_aggregates(store)
    assert (count.rows, count.tests) == (2, 4)
    # (3 * 1 + 1 * 5) / 4, and the one upload that was told.
    assert (count.down_mbps, count.up_mbps) == (2.0, 1.0)


def test_info_shows_averages_apart_from_samples(
    phusong: Callable[..., Any], tmp_path: Path
) -> None:
    path = tiles(
        tmp_path,
        f"{TILE},,,,1000,1000,22,,,1200,2",
        name="2026-04-01_performance_fixed_tiles.csv",
    )
    assert phusong("data", "import", path).code == 0
    shown = phusong("data", "info").out
    assert "averages of others" in shown
    assert "1,200" in shown
    (record,) = map(json.loads, phusong("data", "info", "--json").out.splitlines())
    assert record["samples"] == 0
    assert record["aggregates"][0] | {"down_mbps": None} == {
        "source": "ookla-tiles",
        "period": "2026-04-01",
        "access": "fixed",
        "rows": 1,
        "tests": 1200,
        "down_mbps": None,
        "up_mbps": 1.0,
    }


def test_a_quadkey_that_is_none_is_said_with_what_was_seen() -> None:
    with pytest.raises(RecordError, match="12\\\\x1b4 is no quadkey"):
        tile_bounds("12\x1b4")
