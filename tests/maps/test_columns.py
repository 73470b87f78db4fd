"""Results as columns: every area once, and nothing measured is never a zero."""

import math
from collections.abc import Callable, Mapping

import numpy
import pytest

from phusong.coverage.summary import AreaSummary, Result, Verdict
from phusong.data.errors import MapError
from phusong.maps.columns import (
    Layer,
    make_layer,
    nr_counts,
    operators_of,
    read_rows,
    sample_counts,
)


def layer_of(areas: list[AreaSummary], position: Mapping[str, int]) -> Layer:
    rows = read_rows(areas, position)
    return make_layer(rows, {"any": rows}, "any")


def test_untouched_areas_take_no_row_and_keep_what_they_need(
    make_area: Callable[..., AreaSummary],
) -> None:
    areas = [
        make_area("1"),
        make_area("2", Verdict.NO_DATA, further_places=73),
        make_area("3", Verdict.NO_DATA, further_places=73),
    ]
    layer = layer_of(areas, {"1": 0, "2": 1, "3": 2})
    assert layer.area.tolist() == [0]
    assert layer.blank["further_places"] == 73
    assert math.isnan(layer.blank["share"])


def test_an_area_with_excluded_samples_only_keeps_its_row(
    make_area: Callable[..., AreaSummary],
) -> None:
    areas = [
        make_area("1", Verdict.NO_DATA),
        make_area("2", Verdict.NO_DATA, samples=4, excluded={"cancelled": 4}),
    ]
    layer = layer_of(areas, {"1": 0, "2": 1})
    assert layer.area.tolist() == [1]
    assert {name: counts.tolist() for name, counts in layer.own.excluded.items()} == {
        "cancelled": [4]
    }


def test_what_was_not_measured_is_nothing(make_area: Callable[..., AreaSummary]) -> None:
    layer = layer_of([make_area("1")], {"1": 0})
    assert numpy.isnan(layer.own.numbers["down_mbps_median"]).all()


def test_rows_stand_in_the_order_of_the_shapes(make_area: Callable[..., AreaSummary]) -> None:
    areas = [make_area("b", trials=2), make_area("a", trials=1)]
    layer = layer_of(areas, {"a": 0, "b": 1})
    assert layer.area.tolist() == [0, 1]
    assert layer.own.numbers["trials"].tolist() == [1, 2]


def test_an_area_without_a_shape_is_named(make_area: Callable[..., AreaSummary]) -> None:
    with pytest.raises(MapError, match="area 9 of the result has no shape"):
        read_rows([make_area("9")], {"1": 0})


def test_an_area_that_stands_twice_is_named(make_area: Callable[..., AreaSummary]) -> None:
    with pytest.raises(MapError, match="area 1 stands twice"):
        read_rows([make_area("1"), make_area("1")], {"1": 0})


def test_any_operator_stands_first(
    make_area: Callable[..., AreaSummary], make_result: Callable[..., Result]
) -> None:
    result = make_result(
        *(make_area("1", operator=name) for name in ("Viettel", "MobiFone", "any"))
    )
    assert operators_of(result) == ["any", "MobiFone", "Viettel"]


def test_measured_and_simulated_are_counted_from_the_inputs(
    make_area: Callable[..., AreaSummary], make_result: Callable[..., Result]
) -> None:
    result = make_result(make_area("1"), inputs={"samples": 120_003, "simulated": 120_000})
    assert sample_counts(result) == (3, 120_000)


def test_without_inputs_the_best_operators_row_is_not_counted_again(
    make_area: Callable[..., AreaSummary], make_result: Callable[..., Result]
) -> None:
    counts = {"samples": 10, "simulated": 4, "nr_evidence": {"sa": 2}}
    areas = [make_area("1", operator=name, **counts) for name in ("any", "Viettel")]
    result = make_result(*areas)
    assert sample_counts(result) == (6, 4)
    assert nr_counts(result) == {"sa": 2}


@pytest.mark.parametrize(
    ("changed", "same"),
    [({}, 1), ({"trials": 479}, math.nan), ({"excluded": {"cancelled": 1}}, math.nan)],
)
def test_the_best_operators_row_is_a_reference_where_it_says_the_same(
    make_area: Callable[..., AreaSummary], changed: dict[str, object], same: float
) -> None:
    by_operator = {
        "any": read_rows([make_area("1", best_operator="A")], {"1": 0}),
        "A": read_rows([make_area("1", operator="A", **changed)], {"1": 0}),
    }
    layer = make_layer(by_operator["any"], by_operator, "any")
    assert layer.best.tolist() == [1]
    numpy.testing.assert_array_equal(layer.same, [same])
    assert len(layer.own.area) == (0 if same == 1 else 1)
    single = make_layer(by_operator["A"], by_operator, "A")
    assert numpy.isnan(single.same).all()
