"""Where the agent writes down what it does: a store's log, as its commands give it."""

from datetime import datetime
from typing import Protocol

from ...data.sample import Sample
from .clock import Moment
from .ground import Point


class Account(Protocol):
    """A SIM's month: what counts as used in it, and the other months whose data counts in it."""

    @property
    def month(self) -> str:
        """Give the month that data is booked in."""
        ...

    @property
    def used_bytes(self) -> int:
        """Give what counts as used."""
        ...

    @property
    def joined(self) -> tuple[str, ...]:
        """Give the other months that count, because the clock was set between."""
        ...


class Book(Protocol):
    """
    A run's log. Each call is committed when it returns.

    Every method raises `DiskFullError` where there is no room, and then has kept nothing.
    """

    def begin(
        self,
        now: Moment,
        *,
        family: int | None,
        place: Point | None,
        sim: str,
        month: str,
        scope: str,
        reserved_bytes: int,
    ) -> int:
        """Write an attempt down before it is made; give its number."""
        ...

    def reserve(self, attempt: int, reserved_bytes: int) -> None:
        """Say how much an attempt under way may have used in all when its next phase ends."""
        ...

    def keep(self, attempt: int, sample: Sample, used_bytes: int, now: Moment) -> Sample:
        """Keep a sample and its cost; give it back with its number."""
        ...

    def miss(self, now: Moment, why: str, *, family: int | None, place: Point | None) -> None:
        """Write down an attempt that was due and not made."""
        ...

    def note(self, what: str, began: Moment, now: Moment, seconds: float) -> None:
        """Write down what happened to the machine meanwhile."""
        ...

    def seen(self, now: Moment) -> None:
        """Leave a sign of life."""
        ...

    def account(self, sim: str, now: Moment, satellite_at: datetime | None) -> Account:
        """Give a SIM's month, by a satellite's time where one tells it, and what it has used."""
        ...

    def unsent(self, probe: str) -> int:
        """Give how many attempts were not handed over yet."""
        ...

    def usual_bytes(self, sim: str, scope: str) -> int | None:
        """Give what attempts on a SIM usually cost; None before the first."""
        ...

    def own_places(self, probe: str) -> list[tuple[float, float, int]]:
        """Give where and when (in microseconds) attempts were made, longitude first."""
        ...
