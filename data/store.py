"""
The store: one SQLite file in which nothing measured is ever lost.

A sample is acknowledged when `append` or `merge` returns: WAL with ``synchronous=FULL`` makes
that commit survive a killed process and a power cut. Writers take the lock with BEGIN
IMMEDIATE and wait for each other instead of failing. Evidence is written with plain SQL:
sqlite-utils' ``insert(ignore=True)`` would silently drop a row that breaks a constraint. It
serves where its comfort costs nothing: `Store.tables` for reading, querying and export.
"""

import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .errors import RecordError, StoreError
from .opening import explained, open_connection, reading_address
from .sample import Sample, sample_id
from .sample_row import SAMPLE_COLUMNS, to_row
from .sample_row import from_us as from_us
from .sample_row import now_us as now_us
from .sample_row import to_us as to_us

if TYPE_CHECKING:
    import sqlite_utils

_INSERT_SAMPLE = (
    f"INSERT INTO sample ({SAMPLE_COLUMNS})"
    f" VALUES ({', '.join('?' * len(SAMPLE_COLUMNS.split(',')))})"
    " ON CONFLICT (id) DO NOTHING"
)
# Of a batch: the numbers of its rows are given beforehand, so that its evidence has them too.
_INSERT_NUMBERED = (
    f"INSERT INTO sample (n, {SAMPLE_COLUMNS})"
    f" VALUES (?, {', '.join('?' * len(SAMPLE_COLUMNS.split(',')))})"
)
_INSERT_EVIDENCE = "INSERT INTO evidence (n, body) VALUES (?, ?)"
_INSERT_REJECTED = (
    "INSERT INTO rejected (tool, file, file_sha256, line, reason, message, record, rejected_us)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (file_sha256, line, reason) DO NOTHING"
)


_BULK_KIB = 24_576
_BULK_PAGES = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A record of a foreign file that could not become a sample, and why."""

    tool: str
    file: str
    file_sha256: str
    line: int
    reason: str
    message: str
    record: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What a merge did: samples that were new, and samples that were there already."""

    new: int
    duplicate: int


class Store:
    """An open store. Use as a context manager; one store object belongs to one thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection

    @classmethod
    def open(cls, path: Path | str, *, create: bool = True) -> Self:
        """
        Open a store, making it where there is none and bringing an older one up to date.

        A store on a read-only medium opens for reading; the first write then says why not.

        Raises
        ------
        StoreError
            If the file is not a store of ours, is newer than this code, cannot be opened, or
            does not exist and `create` is false. Nothing is changed then.
        """
        return cls(Path(path), open_connection(Path(path), create=create))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the write-ahead log is folded into it."""
        self.connection.close()

    @contextmanager
    def lent(self) -> Iterator[str]:
        """Give the address of the file for another library to read; it is closed here meanwhile."""
        self.connection.close()
        try:
            yield reading_address(self.path)
        finally:
            self.connection = open_connection(self.path, create=False)

    @property
    def is_writable(self) -> bool:
        """Tell whether the file was opened for writing too, as a read-only medium's is not."""
        row = self.connection.execute("PRAGMA query_only").fetchone()
        return not row[0] and os.access(self.path, os.W_OK) and os.access(self.folder, os.W_OK)

    @property
    def folder(self) -> Path:
        """Give the folder whose disk the store is on."""
        return self.path.absolute().parent

    @property
    def tables(self) -> "sqlite_utils.Database":
        """Give the store as a sqlite-utils database, for reading, querying and export."""
        import sqlite_utils

        return sqlite_utils.Database(self.connection, execute_plugins=False)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold one write transaction: all of it is kept, or none."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise explained(self.path, error) from error

    @contextmanager
    def in_bulk(self) -> Iterator[None]:
        """
        Write many batches one after another: pages that change with each reach the disk once.

        A sample's id is a hash, so every batch touches pages all over its index. A larger cache
        and a longer write-ahead log save reading and writing them anew; nothing else changes.
        """
        self.connection.execute(f"PRAGMA cache_size = -{_BULK_KIB}")
        self.connection.execute(f"PRAGMA wal_autocheckpoint = {_BULK_PAGES}")
        try:
            yield
        finally:
            self.connection.execute("PRAGMA cache_size = -2000")
            self.connection.execute("PRAGMA wal_autocheckpoint = 1000")

    def own_probe(self) -> str:
        """Give the name under which this store's own measurements are kept, made once."""
        with self.writing() as connection:
            row = connection.execute("SELECT probe FROM vantage ORDER BY created_us").fetchone()
            if row is None:
                row = (f"p-{secrets.token_hex(8)}",)
                connection.execute("INSERT INTO vantage VALUES (?, ?)", (*row, now_us()))
        return str(row[0])

    def is_first_notice(self, name: str) -> bool:
        """Note that a notice is shown to this store's user; tell whether it is new to them."""
        with self.writing() as connection:
            done = connection.execute(
                "INSERT INTO notice VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (name, now_us())
            )
        return done.rowcount == 1

    def append(self, samples: Iterable[Sample]) -> list[Sample]:
        """
        Keep our own attempts; give them back with their sequence numbers.

        The number is given inside the transaction that keeps the sample, so that a gap in
        the numbers means a lost sample and there are none.
        """
        with self.writing() as connection:
            return append_within(connection, samples)

    def merge(self, samples: Iterable[Sample]) -> Merged:
        """Keep numbered samples from elsewhere, in one transaction; those known already stay."""
        new = duplicate = 0
        with self.writing() as connection:
            for sample in samples:
                if _insert(connection, sample, sample.body()):
                    new += 1
                else:
                    duplicate += 1
        return Merged(new=new, duplicate=duplicate)

    def merge_records(
        self, probe: str, samples: Iterable[Sample], rejected: Iterable[Rejected] = ()
    ) -> Merged:
        """
        Keep the records of one foreign file, in one transaction.

        `probe` names the file by its content and `seq` is the line, so a number that is
        there already is the same record, whatever the file is called today.
        """
        batch = list(samples)
        with self.writing() as connection:
            known = _known_numbers(connection, probe, batch)
            following = connection.execute("SELECT coalesce(max(n), 0) + 1 FROM sample")
            (first,) = following.fetchone()
            rows: list[tuple[Any, ...]] = []
            bodies: list[tuple[int, str]] = []
            for sample in batch:
                if sample.seq not in known:
                    known.add(sample.seq)
                    body = sample.body()
                    rows.append((first + len(rows), *to_row(sample, body)))
                    bodies.append((first + len(bodies), body.decode("utf-8")))
            connection.executemany(_INSERT_NUMBERED, rows)
            connection.executemany(_INSERT_EVIDENCE, bodies)
            insert_rejected(connection, rejected)
        return Merged(new=len(rows), duplicate=len(batch) - len(rows))

    def add_source_file(self, *, sha256: str, name: str, tool: str) -> None:
        """Note a foreign file by its content; the first name it came under is kept."""
        with self.writing() as connection:
            connection.execute(
                "INSERT INTO source_file VALUES (?, ?, ?, ?) ON CONFLICT (sha256) DO NOTHING",
                (sha256, name, tool, now_us()),
            )

    def bodies(self) -> Iterator[tuple[bytes, bytes]]:
        """Give (id, body) of every sample in the order it was kept: the evidence itself."""
        rows = self.connection.execute(
            "SELECT s.id, CAST(e.body AS BLOB) FROM sample AS s JOIN evidence AS e USING (n)"
            " ORDER BY s.n"
        )
        yield from rows

    def verify(self) -> Iterator[str]:
        """
        Give one line for every sample whose evidence does not match its id.

        Re-hashing is the check that sees damage: of single flipped bits, SQLite's own quick
        check finds almost none.
        """
        for identity, body in self.bodies():
            if sample_id(body) != identity:
                yield f"sample {identity.hex()[:16]}: its evidence was changed"
                continue
            try:
                Sample.from_body(body)
            except RecordError as error:
                yield f"sample {identity.hex()[:16]}: {error}"

    def export_copy(self, target: Path) -> None:
        """
        Write the whole store as one closed file, for handing over.

        Never copy the file of an open store: what is still in its write-ahead log would be
        missing.

        Raises
        ------
        StoreError
            If the target exists or cannot be written.
        """
        if target.exists():
            raise StoreError("{file} is there already; choose another name", file=target)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            self.connection.execute("VACUUM INTO ?", (str(part),))
            part.replace(target)
            _sync_folder(target.parent)
        except (sqlite3.Error, OSError) as error:
            part.unlink(missing_ok=True)
            raise StoreError("cannot write {file}: {error}", file=target, error=error) from error


def insert_rejected(connection: sqlite3.Connection, rejected: Iterable[Rejected]) -> None:
    """Keep rejected records, in the transaction that keeps what came of the rows beside them."""
    moment = now_us()
    connection.executemany(
        _INSERT_REJECTED,
        (
            (r.tool, r.file, r.file_sha256, r.line, r.reason, r.message, r.record, moment)
            for r in rejected
        ),
    )


def append_within(connection: sqlite3.Connection, samples: Iterable[Sample]) -> list[Sample]:
    """Keep our own attempts as part of a transaction that `Store.writing` began."""
    kept = []
    following: dict[str, int] = {}
    for sample in samples:
        seq = following.get(sample.probe)
        if seq is None:
            seq = connection.execute(
                "SELECT coalesce(max(seq), 0) + 1 FROM sample WHERE probe = ?", (sample.probe,)
            ).fetchone()[0]
        following[sample.probe] = seq + 1
        numbered = replace(sample, seq=seq)
        _insert(connection, numbered, numbered.body())
        kept.append(numbered)
    return kept


def _insert(connection: sqlite3.Connection, sample: Sample, body: bytes) -> bool:
    cursor = connection.execute(_INSERT_SAMPLE, to_row(sample, body))
    if cursor.rowcount == 0:
        return False
    connection.execute(_INSERT_EVIDENCE, (cursor.lastrowid, body.decode("utf-8")))
    return True


def _known_numbers(connection: sqlite3.Connection, probe: str, batch: list[Sample]) -> set[int]:
    """Give those numbers of a probe that are there already, as far as a batch may repeat them."""
    numbers = [sample.seq for sample in batch]
    if not numbers:
        return set()
    rows = connection.execute(
        "SELECT seq FROM sample WHERE probe = ? AND seq BETWEEN ? AND ?",
        (probe, min(numbers), max(numbers)),
    )
    return {seq for (seq,) in rows}


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
