"""
The clocks of a device in the field, none of which can be trusted alone.

The wall clock is set by GPS, by the network or by hand, in jumps; the monotonic clock stands
still while the machine sleeps; the boot clock does not, and is nobody's to set. Two readings of
all three tell what happened in between.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

# Less than this is scheduling, or a clock that is being slewed.
NOTICED_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One instant: the wall clock in UTC, the monotonic clock, the clock since boot."""

    at: datetime
    mono_s: float
    boot_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What the agent knows of time: the command gives the machine's clocks, a test its own."""

    now: Callable[[], Moment]
    sleep: Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """What happened between two moments, in seconds; the clock was set forward if positive."""

    suspended_s: float
    jumped_s: float


def between(before: Moment, after: Moment) -> Between:
    """Tell sleep and a clock that was set from time that passed."""
    passed_s = after.boot_s - before.boot_s
    suspended_s = passed_s - (after.mono_s - before.mono_s)
    jumped_s = (after.at - before.at).total_seconds() - passed_s
    return Between(
        suspended_s=suspended_s if suspended_s >= NOTICED_S else 0.0,
        jumped_s=jumped_s if abs(jumped_s) >= NOTICED_S else 0.0,
    )
