"""Approximate communes, H3 cells, periods."""

import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from phusong.coverage import approximate
from phusong.coverage.approximate import approximate_set, vietnam_communes, vietnam_provinces
from phusong.coverage.hexagons import cell_names, cells_of, hexagon_frame
from phusong.coverage.join import OUTSIDE, join_points
from phusong.coverage.period import read_period
from phusong.data.errors import BoundaryError, ConfigError
from phusong.data.sample import Sample
from phusong.data.store import Store


def test_vietnam_has_34_provinces_and_3321_communes() -> None:
    communes = vietnam_communes()
    assert len(communes) == communes["code"].nunique() == 3321
    assert communes["parent_code"].nunique() == 34
    assert communes.crs.to_epsg() == 4326
    assert communes.geometry.is_valid.all()
    assert not communes.geometry.is_empty.any()
    ba_dinh = communes.set_index("code").loc["00004"]
    assert (ba_dinh["name"], ba_dinh["parent_name"]) == ("Phường Ba Đình", "Thành phố Hà Nội")
    provinces = vietnam_provinces(communes)
    assert len(provinces) == provinces["code"].nunique() == 34


def test_approximate_cells_hardly_overlap() -> None:
    shapes = vietnam_communes().geometry.to_numpy()
    first, second = shapely.STRtree(shapes).query(shapes, predicate="overlaps")
    shared = shapely.area(shapely.intersection(shapes[first], shapes[second]))
    # Straight borders in the plane bend on the globe: slivers of a hundred-thousandth remain.
    assert shared.sum() < 1e-4 * shapely.area(shapes).sum()


def test_the_centre_of_hanoi_lies_in_its_commune() -> None:
    communes = vietnam_communes()
    rows = join_points(np.array([105.838, 110.5]), np.array([21.0386, 12.0]), communes)
    assert communes["name"].iloc[rows[0]] == "Phường Ba Đình"
    assert rows[1] == OUTSIDE


def test_the_set_says_that_it_is_approximate_and_is_the_same_every_time() -> None:
    first = approximate_set()
    assert first.approximate
    assert set(first.frame["level"]) == {"commune", "province"}
    assert approximate_set().id == first.id


def test_approximate_communes_take_under_two_seconds() -> None:
    started = time.process_time()
    vietnam_communes()
    assert time.process_time() - started < 2


def test_another_edition_of_the_tables_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "COMMUNES", 3320)
    with pytest.raises(BoundaryError, match="3321 communes"):
        vietnam_communes()
    monkeypatch.setattr(approximate, "SOURCE", "no_such_package_anywhere")
    with pytest.raises(BoundaryError, match="is not installed"):
        vietnam_communes()


def test_the_cell_of_a_point_holds_it() -> None:
    lon, lat = np.array([105.85, -77.52, np.nan]), np.array([21.03, 38.76, np.nan])
    cells = cells_of(lon, lat, 8)
    assert cells[2] == 0
    frame = hexagon_frame(cell_names(cells[:2].tolist()))
    assert shapely.contains_xy(frame.geometry.to_numpy(), lon[:2], lat[:2]).all()
    assert frame.crs.to_epsg() == 4326


def test_a_cell_across_the_antimeridian_is_cut_there() -> None:
    cells = cells_of(np.array([180.0, -179.999]), np.array([0.1, -17.0]), 3)
    for shape in hexagon_frame(cell_names(cells.tolist())).geometry:
        assert shape.is_valid
        assert shape.geom_type == "MultiPolygon"
        assert all(part.bounds[2] - part.bounds[0] < 5 for part in shape.geoms)
        assert (shape.bounds[0], shape.bounds[2]) == (-180, 180)


@pytest.mark.parametrize("code", ["zzz", "", "8841436b2fffffe", "f" * 5_000, "\x1b[2J"])
def test_a_name_that_is_no_cell_is_refused(code: str) -> None:
    with pytest.raises(BoundaryError, match="is not a cell of H3") as refused:
        hexagon_frame([code])
    assert len(str(refused.value)) < 200
    assert "\x1b" not in str(refused.value)


def test_a_damaged_result_over_cells_is_a_message_and_leaves_no_file(
    phusong: Callable[..., Any], tmp_path: Path, make_sample: Callable[..., Sample]
) -> None:
    with Store.open(tmp_path / "test.db") as store:
        store.append([make_sample()])
    assert phusong("coverage", "compute", "--rule", "vn-4g", "--by", "h3:7").code == 0
    with sqlite3.connect(tmp_path / "test.db") as kept:
        kept.execute("UPDATE result_area SET code = 'zzz'")
    for words in (("coverage", "plan"), ("map", "build")):
        done = phusong(*words, tmp_path / "made")
        assert (done.code, "is not a cell of H3" in done.err) == (3, True)
        assert "Traceback" not in done.err
        assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("2026", (2026, 1, 1), (2027, 1, 1)),
        ("2026-Q3", (2026, 7, 1), (2026, 10, 1)),
        ("2026-Q4", (2026, 10, 1), (2027, 1, 1)),
        ("2026-12", (2026, 12, 1), (2027, 1, 1)),
        ("2024-02-29", (2024, 2, 29), (2024, 3, 1)),
    ],
)
def test_a_period_has_a_start_and_an_end(
    name: str, start: tuple[int, int, int], end: tuple[int, int, int]
) -> None:
    assert read_period(name) == (datetime(*start, tzinfo=UTC), datetime(*end, tzinfo=UTC))


@pytest.mark.parametrize("name", ["", "q3", "2026-Q5", "2026-13", "2025-02-29", "9999", "2026-Q3 "])
def test_what_is_no_period_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="is not a period"):
        read_period(name)
    assert read_period("all") == (None, None)
