"""From counters to a rate."""

import pytest

from phusong.data.sample import Outcome
from phusong.probes.engines.ramp import Point, cut_ramp
from phusong.probes.interface import AttemptError


def test_the_ramp_is_the_first_quarter_of_a_short_test() -> None:
    # 0.1 MB in the first second, then 1 MB a second: 3 MB in the 3 s that count.
    window = cut_ramp([Point(0, 0), Point(1, 100_000), Point(2, 1_100_000), Point(4, 3_100_000)])
    assert (window.start_s, window.end_s, window.count) == (1, 4, 3_000_000)
    assert window.mbps == 8.0


def test_the_ramp_of_a_long_test_is_two_seconds() -> None:
    # 10 s at 1.25 MB/s from second 2 on: 10 Mbit/s, whatever came before.
    points = [Point(0, 0), *(Point(s, 500_000 + 1_250_000 * (s - 2)) for s in range(2, 11))]
    window = cut_ramp(points)
    assert (window.start_s, window.end_s) == (2, 10)
    assert window.mbps == 10.0


def test_silence_at_the_end_counts() -> None:
    window = cut_ramp([Point(0, 0), Point(1, 1_000_000), Point(2, 2_000_000), Point(4, 2_000_000)])
    assert window.mbps == pytest.approx(8 / 3)


@pytest.mark.parametrize(
    "points",
    [
        [],
        [Point(0, 0)],
        [Point(0, 0), Point(0, 10)],
        [Point(0, 0), Point(1, 500), Point(2, 500), Point(4, 500)],
        [Point(0, 10), Point(4, 0)],
    ],
)
def test_nothing_in_the_window_is_stalled_and_not_zero(points: list[Point]) -> None:
    with pytest.raises(AttemptError) as ended:
        cut_ramp(points)
    assert ended.value.outcome is Outcome.STALLED
