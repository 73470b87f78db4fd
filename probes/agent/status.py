"""What the device sees at one moment, what happened to it, and what there is to show of both."""

from dataclasses import dataclass
from datetime import datetime

from ...data.sample import Position, Sample
from ..meter import Meter
from ..position.fix import Fix
from ..radio.state import RadioProblem, RadioState
from .clock import Moment
from .ground import Point

DEFAULT_SIM = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the device sees at one moment: its place, its radio, the interface out."""

    fix: Fix | None
    state: RadioState | None
    link: str | None

    @property
    def position(self) -> Position | None:
        """Give the position, if nothing speaks against it."""
        return self.fix.usable if self.fix is not None else None

    @property
    def place(self) -> Point | None:
        """Give the position as a pair of degrees, longitude first."""
        position = self.position
        return None if position is None else (position.lon, position.lat)

    @property
    def satellite_at(self) -> datetime | None:
        """Give the receiver's time, if nothing speaks against its fix."""
        return self.fix.taken_at if self.fix is not None and self.position else None

    def is_unserved(self) -> bool:
        """Tell whether the radio says that no network serves it."""
        state = self.state
        return state is not None and (
            state.registered is False or state.problem == RadioProblem.NOT_REGISTERED
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that the agent tells: `what`, and the sample, reason or seconds that belong."""

    what: str
    moment: Moment
    sample: Sample | None = None
    why: str | None = None
    seconds: float | None = None


@dataclass(slots=True)
class Status:
    """What there is to show now; another thread may read it."""

    seen: Surroundings | None = None
    meter: Meter | None = None
    last: Sample | None = None
    trouble: str | None = None
    sim: str = DEFAULT_SIM
    left_bytes: int | None = None
    used_bytes: int = 0
    unsent: int = 0
    joined: tuple[str, ...] = ()
