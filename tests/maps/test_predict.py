"""What follows from other numbers is foretold, here and in the page, to the last step."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phusong.coverage.interval import quantile, wilson
from phusong.maps.predict import exact_share, high_of, left, low_of, share_of, times


def array(*numbers: float) -> numpy.ndarray:
    return numpy.array(numbers, dtype=float)


@settings(deadline=None)
@given(st.integers(1, 5_000), st.data())
def test_an_interval_of_wilsons_is_foretold(places: int, data: st.DataObject) -> None:
    passed = data.draw(st.integers(0, places))
    low, high = wilson(passed / places, places, 0.95)
    z = quantile(0.95)
    share, n = array(passed / places), array(places)
    kept = low_of(share, n, z, 10_000.0)
    assert kept[0] / 10_000 <= low + 1e-9
    assert low - kept[0] / 10_000 < 1.1e-4
    above = high_of(share, kept, n, z, 10_000.0)
    assert above[0] / 10_000 >= high - 1e-9
    assert above[0] / 10_000 - high < 1.1e-4


def test_an_upper_end_is_near_though_places_are_worth_half() -> None:
    low, high = wilson(0.9, 50, 0.95)
    share, steps = array(0.9), 10_000.0
    above = high_of(share, numpy.floor(array(low) * steps), array(100), quantile(0.95), steps)
    assert above[0] / steps == pytest.approx(high, abs=5e-4)


def test_shares_agree_with_attempts_or_stand_for_themselves() -> None:
    share = share_of(array(2, 1), array(3, 3), 200.0)
    assert share.tolist() == [133, 66]
    assert exact_share(array(133, 70), array(2, 1), array(3, 3), 200.0).tolist() == [2 / 3, 0.35]


def test_without_an_attempt_there_is_no_division_by_zero() -> None:
    assert share_of(array(0), array(0), 200.0).tolist() == [0]
    assert low_of(array(0), array(0), 1.96, 200.0).tolist() == [0]


def test_in_proportion_and_what_is_left() -> None:
    assert times(array(3, 5), 1.5).tolist() == [5, 8]
    assert left(array(70, 80), 73.0).tolist() == [3, 0]
