"""What a technician sees: the state of the agent as short lines, legible on a narrow screen."""

import time
from dataclasses import dataclass

from ...data.sample import Radio, Sample
from ...data.words import language, say
from .pace import Wait
from .plan_file import Leg
from .status import Status

_LABELS = ("position", "cell", "now", "result", "stored", "unsent", "data", "clock", "village")
# What a figure in the sun must not depend on: colour says the same as the words beside it.
GOOD, BAD, PLAIN = "bold green", "bold red", "bold"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what it is about, what it says, and whether that is good."""

    label: str
    text: str
    style: str = PLAIN


@dataclass(slots=True)
class View:
    """Puts the agent's state into words; keeps what it needs to tell a speed from two looks."""

    status: Status
    stored: int = 0
    failed: int = 0
    wait: Wait | None = None
    leg: Leg | None = None
    _looked: tuple[str, float, int] = ("", 0.0, 0)

    def lines(self) -> list[Line]:
        """Give every line that has something to say."""
        status = self.status
        shown = [self._position(), self._cell(), self._now()]
        if status.last is not None:
            good = status.last.reading is not None
            shown.append(Line("result", result(status.last), GOOD if good else BAD))
        kept = say("{count} ({failed} failed)", count=self.stored, failed=self.failed)
        shown += [Line("stored", kept), Line("unsent", str(status.unsent))]
        shown.append(self._data())
        if status.joined:
            shown.append(
                Line("clock", say("was set: {months} and now", months=_months(status)), BAD)
            )
        if self.leg is not None:
            shown.append(Line("village", way_to(self.leg)))
        return shown

    def _position(self) -> Line:
        fix = self.status.seen.fix if self.status.seen else None
        if fix is None:
            return Line("position", say("no position"), BAD)
        if fix.problem is not None:
            return Line("position", say(str(fix.problem)), BAD)
        if fix.position is None:
            return Line("position", say("no position"), BAD)
        place = f"{fix.position.lat:.5f} {fix.position.lon:.5f}"
        if fix.position.accuracy_m is not None:
            place += f" ±{fix.position.accuracy_m:.0f} m"
        return Line("position", place, GOOD)

    def _cell(self) -> Line:
        state = self.status.seen.state if self.status.seen else None
        if state is None:
            link = self.status.seen.link if self.status.seen else None
            return Line("cell", link or say("unknown"))
        if state.problem is not None:
            return Line("cell", say(str(state.problem)), BAD)
        return Line("cell", cell(state.radio) or say("unknown"), GOOD)

    def _now(self) -> Line:
        status = self.status
        meter = status.meter
        if status.trouble is not None:
            return Line("now", say(status.trouble), BAD)
        if meter is not None:
            phase = meter.phase or "connect"
            rate = self._rate_mbps(phase, meter.used_bytes())
            moving = rate is not None and phase in ("download", "upload")
            shown = f" {figure(rate)} Mbit/s" if rate is not None and moving else ""
            return Line("now", say(phase) + shown, GOOD)
        return Line("now", waiting(self.wait))

    def _rate_mbps(self, phase: str, used_bytes: int) -> float | None:
        """Give the speed since the last look, if that was in the same phase."""
        now, (same, before_s, before) = time.monotonic(), self._looked
        self._looked = (phase, now, used_bytes)
        passed_s = now - before_s
        if phase != same or not 0.05 < passed_s < 5 or used_bytes <= before:
            return None
        return (used_bytes - before) * 8e-6 / passed_s

    def _data(self) -> Line:
        status = self.status
        used = figure(status.used_bytes / 1e6)
        if status.left_bytes is None:
            return Line("data", say("{used} MB used, no cap", used=used))
        left = figure(status.left_bytes / 1e6)
        style = GOOD if status.left_bytes else BAD
        return Line("data", say("{left} MB left, {used} used", left=left, used=used), style)


def _months(status: Status) -> str:
    first, *more = status.joined
    return first if not more else f"{first} +{len(more)}"


def label(name: str) -> str:
    """Give a line's label in the reader's language."""
    return say(name)


def label_width() -> int:
    """Give how wide the labels are in the reader's language."""
    return max(len(label(name)) for name in _LABELS)


def result(sample: Sample) -> str:
    """Give an attempt in a few words: speeds and round trip, or why there are none."""
    reading = sample.reading
    if reading is None:
        return (
            f"{say(sample.outcome.value)} ({sample.reason})"
            if sample.reason
            else say(sample.outcome.value)
        )
    parts = []
    if reading.down_mbps is not None:
        parts.append(f"↓{figure(reading.down_mbps)}")
    if reading.up_mbps is not None:
        parts.append(f"↑{figure(reading.up_mbps)}")
    if parts:
        parts.append("Mbit/s")
    if reading.rtt_idle_ms is not None:
        parts.append(f"{figure(reading.rtt_idle_ms)} ms")
    return " ".join(parts)


def cell(radio: Radio | None) -> str:
    """Give technology, operator, cell and level, as far as they are known."""
    if radio is None:
        return ""
    level = radio.rsrp_dbm if radio.rsrp_dbm is not None else radio.level_dbm
    known = (
        radio.rat,
        radio.operator or radio.plmn,
        radio.cell_id,
        None if level is None else f"{level:.0f} dBm",
    )
    return " ".join(str(part) for part in known if part is not None)


def waiting(wait: Wait | None) -> str:
    """Say what is waited for."""
    seconds = wait.seconds if wait is not None else None
    metres = wait.metres if wait is not None else None
    if seconds is not None and metres is not None:
        return say(
            "next in {seconds} s or {metres} m", seconds=round(seconds), metres=round(metres)
        )
    if metres is not None:
        return say("next in {metres} m", metres=round(metres))
    if seconds is not None and seconds >= 600:
        return say("next in {minutes} min", minutes=round(seconds / 60))
    if seconds is not None:
        return say("next in {seconds} s", seconds=round(seconds))
    return say("ready")


def way_to(leg: Leg) -> str:
    """Name a village, how far it is in which direction, and how many places it still needs."""
    name = leg.village.name
    if leg.distance_m is None:
        return say("{name}: {needed} {needed:place|places}", name=name, needed=leg.needed)
    if leg.direction is None:
        return say("{name}, here: {needed} {needed:place|places}", name=name, needed=leg.needed)
    return say(
        "{name}, {km} km {direction}: {needed} {needed:place|places}",
        name=name,
        km=figure(leg.distance_m / 1000),
        direction=say(leg.direction),
        needed=leg.needed,
    )


def figure(value: float) -> str:
    """Write a figure with about three digits, as the reader's language does."""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"
    return text.translate(str.maketrans(",.", ".,")) if language() == "vi" else text
