"""
Samples as columns, for judging: batches of Arrow, read by a driver that makes no Python objects.

The driver (ADBC) brings an SQLite of its own. Two of them in one process that have the same file
open undo each other's locks (sqlite.org/howtocorrupt.html, section 2.2), so the store is closed
while samples are read. A column's type is taken from its first values, and one of nothing but
NULL would have none; so a row of the right types comes first, and is left out again.

Most of the time goes into handing over one value after another. So the columns that take few
different values, texts and flags, come as one: SQLite puts those of a row side by side as JSON, and
what is different in a batch, a handful, is taken apart here.
"""

import json
from collections.abc import Collection, Generator, Sequence
from typing import TYPE_CHECKING, Any

from .errors import StoreError
from .kept import started_within
from .located import PLACED_COLUMNS, has_located
from .store import Store

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 1 << 18
_TEXT, _REAL, _WHOLE, _FLAG = "''", "0.5", "0", "NULL"
_FEW = (_TEXT, _FLAG)
_TOGETHER = "few"
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
    "engine": _TEXT,
    "tool": _TEXT,
    "rsrp_dbm": _REAL,
    "nr_rsrp_dbm": _REAL,
    "simulated": _FLAG,
    "near_ceiling": _FLAG,
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

    few = [name for name, kind in SAMPLE_COLUMNS.items() if kind in _FEW and name not in without]
    many = [name for name in SAMPLE_COLUMNS if name not in few and name not in without]
    typed = [*(f"{SAMPLE_COLUMNS[name]} AS {name}" for name in many), f"'' AS {_TOGETHER}"]
    condition, values = started_within(start_us, end_us)
    place, table = dict[str, str](), "sample AS s"
    if has_located(store):
        place, table = PLACED_COLUMNS, "sample AS s LEFT JOIN located AS l ON l.n = s.n"
    chosen = [place.get(name, f"s.{name}") for name in many]
    together = f"json_array({', '.join(f's.{name}' for name in few)})"
    question = (
        f"SELECT {', '.join(typed)} UNION ALL"
        f" SELECT {', '.join([*chosen, together])} FROM {table}{condition}"
    )
    with store.lent() as address:
        try:
            with adbc_driver_sqlite.dbapi.connect(address) as lent, lent.cursor() as cursor:
                cursor.adbc_statement.set_options(
                    **{"adbc.sqlite.query.batch_rows": str(BATCH_ROWS)}
                )
                cursor.execute(question, values)
                skip = 1
                for batch in cursor.fetch_record_batch():
                    yield _taken_apart(batch.slice(skip), few)
                    skip = 0
        except (Error, OSError) as error:
            raise StoreError("{file}: {error}", file=store.path, error=error) from error


def _taken_apart(batch: "pa.RecordBatch", few: Sequence[str]) -> "pa.RecordBatch":
    """Give a batch with the columns of few different values in place of the one that has them."""
    import pyarrow as pa

    last = batch.num_columns - 1
    together = batch.column(last).dictionary_encode()
    different = json.loads(f"[{','.join(together.dictionary.to_pylist())}]")
    columns = dict(zip(batch.schema.names[:last], batch.columns[:last], strict=True))
    for number, name in enumerate(few):
        held = [values[number] for values in different]
        if SAMPLE_COLUMNS[name] == _FLAG:
            columns[name] = pa.array(held, pa.int64()).take(together.indices)
            continue
        # A text stands in the dictionary once, however many rows of values have it.
        texts = dict.fromkeys(text for text in held if text is not None)
        number_of = {text: code for code, text in enumerate(texts)}
        codes = pa.array([number_of.get(text) for text in held], pa.int32())
        columns[name] = pa.DictionaryArray.from_arrays(
            codes.take(together.indices), pa.array(list(texts), pa.string())
        )
    return pa.RecordBatch.from_pydict(columns)
