"""
Audits over time: each as one row, and who got better or worse since the last one.

The last one is the newest earlier audit that has at least half of this one's hosts: lists are
edited from year to year, and an audit of another list says nothing about this one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .adoption import Group, HostStatus, group_of

# What a host can be, the worst first: an address where nobody is comes below none.
STANDINGS = ("dead", "none", "has")
COMMON_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Step:
    """One host that changed: what it was and what it is, of `STANDINGS`."""

    host: str
    agency: str | None
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of the hosts that two audits have in common."""

    since: str
    better: tuple[Step, ...] = ()
    worse: tuple[Step, ...] = ()
    common: int = 0
    only_before: int = 0
    only_after: int = 0


@dataclass(frozen=True, slots=True)
class Trend:
    """One audit in a row of audits: its id, when, all its hosts as one group, what changed."""

    audit: str
    at: datetime
    group: Group
    change: Change | None = None


def standing_of(status: HostStatus) -> str | None:
    """Give what a host is; None where it is not known."""
    if status.dead:
        return "dead"
    return None if status.aaaa is None else STANDINGS[1 + status.aaaa]


def compare(since: str, before: Mapping[str, str | None], after: Iterable[HostStatus]) -> Change:
    """Say who has got better or worse; who was or is unknown has done neither."""
    new = {status.host: status for status in after}
    better: list[Step] = []
    worse: list[Step] = []
    common = 0
    for host, status in new.items():
        was, now = before.get(host), standing_of(status)
        if was is None or now is None:
            continue
        common += 1
        step = Step(host, status.about.get("agency"), was, now)
        if STANDINGS.index(now) > STANDINGS.index(was):
            better.append(step)
        elif now != was:
            worse.append(step)
    # Who has become dead stands first.
    worse.sort(key=lambda step: (STANDINGS.index(step.after), step.host))
    better.sort(key=lambda step: (-STANDINGS.index(step.after), step.host))
    return Change(
        since=since,
        better=tuple(better),
        worse=tuple(worse),
        common=common,
        only_before=len(before.keys() - new.keys()),
        only_after=len(new.keys() - before.keys()),
    )


def trend(audits: Iterable[tuple[str, Sequence[HostStatus]]]) -> list[Trend]:
    """Give audits in their order, each compared with the last one of the same hosts."""
    rows: list[Trend] = []
    # Of an audit that is done with, only what its hosts were is remembered.
    earlier: dict[str, dict[str, str | None]] = {}
    for name, statuses in audits:
        if not statuses:
            continue
        standings = {status.host: standing_of(status) for status in statuses}
        last = next(
            (
                other
                for other, known in reversed(earlier.items())
                if len(known.keys() & standings.keys()) >= COMMON_SHARE * len(standings)
            ),
            None,
        )
        change = compare(last, earlier[last], statuses) if last is not None else None
        at = max(status.at for status in statuses)
        rows.append(Trend(name, at, group_of("all", statuses), change))
        earlier[name] = standings
    return rows
