"""
How the agent speaks while it goes on: a live view, plain lines, or JSON lines.

The live view needs a terminal and rich, which is loaded only then. It never scrolls, and stands
on one screen of 40 columns. In a pipe each attempt is one plain line; with JSON one object.
What is shown of a sample is shown after it was committed.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...data.sample import Sample
from ...data.words import say
from .budget import Estimate
from .plan_file import Progress
from .status import Happening, Status
from .view import View, cell, figure, label, label_width, result, way_to

if TYPE_CHECKING:
    from rich.console import RenderableType

    from .rounds import Rounds


class Screen:
    """
    Told what happens, it shows it.

    `out` takes lines of data, `words` notes for a person with their values, `json` objects;
    `quiet` shows neither samples nor a live view.
    """

    def __init__(
        self,
        *,
        out: Callable[[str], None],
        words: Callable[..., None],
        json: Callable[[Iterable[Mapping[str, Any]]], None] | None = None,
        quiet: bool = False,
    ) -> None:
        self.kept: list[Sample] = []
        self.readings = 0
        self.progress: Progress | None = None
        self.view = View(Status())
        self._out = out
        self._note = words
        self._json = json
        self._quiet = quiet
        self._is_live = False
        self._said_leg = ""

    def begin(self, estimate: Estimate, stored: int, failed: int) -> None:
        """Say what a visit will cost, before the first."""
        self.view.stored = stored
        self.view.failed = failed
        values = {
            "sim": estimate.sim,
            "most": figure(estimate.most_bytes / 1e6),
            "used": figure(estimate.used_bytes / 1e6),
        }
        note = self._note
        if estimate.usual_bytes is None:
            note("SIM {sim}: a visit costs at most {most} MB; {used} MB used this month", **values)
        else:
            note(
                "SIM {sim}: a visit costs about {usual} MB, at most {most} MB; {used} MB used this"
                " month",
                usual=figure(estimate.usual_bytes / 1e6),
                **values,
            )
        if estimate.left_bytes is not None:
            note("{left} MB are left under the cap", left=figure(estimate.left_bytes / 1e6))

    def happened(self, what: Happening) -> None:
        """Show what the agent tells."""
        sample = what.sample
        if sample is not None:
            self._count(sample)
        if self._quiet:
            if sample is not None:
                self.kept.append(sample)
            else:
                self._explain(what)
        elif self._json is not None:
            self._json([_shown(what)])
        elif self._is_live:
            return
        elif sample is not None:
            self._out(_line(sample, what.why))
        else:
            self._explain(what)

    def tick(self, rounds: "Rounds") -> None:
        """Take over what is waited for, and where the next village is."""
        self.view.wait = rounds.wait
        self._find_leg(rounds.visitor.status)

    def end(self, status: Status) -> None:
        """Say what is kept when a run ends, and what to do with it."""
        self._note(
            "{stored} {stored:sample is|samples are} stored, {unsent} not handed over yet; hand"
            " over by: phusong data export FILE.db",
            stored=self.view.stored,
            unsent=status.unsent,
        )

    @contextmanager
    def live(self, status: Status) -> Iterator[None]:
        """Show the live view on a terminal for as long as this lasts; elsewhere nothing."""
        self.view.status = status
        if self._json is not None or not sys.stdout.isatty():
            yield
            return
        from rich.live import Live

        with Live(get_renderable=self._drawn, refresh_per_second=1, redirect_stderr=False):
            self._is_live = True
            yield

    def _count(self, sample: Sample) -> None:
        self.view.stored += 1
        self.view.failed += sample.reading is None
        self.readings += sample.reading is not None
        position = sample.position
        if self.progress is not None and position is not None:
            at_us = round(sample.started_at.timestamp() * 1e6)
            self.progress.visited((position.lon, position.lat), at_us)

    def _find_leg(self, status: Status) -> None:
        if self.progress is None:
            return
        legs = self.progress.legs(status.seen.place if status.seen else None)
        self.view.leg = legs[0] if legs else None
        said = "" if not legs else f"{legs[0].village.code} {legs[0].needed}"
        if legs and said != self._said_leg and not self._is_live and self._json is None:
            self._note("next: {way}", way=way_to(legs[0]))
        self._said_leg = said

    def _explain(self, what: Happening) -> None:
        if what.what == "missed":
            self._note("not measured: {why}", why=say(str(what.why)))
        elif what.what == "months_joined":
            self._note(
                "the clock was set: the data of {months} counts as one month's", months=what.why
            )
        elif what.seconds is not None:
            seconds = figure(what.seconds)
            self._note("{what} ({seconds} s)", what=say(what.what), seconds=seconds)
        else:
            self._note("{what}", what=say(what.what))

    def _drawn(self) -> "RenderableType":
        from rich.text import Text

        drawn = Text(no_wrap=True, overflow="ellipsis")
        width = label_width()
        for line in self.view.lines():
            drawn.append(f"{label(line.label):<{width}} ")
            drawn.append(f"{line.text}\n", style=line.style)
        drawn.append(say("Ctrl-C ends it"))
        return drawn


def _line(sample: Sample, no_place: str | None) -> str:
    time = sample.started_at.astimezone().strftime("%H:%M:%S")
    position = sample.position
    parts = [time, f"#{sample.seq}", result(sample), cell(sample.radio)]
    if position is not None:
        parts.append(f"{position.lat:.5f},{position.lon:.5f}")
    elif no_place is not None:
        parts.append(say(str(no_place)))
    if sample.reading is not None and sample.reason is not None:
        parts.append(say(sample.reason))
    return "  ".join(part for part in parts if part)


def _shown(what: Happening) -> dict[str, Any]:
    if what.sample is not None:
        return {"event": "sample", **json.loads(what.sample.body())}
    shown = {"event": what.what, "ts": what.moment.at, "why": what.why, "seconds": what.seconds}
    return {name: value for name, value in shown.items() if value is not None}
