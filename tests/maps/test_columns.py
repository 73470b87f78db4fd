"""Results as columns: every area once, and nothing measured is never a zero."""

from collections.abc import Callable

import pytest

from phusong.coverage.summary import AreaSummary, Result, Verdict
from phusong.data.errors import MapError
from phusong.maps.columns import layer_columns, nr_counts, operators_of, row_of, sample_counts


def test_untouched_areas_take_no_row_and_keep_what_they_need(
    make_area: Callable[..., AreaSummary],
) -> None:
    areas = [
        make_area("1"),
        make_area("2", Verdict.NO_DATA, further_places=73),
        make_area("3", Verdict.NO_DATA, further_places=73),
    ]
    columns = layer_columns(areas, {"1": 0, "2": 1, "3": 2}, ["any"])
    assert columns["area"] == [0]
    assert columns["blank"]["further_places"] == 73
    assert columns["blank"]["share"] is None


def test_an_area_with_excluded_samples_only_keeps_its_row(
    make_area: Callable[..., AreaSummary],
) -> None:
    areas = [
        make_area("1", Verdict.NO_DATA),
        make_area("2", Verdict.NO_DATA, samples=4, excluded={"cancelled": 4}),
    ]
    columns = layer_columns(areas, {"1": 0, "2": 1}, ["any"])
    assert columns["area"] == [1]
    assert columns["excluded"] == {"cancelled": [4]}


def test_what_was_not_measured_is_null(make_area: Callable[..., AreaSummary]) -> None:
    columns = layer_columns([make_area("1")], {"1": 0}, ["any"])
    assert columns["down_mbps_median"] == [None]


def test_rows_stand_in_the_order_of_the_shapes(make_area: Callable[..., AreaSummary]) -> None:
    areas = [make_area("b", trials=2), make_area("a", trials=1)]
    columns = layer_columns(areas, {"a": 0, "b": 1}, ["any"])
    assert (columns["area"], columns["trials"]) == ([0, 1], [1, 2])


def test_an_area_without_a_shape_is_named(make_area: Callable[..., AreaSummary]) -> None:
    with pytest.raises(MapError, match="area 9 of the result has no shape"):
        layer_columns([make_area("9")], {"1": 0}, ["any"])


def test_an_area_that_stands_twice_is_named(make_area: Callable[..., AreaSummary]) -> None:
    with pytest.raises(MapError, match="area 1 stands twice"):
        layer_columns([make_area("1"), make_area("1")], {"1": 0}, ["any"])


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


def test_the_best_operators_row_is_a_reference_and_only_any_operators_rows_refer(
    make_area: Callable[..., AreaSummary],
) -> None:
    own = make_area("1", operator="A", best_operator="A")
    rows_of = {"A": {"1": row_of(own)}}
    names = ["any", "A"]
    best = layer_columns([make_area("1", best_operator="A")], {"1": 0}, names, rows_of)
    assert (best["same"], best["best"], best["trials"]) == ([1], [1], [])
    single = layer_columns([own], {"1": 0}, names, rows_of)
    assert (single["same"], single["trials"]) == ([None], [480])
