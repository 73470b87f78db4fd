"""
Samples as columns, for judging: batches of Arrow, read by a driver that makes no Python objects.

The driver (ADBC) brings an SQLite of its own. Two of them in one process that have the same file
open undo each other's locks (sqlite.org/howtocorrupt.html, section 2.2), so the store is closed
while samples are read. A column's type is taken from its first values, and one of nothing but
NULL would have none; so a row of the right types comes first, and is left out again.
"""

from collections.abc import Collection, Generator
from typing import Any

from .errors import StoreError
from .kept import started_within
from .located import PLACED_COLUMNS, has_located
from .store import Store

BATCH_ROWS = 1 << 18
_TEXT, _REAL, _WHOLE = "''", "0.5", "0"
SAMPLE_COLUMNS = {
    "probe": _TEXT,
    "kind": _TEXT,
    "started_us": _WHOLE,
    "outcome": _TEXT,
    "reason": _TEXT,
    "down_mbps": _REAL,
    "up_mbps": _REAL,
    "rtt_idle_ms": _REAL,
    "lon": _REAL,
    "lat": _REAL,
    "accuracy_m": _REAL,
    "plmn": _TEXT,
    "operator": _TEXT,
    "rat": _TEXT,
    "nr_evidence": _TEXT,
    "rsrp_dbm": _REAL,
    "nr_rsrp_dbm": _REAL,
    "simulated": _WHOLE,
    "near_ceiling": _WHOLE,
}


def load_samples(
    store: Store,
    *,
    start_us: int | None = None,
    end_us: int | None = None,
    without: Collection[str] = (),
) -> Generator[Any]:
    """
    Give samples as batches of the `SAMPLE_COLUMNS`.

    `start_us` is included, `end_us` is not; columns named in `without` are left out. What was not
    measured is null. A place is the sample's own, or that of a track joined to it. The store is
    closed from the first batch until after the last one, or until the iterator is closed.

    Raises
    ------
    StoreError
        If the file cannot be read.
    """
    import adbc_driver_sqlite.dbapi
    from adbc_driver_manager import Error

    names = [name for name in SAMPLE_COLUMNS if name not in without]
    typed = ", ".join(f"{SAMPLE_COLUMNS[name]} AS {name}" for name in names)
    condition, values = started_within(start_us, end_us)
    chosen, table = names, "sample AS s"
    if has_located(store):
        chosen = [PLACED_COLUMNS.get(name, f"s.{name}") for name in names]
        table = "sample AS s LEFT JOIN located AS l ON l.n = s.n"
    question = f"SELECT {typed} UNION ALL SELECT {', '.join(chosen)} FROM {table}{condition}"
    with store.lent() as address:
        try:
            with adbc_driver_sqlite.dbapi.connect(address) as lent, lent.cursor() as cursor:
                cursor.adbc_statement.set_options(
                    **{"adbc.sqlite.query.batch_rows": str(BATCH_ROWS)}
                )
                cursor.execute(question, values)
                skip = 1
                for batch in cursor.fetch_record_batch():
                    yield batch.slice(skip)
                    skip = 0
        except (Error, OSError) as error:
            raise StoreError("{file}: {error}", file=store.path, error=error) from error
