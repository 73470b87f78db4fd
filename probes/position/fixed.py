"""A place that the user named, and no place at all."""

import time

from ...data.sample import Position
from .fix import Fix, Problem


class FixedPoint:
    """A device that stands where its user says."""

    name = "fixed"

    def __init__(self, lon: float, lat: float, accuracy_m: float | None = None) -> None:
        self._position = Position(
            lon=lon, lat=lat, accuracy_m=accuracy_m, age_s=0.0, source=self.name
        )

    def current(self) -> Fix:
        """Give the point."""
        return Fix(position=self._position, mono_s=time.monotonic(), mode="fixed")

    def close(self) -> None:
        """Do nothing: nothing is open."""


class Nowhere:
    """No source of a position: every sample stays without one until a track is joined to it."""

    name = "none"

    def current(self) -> Fix:
        """Give a fix without a position."""
        return Fix(mono_s=time.monotonic(), problem=Problem.NO_FIX)

    def close(self) -> None:
        """Do nothing: nothing is open."""
