"""What a store holds, counted: by source, operator, technology, outcome and origin."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .aggregate import AggregateCount, count_aggregates
from .located import PLACED, has_located, sources
from .patterns import Pattern, find_patterns
from .store import Store

if TYPE_CHECKING:
    import sqlite_utils

# The name of each count, and the column or expression of `sample` it is counted by.
_COUNTED = {
    "source": "tool",
    "kind": "kind",
    "operator": "operator",
    "technology": "rat",
    "evidence of 5G": "nr_evidence",
    "outcome": "outcome",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many samples share a value, measured and simulated apart; a missing value is None."""

    by: str
    value: str | None
    measured: int
    simulated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """How many samples lie in one square degree, named by its south-western corner."""

    lon: int
    lat: int
    measured: int
    simulated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """
    A store in figures.

    `bounds` is west, south, east and north in degrees; times are UTC. `rejected` counts rows of
    foreign files by reason, `files` the files that samples came from. `areas` are square degrees,
    those with most samples first; `patterns` what a person should look at before judging. `located`
    counts places joined from tracks by their source, `aggregates` averages of others, which are no
    samples and in none of the other figures.
    """

    samples: int
    simulated: int
    placed: int
    first_at: datetime | None
    last_at: datetime | None
    bounds: tuple[float, float, float, float] | None
    counts: tuple[Count, ...]
    rejected: dict[str, int]
    files: int
    areas: tuple[Area, ...]
    patterns: tuple[Pattern, ...]
    located: dict[str, int]
    aggregates: tuple[AggregateCount, ...]


def overview(store: Store) -> Overview:
    """Count what a store holds."""
    tables = store.tables
    (total,) = tables.query(
        "SELECT count(*) AS samples, coalesce(sum(simulated), 0) AS simulated,"
        " min(started_us) AS first_us, max(started_us) AS last_us FROM sample"
    )
    table = PLACED if has_located(store) else "sample"
    (place,) = tables.query(
        "SELECT count(lon) AS placed, min(lon) AS west, min(lat) AS south, max(lon) AS east,"
        f" max(lat) AS north FROM {table}"
    )
    rejected = tables.query(
        "SELECT reason, count(*) AS count FROM rejected GROUP BY reason ORDER BY count DESC, reason"
    )
    return Overview(
        samples=total["samples"],
        simulated=total["simulated"],
        placed=place["placed"],
        first_at=_moment(total["first_us"]),
        last_at=_moment(total["last_us"]),
        bounds=(
            (place["west"], place["south"], place["east"], place["north"])
            if place["placed"]
            else None
        ),
        counts=tuple(_counts(tables)),
        rejected={row["reason"]: row["count"] for row in rejected},
        files=tables["source_file"].count,
        areas=tuple(_areas(tables, table)),
        patterns=find_patterns(store),
        located=dict(sources(store)),
        aggregates=count_aggregates(store),
    )


def rejected_rows(
    store: Store, *, file: str | None, reason: str | None, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """Give rejected rows in the order of their files, at most `limit`, and how many there are."""
    wanted = "(:file IS NULL OR file = :file) AND (:reason IS NULL OR reason = :reason)"
    values = {"file": file, "reason": reason}
    tables = store.tables
    return (
        list(
            tables.query(
                f"SELECT * FROM rejections WHERE {wanted} ORDER BY file, line LIMIT :limit",
                {**values, "limit": limit},
            )
        ),
        tables["rejected"].count_where(wanted, values),
    )


def _counts(tables: "sqlite_utils.Database") -> list[Count]:
    return [
        Count(by=by, value=row["value"], measured=row["measured"], simulated=row["simulated"])
        for by, column in _COUNTED.items()
        for row in tables.query(
            f"SELECT {column} AS value, sum(1 - simulated) AS measured,"
            " sum(simulated) AS simulated FROM sample GROUP BY 1"
            " ORDER BY count(*) DESC, 1"
        )
    ]


def _areas(tables: "sqlite_utils.Database", table: str) -> list[Area]:
    # SQLite's cast cuts towards zero; south and west of it, a whole degree is missing then.
    lon, lat = (f"CAST({c} AS INTEGER) - ({c} < CAST({c} AS INTEGER))" for c in ("lon", "lat"))
    return [
        Area(**row)
        for row in tables.query(
            f"SELECT {lon} AS lon, {lat} AS lat, sum(1 - simulated) AS measured,"
            f" sum(simulated) AS simulated FROM {table} WHERE lon IS NOT NULL GROUP BY 1, 2"
            " ORDER BY count(*) DESC, 1, 2"
        )
    ]


def _moment(us: int | None) -> datetime | None:
    return None if us is None else datetime.fromtimestamp(us // 1_000_000, UTC)
