"""
What was handed over: up to which sample the evidence left the device in an export.

Only files that hold the evidence itself count, JSON lines and whole stores: a table or a map is a
look at it, from which no sample can be kept elsewhere.
"""

from .export import Format
from .store import Store, now_us

_EVIDENCE = (Format.JSONL, Format.STORE)


def newest(store: Store) -> int:
    """Give the number of the newest sample, 0 without any: read before an export begins."""
    return int(store.connection.execute("SELECT coalesce(max(n), 0) FROM sample").fetchone()[0])


def note_handed_over(store: Store, up_to: int, form: Format, file: str) -> bool:
    """Note an export of all samples up to a number; tell whether it was one of evidence."""
    if form not in _EVIDENCE:
        return False
    with store.writing() as connection:
        connection.execute(
            "INSERT INTO handed_over (up_to, format, file, handed_us) VALUES (?, ?, ?, ?)",
            (up_to, form.value, file, now_us()),
        )
    return True


def count_unsent(store: Store, probe: str | None = None) -> int:
    """Count samples, of one probe or of all, that no export of evidence held yet."""
    row = store.connection.execute(
        "SELECT count(*) FROM sample WHERE n > (SELECT coalesce(max(up_to), 0) FROM handed_over)"
        " AND (? IS NULL OR probe = ?)",
        (probe, probe),
    ).fetchone()
    return int(row[0])
