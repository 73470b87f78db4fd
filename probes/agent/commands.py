"""Commands of the field agent: go on measuring, follow a plan, and account for what is missing."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...console import (
    EXIT_BAD_ANSWER,
    Command,
    Session,
    json_option,
    note,
    number,
    pass_session,
    print_json,
    print_table,
)
from ...data.errors import StoreError
from ...data.words import say
from ..options import position_option, rows_option, run_options, visits_option
from .options import field_options

if TYPE_CHECKING:
    from ...data.sample import Sample
    from ...data.store import Store
    from ..visits import Plan
    from .clock import Clock
    from .gaps import Gap
    from .outfit import Wishes
    from .pace import Pace
    from .plan_file import Progress, VisitPlan
    from .screen import Screen
    from .visitor import Visitor

_GAP_HEADERS = ("from (UTC)", "until (UTC)", "lasted", "why", "attempts")
_PLAN_HEADERS = ("village", "code", "km", "bearing", "places still needed")
_BUDGET_HEADERS = ("SIM", "month", "attempts", "MB used", "of unknown cost", "counted with")


def machine_clock() -> "Clock":
    """Give the machine's own clocks."""
    from .clock import Clock, Moment

    boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now() -> Moment:
        return Moment(
            at=datetime.now(UTC), mono_s=time.monotonic(), boot_s=time.clock_gettime(boot)
        )

    return Clock(now=now, sleep=time.sleep)


@click.command(cls=Command)
@run_options(max_mb=100)
@field_options
@click.option(
    "--every-s", type=click.FloatRange(1, 1e6), help="Measure again after so many seconds."
)
@click.option(
    "--every-m", type=click.FloatRange(10, 1e6), help="Measure again after so many metres."
)
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path),
    help="Follow a plan of visits: its pace, its villages.",
)
@visits_option
@json_option
@pass_session
def drive(
    session: Session,
    /,
    every_s: float | None,
    every_m: float | None,
    plan_file: Path | None,
    visits: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """
    Measure again and again on the way, until Ctrl-C.

    Every so many seconds or metres, whichever comes first; every 60 seconds where neither is
    said. At rest it measures ever less often, up to every 15 minutes.
    """
    from .pace import DEFAULT_EVERY_S, Drive
    from .plan_file import read_plan

    plan = read_plan(plan_file) if plan_file else None
    if every_s is None and every_m is None and plan is not None:
        every_s, every_m = plan.every_s, plan.every_m
    if every_s is None and every_m is None:
        every_s = DEFAULT_EVERY_S
    pace = Drive(every_s=every_s, every_m=every_m)
    keep_going(session, "drive", pace, plan, visits=visits, as_json=as_json, options=options)


@click.command(cls=Command)
@run_options(max_mb=100)
@field_options
@click.option(
    "--mean-s",
    type=click.FloatRange(1, 1e7),
    default=21_600.0,
    show_default=True,
    help="Mean of the random waiting times, in seconds.",
)
@click.option(
    "--at",
    "times",
    type=click.DateTime(("%H:%M",)),
    multiple=True,
    help="Measure at this time of day instead, such as 06:30; may be given again.",
)
@visits_option
@json_option
@pass_session
def schedule(
    session: Session,
    /,
    mean_s: float,
    times: tuple[datetime, ...],
    visits: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """
    Measure unattended, at random or fixed times, until it is stopped.

    Random waiting times are exponential, at least a tenth of the mean and at most 2.5 times it:
    every hour of the day is met alike. docs/phusong-agent.service runs it under systemd.
    """
    from .pace import Fixed, Pace, Scattered

    pace: Pace = Fixed(sorted(each.time() for each in times)) if times else Scattered(mean_s=mean_s)
    keep_going(session, "schedule", pace, None, visits=visits, as_json=as_json, options=options)


@click.command("plan", cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@position_option
@rows_option(10)
@json_option
@pass_session
def show_plan(
    session: Session, file: Path, position_spec: str | None, limit: int, as_json: bool
) -> None:
    """
    Show the villages of a plan that still need places, the nearest first.

    What this store has measured since the plan was made is taken off. Measure along it with:
    phusong probe drive --plan FILE.
    """
    from .outfit import first_fix
    from .plan_file import read_plan
    from .view import figure

    plan = read_plan(file)
    progress = _progress(session, plan)
    fix = first_fix(position_spec) if position_spec else None
    if fix is not None and fix.usable is None:
        note("position: {problem}", problem=say(str(fix.problem)))
    here = (fix.usable.lon, fix.usable.lat) if fix is not None and fix.usable else None
    legs = progress.legs(here)
    if as_json:
        print_json(leg.shown() for leg in legs[:limit])
        return
    rows = [
        (
            leg.village.name,
            leg.village.code,
            None if leg.distance_m is None else figure(leg.distance_m / 1000),
            None if leg.direction is None else say(leg.direction),
            leg.needed,
        )
        for leg in legs[:limit]
    ]
    print_table(rows, _PLAN_HEADERS)
    note(
        "{villages} of {all} {all:village|villages} still {villages:needs|need} {places}"
        " {places:place|places}",
        villages=len(legs),
        all=len(plan.villages),
        places=sum(leg.needed for leg in legs),
    )


@click.command(cls=Command)
@rows_option(50)
@json_option
@pass_session
def gaps(session: Session, limit: int, as_json: bool) -> None:
    """
    List when nothing was measured, and why.

    Attempts that were due and not made, killed runs, power cuts, sleep, a clock that was set, a
    full disk, and the time between two runs. The newest come last.
    """
    from ...data.agent_log import agent_records
    from ..speed import boot_id
    from .gaps import account
    from .outfit import is_alive

    this_boot = boot_id()
    with session.store(create=False) as store:
        found = account(
            agent_records(store),
            is_alive=lambda process, boot: is_alive(process, boot, this_boot=this_boot),
            boot_id=this_boot,
        )
    if as_json:
        print_json(gap.shown() for gap in found.gaps[-limit:])
    else:
        print_table([_gap_row(gap) for gap in found.gaps[-limit:]], _GAP_HEADERS)
    note(
        "{planned} {planned:attempt|attempts} planned, {measured} gave a sample",
        planned=number(found.planned, 0),
        measured=number(found.measured, 0),
    )


@click.command(cls=Command)
@json_option
@pass_session
def budget(session: Session, as_json: bool) -> None:
    """Show the data that each SIM has used in each month."""
    from ...data.agent_log import data_used

    with session.store(create=False) as store:
        rows = data_used(store)
    if as_json:
        print_json(rows)
        return
    print_table(
        [
            (
                row["sim"],
                row["month"],
                row["attempts"],
                number(row["bytes"] / 1e6),
                row["unsettled"] or None,
                ", ".join(row["together_with"]) or None,
            )
            for row in rows
        ],
        _BUDGET_HEADERS,
    )


def measure_once(session: Session, **options: Any) -> "list[Sample]":
    """Make one visit, as `probe run` does, and keep it; give what was kept."""
    from .outfit import Wishes, make_plan
    from .screen import Screen

    wishes = Wishes(**options)
    plan = make_plan(wishes)
    screen = Screen(out=lambda text: None, words=note, quiet=True)
    with session.store() as store, _outfitted(store, "run", wishes, plan, screen) as visitor:
        visitor.waits_for_room = False
        visitor.on_phase = lambda phase: note("measuring: {phase}", phase=say(phase))
        visitor.wait_for_position()
        visitor.visit()
    return screen.kept


def keep_going(
    session: Session,
    mode: str,
    pace: "Pace",
    plan: "VisitPlan | None",
    *,
    visits: int | None,
    as_json: bool,
    options: dict[str, Any],
) -> None:
    """Make visits at a pace until they are done or somebody breaks it off."""
    from .outfit import Wishes, make_plan
    from .plan_file import Progress
    from .rounds import Rounds
    from .screen import Screen

    wishes = Wishes(**options)
    measured = make_plan(wishes)
    screen = Screen(out=click.echo, words=note, json=print_json if as_json else None)
    with session.store() as store, _outfitted(store, mode, wishes, measured, screen) as visitor:
        if plan is not None:
            screen.progress = Progress(plan)
            screen.progress.catch_up(visitor.book.own_places(visitor.probe))
        try:
            with _asked_to_stop(), screen.live(visitor.status):
                Rounds(visitor=visitor, pace=pace, visits=visits, on_tick=screen.tick).run()
        finally:
            screen.end(visitor.status)
    if not screen.readings:
        raise SystemExit(EXIT_BAD_ANSWER)


@contextmanager
def _outfitted(
    store: "Store", mode: str, wishes: "Wishes", plan: "Plan", screen: "Screen"
) -> "Iterator[Visitor]":
    """Give a visitor with its log and its sources; whatever ends the run is written down."""
    from ...data.agent_log import AgentLog
    from ..discovery import NOTICE, PUBLISHES, is_public_archive
    from ..engines.ceiling import cache_path, ceiling_of, measure_ceiling
    from ..speed import boot_id
    from .outfit import make_visitor

    if (plan.country or is_public_archive(plan.server)) and store.is_first_notice(NOTICE):
        note(PUBLISHES)
    clock, probe = machine_clock(), store.own_probe()
    log = AgentLog(store, mode, {"server": plan.server.url}, clock.now(), boot_id())
    visitor = make_visitor(wishes, plan, probe=probe, book=log, clock=clock, folder=store.folder)
    visitor.on_happening = screen.happened
    visitor.ceiling = lambda: ceiling_of(cache_path(), boot_id(), measure_ceiling)
    screen.begin(visitor.estimate(), *log.own_samples(probe))
    ended = "failed"
    try:
        yield visitor
        ended = "finished"
    except KeyboardInterrupt:
        ended = "stopped"
        raise
    finally:
        visitor.close()
        with suppress(StoreError):
            log.end(clock.now(), ended)


@contextmanager
def _asked_to_stop() -> Iterator[None]:
    """End at SIGTERM and SIGHUP as at Ctrl-C: what was measured is kept, and the run has an end."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _progress(session: Session, plan: "VisitPlan") -> "Progress":
    from ...data.agent_log import places_of
    from .plan_file import Progress

    progress = Progress(plan)
    if session.db.exists():
        with session.store(create=False) as store:
            progress.catch_up(places_of(store, store.own_probe()))
    return progress


def _gap_row(gap: "Gap") -> list[object]:
    return [
        gap.began.isoformat(" ", "seconds")[:19],
        gap.ended.isoformat(" ", "seconds")[:19] if gap.ended else None,
        gap.lasted(),
        say(gap.why),
        gap.attempts or None,
    ]
