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
from datetime import datetime
from typing import Any, TypeVar

from ...data.errors import DiskFullError
from ...data.sample import RADIO_CHANGED, Kind, Outcome, Provenance, Radio, Sample
from ..engines.ceiling import Ceiling
from ..interface import DATA_CAP, AttemptError
from ..meter import HEARTBEAT_BYTES, Meter
from ..position.fix import PositionSource, Problem
from ..radio.state import RadioSource, RadioState, changes
from ..scope import Scope
from ..speed import TOOL, boot_id
from ..visits import Plan, measure_all
from .book import Account, Book
from .budget import Budget, Estimate, most_bytes, phase_bytes
from .clock import Clock, Moment, between
from .link import has_link, is_excluded, is_up, link_to
from .status import DEFAULT_SIM, Happening, Status, Surroundings

LINK_EXCLUDED = "link_excluded"
DISK_LOW = "disk_low"
STOP_BELOW_BYTES = 50_000_000
WARN_BELOW_BYTES = 200_000_000
_ROOM_S = 2.0
# A change of cell is what driving is; with one of these, two networks share one figure.
_ANOTHER_NETWORK = frozenset({"sim", "plmn", "rat", "nr_evidence"})
# A receiver that has a fix tells it each second; one without may need minutes, and then says so.
_FIRST_FIX_S = 5.0
_NOT_YET = (Problem.NOT_CONNECTED, Problem.NO_FIX)
_REFUSALS = (Outcome.SERVER_ERROR, Outcome.REFUSED)

T = TypeVar("T")


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
        sim = self._sim(state)
        used = self._look_at_account(sim, self.clock.now(), None).used_bytes
        many = len(self.plan.families)
        usual = self.book.usual_bytes(sim, self.plan.scope.value)
        left = self.status.left_bytes
        self.status.unsent = self.book.unsent(self.probe)
        return Estimate(
            sim=sim,
            most_bytes=many * most_bytes(self.plan.scope, self.plan.limits),
            usual_bytes=None if usual is None else many * usual,
            used_bytes=used,
            left_bytes=left,
        )

    def wait_for_position(self) -> None:
        """Give a receiver that was just opened a moment to tell the first place of the day."""
        if self.position is None:
            return
        until = self.clock.now().boot_s + _FIRST_FIX_S
        waiting = False
        while self.position.current().problem in _NOT_YET and self.clock.now().boot_s < until:
            if not waiting:
                waiting = True
                self.tell("waiting_for_position")
            self.clock.sleep(0.1)

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
        account = self._look_at_account(sim, now, seen.satellite_at)
        status, left = self.status, self.status.left_bytes
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
                month=account.month,
                scope=self.plan.scope.value,
                reserved_bytes=HEARTBEAT_BYTES,
            )
        )
        return _Attempt(self, number, family, seen, Meter(left)).run(now)

    def _look_at_account(self, sim: str, now: Moment, satellite_at: datetime | None) -> Account:
        """See what the SIM has used this month; say so where months cannot be told apart."""
        account = self._commit(lambda: self.book.account(sim, now, satellite_at))
        status = self.status
        status.sim, status.used_bytes = sim, account.used_bytes
        status.left_bytes = self.budget.left_bytes(account.used_bytes)
        if account.joined and account.joined != status.joined:
            self.tell("months_joined", why=", ".join(sorted({account.month, *account.joined})))
        status.joined = account.joined
        return account

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
        status.unsent = visitor.book.unsent(visitor.probe)
        status.used_bytes += used
        if status.left_bytes is not None:
            status.left_bytes = max(0, status.left_bytes - used)
        fix = self.before.fix
        visitor.tell("sample", sample=kept, why=fix.problem if fix is not None else None)
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
        """
        Say so where two networks share an attempt, or the user pulled the link out.

        An attempt that failed is marked like one that worked: were only the good ones left out,
        the failures that stay would bend the share down. Its own reason stays in its record. A
        service that was lost is no second network, and the failure counts.
        """
        if sample.outcome is Outcome.CANCELLED:
            return sample
        link = self.before.link
        if sample.outcome is not Outcome.OK and link and not is_up(link):
            return replace(sample, outcome=Outcome.DEVICE_ERROR, reason="link_lost")
        if _ANOTHER_NETWORK.intersection(self.changed):
            return replace(sample, reason=RADIO_CHANGED)
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
