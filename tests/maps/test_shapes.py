"""Polygons on their way into a page: all of them, simplified, in whole steps."""

from collections.abc import Callable

import geopandas
import numpy
import pytest
import shapely

from phusong.data.errors import MapError
from phusong.maps.arcs import STEPS_PER_DEGREE
from phusong.maps.shapes import OUTER, Shapes, draw_shapes, home_extent, whole_extent


def polygons_of(drawn: Shapes) -> list[shapely.Polygon]:
    """Give each area as one polygon, in degrees."""
    return [
        shapely.Polygon(
            rings[0] / STEPS_PER_DEGREE, [hole / STEPS_PER_DEGREE for hole in rings[1:]]
        )
        for rings in drawn.arcs.rings_of()
    ]


def wavy(count: int) -> geopandas.GeoDataFrame:
    """Make touching columns whose shared borders wave, with 500 points each."""
    lat = numpy.linspace(20, 21, 500)
    edges = [
        numpy.column_stack([105 + k / 10 + 0.01 * numpy.sin(lat * 90), lat])
        for k in range(count + 1)
    ]
    polygons = [shapely.Polygon(numpy.vstack([edges[k], edges[k + 1][::-1]])) for k in range(count)]
    codes = [f"{k:03}" for k in range(count)]
    return geopandas.GeoDataFrame({"code": codes}, geometry=polygons, crs="EPSG:4326")


def test_a_polygon_with_a_hole_comes_back_as_it_went_in(
    squares: Callable[..., geopandas.GeoDataFrame],
) -> None:
    frame = squares("1")
    holed = shapely.box(105, 20, 106, 21) - shapely.box(105.25, 20.25, 105.75, 20.75)
    frame.loc[0, "geometry"] = holed
    drawn = draw_shapes(frame)
    assert polygons_of(drawn)[0].equals(holed)
    assert drawn.tolerance_deg is None


def test_coordinates_are_rounded_to_five_decimals(
    squares: Callable[..., geopandas.GeoDataFrame],
) -> None:
    frame = squares("1")
    frame.loc[0, "geometry"] = shapely.box(105.123456, 20.000004, 105.2, 20.1)
    assert polygons_of(draw_shapes(frame))[0].bounds == (105.12346, 20.0, 105.2, 20.1)


def test_many_vertices_are_simplified_and_neighbours_still_touch() -> None:
    frame = wavy(10)
    drawn = draw_shapes(frame, 1_000)
    kept = polygons_of(drawn)
    assert len(drawn.arcs.points) <= 1_000
    assert drawn.tolerance_deg is not None
    assert shapely.coverage_is_valid(kept)


def test_every_area_is_drawn_even_where_simplifying_would_empty_it() -> None:
    frame = wavy(4)
    islet = geopandas.GeoDataFrame(
        {"code": ["islet"]}, geometry=[shapely.Point(112, 16).buffer(0.00002)], crs="EPSG:4326"
    )
    both = geopandas.pd.concat([frame, islet], ignore_index=True)
    drawn = draw_shapes(both, 10)
    assert len(drawn.codes) == 5
    assert all(polygon.area > 0 for polygon in polygons_of(drawn))


def test_borders_that_do_not_match_move_less_than_the_tolerance_and_are_no_coast() -> None:
    frame = wavy(10)
    frame["geometry"] = shapely.buffer(frame.geometry.to_numpy(), 0.001)
    drawn = draw_shapes(frame, 1_000)
    assert len(drawn.arcs.points) <= 1_000
    moved = shapely.hausdorff_distance(frame.geometry.to_numpy(), polygons_of(drawn))
    assert drawn.tolerance_deg is not None
    assert moved.max() <= drawn.tolerance_deg
    assert numpy.count_nonzero(drawn.levels != OUTER) >= 9


def test_lines_that_a_repair_left_behind_are_not_drawn(
    squares: Callable[..., geopandas.GeoDataFrame],
) -> None:
    frame = squares("1", "2")
    square = shapely.box(105, 20, 105.1, 20.1)
    mixed = shapely.GeometryCollection([square, shapely.LineString([(106, 20), (107, 20)])])
    frame.loc[0, "geometry"] = mixed
    assert polygons_of(draw_shapes(frame))[0].equals(square)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (shapely.LineString([(0, 0), (1, 1)]), "area 1 has no polygon"),
        (shapely.Polygon(), "area 1 has no polygon"),
        (None, "area 1 has no polygon"),
    ],
)
def test_an_area_without_a_polygon_is_named(
    squares: Callable[..., geopandas.GeoDataFrame], shape: object, said: str
) -> None:
    frame = squares("1")
    frame["geometry"] = geopandas.GeoSeries([shape], crs="EPSG:4326")
    with pytest.raises(MapError, match=said):
        draw_shapes(frame)


def test_a_frame_without_areas_or_in_another_crs_is_refused(
    squares: Callable[..., geopandas.GeoDataFrame],
) -> None:
    with pytest.raises(MapError, match="no areas to draw"):
        draw_shapes(squares("1").iloc[:0])
    with pytest.raises(MapError, match="EPSG:4326"):
        draw_shapes(squares("1").to_crs("EPSG:3857"))


def test_a_repeated_code_is_refused(squares: Callable[..., geopandas.GeoDataFrame]) -> None:
    with pytest.raises(MapError, match="code 7 stands twice"):
        draw_shapes(squares("7", "7"))


def test_far_islands_do_not_decide_the_first_view() -> None:
    country = numpy.array(
        [(105 + i / 10, 10 + i / 2, 105.1 + i / 10, 10.5 + i / 2) for i in range(20)]
    )
    islands = numpy.array([(113.5, 7, 117.4, 12), (111.5, 16, 112.7, 17)])
    both = numpy.vstack([country, islands])
    assert home_extent(both) == (105, 10, 107, 20)
    assert whole_extent(both) == (105, 7, 117.4, 20)


def test_a_single_area_fills_the_first_view() -> None:
    assert home_extent(numpy.array([(105.0, 20.0, 105.1, 20.1)])) == (105, 20, 105.1, 20.1)
