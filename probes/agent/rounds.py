"""Keep going: wait until a visit is due, make it, and again; what the machine does is noted."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from ...data.errors import DiskFullError
from ..position.fix import Fix
from .clock import Moment
from .pace import Pace, Wait
from .visitor import Visitor

TICK_S = 1.0
_SIGN_OF_LIFE_S = 60.0


@dataclass(slots=True, kw_only=True)
class Rounds:
    """Visits at a pace; `visits` ends them after so many, None never."""

    visitor: Visitor
    pace: Pace
    visits: int | None = None
    wait: Wait | None = None
    on_tick: Callable[["Rounds"], None] = lambda rounds: None
    made: int = field(default=0)

    def run(self) -> None:
        """Go on until the last visit is made, or somebody breaks it off."""
        self.visitor.wait_for_position()
        alive = self.visitor.clock.now()
        while self.visits is None or self.made < self.visits:
            now = self.visitor.look_at_clock()
            self.wait = self.pace.waits(now, self._fix())
            if self.wait is None:
                self._visit(now)
                alive = now
                continue
            self.on_tick(self)
            if now.boot_s - alive.boot_s >= _SIGN_OF_LIFE_S:
                alive = now
                with suppress(DiskFullError):
                    self.visitor.book.seen(now)
            self.visitor.clock.sleep(min(TICK_S, max(0.01, self.wait.seconds or TICK_S)))

    def _visit(self, now: Moment) -> None:
        fix = self._fix()
        refused = self.visitor.visit()
        self.made += 1
        self.pace.made(now, fix, refused=refused)

    def _fix(self) -> Fix | None:
        """See where we are, and let the screen have it."""
        if self.visitor.position is None:
            return None
        fix = self.visitor.position.current()
        seen = self.visitor.status.seen
        if seen is not None:
            self.visitor.status.seen = type(seen)(fix=fix, state=seen.state, link=seen.link)
        return fix
