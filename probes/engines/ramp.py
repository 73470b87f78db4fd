"""
From counters over time to one rate, without the ramp.

A TCP connection begins slowly, so a mean from the first byte reads low, the more so the longer
the round trip. The rule here is deliberately plain: leave out the first quarter of the time, at
most two seconds. It is named in every record; a result under another rule carries another
name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ...data.sample import Outcome
from ..interface import AttemptError

RULE = "skip_first_quarter_at_most_2_s"
_SHARE = 0.25
_AT_MOST_S = 2.0


@dataclass(frozen=True, slots=True)
class Point:
    """Bytes received so far, at a time in seconds since the test began."""

    at_s: float
    count: int


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a test that counts."""

    start_s: float
    end_s: float
    count: int

    @property
    def mbps(self) -> float:
        """Give the mean rate in Mbit/s."""
        return self.count * 8 / (self.end_s - self.start_s) / 1e6


def cut_ramp(points: Sequence[Point]) -> Window:
    """
    Give the window after the ramp.

    It begins at the first point after the ramp's time and ends at the last point.

    Raises
    ------
    AttemptError
        `STALLED`, if nothing arrived in the window or no window is left.
    """
    if len(points) >= 2:
        first, last = points[0], points[-1]
        ramp_s = min(_SHARE * (last.at_s - first.at_s), _AT_MOST_S)
        begin = next(point for point in points if point.at_s >= first.at_s + ramp_s)
        if last.at_s > begin.at_s and last.count > begin.count:
            return Window(begin.at_s, last.at_s, last.count - begin.count)
    raise AttemptError(Outcome.STALLED, "stalled")
