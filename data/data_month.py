"""
In which month data is booked, where no clock can be trusted: a clock that was set opens no new cap.

A satellite's time decides where a receiver tells it. Otherwise the machine's calendar does, but:

- two months between which the clock was set count as one, until a satellite confirms the later one;
  from then on only what the very run booked that saw the clock being set still counts in both;
- a calendar that is behind the ledger (a board that wakes up in 1970) is not believed: data is
  booked in the newest month of the ledger that the clock was not set back from;
- what is booked later than a satellite's time cannot have been used in the future: it counts now.

So an account may say too much, and then says of which months, but never too little.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from .store import Store, from_us, now_us

# A receiver whose week counter rolled over tells a time 1,024 weeks ago.
_EARLIEST_MONTH = "2026-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A SIM's month, what counts as used in it, and the other months whose data counts in it."""

    month: str
    used_bytes: int
    joined: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Jump:
    number: int
    run: int
    before: str
    after: str


def month_of(at: datetime) -> str:
    """Give the month by the machine's own calendar, as a data plan counts it."""
    return at.astimezone().strftime("%Y-%m")


def account_of(store: Store, sim: str, at: datetime, satellite_at: datetime | None) -> Account:
    """Give a SIM's account at a moment of the machine's clock and, where one tells, a satellite."""
    connection = store.connection
    jumps = _jumps(connection)
    told = month_of(satellite_at) if satellite_at is not None else None
    if told is not None and told < _EARLIEST_MONTH:
        told = None
    calendar = month_of(at)
    month = told or max(calendar, _newest_booked(connection, sim, jumps) or calendar)
    if told is not None:
        _confirm(store, told, jumps)
    confirmed = _confirmed(connection, month)
    joined: dict[str, set[int] | None] = {}
    if told is None and calendar != month:
        joined[calendar] = None
    for jump in jumps:
        other = {jump.before: jump.after, jump.after: jump.before}.get(month)
        if other is None:
            continue
        if jump.number > confirmed:
            joined[other] = None
        elif (runs := joined.setdefault(other, set())) is not None:
            runs.add(jump.run)
    used: dict[str, int] = {}
    for booked, run, size in connection.execute(
        "SELECT month, run, sum(coalesce(used_bytes, reserved_bytes)) FROM data_used AS u"
        " JOIN agent_attempt AS a ON a.n = u.attempt WHERE sim = ? AND month >= ?"
        " GROUP BY month, run",
        (sim, min(month, *joined)) if joined else (sim, month),
    ):
        runs = joined.get(booked, set())
        is_ahead = told is not None and booked > told
        if booked == month or is_ahead or runs is None or run in runs:
            used[booked] = used.get(booked, 0) + size
    others = tuple(sorted(name for name, size in used.items() if name != month and size))
    return Account(month=month, used_bytes=sum(used.values()), joined=others)


def months_together(store: Store, month: str) -> tuple[str, ...]:
    """Give the other months that count with one, as long as no satellite told them apart."""
    last = _confirmed(store.connection, month)
    ties = [
        {jump.before, jump.after} - {month}
        for jump in _jumps(store.connection)
        if jump.number > last and month in (jump.before, jump.after)
    ]
    return tuple(sorted(set().union(*ties)))


def _jumps(connection: sqlite3.Connection) -> list[_Jump]:
    """Give the times that the clock was set into another month."""
    rows = connection.execute(
        "SELECT n, run, until_us, seconds FROM agent_event WHERE what = 'clock_jumped' ORDER BY n"
    )
    # Against what the clock would say by now had nobody set it: time that passed is no jump.
    jumps = [
        _Jump(number, run, month_of(from_us(after - int(seconds * 1e6))), month_of(from_us(after)))
        for number, run, after, seconds in rows
    ]
    return [jump for jump in jumps if jump.before != jump.after]


def _newest_booked(connection: sqlite3.Connection, sim: str, jumps: list[_Jump]) -> str | None:
    disproved = {jump.before for jump in jumps if jump.after < jump.before}
    rows = connection.execute("SELECT DISTINCT month FROM data_used WHERE sim = ?", (sim,))
    return max((month for (month,) in rows if month not in disproved), default=None)


def _confirmed(connection: sqlite3.Connection, month: str) -> int:
    """Give the last event after which a satellite told this month; 0 if none ever did."""
    row = connection.execute(
        "SELECT max(after_event) FROM month_confirmed WHERE month = ?", (month,)
    ).fetchone()
    return int(row[0] or 0)


def _confirm(store: Store, month: str, jumps: list[_Jump]) -> None:
    """Note that a satellite told a month that a set clock had left in doubt."""
    doubtful = [jump.number for jump in jumps if month in (jump.before, jump.after)]
    if doubtful and doubtful[-1] > _confirmed(store.connection, month):
        with store.writing() as connection:
            connection.execute(
                "INSERT INTO month_confirmed (month, after_event, confirmed_us) VALUES (?, ?, ?)",
                (month, doubtful[-1], now_us()),
            )
