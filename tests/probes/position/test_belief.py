"""What may be believed of a receiver: age, jumps, places that cannot be."""

from datetime import UTC, datetime, timedelta

import pytest

from phusong.data.errors import ConfigError
from phusong.data.sample import Position
from phusong.probes.position.belief import Belief, Report, distance_m
from phusong.probes.position.registry import open_position

START = datetime(2026, 7, 1, 1, 30, tzinfo=UTC)


def report(second: float, lon: float = 105.85, lat: float = 21.03, **changes: object) -> Report:
    values = {
        "mono_s": 100 + second,
        "lon": lon,
        "lat": lat,
        "accuracy_m": 5.0,
        "taken_at": START + timedelta(seconds=second),
        "mode": "3d",
    }
    return Report(**(values | changes))  # type: ignore[arg-type]


def test_a_fresh_fix_has_its_age_and_nothing_against_it() -> None:
    belief = Belief("gpsd")
    belief.hear(report(0))
    fix = belief.fix(102.5)
    assert fix.problem is None
    assert fix.usable == Position(lon=105.85, lat=21.03, accuracy_m=5.0, age_s=2.5, source="gpsd")


def test_a_fix_older_than_ten_seconds_is_stale_and_still_shown() -> None:
    belief = Belief("gpsd")
    belief.hear(report(0))
    assert belief.fix(110.0).problem is None
    fix = belief.fix(110.1)
    assert fix.problem == "stale"
    assert fix.usable is None
    assert fix.position is not None
    assert fix.position.age_s == pytest.approx(10.1)


def test_a_receiver_that_repeats_its_last_place_grows_old() -> None:
    belief = Belief("gpsd")
    belief.hear(report(0))
    for second in range(1, 15):
        belief.hear(report(second, taken_at=START))
    assert belief.fix(115).problem == "stale"


def test_a_receiver_that_lost_its_satellites_has_no_fix_at_once() -> None:
    belief = Belief("gpsd")
    belief.hear(report(0))
    belief.hear(Report(mono_s=101, mode="none"))
    fix = belief.fix(101.5)
    assert (fix.problem, fix.position) == ("no_fix", None)


def test_what_was_never_reached_is_told_from_what_has_no_fix() -> None:
    assert Belief("gpsd").fix(1.0, connected=False).problem == "not_connected"
    assert Belief("gpsd").fix(1.0).problem == "no_fix"


@pytest.mark.parametrize(("lon", "lat"), [(0.0, 0.0), (21.03, 105.85), (181.0, 10.0)])
def test_an_impossible_place_is_said_and_not_used(lon: float, lat: float) -> None:
    belief = Belief("gpsd")
    belief.hear(report(0, lon, lat))
    fix = belief.fix(100.0)
    assert (fix.problem, fix.position) == ("impossible", None)


def test_a_jump_is_flagged_and_the_place_before_it_is_believed_again() -> None:
    belief = Belief("gpsd")
    belief.hear(report(0))
    # 0.01 degrees of longitude are 1,038 m at 21.03 degrees north: 1 km in one second.
    belief.hear(report(1, lon=105.86))
    assert belief.fix(101).problem == "jump"
    assert belief.fix(101).usable is None
    belief.hear(report(2))
    assert belief.fix(102).problem is None


def test_a_place_that_stays_where_it_jumped_to_is_believed_after_five_reports() -> None:
    belief = Belief("gpsd")
    belief.hear(report(0))
    problems = []
    for second in range(1, 7):
        belief.hear(report(second, lon=106.85))
        problems.append(belief.fix(100 + second).problem)
    assert problems == ["jump"] * 4 + [None, None]


def test_a_drive_on_the_motorway_is_no_jump_and_a_poor_accuracy_gives_slack() -> None:
    belief = Belief("gpsd")
    for second in range(30):
        belief.hear(report(second, lon=105.85 + second * 35 / 103_800))
        assert belief.fix(100 + second).problem is None
    belief.hear(report(30, lon=105.86 + 29 * 35 / 103_800, accuracy_m=1_000.0))
    assert belief.fix(130).problem is None


def test_a_long_way_after_a_long_silence_is_no_jump() -> None:
    belief = Belief("gpsd")
    belief.hear(report(0))
    belief.hear(report(3600, lon=106.85))
    assert belief.fix(3700).problem is None


def test_a_wall_clock_set_back_changes_no_age() -> None:
    belief = Belief("gpsd")
    belief.hear(report(0))
    belief.hear(report(1, taken_at=START - timedelta(days=2)))
    fix = belief.fix(101.5)
    assert (fix.problem, fix.position and fix.position.age_s) == (None, 0.5)


def test_distance_is_that_of_the_haversine() -> None:
    # One degree of latitude on the mean sphere: 6371.0088 km * pi / 180.
    first, last = Position(lon=105.0, lat=20.0), Position(lon=105.0, lat=21.0)
    assert distance_m(first, last) == pytest.approx(111_195.08, abs=0.01)


def test_a_named_place_is_always_there() -> None:
    source = open_position("105.85, 21.03")
    assert source.current().usable == Position(lon=105.85, lat=21.03, age_s=0.0, source="fixed")
    source.close()
    nowhere = open_position("none")
    assert nowhere.current().problem == "no_fix"
    nowhere.close()


@pytest.mark.parametrize(
    "spec",
    ["", "gps", "gpsd:host:99999", "gpsd:a:b:c", "nmea:", "nmea:/no/such/file", "serial:",
     "serial:/dev/ttyUSB0@fast", "21.03,105.85", "0,0", "1e2,3", "105.85", "NONE"],
)  # fmt: skip
def test_a_word_that_is_no_source_is_refused_with_what_to_write(spec: str) -> None:
    with pytest.raises(ConfigError):
        open_position(spec)


def test_a_gpsd_that_is_not_there_is_no_error_but_said() -> None:
    source = open_position("gpsd:[::1]:1")
    assert source.current().problem == "not_connected"
    source.close()
