"""How far a campaign reaches over an area, and what that does to its verdict."""

import geopandas as gpd
import h3
import numpy as np
import pytest
import shapely

from phusong.coverage.hexagons import cells_of
from phusong.coverage.interval import Clusters, Spread
from phusong.coverage.rules import load_rule
from phusong.coverage.sectors import areas_km2, parents, sectors_of
from phusong.coverage.summary import Verdict
from phusong.coverage.verdict import judge, suffices

RULE = load_rule("vn-4g")


def alone(places: int, visited: int, count: int) -> Spread:
    """Give places that all pass, evenly in the visited ones of an area's sectors."""
    squares = places * places / visited
    clusters = Clusters(visited, count, squares, squares, squares)
    return Spread(places, float(places), float(places), clusters)


@pytest.mark.parametrize("resolution", [0, 3, 7, 9, 10])
def test_a_parent_is_the_one_that_h3_names(resolution: int) -> None:
    rng = np.random.default_rng(1)
    cells = cells_of(rng.uniform(-180, 180, 200), rng.uniform(-89, 89, 200), 10)
    want = [h3.str_to_int(h3.cell_to_parent(h3.int_to_str(int(c)), resolution)) for c in cells]
    got = parents(cells, np.full(200, resolution, dtype=np.uint64))
    assert got.tolist() == want


def test_an_area_has_a_dozen_to_some_dozens_of_sectors_but_none_finer_than_a_place() -> None:
    # Resolution 8 has 0.737 km2 a cell on the average, 9 a seventh, 10 a forty-ninth of it.
    assert sectors_of(0.737 * 12.1, 10).resolution == 8
    assert sectors_of(0.737 * 11.9, 10).resolution == 9
    assert sectors_of(0.001, 10).resolution == 10
    for area_km2 in np.geomspace(1, 1e5, 40):
        cut = sectors_of(float(area_km2), 10)
        assert 12 <= cut.count <= 84 + 40


def test_about_so_many_sectors_meet_a_disc_as_are_expected() -> None:
    rng = np.random.default_rng(2)
    for area_km2 in (4.0, 50.0, 300.0):
        radius = np.sqrt(area_km2 / np.pi) / 111.195
        cut = sectors_of(area_km2, 10)
        lat = 16.0
        angle, r = rng.uniform(0, 2 * np.pi, 20_000), radius * np.sqrt(rng.uniform(0, 1, 20_000))
        lon = 105 + r * np.cos(angle) / np.cos(np.radians(lat))
        seen = np.unique(cells_of(lon, lat + r * np.sin(angle), int(cut.resolution)))
        assert len(seen) == pytest.approx(cut.count, rel=0.25)


def test_the_size_of_an_area_is_that_on_the_globe() -> None:
    frame = gpd.GeoDataFrame(geometry=[shapely.box(105, 20, 105.1, 20.1)], crs="EPSG:4326")
    # 0.1 degrees of latitude are 11.07 km, of longitude at 20.05 north 10.46 km.
    assert areas_km2(frame.geometry.to_numpy())[0] == pytest.approx(115.8, rel=0.01)


def test_the_variance_between_sectors_is_that_of_a_ratio_of_two_sums() -> None:
    # Two sectors of two places, one all passing, one all failing: p is 0.5, sums apart by
    # (2 - 1, 0 - 1); (1 + 1) * 2 / (2 - 1) / 4**2 = 0.25. Between places it is 1/12 only.
    spread = Spread(4, 2.0, 2.0, Clusters(2, 20, nn=8.0, nt=4.0, tt=4.0))
    assert spread.variance == pytest.approx(0.25)
    assert Spread(4, 2.0, 2.0).variance == pytest.approx(1 / 12)


def test_a_road_or_a_corner_proves_nothing_about_the_area() -> None:
    assert judge(alone(200, 30, 30), RULE).verdict is Verdict.COVERED
    assert judge(alone(200, 9, 30), RULE).verdict is Verdict.UNPROVEN
    assert not suffices(alone(200, 9, 30), RULE)
    assert suffices(alone(200, 10, 30), RULE)
    failing = Spread(50, 0.0, 0.0, Clusters(3, 30, 850.0, 0.0, 0.0))
    assert judge(failing, RULE).verdict is Verdict.UNPROVEN


def test_further_places_open_further_sectors() -> None:
    few = judge(alone(200, 4, 30), RULE)
    assert few.further_places == 6
    assert judge(alone(72, 30, 30), RULE).further_places == 1
    assert judge(alone(73, 30, 30), RULE).further_places == 0


def test_places_in_one_sector_only_are_worth_one() -> None:
    mixed = Spread(40, 38.0, 38.0, Clusters(1, 3, 1600.0, 1520.0, 1444.0))
    judged = judge(mixed, RULE)
    assert judged.low is not None
    assert judged.low < 0.3
    assert judged.verdict is Verdict.UNPROVEN
