"""From counters of a known rate to a rate, an interval and the decision to stop."""

import random
from collections.abc import Callable
from itertools import accumulate, pairwise

import pytest

from phusong.data.sample import Outcome
from phusong.probes.engines.estimate import (
    Estimate,
    Point,
    common_points,
    estimate,
    is_enough,
    payload_share,
    series,
    shortest_s,
    with_held,
)
from phusong.probes.interface import AttemptError

STEP_S = 0.02


def counter(rate_mbps: Callable[[float], float], seconds: float) -> list[Point]:
    """Count a rate that changes with time, every 20 ms."""
    steps = round(seconds / STEP_S)
    moved = accumulate(rate_mbps(i * STEP_S) * 1e6 / 8 * STEP_S for i in range(steps))
    return [Point(0, 0), *(Point((i + 1) * STEP_S, round(n)) for i, n in enumerate(moved))]


def slow_start(full_mbps: float, rtt_s: float) -> Callable[[float], float]:
    """Double the rate each round trip from ten segments on."""
    first = 10 * 1448 * 8 / rtt_s / 1e6
    return lambda at_s: min(full_mbps, first * 2 ** (at_s / rtt_s))


def within(seen: Estimate, mbps: float, share: float) -> bool:
    return abs(seen.mbps - mbps) <= share * mbps


@pytest.mark.parametrize("mbps", [0.3, 5, 100, 1000, 9000])
@pytest.mark.parametrize("seconds", [2, 10])
def test_a_steady_rate_is_that_rate(mbps: float, seconds: float) -> None:
    seen = estimate(counter(lambda at_s: mbps, seconds))
    assert within(seen, mbps, 0.0002)
    assert seen.low_mbps is not None
    assert seen.high_mbps is not None
    assert seen.low_mbps <= seen.mbps <= seen.high_mbps


@pytest.mark.parametrize("rtt_s", [0.005, 0.03, 0.1])
@pytest.mark.parametrize("mbps", [5, 100, 1000])
def test_slow_start_is_not_averaged_in(rtt_s: float, mbps: float) -> None:
    points = counter(slow_start(mbps, rtt_s), shortest_s(rtt_s))
    assert within(estimate(points, rtt_s=rtt_s), mbps, 0.002)
    # What a mean from the first byte would have said of the fast link far away.
    if (rtt_s, mbps) == (0.1, 1000):
        assert points[-1].count * 8e-6 / points[-1].at_s < 0.95 * mbps


def test_a_noisy_rate_lies_in_its_interval_about_as_often_as_promised() -> None:
    hits = 0
    for seed in range(200):
        draw = random.Random(seed)
        seen = estimate(counter(lambda at_s, draw=draw: 50 * draw.uniform(0.4, 1.6), 3))
        assert seen.low_mbps is not None
        assert seen.high_mbps is not None
        hits += seen.low_mbps <= 50 <= seen.high_mbps
    assert 176 <= hits <= 200


def test_neighbours_that_go_together_widen_the_interval() -> None:
    def width(hold_s: float) -> float:
        def rate(at_s: float) -> float:
            return 50 * random.Random(int(at_s / hold_s)).uniform(0.5, 1.5)

        found = estimate(counter(rate, 6)).width()
        assert found is not None
        return found

    assert width(0.6) > 1.5 * width(0.02)


def late_credit(mbps: float, hole: tuple[float, float], seconds: float) -> list[Point]:
    """Hold back what arrives behind a hole until it is filled, as a receiver's kernel does."""
    plain = counter(lambda at_s: mbps, seconds)
    start, end = hole
    held = next(point.count for point in plain if point.at_s >= start)
    return [Point(point.at_s, held) if start <= point.at_s < end else point for point in plain]


@pytest.mark.parametrize("hole", [(0.1, 0.5), (0.24, 0.46), (0.3, 0.7), (0.9, 1.1), (1.7, 2.1)])
@pytest.mark.parametrize("seconds", [2.2, 5])
def test_data_that_was_credited_late_is_not_counted_twice(
    hole: tuple[float, float], seconds: float
) -> None:
    seen = estimate(late_credit(20, hole, seconds), rtt_s=0.03)
    assert within(seen, 20, 0.01)


def test_a_credit_at_the_edge_of_the_ramp_belongs_to_the_ramp() -> None:
    # The ramp loses a window: half a second of nothing, then 0.5 MB at once, then 8 Mbit/s.
    ramp = [Point(0, 0), Point(0.1, 50_000), *(Point(0.1 + i / 50, 50_000) for i in range(1, 25))]
    steady = [Point(0.6 + i / 50, 550_000 + i * 20_000) for i in range(120)]
    assert within(estimate([*ramp, *steady], rtt_s=0.03), 8, 0.005)


def test_what_a_hole_of_the_ramp_gives_back_is_the_ramps() -> None:
    # Half a second at half the rate, then what it was waiting for: 0.2 s at twice the rate.
    def rate(at_s: float) -> float:
        return 10 if at_s < 0.1 else 50 if at_s < 0.5 else 200 if at_s < 0.7 else 100

    seen = estimate(counter(rate, 2.5), rtt_s=0.03)
    assert within(seen, 100, 0.001)
    assert seen.start_s == pytest.approx(0.7, abs=0.05)


def test_how_much_of_the_memory_is_payload_is_read_from_what_filling_a_hole_credits() -> None:
    # 100 bytes a second; those of the second one wait in 200 bytes of memory: half is payload.
    points = [Point(0, 0), Point(1, 100), Point(2, 100, 200), Point(3, 300), Point(4, 400)]
    assert payload_share(points) == pytest.approx(0.5)
    assert [point.count for point in with_held(points)] == [0, 100, 200, 300, 400]


@pytest.mark.parametrize(("memory", "share"), [(50, 1.0), (0, 0.0)])
def test_no_more_than_the_memory_itself_is_counted(memory: int, share: float) -> None:
    points = [Point(0, 0), Point(1, 0, memory), Point(2, 200), Point(3, 300)]
    assert payload_share(points) == share


def test_memory_that_no_hole_explains_adds_nothing() -> None:
    # A reader that is late: memory comes and goes, and the count rises all the same.
    points = [Point(i, 100 * i, 500 if i % 3 else 0) for i in range(30)]
    assert payload_share(points) == pytest.approx(0, abs=0.01)


def test_what_waits_behind_the_last_hole_is_counted() -> None:
    # Holes of 60 ms all the time and one of 0.3 s that is still open at the end of the test.
    plain = counter(lambda at_s: 80, 2.5)
    points, credited = [], 0
    for i, point in enumerate(plain):
        if i % 3 == 0 and point.at_s < 2.2:
            credited = point.count
        points.append(Point(point.at_s, credited, round((point.count - credited) / 0.6)))
    assert within(estimate(with_held(points), rtt_s=0.03), 80, 0.001)
    assert not within(estimate([Point(p.at_s, p.count) for p in points], rtt_s=0.03), 80, 0.01)


def test_a_link_that_slows_down_keeps_what_it_carried_before() -> None:
    seen = estimate(counter(lambda at_s: 100 if at_s < 1 else 80, 2.5), rtt_s=0.03)
    assert 84 < seen.mbps < 90
    assert seen.start_s < 0.3


def test_a_pause_of_bbr_at_the_end_hardly_matters() -> None:
    # PROBE_RTT: 200 ms with four segments on their way, ten seconds after the least round trip.
    points = counter(lambda at_s: 1 if at_s >= 9.8 else 100, 10)
    assert within(estimate(points, rtt_s=0.1), 100, 0.006)


def test_a_pause_in_the_middle_costs_what_it_took_and_shows_in_the_interval() -> None:
    points = counter(lambda at_s: 1 if 5.0 <= at_s < 5.2 else 100, 10)
    seen = estimate(points, rtt_s=0.1)
    assert within(seen, 98, 0.01)
    assert seen.high_mbps is not None
    assert seen.high_mbps > 99


def test_silence_after_the_ramp_counts() -> None:
    seen = estimate(counter(lambda at_s: 10 if at_s < 3 else 0, 4))
    assert 6 < seen.mbps < 9.5


def test_a_steady_short_test_is_enough_and_a_noisy_one_is_not() -> None:
    steady = estimate(counter(lambda at_s: 100, 2.6), rtt_s=0.03)
    assert is_enough(steady, 2.6, rtt_s=0.03, wish=0.02)
    assert not is_enough(steady, 2.4, rtt_s=0.03, wish=0.02)
    assert not is_enough(steady, 2.6, rtt_s=0.1, wish=0.02)
    draw = random.Random(1)
    noisy = estimate(counter(lambda at_s: 100 * draw.choice([0.2, 1.8]), 2.6), rtt_s=0.03)
    assert not is_enough(noisy, 2.6, rtt_s=0.03, wish=0.02)


def test_the_shortest_time_grows_with_the_round_trip() -> None:
    assert [shortest_s(rtt) for rtt in (0, 0.03, 0.1, 3)] == pytest.approx([2.5, 2.5, 5.02, 8])


@pytest.mark.parametrize(
    "points",
    [
        [],
        [Point(0, 0)],
        [Point(0, 0), Point(0, 10)],
        [Point(0, 0), Point(4, 0)],
        [Point(0, 10), Point(4, 0)],
    ],
)
def test_nothing_after_the_ramp_is_stalled_and_not_zero(points: list[Point]) -> None:
    with pytest.raises(AttemptError) as ended:
        estimate(points)
    assert ended.value.outcome is Outcome.STALLED


def test_too_few_counts_give_a_rate_without_an_interval() -> None:
    seen = estimate([Point(0, 0), Point(0.5, 500_000), Point(1, 1_000_000)])
    assert (seen.low_mbps, seen.high_mbps, seen.width()) == (None, None, None)
    assert within(seen, 8, 0.001)


def test_flows_are_added_up_at_common_times_to_the_earliest_last() -> None:
    # By hand: at 1 s 100 + 300, at 2 s 200 + 600 (between its readings at 1 and 3 s).
    one = [Point(0, 0), Point(1, 100), Point(2, 200)]
    other = [Point(1, 300), Point(3, 900)]
    assert common_points([one, other], 1.0) == [Point(1, 400), Point(2, 800)]


@pytest.mark.parametrize("flows", [[], [[]], [[Point(0, 1)], []], [[Point(0, 1)], [Point(2, 3)]]])
def test_flows_without_a_common_time_have_no_sum(flows: list[list[Point]]) -> None:
    assert len(common_points(flows, 0.02)) <= 1


def test_the_series_that_is_kept_gives_the_counts_back() -> None:
    points = counter(slow_start(20, 0.05), 10)
    kept = series(points)
    steps = kept["bytes"]
    assert isinstance(steps, list)
    assert len(steps) == 500
    assert kept["first_bytes"] + sum(steps) == pytest.approx(points[-1].count, rel=0.001)
    assert kept["every_ms"] == 20
    assert len(series(counter(lambda at_s: 8, 60))["bytes"]) <= 500
    assert series(points[:1]) == {}
    assert all(after >= before for before, after in pairwise(accumulate(steps)))
