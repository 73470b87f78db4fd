"""Exactly one area per point."""

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from phusong.coverage.boundaries import read_boundaries
from phusong.coverage.join import OUTSIDE, join_points
from phusong.data.errors import BoundaryError


def areas_of(*squares: tuple[str, float, float, float, float]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"code": [code for code, *_ in squares]},
        geometry=[shapely.box(*bounds) for _, *bounds in squares],
        crs="EPSG:4326",
    )


def join(points: list[tuple[float, float]], areas: gpd.GeoDataFrame) -> list[str | None]:
    lon, lat = np.array(points, dtype=np.float64).T
    rows = join_points(lon, lat, areas)
    return [None if row == OUTSIDE else areas["code"].iloc[row] for row in rows]


def test_a_point_on_a_shared_border_counts_once_for_the_lower_code() -> None:
    areas = areas_of(("B", 0, 0, 1, 1), ("A", 1, 0, 2, 1))
    assert join([(1, 0.5), (0.5, 0.5), (1.5, 0.5), (1, 0), (2, 1)], areas) == list("ABAAA")


def test_a_point_in_an_overlap_counts_once_for_the_lower_code() -> None:
    areas = areas_of(("20", 0, 0, 2, 2), ("10", 1, 1, 3, 3))
    assert join([(1.5, 1.5), (0.5, 0.5), (2.5, 2.5)], areas) == ["10", "20", "10"]


def test_codes_are_compared_as_text() -> None:
    areas = areas_of(("9", 0, 0, 1, 1), ("10", 0, 0, 1, 1))
    assert join([(0.5, 0.5)], areas) == ["10"]


def test_a_gap_a_hole_and_the_sea_are_outside() -> None:
    ring = shapely.Polygon([(0, 0), (4, 0), (4, 4), (0, 4)], [[(1, 1), (3, 1), (3, 3), (1, 3)]])
    areas = gpd.GeoDataFrame({"code": ["R"]}, geometry=[ring], crs="EPSG:4326")
    assert join([(2, 2), (9, 9), (0.5, 0.5), (1, 1)], areas) == [None, None, "R", "R"]


def test_a_point_without_position_is_outside() -> None:
    assert join([(np.nan, np.nan), (0.5, 0.5)], areas_of(("A", 0, 0, 1, 1))) == [None, "A"]


def test_no_area_and_no_point_give_no_join() -> None:
    none = areas_of(("A", 0, 0, 1, 1)).iloc[:0]
    assert join_points(np.array([0.5]), np.array([0.5]), none).tolist() == [OUTSIDE]
    empty = np.empty(0)
    assert join_points(empty, empty, areas_of(("A", 0, 0, 1, 1))).tolist() == []


def test_areas_in_another_crs_are_refused() -> None:
    areas = areas_of(("A", 0, 0, 1, 1)).to_crs("EPSG:3857")
    with pytest.raises(BoundaryError, match="EPSG:4326"):
        join_points(np.array([0.5]), np.array([0.5]), areas)


def test_every_point_agrees_with_geopandas_on_communes_with_gaps_and_overlaps(
    shared: Callable[[str], Path],
) -> None:
    areas = read_boundaries(shared("vn-communes-2025/vn_communes_2025_asis.geojson")).frame
    rng = np.random.default_rng(2026)
    vertices = shapely.get_coordinates(areas.geometry.to_numpy())
    picked = rng.choice(len(vertices) - 1, 4_000, replace=False)
    middles = (vertices[picked] + vertices[picked + 1]) / 2
    scattered = rng.uniform((102, 8), (110, 23.5), (12_000, 2))
    near = vertices[picked] + rng.normal(0, 1e-4, (4_000, 2))
    points = np.concatenate([vertices[picked], middles, near, scattered])
    ours = join_points(points[:, 0], points[:, 1], areas)

    frame = gpd.GeoDataFrame(geometry=shapely.points(points), crs="EPSG:4326")
    theirs = gpd.sjoin(frame, areas[["code", "geometry"]], predicate="intersects", how="inner")
    lowest = theirs.groupby(level=0)["code"].min()
    expected = lowest.reindex(range(len(points)))
    codes = areas["code"].to_numpy(dtype=object)
    got = [None if row == OUTSIDE else codes[row] for row in ours]
    assert got == [None if code != code else code for code in expected]
    several = theirs.groupby(level=0).size()
    assert (several > 1).sum() > 1_000
    assert expected.isna().sum() > 1_000
