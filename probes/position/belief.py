"""
What of a receiver's reports may be believed.

Age is counted from when the receiver's own time last moved on, by this machine's monotonic
clock: a receiver that lost its satellites and repeats its last place grows old, and a wall
clock that is wrong or set changes nothing. A jump is a place that could not be reached from
the one before at `MAX_SPEED_MPS`, both accuracies allowed for; which of the two was wrong
cannot be told at once, so the new place is believed when `_SETTLES` reports in a row agree on it.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime

from ...data.errors import RecordError
from ...data.sample import Position
from .fix import MAX_SPEED_MPS, STALE_AFTER_S, Fix, Problem

EARTH_RADIUS_M = 6_371_008.8
_SETTLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a receiver said once, as it said it; `mono_s` is when it was heard."""

    mono_s: float
    lon: float | None = None
    lat: float | None = None
    accuracy_m: float | None = None
    taken_at: datetime | None = None
    speed_mps: float | None = None
    mode: str = "none"


class Belief:
    """The newest of a receiver's reports, and what speaks against it."""

    def __init__(
        self,
        source: str,
        *,
        stale_after_s: float = STALE_AFTER_S,
        max_speed_mps: float = MAX_SPEED_MPS,
    ) -> None:
        self.source = source
        self.stale_after_s = stale_after_s
        self.max_speed_mps = max_speed_mps
        self._latest: Fix | None = None
        self._believed: Fix | None = None
        self._elsewhere: list[Fix] = []

    def hear(self, report: Report) -> None:
        """Take in a report: the next `fix` is about it."""
        last = self._latest
        if (
            last is not None
            and last.taken_at is not None
            and last.taken_at == report.taken_at
            and last.position is not None
        ):
            # The receiver's clock stands still: this is the last place again, not a new one,
            # perhaps told in parts of which only one has the accuracy.
            accuracy_m = report.accuracy_m
            if accuracy_m is None:
                accuracy_m = last.position.accuracy_m
            report = replace(report, mono_s=last.mono_s, accuracy_m=accuracy_m)
        fix = self._read(report)
        if fix.problem is None:
            fix = self._weigh(fix)
        self._latest = fix

    def fix(self, now_s: float, *, connected: bool = True) -> Fix:
        """Give the newest fix as it stands at a moment of the monotonic clock."""
        fix = self._latest
        if fix is None:
            problem = Problem.NO_FIX if connected else Problem.NOT_CONNECTED
            return Fix(mono_s=now_s, problem=problem)
        age_s = max(0.0, now_s - fix.mono_s)
        if fix.position is not None:
            fix = replace(fix, position=replace(fix.position, age_s=round(age_s, 3)))
        if age_s > self.stale_after_s:
            return replace(fix, problem=Problem.STALE if connected else Problem.NOT_CONNECTED)
        return fix

    def _read(self, report: Report) -> Fix:
        fix = Fix(
            taken_at=report.taken_at,
            mono_s=report.mono_s,
            speed_mps=report.speed_mps,
            mode=report.mode,
            problem=Problem.NO_FIX,
        )
        if report.mode == "none" or report.lon is None or report.lat is None:
            return fix
        try:
            position = Position(
                lon=report.lon, lat=report.lat, accuracy_m=report.accuracy_m, source=self.source
            )
        except RecordError:
            return replace(fix, problem=Problem.IMPOSSIBLE)
        return replace(fix, position=position, problem=None)

    def _weigh(self, fix: Fix) -> Fix:
        if self._believed is None or self._is_near(self._believed, fix):
            self._believed, self._elsewhere = fix, []
            return fix
        if self._elsewhere and not self._is_near(self._elsewhere[-1], fix):
            self._elsewhere = []
        if not self._elsewhere or self._elsewhere[-1].mono_s < fix.mono_s:
            self._elsewhere.append(fix)
        if len(self._elsewhere) >= _SETTLES:
            self._believed, self._elsewhere = fix, []
            return fix
        return replace(fix, problem=Problem.JUMP)

    def _is_near(self, before: Fix, after: Fix) -> bool:
        first, last = before.position, after.position
        assert first is not None
        assert last is not None
        slack_m = (first.accuracy_m or 0.0) + (last.accuracy_m or 0.0)
        return distance_m(first, last) - slack_m <= self.max_speed_mps * _seconds(before, after)


def distance_m(first: Position, last: Position) -> float:
    """Give the great-circle distance of two places, in metres (haversine, mean radius)."""
    south, north = math.radians(first.lat), math.radians(last.lat)
    half = (
        math.sin((north - south) / 2) ** 2
        + math.cos(south) * math.cos(north) * math.sin(math.radians(last.lon - first.lon) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(half)))


def _seconds(before: Fix, after: Fix) -> float:
    """Give the time between two fixes: the receiver's own where it tells, never under a second."""
    passed = after.mono_s - before.mono_s
    if before.taken_at is not None and after.taken_at is not None:
        own = (after.taken_at - before.taken_at).total_seconds()
        if own > 0:
            passed = own
    return max(1.0, passed)
