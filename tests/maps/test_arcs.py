"""Borders that two areas share are there once, whatever shape the areas have."""

import numpy
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from phusong.maps.arcs import STEPS_PER_DEGREE, Arcs, cut_arcs, simplify_arcs, snap_arcs

Geometry = shapely.Polygon | shapely.MultiPolygon


def cut(*shapes: Geometry) -> Arcs:
    return cut_arcs(numpy.array(shapes, dtype=object))


def rings_of(arcs: Arcs) -> list[numpy.ndarray]:
    """Put rings together again; each reference must start where the one before ended."""
    rings = []
    for refs in numpy.split(arcs.refs, numpy.cumsum(arcs.ring_refs)[:-1]):
        runs = [arcs.points[arcs.starts[ref >> 1] : arcs.starts[(ref >> 1) + 1]] for ref in refs]
        runs = [run[::-1] if ref & 1 else run for ref, run in zip(refs, runs, strict=True)]
        for one, other in zip(runs, [*runs[1:], runs[0]], strict=True):
            assert one[-1].tolist() == other[0].tolist()
        rings.append(numpy.concatenate([run[:-1] for run in runs]))
    return rings


def signed_area(ring: numpy.ndarray) -> float:
    x, y = ring.T / STEPS_PER_DEGREE
    return float((x * numpy.roll(y, -1) - numpy.roll(x, -1) * y).sum() / 2)


def test_the_border_between_two_squares_is_one_arc_of_both() -> None:
    arcs = cut(shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1))
    assert len(arcs.starts) - 1 == 3
    assert sorted(map(sorted, arcs.owners.tolist())) == [[-1, 0], [-1, 1], [0, 1]]


def test_a_border_that_one_side_has_more_vertices_on_is_not_shared() -> None:
    left = shapely.Polygon([(0, 0), (1, 0), (1, 0.5), (1, 1), (0, 1)])
    arcs = cut(left, shapely.box(1, 0, 2, 1))
    assert (arcs.owners[:, 1] >= 0).sum() == 0


def test_on_a_coarser_grid_neighbours_still_share_their_border_and_ends_stay_joined() -> None:
    left = shapely.Polygon([(0, 0), (1.00004, 0), (1.00003, 0.5), (1.00004, 1), (0, 1)])
    right = shapely.Polygon([(1.00004, 0), (2, 0), (2, 1), (1.00004, 1), (1.00003, 0.5)])
    arcs = snap_arcs(cut(left, right), 10)
    assert sorted(map(sorted, arcs.owners.tolist())) == [[-1, 0], [-1, 1], [0, 1]]
    assert not (arcs.points % 10).any()
    assert [round(signed_area(ring), 4) for ring in rings_of(arcs)] == [1, 1]


def test_points_that_a_coarser_grid_makes_equal_are_there_once_and_ends_are_kept() -> None:
    arcs = snap_arcs(cut(shapely.Polygon([(0, 0), (1, 0), (1.00001, 0.00001), (1, 1)])), 10)
    assert arcs.points.tolist() == [[0, 0], [100_000, 0], [100_000, 100_000], [0, 0]]


def test_an_island_in_a_lake_is_the_lakes_border_backwards() -> None:
    island = shapely.box(1, 1, 2, 2)
    arcs = cut(shapely.box(0, 0, 3, 3) - island, island)
    assert len(arcs.starts) - 1 == 2
    assert [0, 1] in arcs.owners.tolist()
    assert [round(signed_area(ring)) for ring in rings_of(arcs)] == [9, -1, 1]


def test_rings_turn_one_way_and_holes_the_other_however_they_came() -> None:
    clockwise = shapely.Polygon(
        [(0, 0), (0, 3), (3, 3), (3, 0)], [[(1, 1), (1, 2), (2, 2), (2, 1)]]
    )
    assert [signed_area(ring) > 0 for ring in rings_of(cut(clockwise))] == [True, False]


def test_an_area_smaller_than_a_step_still_has_its_ring() -> None:
    speck = shapely.box(105, 20, 105.000001, 20.000001)
    arcs = cut(shapely.box(0, 0, 1, 1), speck)
    assert arcs.area_rings.tolist() == [1, 1]
    assert arcs.points[-1].tolist() == [10_500_000, 2_000_000]


def test_simplifying_moves_both_sides_of_a_border_alike() -> None:
    lat = numpy.linspace(0, 1, 200)
    border = numpy.column_stack([1 + 0.01 * numpy.sin(lat * 40), lat])
    left = shapely.Polygon([(0, 0), *border, (0, 1)])
    right = shapely.Polygon([(2, 0), *border, (2, 1)])
    arcs = cut(left, right)
    simpler = simplify_arcs(arcs, numpy.full(len(arcs.starts) - 1, 0.005))
    assert len(simpler.points) < len(arcs.points) / 3
    one, other = (shapely.Polygon(ring) for ring in rings_of(simpler))
    assert one.intersection(other).area == pytest.approx(0, abs=1e-3)
    assert one.union(other).area == pytest.approx(one.area + other.area)


@settings(deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(0, 6)] * 2, st.integers(1, 4), st.integers(1, 4)), min_size=1)
)
def test_every_ring_of_any_areas_comes_back(boxes: list[tuple[int, int, int, int]]) -> None:
    shapes = [shapely.box(x, y, x + width, y + height) for x, y, width, height in boxes]
    arcs = cut(*shapes)
    areas = [signed_area(ring) for ring in rings_of(arcs)]
    assert areas == pytest.approx([width * height for _, _, width, height in boxes])
