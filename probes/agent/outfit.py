"""From what the user asked for to a visitor that is ready to go."""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...data.errors import ConfigError
from ...data.sample import Position, Radio
from ..connection import client_context
from ..interface import Limits
from ..position.fix import Fix, PositionSource
from ..position.registry import open_position
from ..radio.registry import open_radio
from ..radio.state import RadioSource
from ..receipt import read_key
from ..scope import Scope
from ..visits import Plan, far_end, make_engine, named_position
from .book import Book
from .budget import Budget
from .clock import Clock
from .visitor import STOP_BELOW_BYTES, Visitor

# In a small visit the estimate counts as steady when half its interval is within this share.
STEADY_WITHIN = 0.1
_SMALL_BYTES = 25_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The options of `probe run`, `drive` and `schedule`, by their names."""

    url: str | None = None
    country: str | None = None
    locate: str | None = None
    engine_name: str | None = None
    flows: int | None = None
    families: Sequence[str] = ()
    duration_s: float = 10.0
    within_pct: float = 2.0
    max_mb: int = 1_000
    allow_private: bool = False
    ca: Path | None = None
    receipt_key: Path | None = None
    lon: float | None = None
    lat: float | None = None
    accuracy_m: float | None = None
    operator: str | None = None
    position_spec: str | None = None
    radio_spec: str | None = None
    sim: str | None = None
    cap_mb: int | None = None
    small: str | None = None
    excluded_links: Sequence[str] = ()
    excluded_families: Sequence[str] = ()
    disk_floor_mb: int = STOP_BELOW_BYTES // 1_000_000


@dataclass(slots=True)
class Named:
    """Where the user says that the device is."""

    position: Position
    name: str = "user"

    def current(self) -> Fix:
        """Give the place that was named."""
        return Fix(position=self.position, mono_s=time.monotonic(), mode="fixed")

    def close(self) -> None:
        """There is nothing to let go of."""


def make_plan(wishes: Wishes) -> Plan:
    """
    Give what to measure and how.

    Raises
    ------
    ConfigError
        If the wishes do not go together, or name what is not here.
    """
    engine, schemes = make_engine(wishes.engine_name, wishes.flows)
    server = far_end(
        wishes.url,
        wishes.country,
        wishes.locate,
        schemes=schemes,
        allow_private=wishes.allow_private,
        ca_file=wishes.ca,
    )
    client_context(wishes.ca)
    if engine is not None and engine.times_itself and (wishes.small or wishes.cap_mb is not None):
        raise ConfigError(
            "{engine} cannot be stopped at a number of bytes: leave out --small and --cap-mb, or"
            " choose another engine",
            engine=engine.name,
        )
    scope = Scope(wishes.small) if wishes.small else Scope.WHOLE
    limits = Limits(
        duration_s=wishes.duration_s,
        max_bytes=wishes.max_mb * 1_000_000,
        width=wishes.within_pct / 100 or None,
    )
    if scope is Scope.DOWNLOAD:
        steady = max(STEADY_WITHIN, limits.width or 0.0)
        limits = replace(limits, width=steady, max_bytes=min(limits.max_bytes, _SMALL_BYTES))
    return Plan(
        server=server,
        country=wishes.country,
        families=_families(wishes),
        engine=engine,
        limits=limits,
        radio=Radio(operator=wishes.operator) if wishes.operator else None,
        scope=scope,
        receipt_key=read_key(wishes.receipt_key) if wishes.receipt_key else None,
    )


def open_sources(wishes: Wishes) -> tuple[PositionSource | None, RadioSource | None]:
    """
    Open what tells the position and the radio's state; None where nothing was named.

    Raises
    ------
    ConfigError
        If they are named in two ways, or by a word that is none.
    """
    named = named_position(wishes.lon, wishes.lat, wishes.accuracy_m)
    if named is not None and wishes.position_spec:
        raise ConfigError("say the position by --position or by --lon and --lat, one of the two")
    position: PositionSource | None = Named(named) if named is not None else None
    if wishes.position_spec:
        position = open_position(wishes.position_spec)
    return position, open_radio(wishes.radio_spec) if wishes.radio_spec else None


def make_visitor(
    wishes: Wishes, plan: Plan, *, probe: str, book: Book, clock: Clock, folder: Path
) -> Visitor:
    """Give a visitor whose sources are open; `folder` is the one whose disk must have room."""
    position, radio = open_sources(wishes)
    return Visitor(
        plan=plan,
        probe=probe,
        book=book,
        clock=clock,
        position=position,
        radio=radio,
        sim=wishes.sim,
        budget=Budget(cap_bytes=None if wishes.cap_mb is None else wishes.cap_mb * 1_000_000),
        excluded_links=wishes.excluded_links,
        free_bytes=lambda: shutil.disk_usage(folder).free,
        stop_below_bytes=wishes.disk_floor_mb * 1_000_000,
    )


def first_fix(spec: str, patience_s: float = 3.0) -> Fix:
    """Give the first usable fix of a source, or what it says when patience ends."""
    source = open_position(spec)
    try:
        until = time.monotonic() + patience_s
        while True:
            fix = source.current()
            if fix.usable is not None or time.monotonic() >= until:
                return fix
            time.sleep(0.05)
    finally:
        source.close()


def is_alive(process: int, boot: str | None, *, this_boot: str | None) -> bool:
    """Tell whether a process that wrote down its number in a boot still runs."""
    if boot != this_boot:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        # The number may be another program's by now.
        return b"phusong" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return True


def _families(wishes: Wishes) -> list[int | None]:
    wanted = [int(each) for each in wishes.families]
    excluded = {int(each) for each in wishes.excluded_families}
    if not excluded:
        return [*wanted] or [None]
    left: list[int | None] = [each for each in wanted or (4, 6) if each not in excluded]
    if not left:
        raise ConfigError("every family of addresses is excluded: nothing is left to measure")
    return left
