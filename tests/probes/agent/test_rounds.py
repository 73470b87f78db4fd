"""Going on for hours, with clocks that a test moves, real sockets and a real store."""

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from phusong.data.agent_log import AgentLog, agent_records
from phusong.data.errors import DiskFullError
from phusong.data.sample import Sample
from phusong.data.store import Store
from phusong.probes.agent.clock import Between, Moment, between
from phusong.probes.agent.gaps import Account, account
from phusong.probes.agent.pace import Drive
from phusong.probes.agent.rounds import Rounds
from phusong.probes.agent.status import Happening
from phusong.probes.agent.visitor import Visitor
from phusong.probes.speed import boot_id

from .conftest import START, Receiver, Time

Make = Callable[..., Visitor]


def told(store: Store, *, alive: bool = False, boot: str | None = None) -> Account:
    return account(
        agent_records(store),
        is_alive=lambda process, name: alive,
        boot_id=boot or boot_id(),
    )


def go(visitor: Visitor, visits: int, every_s: float = 60.0, **more: Any) -> Rounds:
    rounds = Rounds(visitor=visitor, pace=Drive(every_s=every_s, at_rest_s=60), visits=visits)
    rounds.run()
    return rounds


def test_visits_come_at_their_pace_and_are_all_kept(agent: Make, store: Store, clock: Time) -> None:
    go(agent(), 4)
    started = [row["started_us"] for row in store.tables["sample"].rows]
    steps = [(after - before) / 1e6 for before, after in itertools.pairwise(started)]
    assert steps == pytest.approx([60, 60, 60], abs=2)
    found = told(store, alive=True)
    assert (found.planned, found.measured, found.gaps) == (4, 4, ())


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        ((60, 60, 60), (0, 0)),
        ((3660, 60, 3660), (3600, 0)),
        ((7260, 60, 60), (0, 7200)),
        ((-3540, 60, 60), (0, -3600)),
        ((60.5, 60, 61), (0, 0)),
    ],
)
def test_three_clocks_tell_sleep_from_a_clock_that_was_set(
    passed: tuple[float, float, float], expected: tuple[float, float]
) -> None:
    wall_s, mono_s, boot_s = passed
    before = Moment(at=START, mono_s=10, boot_s=20)
    after = Moment(at=START + timedelta(seconds=wall_s), mono_s=10 + mono_s, boot_s=20 + boot_s)
    assert between(before, after) == Between(suspended_s=expected[0], jumped_s=expected[1])


def test_sleep_is_survived_and_listed(
    agent: Make, store: Store, clock: Time, happened: list[Happening]
) -> None:
    clock.after(90, lambda: clock.suspend(7200))
    go(agent(), 4)
    (gap,) = told(store, alive=True).gaps
    assert (gap.why, round(gap.seconds or 0)) == ("suspended", 7200)
    assert gap.began == START + timedelta(seconds=89)
    assert gap.lasted() == "2:00:00"
    assert "suspended" in [each.what for each in happened]
    assert store.tables["sample"].count == 4


@pytest.mark.parametrize("jump_s", [-86_400, 86_400 * 365])
def test_a_clock_that_jumps_neither_stops_nor_hurries_the_visits(
    agent: Make, store: Store, clock: Time, jump_s: int
) -> None:
    clock.after(90, lambda: clock.set_clock(jump_s))
    began = clock.boot_s
    go(agent(), 4)
    assert clock.boot_s - began == pytest.approx(180, abs=3)
    (gap,) = told(store, alive=True).gaps
    assert (gap.why, round(gap.seconds or 0)) == ("clock_jumped", jump_s)
    bodies = [json.loads(body) for _, body in store.bodies()]
    assert [body["seq"] for body in bodies] == [1, 2, 3, 4]
    assert [b["mono_ns"] for b in bodies] == sorted(b["mono_ns"] for b in bodies)


def test_a_run_that_was_killed_shows_the_attempt_that_it_took_along(
    agent: Make, store: Store, clock: Time
) -> None:
    visitor = agent()
    visitor.visit()
    clock.pass_by(60)
    visitor.book.begin(
        clock.now(),
        family=4,
        place=None,
        sim="a",
        month="2026-07",
        scope="whole",
        reserved_bytes=5_000_000,
    )
    clock.pass_by(600)
    assert told(store, alive=True).gaps == ()
    (open_gap,) = told(store).gaps
    assert (open_gap.why, open_gap.ended, open_gap.attempts) == ("killed", None, 1)
    agent().visit()
    (gap,) = told(store).gaps[:1]
    assert (gap.why, gap.seconds, gap.attempts) == ("killed", 600, 1)
    assert visitor.book.account("a", clock.now(), None).used_bytes == 5_000_000


def test_a_power_cut_is_told_from_a_kill_by_the_name_of_the_boot(
    agent: Make, store: Store, clock: Time
) -> None:
    agent().visit()
    assert told(store).gaps[0].why == "killed"
    assert told(store, boot="another-boot").gaps[0].why == "power_lost"


def test_time_between_two_runs_is_a_gap_that_somebody_chose(
    agent: Make, store: Store, clock: Time
) -> None:
    first = agent()
    first.visit()
    first.book.end(clock.now(), "stopped")  # type: ignore[attr-defined]
    clock.pass_by(3600)
    agent().visit()
    gap = told(store, alive=True).gaps[0]
    assert (gap.why, gap.seconds, gap.attempts) == ("not_running", 3600, 0)


def test_attempts_missed_for_one_reason_are_one_gap(agent: Make, store: Store, clock: Time) -> None:
    visitor = agent()
    go(visitor, 2)
    visitor.excluded_links = ("*",)
    go(visitor, 3)
    visitor.excluded_links = ()
    clock.pass_by(60)
    go(visitor, 1)
    found = told(store, alive=True)
    (gap,) = found.gaps
    assert (gap.why, gap.attempts) == ("link_excluded", 3)
    assert gap.seconds == pytest.approx(180, abs=2)
    assert (found.planned, found.measured) == (6, 3)


class FullDisk(AgentLog):
    """A log whose disk fills up when a test says, and has room again later."""

    is_full = False

    def keep(self, *args: Any, **more: Any) -> Sample:
        if self.is_full:
            raise DiskFullError("full")
        return super().keep(*args, **more)


def test_a_reading_waits_for_room_and_is_kept_when_there_is(
    agent: Make, store: Store, clock: Time, happened: list[Happening]
) -> None:
    log = FullDisk(store, "drive", {}, clock.now(), boot_id())
    visitor = agent(book=log)
    log.is_full = True

    def make_room() -> None:
        log.is_full = False

    clock.after(120, make_room)
    go(visitor, 2)
    assert [each.what for each in happened] == ["disk_full", "disk_has_room", "sample", "sample"]
    assert [sample["seq"] for sample in store.tables["sample"].rows] == [1, 2]
    gap = told(store, alive=True).gaps[0]
    assert (gap.why, gap.seconds) == ("disk_full", pytest.approx(120, abs=6))


def test_a_single_visit_does_not_wait_for_room(agent: Make, store: Store, clock: Time) -> None:
    log = FullDisk(store, "run", {}, clock.now(), boot_id())
    log.is_full = True
    with pytest.raises(DiskFullError):
        agent(book=log, waits_for_room=False).visit()


def test_a_sign_of_life_dates_a_kill_while_it_waits(agent: Make, store: Store, clock: Time) -> None:
    def killed() -> None:
        raise SystemExit

    clock.after(500, killed)
    with pytest.raises(SystemExit):
        go(agent(), 2, every_s=3600)
    (gap,) = told(store).gaps
    assert gap.began >= START + timedelta(seconds=430)


def test_breaking_off_on_a_full_disk_says_what_was_not_kept(
    agent: Make, store: Store, clock: Time, happened: list[Happening]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    log = FullDisk(store, "drive", {}, clock.now(), boot_id())
    log.is_full = True
    clock.after(20, interrupted)
    with pytest.raises(KeyboardInterrupt):
        go(agent(book=log), 1)
    assert [each.what for each in happened] == ["disk_full", "not_kept"]
    assert [attempt["happened"] for attempt in agent_records(store)["agent_attempt"]] == ["begun"]


def test_the_first_visit_waits_a_moment_for_the_first_position(
    agent: Make, clock: Time, kept: Callable[[], list[Any]]
) -> None:
    receiver = Receiver(problem="no_fix")
    clock.after(2, lambda: setattr(receiver, "problem", None))
    go(agent(position=receiver), 1)
    assert kept()[0].position is not None


def test_a_receiver_that_tells_no_place_does_not_stop_the_visits(
    agent: Make, clock: Time, kept: Callable[[], list[Any]]
) -> None:
    go(agent(position=Receiver(problem="no_fix")), 1)
    assert kept()[0].position is None
    assert clock.slept_s < 10
