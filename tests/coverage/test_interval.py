"""Intervals against published and hand-worked numbers."""

import pytest

from phusong.coverage.interval import (
    Spread,
    clopper_pearson,
    effective_places,
    order_statistics,
    quantile,
    wilson,
)

# Two-sided 95 %, all of n pass: the lower end by Wilson and by Clopper-Pearson.
ALL_PASS = [
    (5, 0.566, 0.478),
    (10, 0.722, 0.692),
    (20, 0.839, 0.832),
    (30, 0.886, 0.884),
    (50, 0.929, 0.929),
    (100, 0.963, 0.964),
    (300, 0.987, 0.988),
    (1500, 0.997, 0.998),
]


@pytest.mark.parametrize(("n", "by_wilson", "exactly"), ALL_PASS)
def test_lower_ends_are_those_of_the_table(n: int, by_wilson: float, exactly: float) -> None:
    assert round(wilson(1.0, n, 0.95)[0], 3) == by_wilson
    assert round(clopper_pearson(1.0, n, 0.95)[0], 3) == exactly


def test_z_of_95_percent_is_the_tables() -> None:
    assert quantile(0.95) == pytest.approx(1.959964, abs=1e-6)


def test_wilson_of_95_in_100_and_1425_in_1500() -> None:
    assert wilson(0.95, 100, 0.95) == pytest.approx((0.888, 0.978), abs=5e-4)
    assert wilson(0.95, 1500, 0.95) == pytest.approx((0.938, 0.960), abs=5e-4)


def test_exact_interval_of_5_in_10_is_the_published_one() -> None:
    assert clopper_pearson(0.5, 10, 0.95) == pytest.approx((0.1871, 0.8129), abs=1e-4)


def test_59_passes_show_95_percent_one_sided() -> None:
    assert clopper_pearson(1.0, 59, 0.90)[0] >= 0.95 > clopper_pearson(1.0, 58, 0.90)[0]


def test_nothing_passed_gives_the_mirror_of_everything_passed() -> None:
    for interval in (wilson, clopper_pearson):
        low, high = interval(0.0, 20, 0.95)
        assert (1 - high, 1 - low) == pytest.approx(interval(1.0, 20, 0.95))


def test_variance_is_that_of_the_mean_of_place_rates() -> None:
    # Rates 1, 1, 0.5, 0.5: mean 0.75, sample variance 0.25/3 = 1/12, of the mean 1/48.
    spread = Spread(places=4, total=3.0, squares=2.5)
    assert spread.share == 0.75
    assert spread.variance == pytest.approx(1 / 48)
    # p(1-p)/var = 0.1875 * 48 = 9, which is more than there are places.
    assert effective_places(spread) == 4.0


def test_places_that_are_all_or_nothing_are_worth_almost_all_of_their_number() -> None:
    # Ten places, five pass: var = (10 * 0.25 / 9) / 10 = 0.25/9, so n_eff = 9.
    assert effective_places(Spread(10, 5.0, 5.0)) == pytest.approx(9.0)


def test_effective_places_are_at_least_one_and_all_of_them_at_the_ends() -> None:
    assert effective_places(Spread(1, 0.5, 0.25)) == 1.0
    assert effective_places(Spread(2, 1.0, 1.0)) == 1.0
    assert effective_places(Spread(30, 30.0, 30.0)) == 30.0
    assert effective_places(Spread(30, 0.0, 0.0)) == 30.0


@pytest.mark.parametrize(
    ("n", "ranks"), [(5, None), (6, (1, 6)), (10, (2, 9)), (20, (6, 15)), (50, (18, 33))]
)
def test_the_median_lies_between_the_published_order_statistics(
    n: int, ranks: tuple[int, int] | None
) -> None:
    assert order_statistics(n, 0.95) == ranks
