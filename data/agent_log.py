"""
What the field agent did, in the store: runs, attempts, what happened between, data used.

An attempt is written down before it begins, with the data that it may use; what came of it, the
data that it did use and its sample are one transaction. So a killed agent leaves an attempt that
is still `begun`, counted with all that it might have used, and never a sample without its cost.
"""

import json
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from .data_month import Account, account_of, months_together
from .handed_over import count_unsent
from .sample import Sample
from .store import Store, append_within, to_us


class Instant(Protocol):
    """A moment on the wall clock, in UTC, and on the clock that counts from boot, suspend too."""

    @property
    def at(self) -> datetime:
        """Give the wall clock's time."""
        ...

    @property
    def boot_s(self) -> float:
        """Give the seconds since the machine was started."""
        ...


class AgentLog:
    """One run of the agent in a store; `Book` of `probes/agent/book.py`."""

    def __init__(
        self, store: Store, mode: str, plan: Mapping[str, Any], now: Instant, boot_id: str | None
    ) -> None:
        self.store = store
        at_us = to_us(now.at)
        with store.writing() as connection:
            cursor = connection.execute(
                "INSERT INTO agent_run (mode, plan, process, boot_id, started_us, seen_us,"
                " seen_boot_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(mode, json.dumps(plan, ensure_ascii=False), os.getpid(), boot_id),
                    *(at_us, at_us, round(now.boot_s * 1000)),
                ),
            )
        self.run = int(cursor.lastrowid or 0)

    def begin(
        self,
        now: Instant,
        *,
        family: int | None,
        place: tuple[float, float] | None,
        sim: str,
        month: str,
        scope: str,
        reserved_bytes: int,
    ) -> int:
        """Write an attempt down before it is made, with the data that it may use in a month."""
        with self.store.writing() as connection:
            number = _insert_attempt(connection, self.run, now, family, place, "begun")
            connection.execute(
                "INSERT INTO data_used (attempt, sim, month, scope, reserved_bytes)"
                " VALUES (?, ?, ?, ?, ?)",
                (number, sim, month, scope, reserved_bytes),
            )
        return number

    def reserve(self, attempt: int, reserved_bytes: int) -> None:
        """Say anew how much an attempt under way may have used by its end."""
        with self.store.writing() as connection:
            connection.execute(
                "UPDATE data_used SET reserved_bytes = ?, used_bytes = NULL WHERE attempt = ?",
                (reserved_bytes, attempt),
            )

    def keep(self, attempt: int, sample: Sample, used_bytes: int, now: Instant) -> Sample:
        """Keep what came of an attempt, with what it has cost; give it back numbered."""
        with self.store.writing() as connection:
            (kept,) = append_within(connection, [sample])
            connection.execute(
                "UPDATE agent_attempt SET happened = 'measured', why = ?, ended_us = ?,"
                " probe = ?, seq = ? WHERE n = ?",
                (kept.reason, to_us(now.at), kept.probe, kept.seq, attempt),
            )
            connection.execute(
                "UPDATE data_used SET used_bytes = ? WHERE attempt = ?",
                (used_bytes, attempt),
            )
            _seen(connection, self.run, now)
        return kept

    def miss(
        self, now: Instant, why: str, *, family: int | None, place: tuple[float, float] | None
    ) -> None:
        """Write down an attempt that was due and not made, and why."""
        with self.store.writing() as connection:
            number = _insert_attempt(connection, self.run, now, family, place, "not_measured")
            connection.execute(
                "UPDATE agent_attempt SET why = ?, ended_us = begun_us WHERE n = ?", (why, number)
            )
            _seen(connection, self.run, now)

    def note(self, what: str, began: Instant, now: Instant, seconds: float) -> None:
        """Write down what happened to the machine: it slept, its clock was set, its disk filled."""
        with self.store.writing() as connection:
            connection.execute(
                "INSERT INTO agent_event (run, what, from_us, until_us, seconds)"
                " VALUES (?, ?, ?, ?, ?)",
                (self.run, what, to_us(began.at), to_us(now.at), seconds),
            )
            _seen(connection, self.run, now)

    def seen(self, now: Instant) -> None:
        """Leave a sign of life, so that a kill can be dated."""
        with self.store.writing() as connection:
            _seen(connection, self.run, now)

    def end(self, now: Instant, why: str) -> None:
        """Write down that the run ended, and why."""
        with self.store.writing() as connection:
            _seen(connection, self.run, now)
            connection.execute(
                "UPDATE agent_run SET ended_us = ?, ended = ? WHERE n = ?",
                (to_us(now.at), why, self.run),
            )

    def account(self, sim: str, now: Instant, satellite_at: datetime | None) -> Account:
        """Give a SIM's month and what it has used in it, attempts of unknown cost in full."""
        return account_of(self.store, sim, now.at, satellite_at)

    def unsent(self, probe: str) -> int:
        """Give how many attempts of ours no export of evidence held yet."""
        return count_unsent(self.store, probe)

    def usual_bytes(self, sim: str, scope: str) -> int | None:
        """Give the median cost of the last twenty attempts on a SIM; None before the first."""
        rows = self.store.connection.execute(
            "SELECT used_bytes FROM data_used WHERE sim = ? AND scope = ? AND used_bytes > 0"
            " ORDER BY n DESC LIMIT 20",
            (sim, scope),
        ).fetchall()
        costs = sorted(row[0] for row in rows)
        return int(costs[len(costs) // 2]) if costs else None

    def own_samples(self, probe: str) -> tuple[int, int]:
        """Give how many attempts of ours are kept, and how many of them have no reading."""
        row = self.store.connection.execute(
            "SELECT count(*), coalesce(sum(outcome <> 'ok'), 0) FROM sample WHERE probe = ?",
            (probe,),
        ).fetchone()
        return int(row[0]), int(row[1])

    def own_places(self, probe: str) -> list[tuple[float, float, int]]:
        """Give where and when our attempts were made; see `places_of`."""
        return places_of(self.store, probe)


def places_of(store: Store, probe: str) -> list[tuple[float, float, int]]:
    """Give where a probe's attempts were made, and when in microseconds, the oldest first."""
    return store.connection.execute(
        "SELECT lon, lat, started_us FROM sample WHERE probe = ? AND lon IS NOT NULL ORDER BY n",
        (probe,),
    ).fetchall()


def data_used(store: Store) -> list[dict[str, Any]]:
    """Give what each SIM used in each month, the newest first, and the months counted with it."""
    rows = store.tables.query("SELECT * FROM data_used_by_month ORDER BY month DESC, sim")
    return [row | {"together_with": months_together(store, row["month"])} for row in rows]


def agent_records(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Give every run, attempt and event of the agent, in the order in which they were written."""
    return {
        name: list(store.tables.query(f"SELECT * FROM {name} ORDER BY n"))
        for name in ("agent_run", "agent_attempt", "agent_event")
    }


def _insert_attempt(
    connection: Any,
    run: int,
    now: Instant,
    family: int | None,
    place: tuple[float, float] | None,
    happened: str,
) -> int:
    cursor = connection.execute(
        "INSERT INTO agent_attempt (run, begun_us, begun_boot_ms, family, lon, lat, happened)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            *(run, to_us(now.at), round(now.boot_s * 1000), family),
            *(place or (None, None)),
            happened,
        ),
    )
    return int(cursor.lastrowid or 0)


def _seen(connection: Any, run: int, now: Instant) -> None:
    connection.execute(
        "UPDATE agent_run SET seen_us = ?, seen_boot_ms = ? WHERE n = ?",
        (to_us(now.at), round(now.boot_s * 1000), run),
    )
