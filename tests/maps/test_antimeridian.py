"""Areas on both sides of 180 degrees: one country, beside each other."""

from typing import Any

import geopandas
import numpy as np
import pytest
import shapely

from phusong.coverage.summary import Verdict
from phusong.maps.antimeridian import go_on_east
from phusong.maps.columns import DrawnResult
from phusong.maps.page import render_page


def boxes(*spans: tuple[float, float]) -> Any:
    return np.array([shapely.box(west, -18, east, -16) for west, east in spans])


@pytest.mark.parametrize(
    ("spans", "moved"),
    [
        ([(177, 178), (-180, -179)], [(177, 178), (180, 181)]),
        ([(-170, -60), (20, 30)], [(-170, -60), (20, 30)]),
        ([(-75, -70), (100, 110)], [(-75, -70), (100, 110)]),
        ([(-120, -110), (150, 160)], [(240, 250), (150, 160)]),
        ([(102, 110)], [(102, 110)]),
        ([(-180, 180), (0, 1)], [(-180, 180), (0, 1)]),
    ],
)
def test_areas_span_as_little_as_they_can(
    spans: list[tuple[float, float]], moved: list[tuple[float, float]]
) -> None:
    found = shapely.bounds(go_on_east(boxes(*spans)))[:, [0, 2]]
    assert [tuple(span) for span in found] == moved


def test_halves_of_one_area_are_beside_each_other_again() -> None:
    halves = shapely.multipolygons([shapely.box(179, 0, 180, 1), shapely.box(-180, 0, -179, 1)])
    other = shapely.box(170, 0, 171, 1)
    joined = go_on_east(np.array([halves, other], dtype=object))
    assert list(joined[0].bounds) == [179, 0, 181, 1]
    assert joined[0].area == halves.area
    assert joined[1] == other


@pytest.mark.browser
def test_the_home_view_is_the_short_way_over_180_and_every_area_is_found_there(
    open_page: Any, make_area: Any, make_result: Any
) -> None:
    frame = geopandas.GeoDataFrame(
        {"code": ["1", "2"], "name": ["Viti Levu", "Lau"]},
        geometry=boxes((177, 179), (-180, -178)),
        crs="EPSG:4326",
    )
    result = make_result(make_area("1", Verdict.COVERED), make_area("2", Verdict.NOT_COVERED))
    opened = open_page(render_page([DrawnResult(result=result, geometry=frame)]))
    assert opened.data("areasDrawn") == "2"
    west, east = opened.run("() => [map.getBounds().getWest(), map.getBounds().getEast()]")
    assert 170 < west < 177
    assert 182 < east < 190
    seen = """() => [178, 181, -179, 541].map((lng) => state.shapes.at(-17, lng)?.name ?? null)"""
    assert opened.run(seen) == ["Viti Levu", "Lau", "Lau", "Lau"]
    painted = """() => {
      const color = (lng) => {
        const { x, y } = map.latLngToContainerPoint([-17, lng]);
        const frame = map.getContainer().getBoundingClientRect();
        for (const tile of document.querySelectorAll(".leaflet-tile-pane canvas")) {
          const box = tile.getBoundingClientRect();
          const [left, top] = [x + frame.x - box.x, y + frame.y - box.y];
          if (left < 0 || top < 0 || left >= box.width || top >= box.height) continue;
          return [...tile.getContext("2d").getImageData(left, top, 1, 1).data].join();
        }
      };
      return [color(178.1), color(180.9)];
    }"""
    assert opened.run(painted) == ["11,79,138,255", "242,169,0,255"]
    opened.screenshot("map-antimeridian")
    assert (opened.console, opened.requests) == ([], [])
