"""When a visit is due."""

import random
import statistics
from datetime import time as day_time
from datetime import timedelta

import pytest

from phusong.probes.agent.ground import Places, bearing_deg, distance_m, is_inside, wind
from phusong.probes.agent.pace import AT_REST_S, Drive, Fixed, Pace, Scattered
from phusong.probes.position.fix import Fix

from .conftest import Receiver, Time


def gaps(pace: Pace, clock: Time, visits: int, fix: Fix | None = None) -> list[float]:
    """Give the seconds between visits that a pace asks for."""
    found = []
    for _ in range(visits):
        began = clock.boot_s
        while (wait := pace.waits(clock.now(), fix)) is not None:
            clock.sleep(wait.seconds or 1.0)
        found.append(clock.boot_s - began)
        pace.made(clock.now(), fix, refused=False)
    return found


def test_on_the_way_a_visit_comes_after_so_many_seconds(clock: Time) -> None:
    receiver, pace, found = Receiver(), Drive(every_s=30), []
    for _ in range(4):
        found += gaps(pace, clock, 1, receiver.current())
        receiver.move_east(500)
    assert found == [0, 30, 30, 30]


def test_at_rest_it_thins_itself_and_never_stops(clock: Time) -> None:
    here = Receiver().current()
    assert gaps(Drive(every_s=60), clock, 8, here) == [0, 60, 120, 240, 480, 900, 900, 900]
    assert AT_REST_S == 900


def test_leaving_a_place_ends_the_rest_at_once(clock: Time) -> None:
    receiver, pace = Receiver(), Drive(every_s=60)
    gaps(pace, clock, 6, receiver.current())
    receiver.move_east(100)
    assert gaps(pace, clock, 1, receiver.current())[0] <= 60


def test_metres_count_where_they_are_asked_for(clock: Time) -> None:
    receiver, pace = Receiver(), Drive(every_m=200)
    gaps(pace, clock, 1, receiver.current())
    clock.sleep(3600)
    receiver.move_east(150)
    wait = pace.waits(clock.now(), receiver.current())
    assert wait
    assert wait.metres == pytest.approx(50, abs=1)
    assert wait.seconds is None
    receiver.move_east(60)
    assert pace.waits(clock.now(), receiver.current()) is None


def test_of_seconds_and_metres_the_first_counts(clock: Time) -> None:
    receiver, pace = Receiver(), Drive(every_s=60, every_m=1000)
    gaps(pace, clock, 1, receiver.current())
    receiver.move_east(500)
    assert gaps(pace, clock, 1, receiver.current()) == [60]
    receiver.move_east(1010)
    assert gaps(pace, clock, 1, receiver.current()) == [0]


def test_without_a_position_metres_give_way_to_seconds(clock: Time) -> None:
    lost = Receiver(problem="stale").current()
    assert gaps(Drive(every_m=200), clock, 3, lost) == [0, 60, 60]


def test_unattended_waits_follow_the_rule_of_ndt7(clock: Time) -> None:
    waits = gaps(Scattered(mean_s=21_600, chance=random.Random(5)), clock, 4001)[1:]
    assert min(waits) == pytest.approx(2_160)
    assert max(waits) == pytest.approx(54_000)
    # An exponential clamped to [0.1, 2.5] of its mean m has the mean
    # m * (0.1 + exp(-0.1) - exp(-2.5)) = 0.92275 m.
    assert statistics.fmean(waits) == pytest.approx(0.92275 * 21_600, rel=0.03)
    shares = [sum(w < limit for w in waits) / len(waits) for limit in (2_161, 53_999)]
    assert shares[0] == pytest.approx(0.0952, abs=0.02)
    assert 1 - shares[1] == pytest.approx(0.0821, abs=0.02)


def test_a_far_end_that_refuses_is_left_alone_ever_longer(clock: Time) -> None:
    pace = Scattered(chance=random.Random(1))
    waits = []
    for _ in range(7):
        pace.made(clock.now(), None, refused=True)
        wait = pace.waits(clock.now(), None)
        assert wait
        assert wait.seconds
        waits.append(wait.seconds)
        clock.sleep(wait.seconds)
    for seen, expected in zip(waits, (60, 120, 240, 480, 960, 960, 960), strict=True):
        assert seen == pytest.approx(expected, rel=0.25)
    pace.made(clock.now(), None, refused=False)
    pace.made(clock.now(), None, refused=True)
    wait = pace.waits(clock.now(), None)
    assert wait
    assert wait.seconds == pytest.approx(60, rel=0.25)


def local(clock: Time) -> day_time:
    return clock.at.astimezone().time()


def test_fixed_times_are_met_each_day(clock: Time) -> None:
    slots = [(clock.at.astimezone() + timedelta(hours=h)).time() for h in (1, 7)]
    pace = Fixed(sorted(slots))
    assert gaps(pace, clock, 4) == pytest.approx([3600, 21_600, 64_800, 21_600], abs=1)


def test_a_clock_set_back_does_not_repeat_a_fixed_time(clock: Time) -> None:
    slot = (clock.at.astimezone() + timedelta(hours=1)).time()
    pace = Fixed([slot])
    assert gaps(pace, clock, 1) == pytest.approx([3600], abs=1)
    clock.sleep(60)
    clock.set_clock(-600)
    assert gaps(pace, clock, 1)[0] > 80_000


def test_a_fixed_time_that_was_slept_through_is_not_made_up_for(clock: Time) -> None:
    pace = Fixed([(clock.at.astimezone() + timedelta(hours=1)).time()])
    assert pace.waits(clock.now(), None)
    clock.suspend(7200)
    wait = pace.waits(clock.now(), None)
    assert wait
    assert wait.seconds == pytest.approx(82_800, abs=1)


def test_distance_and_bearing_agree_with_published_ones() -> None:
    # A degree of a sphere of 6,371.0088 km is 111.195 km. Nashville to Los Angeles is the usual
    # example of the haversine: 2,887.26 km on a sphere of 6,372.8 km.
    assert distance_m((0, 0), (0, 1)) == pytest.approx(111_195, abs=1)
    airports = distance_m((-86.67, 36.12), (-118.40, 33.94))
    assert airports * 6372.8 / 6371.0088 == pytest.approx(2_887_260, abs=10)
    assert bearing_deg((105.0, 21.0), (105.0, 22.0)) == pytest.approx(0)
    assert bearing_deg((0.0, 0.0), (1.0, 0.0)) == pytest.approx(90)
    assert [wind(each) for each in (0, 44, 91, 180, 271, 350)] == ["N", "NE", "E", "S", "W", "N"]


def test_points_of_one_place_are_counted_once() -> None:
    places = Places()
    receiver = Receiver()
    seen = []
    for step in (0, 60, 60, 60, 5, 200):
        receiver.move_east(step)
        seen.append(places.add((receiver.lon, receiver.lat)))
    assert seen == [True, False, False, True, False, True]


def test_a_hole_in_a_polygon_is_outside() -> None:
    outer = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)]
    hole = [(1.0, 1.0), (3.0, 1.0), (3.0, 3.0), (1.0, 3.0)]
    assert is_inside((0.5, 0.5), [outer, hole])
    assert not is_inside((2.0, 2.0), [outer, hole])
    assert not is_inside((5.0, 2.0), [outer, hole])
