"""
One visit of the agent: look around, decide whether to measure, measure, keep what came of it.

What is due and cannot be tried is written down with its reason: no data left, a link that the
user excluded, no room on the disk. What can be tried is a sample, whatever comes of it. A modem
that no network serves is a sample too, `no_signal`, made without a test: it may have gone out by
another link. A link that the user pulled out is the device's doing, not the network's.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ...data.errors import DiskFullError
from ...data.sample import RADIO_CHANGED, Kind, Outcome, Position, Provenance, Radio, Sample
from ..engines.ceiling import Ceiling
from ..interface import DATA_CAP, AttemptError
from ..meter import HEARTBEAT_BYTES, Meter
from ..position.fix import Fix, PositionSource
from ..radio.state import RadioProblem, RadioSource, RadioState, changes
from ..scope import Scope
from ..speed import TOOL, boot_id
from ..visits import Plan, measure_all
from .book import Book
from .budget import Budget, Estimate, most_bytes, phase_bytes
from .clock import Clock, Moment, between
from .ground import Point
from .link import has_link, is_excluded, is_up, link_to

LINK_EXCLUDED = "link_excluded"
DISK_LOW = "disk_low"
DEFAULT_SIM = "default"
STOP_BELOW_BYTES = 50_000_000
WARN_BELOW_BYTES = 200_000_000
_ROOM_S = 5.0
# A change of cell is what driving is; with one of these, two networks share one figure.
_ANOTHER_NETWORK = frozenset({"sim", "registered", "plmn", "rat", "nr_evidence"})
_REFUSALS = (Outcome.SERVER_ERROR, Outcome.REFUSED)

T = TypeVar("T")


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


@dataclass(slots=True, kw_only=True)
class Visitor:
    """Makes visits after one plan; `waits_for_room` keeps a reading until the disk has room."""

    plan: Plan
    probe: str
    book: Book
    clock: Clock
    position: PositionSource | None = None
    radio: RadioSource | None = None
    sim: str | None = None
    budget: Budget = field(default_factory=Budget)
    excluded_links: Sequence[str] = ()
    free_bytes: Callable[[], int] = lambda: WARN_BELOW_BYTES
    stop_below_bytes: int = STOP_BELOW_BYTES
    waits_for_room: bool = True
    ceiling: Callable[[], Ceiling | None] = lambda: None
    on_phase: Callable[[str], None] = lambda phase: None
    on_happening: Callable[[Happening], None] = lambda happening: None
    status: Status = field(default_factory=Status)
    _looked: Moment | None = None
    _warned: bool = False

    def visit(self) -> bool:
        """Try once over each family of the plan; tell whether the far end refused."""
        refused = False
        for family in self.plan.families:
            for sample in self._try(family):
                refused = sample.outcome in _REFUSALS
                if sample.outcome is Outcome.CANCELLED and _by_user(sample):
                    raise KeyboardInterrupt
        return refused

    def estimate(self) -> Estimate:
        """Say what one visit will cost at the most and as a rule, and what is left for it."""
        state = self.radio.current() if self.radio else None
        sim, now = self._sim(state), self.clock.now()
        used = self.book.used_bytes(sim, now)
        many = len(self.plan.families)
        usual = self.book.usual_bytes(sim, self.plan.scope.value)
        left = self.budget.left_bytes(used)
        self.status.sim, self.status.used_bytes, self.status.left_bytes = sim, used, left
        return Estimate(
            sim=sim,
            most_bytes=many * most_bytes(self.plan.scope, self.plan.limits),
            usual_bytes=None if usual is None else many * usual,
            used_bytes=used,
            left_bytes=left,
        )

    def close(self) -> None:
        """Let go of the receiver and the modem."""
        for source in (self.position, self.radio):
            if source is not None:
                source.close()

    def look_around(self, family: int | None = None) -> Surroundings:
        """See where we are, what the radio does and which way a test would go."""
        seen = Surroundings(
            fix=self.position.current() if self.position else None,
            state=self.radio.current() if self.radio else None,
            link=link_to(self.plan.server.host, family),
        )
        self.status.seen = seen
        return seen

    def look_at_clock(self) -> Moment:
        """Read the clocks; write down what they say happened since the last time."""
        now = self.clock.now()
        before, self._looked = self._looked, now
        if before is not None:
            found = between(before, now)
            if found.suspended_s:
                self._note("suspended", before, found.suspended_s)
            if found.jumped_s:
                self._note("clock_jumped", before, found.jumped_s)
        return now

    def tell(self, what: str, **more: Any) -> None:
        """Pass something on to whoever shows it."""
        self.on_happening(Happening(what=what, moment=self.clock.now(), **more))

    def _try(self, family: int | None) -> list[Sample]:
        now, seen = self.look_at_clock(), self.look_around(family)
        sim = self._sim(seen.state)
        used = self.book.used_bytes(sim, now)
        left = self.budget.left_bytes(used)
        status = self.status
        status.sim, status.used_bytes, status.left_bytes = sim, used, left
        why = self._why_not(seen, sim, left)
        status.trouble = why
        if why is not None:
            self._commit(lambda: self.book.miss(now, why, family=family, place=seen.place))
            self.tell("missed", why=why)
            return []
        number = self._commit(
            lambda: self.book.begin(
                now,
                family=family,
                place=seen.place,
                sim=sim,
                scope=self.plan.scope.value,
                reserved_bytes=HEARTBEAT_BYTES,
            )
        )
        return _Attempt(self, number, family, seen, Meter(left)).run(now)

    def _sim(self, state: RadioState | None) -> str:
        return self.sim or (state.sim if state else None) or DEFAULT_SIM

    def _why_not(self, seen: Surroundings, sim: str, left: int | None) -> str | None:
        free = self.free_bytes()
        if free < self.stop_below_bytes:
            return DISK_LOW
        if free < WARN_BELOW_BYTES and not self._warned:
            self._warned = True
            self.tell("disk_warning")
        if is_excluded(seen.link, self.excluded_links):
            return LINK_EXCLUDED
        # A test that the cap will stop costs data and gives no reading.
        usual = self.book.usual_bytes(sim, self.plan.scope.value)
        if left is not None and left < (usual or HEARTBEAT_BYTES):
            return DATA_CAP
        return None

    def _note(self, what: str, before: Moment, seconds: float) -> None:
        now = self.clock.now()
        self._commit(lambda: self.book.note(what, before, now, seconds))
        self.tell(what, seconds=seconds)

    def _commit(self, action: Callable[[], T]) -> T:
        """Have something committed; where there is no room, hold it and wait until there is."""
        began: Moment | None = None
        while True:
            try:
                result = action()
            except DiskFullError:
                if not self.waits_for_room:
                    raise
                if began is None:
                    began = self.clock.now()
                    self.status.trouble = "disk_full"
                    self.tell("disk_full")
                try:
                    self.clock.sleep(_ROOM_S)
                except KeyboardInterrupt:
                    self.tell("not_kept")
                    raise
                continue
            if began is not None:
                now, self.status.trouble = self.clock.now(), None
                seconds = now.boot_s - began.boot_s
                with suppress(DiskFullError):
                    self.book.note("disk_full", began, now, seconds)
                self.tell("disk_has_room", seconds=seconds)
            return result


@dataclass(slots=True)
class _Attempt:
    """One attempt under way, and what was around it when it began."""

    visitor: Visitor
    number: int
    family: int | None
    before: Surroundings
    meter: Meter
    changed: Sequence[str] = ()
    after: Surroundings | None = None

    def run(self, now: Moment) -> list[Sample]:
        visitor, before = self.visitor, self.before
        if before.is_unserved():
            return [self._keep(self._untried(now, Outcome.NO_SIGNAL, "not_registered"))]
        if before.link is None and not has_link():
            return [self._keep(self._untried(now, Outcome.DEVICE_ERROR, "link_down"))]
        plan = replace(
            visitor.plan,
            families=(self.family,),
            limits=replace(visitor.plan.limits, meter=self.meter),
            position=before.position,
            radio=self._radio(),
            around=self._around,
        )
        visitor.status.meter = self.meter
        try:
            samples = measure_all(
                plan,
                probe=visitor.probe,
                now=lambda: visitor.clock.now().at,
                on_phase=self._phase,
                ceiling=visitor.ceiling,
            )
            return [self._keep(self._judged(sample)) for sample in samples]
        finally:
            visitor.status.meter = None

    def _keep(self, sample: Sample) -> Sample:
        """Commit before anybody sees it."""
        visitor, used = self.visitor, self.meter.used_bytes()
        now = visitor.clock.now()
        kept = visitor._commit(lambda: visitor.book.keep(self.number, sample, used, now))
        status = visitor.status
        status.last = kept
        status.used_bytes += used
        if status.left_bytes is not None:
            status.left_bytes = max(0, status.left_bytes - used)
        visitor.tell("sample", sample=kept)
        return kept

    def _phase(self, phase: str) -> None:
        visitor = self.visitor
        if is_excluded(link_to(visitor.plan.server.host, self.family), visitor.excluded_links):
            raise AttemptError(Outcome.CANCELLED, LINK_EXCLUDED)
        reserved = self.meter.used_bytes() + phase_bytes(phase, visitor.plan.limits)
        try:
            visitor.book.reserve(self.number, reserved)
        except DiskFullError:
            raise AttemptError(Outcome.DEVICE_ERROR, "disk_full") from None
        visitor.on_phase(phase)

    def _around(self) -> dict[str, Any]:
        """Give what else is evidence: link, radio and place at the start and the end."""
        before, after = self.before, self.visitor.look_around(self.family)
        self.after = after
        seen: dict[str, Any] = {"link": {"before": before.link, "after": after.link}}
        if before.state is not None and after.state is not None:
            self.changed = list(changes(before.state, after.state))
            seen["radio"] = {
                "before": _shown_state(before.state),
                "after": _shown_state(after.state),
                "changed": self.changed,
            }
        if before.fix is not None and after.fix is not None:
            seen["position"] = {
                "mode": before.fix.mode,
                "speed_mps": before.fix.speed_mps,
                "problem": before.fix.problem,
                "after": _shown_place(after),
            }
        return seen

    def _judged(self, sample: Sample) -> Sample:
        """Say so where two networks share a figure, or the user pulled the link out."""
        if sample.outcome is Outcome.OK:
            if _ANOTHER_NETWORK.intersection(self.changed):
                return replace(sample, reason=RADIO_CHANGED)
            return sample
        link = self.before.link
        if link and sample.outcome is not Outcome.CANCELLED and not is_up(link):
            return replace(sample, outcome=Outcome.DEVICE_ERROR, reason="link_lost")
        return sample

    def _radio(self) -> Radio | None:
        """Give what the radio says, and whose network it is where the user named it."""
        named, state = self.visitor.plan.radio, self.before.state
        said = state.radio if state is not None else None
        if said is None:
            return named
        if named is not None and named.operator is not None:
            return replace(said, operator=said.operator or named.operator)
        return said

    def _untried(self, now: Moment, outcome: Outcome, reason: str) -> Sample:
        plan = self.visitor.plan
        return Sample(
            probe=self.visitor.probe,
            kind=Kind.LATENCY if plan.scope is Scope.LATENCY else Kind.SPEED,
            started_at=now.at,
            outcome=outcome,
            reason=reason,
            mono_ns=max(0, int(now.mono_s * 1e9)),
            boot_id=boot_id(),
            server=plan.server.url,
            family=self.family,
            position=self.before.position,
            radio=self._radio(),
            source=Provenance(tool=TOOL),
        )


def _by_user(sample: Sample) -> bool:
    return (sample.reason or "").endswith("_cancelled")


def _shown_state(state: RadioState) -> dict[str, Any]:
    radio = state.radio
    shown: dict[str, Any] = {"registered": state.registered, "problem": state.problem}
    if radio is not None:
        for name in Radio.__dataclass_fields__:
            value = getattr(radio, name)
            if value is not None:
                shown[name] = value
    return {name: value for name, value in shown.items() if value is not None}


def _shown_place(seen: Surroundings) -> dict[str, float] | None:
    position = seen.position
    return None if position is None else {"lon": position.lon, "lat": position.lat}
