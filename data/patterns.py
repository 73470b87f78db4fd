"""
Patterns in a store that real measurements rarely make, so that a person looks before judging.

None of them is proof: a phone on a windowsill has one position, and a cheap plan one speed. What
is simulated is left out. A pattern is told by source and file with how many samples show it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .store import Store

if TYPE_CHECKING:
    import sqlite_utils

# Below so many samples a repetition is no pattern.
MIN_SAMPLES = 20
# A tenth of a percent of a speed: two tests that agree so closely ran into the same wall.
_CEILING = 0.999
_CEILING_SHARE = 0.2
_ROUND_SHARE = 0.5
_REPEATS = 3

_MEASURED = "FROM sample AS s LEFT JOIN source_file AS f ON f.sha256 = s.file_sha256"
_PLACE = "s.tool AS source, f.name AS file"
_BY_FILE = "GROUP BY s.tool, s.file_sha256"

# Five decimals are about a metre.
_ONE_POINT = f"""
    SELECT {_PLACE}, count(s.lon) AS samples, count(s.lon) AS "of"
    {_MEASURED} WHERE s.simulated = 0 {_BY_FILE}
    HAVING count(s.lon) >= :least
        AND max(s.lon) - min(s.lon) < 0.00001 AND max(s.lat) - min(s.lat) < 0.00001
"""
_SAME_SPEEDS = f"""
    WITH groups AS (
        SELECT s.tool, s.file_sha256, count(*) AS rows {_MEASURED}
        WHERE s.simulated = 0 AND s.down_mbps IS NOT NULL AND s.up_mbps IS NOT NULL
            AND NOT (s.down_mbps = round(s.down_mbps) AND s.up_mbps = round(s.up_mbps))
        GROUP BY s.tool, s.file_sha256, s.down_mbps, s.up_mbps, s.rtt_idle_ms
    )
    SELECT s.tool AS source, f.name AS file, sum(rows) FILTER (WHERE rows >= :repeats) AS samples,
        sum(rows) AS "of"
    FROM groups AS s LEFT JOIN source_file AS f ON f.sha256 = s.file_sha256 {_BY_FILE}
    HAVING samples > 0
"""
_SAME_MEASUREMENT = """
    SELECT s.tool AS source, NULL AS file, sum(rows - 1) AS samples, sum(rows) AS "of"
    FROM (
        SELECT min(tool) AS tool, count(*) AS rows, count(DISTINCT file_sha256) AS files
        FROM sample WHERE simulated = 0 AND file_sha256 IS NOT NULL
        GROUP BY started_us, kind, outcome, lon, lat, operator, plmn, cell_id,
            down_mbps, up_mbps, rsrp_dbm, level_dbm
        HAVING files > 1
    ) AS s GROUP BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """
    One pattern: what it is, where it was seen, and how many samples of how many show it.

    `file` is None where it is seen across files.
    """

    name: str
    source: str
    file: str | None
    samples: int
    of: int


def find_patterns(store: Store) -> tuple[Pattern, ...]:
    """Look for patterns in what was measured, the plainest first."""
    tables = store.tables
    values = {"least": MIN_SAMPLES, "repeats": _REPEATS}
    found = [
        _pattern(name, row)
        for name, query in (
            ("all at one point", _ONE_POINT),
            ("the same speeds again and again", _SAME_SPEEDS),
            ("the same measurement in several files", _SAME_MEASUREMENT),
        )
        for row in tables.query(query, values)
    ]
    found += _at_ceiling(tables, "down_mbps", "downloads at one highest speed")
    found += _at_ceiling(tables, "up_mbps", "uploads at one highest speed")
    found += _round(tables, "down_mbps", "downloads of round numbers")
    found += _round(tables, "up_mbps", "uploads of round numbers")
    return tuple(found)


def _at_ceiling(tables: "sqlite_utils.Database", column: str, name: str) -> list[Pattern]:
    """Find sources whose speeds pile up at their highest: the instrument's limit, or the plan's."""
    query = f"""
        WITH highest AS (
            SELECT tool, file_sha256, max({column}) AS top FROM sample
            WHERE simulated = 0 AND {column} IS NOT NULL GROUP BY 1, 2
        )
        SELECT {_PLACE}, count(*) FILTER (WHERE s.{column} >= h.top * :ceiling) AS samples,
            count(*) AS "of"
        {_MEASURED} JOIN highest AS h ON h.tool = s.tool AND h.file_sha256 IS s.file_sha256
        WHERE s.simulated = 0 AND s.{column} IS NOT NULL {_BY_FILE}
        HAVING count(*) >= :least AND samples >= :share * count(*)
    """
    values = {"least": MIN_SAMPLES, "ceiling": _CEILING, "share": _CEILING_SHARE}
    return [_pattern(name, row) for row in tables.query(query, values)]


def _round(tables: "sqlite_utils.Database", column: str, name: str) -> list[Pattern]:
    """Find sources whose speeds are mostly whole Mbit/s: typed in, or cut off by a tool."""
    query = f"""
        SELECT {_PLACE}, count(*) FILTER (WHERE s.{column} = round(s.{column})) AS samples,
            count(*) AS "of"
        {_MEASURED} WHERE s.simulated = 0 AND s.{column} IS NOT NULL {_BY_FILE}
        HAVING count(*) >= :least AND samples >= :share * count(*)
    """
    return [
        _pattern(name, row)
        for row in tables.query(query, {"least": MIN_SAMPLES, "share": _ROUND_SHARE})
    ]


def _pattern(name: str, row: dict[str, Any]) -> Pattern:
    return Pattern(
        name=name,
        source=row["source"],
        file=row["file"],
        samples=int(row["samples"]),
        of=int(row["of"]),
    )
