"""
When the next visit is due.

`Drive`: so many seconds or metres after the last one, whichever comes first. Where the device has
not left the place of the last visit, seconds double with each visit, up to `AT_REST_S`: a parked
car's forty visits are one occasion of one place, and cost forty times the data.

`Scattered`: exponential waiting times, as ndt7 asks of unattended clients (mean six hours, at
least a tenth of the mean, at most 2.5 times): visits then meet every hour of the day alike, and
many clients never come at the same time. After a far end that refuses, it waits 60 s, twice as
long each time up to 960 s, with a spread of 5 %.

`Fixed`: at given times of the day by the machine's own clock; one that was slept through is not
made up for.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Protocol

from ..position.fix import Fix
from .clock import Moment
from .ground import PLACE_M, Point, distance_m

AT_REST_S = 900.0
DEFAULT_EVERY_S = 60.0
MEAN_S = 21_600.0
_SHORTEST_SHARE, _LONGEST_SHARE = 0.1, 2.5
_BACK_OFF_S, _LONGEST_BACK_OFF_S, _BACK_OFF_SPREAD = 60.0, 960.0, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What is still to wait: seconds and metres, either None where it does not count."""

    seconds: float | None = None
    metres: float | None = None


class Pace(Protocol):
    """Says when a visit is due, and is told when one was made."""

    def waits(self, now: Moment, fix: Fix | None) -> Wait | None:
        """Give what is still to wait for; None if a visit is due."""
        ...

    def made(self, now: Moment, fix: Fix | None, *, refused: bool) -> None:
        """Note that a visit was made or missed; `refused` if the far end did not want it."""
        ...


@dataclass(slots=True)
class Drive:
    """Every so many seconds or metres; without a position, metres cannot be waited for."""

    every_s: float | None = None
    every_m: float | None = None
    at_rest_s: float = AT_REST_S
    _last: Moment | None = None
    _last_place: Point | None = None
    _rests: int = 0

    def waits(self, now: Moment, fix: Fix | None) -> Wait | None:
        if self._last is None:
            return None
        moved_m = self._moved_m(fix)
        metres = None
        if self.every_m is not None and moved_m is not None:
            metres = self.every_m - moved_m
            if metres <= 0:
                return None
        # Without metres to go by, time is what is left.
        blind_s = DEFAULT_EVERY_S if self.every_m is not None and moved_m is None else None
        every_s = self.every_s if self.every_s is not None else blind_s
        seconds = None
        if every_s is not None:
            resting = moved_m is not None and moved_m < PLACE_M / 2
            wait_s = min(every_s * 2**self._rests, max(every_s, self.at_rest_s))
            seconds = (wait_s if resting else every_s) - (now.boot_s - self._last.boot_s)
            if seconds <= 0:
                return None
        return Wait(seconds=seconds, metres=metres)

    def made(self, now: Moment, fix: Fix | None, *, refused: bool) -> None:
        moved_m = self._moved_m(fix)
        resting = moved_m is not None and moved_m < PLACE_M / 2
        self._rests = min(self._rests + 1, 20) if resting else 0
        self._last = now
        place = _place(fix)
        # While it rests, distance is counted from where it came to rest: a slow drift leaves too.
        if place is not None and not resting:
            self._last_place = place

    def _moved_m(self, fix: Fix | None) -> float | None:
        place = _place(fix)
        if place is None or self._last_place is None:
            return None
        return distance_m(self._last_place, place)


@dataclass(slots=True)
class Scattered:
    """Exponential waiting times around a mean, the first visit at once."""

    mean_s: float = MEAN_S
    chance: random.Random = field(default_factory=random.Random)
    _due_boot_s: float | None = None
    _refusals: int = 0

    def waits(self, now: Moment, fix: Fix | None) -> Wait | None:
        if self._due_boot_s is None or now.boot_s >= self._due_boot_s:
            return None
        return Wait(seconds=self._due_boot_s - now.boot_s)

    def made(self, now: Moment, fix: Fix | None, *, refused: bool) -> None:
        self._refusals = self._refusals + 1 if refused else 0
        self._due_boot_s = now.boot_s + (self._back_off_s() if refused else self._wait_s())

    def _wait_s(self) -> float:
        wait_s = self.chance.expovariate(1 / self.mean_s)
        return min(max(wait_s, _SHORTEST_SHARE * self.mean_s), _LONGEST_SHARE * self.mean_s)

    def _back_off_s(self) -> float:
        middle_s = min(_BACK_OFF_S * 2 ** (self._refusals - 1), _LONGEST_BACK_OFF_S)
        return max(1.0, self.chance.gauss(middle_s, _BACK_OFF_SPREAD * middle_s))


@dataclass(slots=True)
class Fixed:
    """At these times of each day; a time is used once, even if the clock is set back past it."""

    times: Sequence[time]
    _seen: Moment | None = None
    _used: tuple[date, time] | None = None

    def waits(self, now: Moment, fix: Fix | None) -> Wait | None:
        here = now.at.astimezone()
        if self._seen is not None:
            seen = self._seen.at.astimezone()
            passed = [slot for slot in self._slots(here) if seen < slot <= here]
            if passed and (here - passed[-1]) < timedelta(minutes=1):
                slot = passed[-1]
                if self._used is None or (slot.date(), slot.time()) > self._used:
                    self._used = (slot.date(), slot.time())
                    return None
        self._seen = now
        following = min(slot for slot in self._slots(here) if slot > here)
        return Wait(seconds=(following - here).total_seconds())

    def made(self, now: Moment, fix: Fix | None, *, refused: bool) -> None:
        self._seen = now

    def _slots(self, here: datetime) -> list[datetime]:
        days = [here.date() + timedelta(days=step) for step in (-1, 0, 1)]
        return sorted(
            datetime.combine(day, each, tzinfo=here.tzinfo) for day in days for each in self.times
        )


def _place(fix: Fix | None) -> Point | None:
    position = fix.usable if fix is not None else None
    return None if position is None else (position.lon, position.lat)
