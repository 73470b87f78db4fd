"""
Averages of many tests, as others publish them: kept with their counts, beside the samples.

One row of them is no attempt of anybody: it is in no denominator, no verdict and no map of
samples. It is there to be looked at and compared. `west` to `north` is the box that it is of; a
cell's is the one point where its owner reckons it.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

from .check import (
    check_integer,
    check_number,
    check_optional_integer,
    check_optional_number,
    check_optional_text,
    check_text,
    refuse,
)
from .store import Merged, Rejected, Store, insert_rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """
    One average: of what place, when and of how many tests and devices.

    `period` is the day on which the time averaged over began, `access` ``mobile`` or ``fixed``.

    Raises
    ------
    RecordError
        Naming the field, what was seen and what was expected.
    """

    tool: str
    file_sha256: str
    line: int
    place: str
    west: float
    south: float
    east: float
    north: float
    period: str | None = None
    access: str | None = None
    plmn: str | None = None
    rat: str | None = None
    tests: int
    devices: int | None = None
    down_mbps: float | None = None
    up_mbps: float | None = None
    rtt_idle_ms: float | None = None
    rtt_loaded_down_ms: float | None = None
    rtt_loaded_up_ms: float | None = None
    level_dbm: float | None = None
    record: str

    def __post_init__(self) -> None:
        check_text("place", self.place)
        for name in ("period", "access", "plmn", "rat"):
            check_optional_text(name, getattr(self, name))
        for name, most in (("west", 180), ("east", 180), ("south", 90), ("north", 90)):
            check_number(name, getattr(self, name), -most, most)
        if self.west > self.east or self.south > self.north:
            refuse("place", self.place, "a box whose sides are in order")
        check_integer("tests", self.tests, 1, 1 << 53)
        check_optional_integer("devices", self.devices, 1, 1 << 53)
        for name in ("down_mbps", "up_mbps"):
            check_optional_number(name, getattr(self, name), 0, 1e6)
        for name in ("rtt_idle_ms", "rtt_loaded_down_ms", "rtt_loaded_up_ms"):
            check_optional_number(name, getattr(self, name), 0, 1e7)
        check_optional_number("level_dbm", self.level_dbm, -160, 0)


_COLUMNS = tuple(field.name for field in fields(Aggregate))
_INSERT = (
    f"INSERT INTO aggregate ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
    " ON CONFLICT (file_sha256, line) DO NOTHING"
)


def merge_aggregates(
    store: Store, aggregates: Iterable[Aggregate], rejected: Iterable[Rejected] = ()
) -> Merged:
    """Keep averages of one file, in one transaction; a line that is there already stays."""
    new = duplicate = 0
    with store.writing() as connection:
        for aggregate in aggregates:
            if connection.execute(_INSERT, astuple(aggregate)).rowcount:
                new += 1
            else:
                duplicate += 1
        insert_rejected(connection, rejected)
    return Merged(new=new, duplicate=duplicate)


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateCount:
    """How many averages of one source, time and access there are, and of how many tests."""

    source: str
    period: str | None
    access: str | None
    rows: int
    tests: int
    down_mbps: float | None
    up_mbps: float | None


def count_aggregates(store: Store) -> tuple[AggregateCount, ...]:
    """Count averages by source; the speeds are means over tests, not over rows."""
    return tuple(
        AggregateCount(**row)
        for row in store.tables.query(
            "SELECT tool AS source, period, access, count(*) AS rows, sum(tests) AS tests,"
            " sum(down_mbps * tests) / sum(CASE WHEN down_mbps IS NOT NULL THEN tests END)"
            " AS down_mbps,"
            " sum(up_mbps * tests) / sum(CASE WHEN up_mbps IS NOT NULL THEN tests END) AS up_mbps"
            " FROM aggregate GROUP BY tool, period, access ORDER BY tool, period, access"
        )
    )
