"""
Where the device is, as far as a receiver tells, and why that may not be believed.

A fix that is old, impossible or far from the one before is still shown, with its problem
beside it: whoever uses it decides knowingly. Nothing here guesses a place from another one.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ...data.sample import Position

STALE_AFTER_S = 10.0
MAX_SPEED_MPS = 100.0


class Problem(StrEnum):
    """
    Why a fix may not be used as if nothing were wrong.

    `NOT_CONNECTED`: the receiver or its daemon cannot be reached. `NO_FIX`: it answers and
    knows no place. `STALE`: the newest place is older than `STALE_AFTER_S`. `IMPOSSIBLE`: it
    lies off the globe, at 0, 0 or in the future. `JUMP`: to get there from the fix before takes
    more than `MAX_SPEED_MPS`. `ENDED`: the recording has no more to say.
    """

    NOT_CONNECTED = "not_connected"
    NO_FIX = "no_fix"
    STALE = "stale"
    IMPOSSIBLE = "impossible"
    JUMP = "jump"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """
    What a source knows at one moment.

    `position` has its accuracy, its age at that moment and its source. `taken_at` is the
    receiver's own time, aware UTC, None where it tells none; `mono_s` is CLOCK_MONOTONIC when
    it was received. `mode` is ``none``, ``2d``, ``3d`` or ``fixed``. `problem` is one of
    `Problem`, or None where the position may be used.
    """

    position: Position | None = None
    taken_at: datetime | None = None
    mono_s: float
    speed_mps: float | None = None
    mode: str = "none"
    problem: str | None = None

    @property
    def usable(self) -> Position | None:
        """Give the position where nothing speaks against it, else None."""
        return self.position if self.problem is None else None


class PositionSource(Protocol):
    """Something that knows where the device is. It reads in the background and reconnects."""

    name: str

    def current(self) -> Fix:
        """Give what is known now, at once; it never waits for a receiver."""
        ...

    def close(self) -> None:
        """Stop reading and let go of the receiver."""
        ...
