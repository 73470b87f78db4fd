"""
From counters over time to one rate, its interval, and whether that is enough.

The formula, `FORMULA` in every record:

1. *Holes.* The kernel credits data that came out of order only when the hole before it is
   filled. Until then it holds it in memory, and tells how much memory: `held`. That memory
   counts with the share of it that is payload, which depends on the network card and is found
   from the flow itself: when a hole is filled, as much is credited as memory is let go. It is
   the least-squares answer over all readings, between 0 and 1. Where a counter stands still all
   the same, what it gains next is counted as if it had come evenly since it stood still.
2. *Ramp.* Time is cut into slices of two round trips, at least 0.1 s. The level is the median
   rate of the slices of the second half; the ramp ends with the first slice that reaches 0.9 of
   it. Slices right after it that are above 1.1 of the level, while all so far is still below it,
   are credit for holes of the ramp, as no link carries more than it can: they belong to it. It
   ends at half of the time at the latest.
3. *Rate.* The mean of up to 20 equal batches of what is left, none shorter than a slice. The
   first and the last fifth weigh less, linearly: what the ramp left over, and a sender's pause
   that the end cuts, matter little.
4. *Interval.* Of eight batches or more, the 95 % interval of Student's t, wider by neighbours'
   correlation where that is positive.

Enough is: the half interval is within the wished share of the rate, and the time is past
`shortest_s`. BBR goes round its cycle of probing in eight round trips and may have to find the
link's rate again after losses: with a long round trip, two seconds tell too little.
"""

import math
import statistics
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from ...data.sample import Outcome
from ..interface import AttemptError

FORMULA = "tapered_mean_after_ramp_v3"
_SLICE_S = 0.1
_SLICE_RTTS = 2
_FEWEST_SLICES = 10
_LEVEL_SHARE, _CREDIT_SHARE = 0.9, 1.1
_FEWEST_BATCHES = 8
_MOST_BATCHES = 20
_TAPERED_SHARE = 0.2
_SHORTEST_S = 2.5
_SHORT_RTT_S = 0.03
_MORE_S_PER_RTT_S = 36.0
_LONGEST_WAIT_S = 8.0
# Student's t, two-sided 95 %, for 7 to 19 degrees of freedom.
_T95 = (2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093)


@dataclass(frozen=True, slots=True)
class Point:
    """
    Bytes received so far, at a time in seconds since the test began.

    `held` is the memory, in bytes, of what has come beside them and waits behind a hole.
    """

    at_s: float
    count: int
    held: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """
    A rate in Mbit/s and the window that it stands on.

    `low_mbps` and `high_mbps` are the 95 % interval, None where the window is too short for
    one; `count` is the bytes counted in the window.
    """

    mbps: float
    low_mbps: float | None
    high_mbps: float | None
    start_s: float
    end_s: float
    count: int
    batches: int

    def width(self) -> float | None:
        """Give half the interval as a share of the rate."""
        if self.low_mbps is None or self.high_mbps is None:
            return None
        return (self.high_mbps - self.low_mbps) / 2 / self.mbps


def shortest_s(rtt_s: float) -> float:
    """Give the time before which no interval, however narrow, ends a test."""
    more = max(0.0, rtt_s - _SHORT_RTT_S) * _MORE_S_PER_RTT_S
    return min(_LONGEST_WAIT_S, _SHORTEST_S + more)


def is_enough(seen: Estimate, elapsed_s: float, *, rtt_s: float, wish: float) -> bool:
    """Tell whether a test may end: the interval is as narrow as wished, and not too early."""
    width = seen.width()
    return width is not None and width <= wish and elapsed_s >= shortest_s(rtt_s)


def estimate(points: Sequence[Point], *, rtt_s: float = 0.0) -> Estimate:
    """
    Give the rate after the ramp.

    Raises
    ------
    AttemptError
        `STALLED`, if nothing arrived after the ramp or no window is left.
    """
    if len(points) < 2 or points[-1].at_s <= points[0].at_s:
        raise AttemptError(Outcome.STALLED, "stalled")
    points = without_holes(points)
    curve = _Curve(points)
    shortest = _slice_s(points, rtt_s)
    start_s = _ramp_end(curve, shortest)
    end_s = points[-1].at_s
    count = round(curve.at(end_s) - curve.at(start_s))
    if count <= 0:
        raise AttemptError(Outcome.STALLED, "stalled")
    rates = curve.rates(start_s, end_s, _batches(curve, start_s, end_s, shortest))
    batches = len(rates)
    weights = _weights(batches)
    total = sum(weights)
    rate = sum(w * r for w, r in zip(weights, rates, strict=True)) / total
    if rate <= 0:
        raise AttemptError(Outcome.STALLED, "stalled")
    half = None
    if batches >= _FEWEST_BATCHES:
        shape = math.sqrt(sum(w * w for w in weights)) / total
        half = _T95[batches - _FEWEST_BATCHES] * shape * _spread(rates)
    return Estimate(
        mbps=rate * 8e-6,
        low_mbps=None if half is None else max(0.0, rate - half) * 8e-6,
        high_mbps=None if half is None else (rate + half) * 8e-6,
        start_s=start_s,
        end_s=end_s,
        count=count,
        batches=batches,
    )


class _Curve:
    """A counter between its readings."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.points = points
        self._times = [point.at_s for point in points]

    def at(self, at_s: float) -> float:
        """Give the count at a time, on a straight line between neighbours."""
        right = bisect_right(self._times, at_s)
        if right == 0:
            return self.points[0].count
        if right == len(self.points):
            return self.points[-1].count
        before, after = self.points[right - 1], self.points[right]
        share = (at_s - before.at_s) / (after.at_s - before.at_s)
        return before.count + share * (after.count - before.count)

    def rates(self, start_s: float, end_s: float, parts: int) -> list[float]:
        """Give bytes a second in equal parts of a time."""
        step = (end_s - start_s) / parts
        counts = [self.at(start_s + i * step) for i in range(parts)] + [self.at(end_s)]
        return [(after - before) / step for before, after in pairwise(counts)]


def common_points(flows: Sequence[Sequence[Point]], step_s: float) -> list[Point]:
    """
    Add several flows' counters up at common times (RMBT's rule, with interpolation).

    From the moment at which all had begun to the earliest of their last readings.
    """
    if not flows or not all(flows):
        return []
    if len(flows) == 1:
        return list(flows[0])
    curves = [_Curve(without_holes(points)) for points in flows]
    start = max(points[0].at_s for points in flows)
    end = min(points[-1].at_s for points in flows)
    if end <= start:
        return []
    steps = max(1, math.ceil((end - start) / step_s - 1e-9))
    times = [start + (end - start) * i / steps for i in range(steps + 1)]
    return [Point(at_s, round(sum(curve.at(at_s) for curve in curves))) for at_s in times]


def with_held(points: Sequence[Point]) -> list[Point]:
    """Count what waits behind holes too; the counts never fall."""
    share = payload_share(points)
    counts = (point.count + round(share * point.held) for point in points)
    return [
        Point(point.at_s, count)
        for point, count in zip(points, accumulate(counts, max), strict=True)
    ]


def payload_share(points: Sequence[Point]) -> float:
    """Give how much of the memory held is payload: what makes the counts rise most evenly."""
    if len(points) < 2 or points[-1].at_s <= points[0].at_s:
        return 0.0
    rate = (points[-1].count - points[0].count) / (points[-1].at_s - points[0].at_s)
    against = square = 0.0
    for before, after in pairwise(points):
        more = after.held - before.held
        ahead = after.count - before.count - rate * (after.at_s - before.at_s)
        against -= more * ahead
        square += more * more
    return min(1.0, max(0.0, against / square)) if square else 0.0


def without_holes(points: Sequence[Point]) -> list[Point]:
    """Leave out the readings at which a counter had stood still since the one before."""
    if len(points) < 2:
        return list(points)
    inner = [point for before, point in pairwise(points[:-1]) if point.count > before.count]
    return [points[0], *inner, points[-1]]


def series(points: Sequence[Point], *, most: int = 500) -> dict[str, int | list[int]]:
    """
    Give a counter as it is kept: bytes in equal steps of time, `most` of them at the most.

    The counter at ``first_ms + k * every_ms`` is ``first_bytes`` plus the first k of ``bytes``.
    """
    if len(points) < 2:
        return {}
    curve = _Curve(points)
    first, last = points[0].at_s, points[-1].at_s
    every_ms = max(20, math.ceil((last - first) * 1000 / most))
    steps = max(1, int((last - first) * 1000 / every_ms))
    counts = [round(curve.at(first + i * every_ms / 1000)) for i in range(steps + 1)]
    return {
        "first_ms": round(first * 1000),
        "every_ms": every_ms,
        "first_bytes": counts[0],
        "bytes": [after - before for before, after in pairwise(counts)],
    }


def _slice_s(points: Sequence[Point], rtt_s: float) -> float:
    """Give the shortest time over which a mean says something."""
    gaps = [after.at_s - before.at_s for before, after in pairwise(points)]
    span = points[-1].at_s - points[0].at_s
    wanted = max(_SLICE_S, _SLICE_RTTS * rtt_s, 2 * statistics.median(gaps))
    return min(wanted, span / _FEWEST_SLICES)


def _ramp_end(curve: _Curve, slice_s: float) -> float:
    first, last = curve.points[0].at_s, curve.points[-1].at_s
    slices = max(2, math.floor((last - first) / slice_s + 1e-9))
    rates = curve.rates(first, last, slices)
    level = statistics.median(rates[slices // 2 :])
    half = slices // 2
    ramp = next((i + 1 for i in range(half) if rates[i] >= _LEVEL_SHARE * level), half)
    while (
        ramp < half
        and rates[ramp] > _CREDIT_SHARE * level
        and sum(rates[: ramp + 1]) <= level * (ramp + 1)
    ):
        ramp += 1
    return first + ramp * (last - first) / slices


def _batches(curve: _Curve, start_s: float, end_s: float, slice_s: float) -> int:
    """Give how many parts a window may be cut into: each with a slice's time and two readings."""
    readings = sum(point.at_s >= start_s for point in curve.points) - 1
    by_time = math.floor((end_s - start_s) / slice_s + 1e-9)
    return max(1, min(_MOST_BATCHES, by_time, readings // 2))


def _weights(batches: int) -> list[float]:
    edge = math.floor(_TAPERED_SHARE * batches) + 1
    return [min(1.0, (i + 1) / edge, (batches - i) / edge) for i in range(batches)]


def _spread(rates: Sequence[float]) -> float:
    """Give the standard deviation of batch means, wider where neighbours go together."""
    mean = statistics.fmean(rates)
    steps = [rate - mean for rate in rates]
    square = sum(step * step for step in steps)
    if square == 0:
        return 0.0
    together = sum(a * b for a, b in pairwise(steps)) / square
    wider = (1 + together) / (1 - together) if together > 0 else 1.0
    return math.sqrt(square / (len(rates) - 1) * min(wider, len(rates)))
