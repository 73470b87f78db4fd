"""Which samples a map shows as points when it cannot show all."""

from collections.abc import Callable

from phusong.data.sample import Outcome, Position, Sample
from phusong.data.sample_points import sample_points
from phusong.data.store import Store

MakeSample = Callable[..., Sample]


def fill(store: Store, make_sample: MakeSample, *, measured: int, simulated: int) -> None:
    for index in range(measured + simulated):
        position = Position(lon=105 + index / 1000, lat=21)
        store.append([make_sample(simulated=index >= measured, position=position)])


def test_every_sample_with_a_position_is_a_point(store: Store, make_sample: MakeSample) -> None:
    failed = make_sample(outcome=Outcome.TIMEOUT, reading=None)
    store.append([make_sample(), failed, make_sample(position=None)])
    points = sample_points(store, most=10)
    assert sorted(points.ok) == [False, True]
    assert (points.lon, points.lat) == ((105.85, 105.85), (21.03, 21.03))
    assert (points.measured_total, points.simulated_total) == (2, 0)


def test_measured_samples_are_not_lost_among_simulated_ones(
    store: Store, make_sample: MakeSample
) -> None:
    fill(store, make_sample, measured=3, simulated=40)
    points = sample_points(store, most=10)
    assert points.simulated.count(False) == 3
    assert points.simulated.count(True) == 7
    assert (points.measured_total, points.simulated_total) == (3, 40)


def test_the_same_points_are_chosen_every_time_and_more_of_them_hold_the_fewer(
    store: Store, make_sample: MakeSample
) -> None:
    fill(store, make_sample, measured=30, simulated=0)
    ten = sample_points(store, most=10)
    assert ten == sample_points(store, most=10)
    assert set(ten.lon) < set(sample_points(store, most=20).lon)


def test_an_empty_store_gives_no_points(store: Store) -> None:
    points = sample_points(store, most=10)
    assert points.lon == ()
    assert points.measured_total == 0
