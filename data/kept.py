"""
What is kept beside the samples: boundaries and results.

Boundaries and results are not evidence: they can be made again from a file, a rule and the
samples. They are still never changed in place. A set of boundaries is named by its content, so
loading it twice changes nothing; a result is added, never overwritten.

Rows go in and out as mappings whose keys are the columns' names; the stage that owns their
meaning turns them into objects. Only the standard library is needed here.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import StoreError
from .store import Store, now_us

BOUNDARY_COLUMNS = ("level", "code", "name", "parent_code", "parent_name", "wkb")
_SET_COLUMNS = ("id", "name", "source", "vintage", "approximate", "loaded_us", "report")
_RESULT_COLUMNS = ("computed_us", "rule", "area", "boundary_set_id", "software", "inputs")
_AREA_COLUMNS = (
    "code",
    "name",
    "operator",
    "verdict",
    "share",
    "share_low",
    "share_high",
    "trials",
    "successes",
    "places",
    "simulated",
    "summary",
)


def save_boundaries(
    store: Store, header: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]
) -> bool:
    """
    Keep a set of boundaries, in one transaction; give False where it was there already.

    `header` has ``id, name, source, vintage, approximate, report``; each row the
    `BOUNDARY_COLUMNS`, its shape as WKB in EPSG:4326.
    """
    with store.writing() as connection:
        known = connection.execute(
            "SELECT 1 FROM boundary_set WHERE id = ?", (header["id"],)
        ).fetchone()
        if known:
            return False
        values = {**header, "approximate": int(header["approximate"]), "loaded_us": now_us()}
        connection.execute(
            _insert("boundary_set", _SET_COLUMNS), [values[name] for name in _SET_COLUMNS]
        )
        connection.executemany(
            _insert("boundary", ("set_id", *BOUNDARY_COLUMNS)),
            ((header["id"], *(row[name] for name in BOUNDARY_COLUMNS)) for row in rows),
        )
    return True


def list_boundary_sets(store: Store) -> list[dict[str, Any]]:
    """Give every set of boundaries with its levels and their counts, the newest last."""
    sets = list(store.tables["boundary_set"].rows_where(order_by="loaded_us, rowid"))
    counts = store.tables.query(
        "SELECT set_id, level, count(*) AS areas FROM boundary GROUP BY set_id, level"
        " ORDER BY areas"
    )
    levels: dict[str, dict[str, int]] = {}
    for row in counts:
        levels.setdefault(row["set_id"], {})[row["level"]] = row["areas"]
    return [{**row, "levels": levels.get(row["id"], {})} for row in sets]


def load_boundary_set(
    store: Store, set_id: str | None = None, *, level: str | None = None
) -> dict[str, Any] | None:
    """
    Give one set's header: the set named, or the newest that is not approximate, or the newest.

    Only sets that have the level, where one is named; None where there is none.

    Raises
    ------
    StoreError
        If the set named is not there, or the start of an id fits several.
    """
    everything = list_boundary_sets(store)
    sets = [row for row in everything if level is None or level in row["levels"]]
    if set_id is None:
        surveyed = [row for row in sets if not row["approximate"]]
        return surveyed[-1] if surveyed else sets[-1] if sets else None
    fitting = [row for row in everything if row["id"].startswith(set_id)]
    exact = [row for row in fitting if row["id"] == set_id]
    if len(exact or fitting) == 1:
        found = (exact or fitting)[0]
        return found if found in sets else None
    raise StoreError(
        "{count} sets of boundaries have the id {id}; see: phusong boundaries list",
        count=len(fitting),
        id=set_id,
    )


def load_boundaries(store: Store, set_id: str, level: str) -> Iterator[dict[str, Any]]:
    """Give the boundaries of one level, as rows of `BOUNDARY_COLUMNS`, by code, one by one."""
    rows: Iterator[dict[str, Any]] = store.tables.query(
        f"SELECT {', '.join(BOUNDARY_COLUMNS)} FROM boundary"
        " WHERE set_id = ? AND level = ? ORDER BY code",
        (set_id, level),
    )
    return rows


def load_boundary_names(store: Store, set_id: str, level: str) -> list[tuple[str, ...]]:
    """Give (code, name, parent's code, parent's name) of one level's boundaries, by code."""
    return store.connection.execute(
        "SELECT code, name, parent_code, parent_name FROM boundary"
        " WHERE set_id = ? AND level = ? ORDER BY code",
        (set_id, level),
    ).fetchall()


def load_parents(store: Store, set_id: str) -> dict[str, str | None]:
    """Give the code of what each area of a set lies in, over all its levels."""
    rows = store.tables.query(
        "SELECT code, parent_code FROM boundary WHERE set_id = ? ORDER BY level, code", (set_id,)
    )
    return {row["code"]: row["parent_code"] for row in rows}


def load_codes(store: Store, set_id: str) -> dict[str, list[str]]:
    """Give the codes of each level of a set, the level with the fewest areas first."""
    rows = store.tables.query(
        "SELECT level, code FROM boundary WHERE set_id = ? ORDER BY level, code", (set_id,)
    )
    codes: dict[str, list[str]] = {}
    for row in rows:
        codes.setdefault(row["level"], []).append(row["code"])
    return dict(sorted(codes.items(), key=lambda each: len(each[1])))


def kept_beside(store: Store, name: str) -> Path:
    """Give where something that can be made again is kept: in a folder beside the store."""
    safe = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in name)
    return store.path.with_name(f"{store.path.name}-kept") / safe


def save_result(store: Store, header: Mapping[str, Any], areas: Iterable[Mapping[str, Any]]) -> int:
    """Keep a result with its areas, in one transaction; give its number."""
    with store.writing() as connection:
        cursor = connection.execute(
            _insert("result", _RESULT_COLUMNS), [header[name] for name in _RESULT_COLUMNS]
        )
        number = int(cursor.lastrowid or 0)
        connection.executemany(
            _insert("result_area", ("result_id", *_AREA_COLUMNS)),
            ((number, *(area[name] for name in _AREA_COLUMNS)) for area in areas),
        )
    return number


def load_result(
    store: Store, result_id: int | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """
    Give one result's header and areas: the one named, or the newest.

    Raises
    ------
    StoreError
        If there is none.
    """
    which = "id = ?" if result_id is not None else "id = (SELECT max(id) FROM result)"
    values = [result_id] if result_id is not None else []
    header = next(iter(store.tables["result"].rows_where(which, values)), None)
    if header is None and result_id is not None:
        raise StoreError("there is no result {id}; see: phusong coverage list", id=result_id)
    if header is None:
        raise StoreError("no coverage has been computed yet; run: phusong coverage compute")
    areas = store.tables["result_area"].rows_where(
        "result_id = ?", [header["id"]], order_by="code, operator"
    )
    return header, list(areas)


def list_results(store: Store) -> list[dict[str, Any]]:
    """Give every result's header with how many rows of areas it has, the oldest first."""
    return list(
        store.tables.query(
            "SELECT r.*, (SELECT count(*) FROM result_area WHERE result_id = r.id) AS areas"
            " FROM result AS r ORDER BY r.id"
        )
    )


def count_samples(store: Store, *, start_us: int | None = None, end_us: int | None = None) -> int:
    """Give how many samples are kept, of those that started within a time."""
    condition, values = started_within(start_us, end_us)
    row = store.connection.execute(f"SELECT count(*) FROM sample{condition}", values).fetchone()
    return int(row[0])


def load_probe_metrics(store: Store) -> list[tuple[str, int, int, int]]:
    """Give each probe with its speed tests that ended well, those with an upload, with an RTT."""
    return store.connection.execute(
        "SELECT probe, count(*), count(up_mbps), count(rtt_idle_ms) FROM sample"
        " WHERE kind = 'speed' AND outcome = 'ok' GROUP BY probe ORDER BY probe"
    ).fetchall()


def load_probe_engines(store: Store) -> list[tuple[str, str | None, int, int]]:
    """Give each probe and engine (None: not named), its speed tests, and those that ended well."""
    return store.connection.execute(
        "SELECT probe, engine, count(*), count(CASE outcome WHEN 'ok' THEN 1 END) FROM sample"
        " WHERE kind = 'speed' GROUP BY probe, engine ORDER BY probe, engine"
    ).fetchall()


def started_within(start_us: int | None, end_us: int | None) -> tuple[str, list[int]]:
    """Give a condition on samples, and its values: `start_us` is included, `end_us` is not."""
    bounds = [("started_us >= ?", start_us), ("started_us < ?", end_us)]
    given = [(text, value) for text, value in bounds if value is not None]
    where = " AND ".join(text for text, _ in given)
    return (f" WHERE {where}" if where else ""), [value for _, value in given]


def load_probe_operators(store: Store) -> list[tuple[str, str, int]]:
    """
    Give (probe, operator as its samples name it, how many samples), the names that exist.

    Only of probes with a sample that names none: nobody asks about the others.
    """
    return store.connection.execute(
        "SELECT probe, coalesce(operator, plmn) AS name, count(*) FROM sample"
        " WHERE name IS NOT NULL AND probe IN"
        " (SELECT probe FROM sample WHERE operator IS NULL AND plmn IS NULL)"
        " GROUP BY probe, name ORDER BY probe, count(*) DESC, name"
    ).fetchall()


def _insert(table: str, columns: Iterable[str]) -> str:
    names = tuple(columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
