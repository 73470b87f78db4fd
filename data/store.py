"""
The store: one SQLite file in which nothing measured is ever lost.

A sample is acknowledged when `append` or `merge` returns: WAL with ``synchronous=FULL`` makes
that commit survive a killed process and a power cut. Writers take the lock with BEGIN
IMMEDIATE and wait for each other instead of failing. Evidence is written with plain SQL:
sqlite-utils' ``insert(ignore=True)`` would silently drop a row that breaks a constraint. It
serves where its comfort costs nothing: `Store.tables` for reading, querying and export.
"""

import json
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .errors import RecordError, StoreError
from .sample import Sample, ascii_safe, sample_id
from .schema import APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION

if TYPE_CHECKING:
    import sqlite_utils

BUSY_TIMEOUT_S = 10.0

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SAMPLE_COLUMNS = (
    "id, probe, seq, kind, started_us, outcome, reason, duration_s, engine, server, family,"
    " down_mbps, up_mbps, rtt_idle_ms, rtt_loaded_ms, jitter_ms, loss_ratio, bytes_down, bytes_up,"
    " traffic_down_mbps, traffic_up_mbps, lon, lat, accuracy_m, plmn, operator, rat, nr_evidence,"
    " cell_id, level_dbm, rsrp_dbm, rsrq_db, sinr_db, nr_rsrp_dbm, tool, file_sha256, line,"
    " simulated"
)
_INSERT_SAMPLE = (
    f"INSERT INTO sample ({_SAMPLE_COLUMNS})"  # noqa: S608 - constants only
    f" VALUES ({', '.join('?' * len(_SAMPLE_COLUMNS.split(',')))})"
    " ON CONFLICT (id) DO NOTHING"
)
_INSERT_EVIDENCE = "INSERT INTO evidence (n, body) VALUES (?, ?)"
_INSERT_REJECTED = (
    "INSERT INTO rejected (tool, file, file_sha256, line, reason, message, record, rejected_us)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (file_sha256, line, reason) DO NOTHING"
)


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
        path = Path(path)
        _refuse_foreign(path, create=create)
        read_only = path.exists() and not _is_writable(path)
        try:
            connection = _connect(path, read_only=read_only)
        except sqlite3.Error as error:
            raise _explained(path, error) from error
        try:
            _prepare(path, connection, read_only=read_only)
        except sqlite3.Error as error:
            connection.close()
            raise _explained(path, error) from error
        except BaseException:
            connection.close()
            raise
        return cls(path, connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the write-ahead log is folded into it."""
        self.connection.close()

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
            raise _explained(self.path, error) from error

    def own_probe(self) -> str:
        """Give the name under which this store's own measurements are kept, made once."""
        with self.writing() as connection:
            row = connection.execute("SELECT probe FROM vantage ORDER BY created_us").fetchone()
            if row is None:
                row = (f"p-{secrets.token_hex(8)}",)
                connection.execute("INSERT INTO vantage VALUES (?, ?)", (*row, now_us()))
        return str(row[0])

    def append(self, samples: Iterable[Sample]) -> list[Sample]:
        """
        Keep our own attempts; give them back with their sequence numbers.

        The number is given inside the transaction that keeps the sample, so that a gap in
        the numbers means a lost sample and there are none.
        """
        kept = []
        with self.writing() as connection:
            following: dict[str, int] = {}
            for sample in samples:
                seq = following.get(sample.probe)
                if seq is None:
                    seq = connection.execute(
                        "SELECT coalesce(max(seq), 0) + 1 FROM sample WHERE probe = ?",
                        (sample.probe,),
                    ).fetchone()[0]
                following[sample.probe] = seq + 1
                numbered = replace(sample, seq=seq)
                _insert(connection, numbered, numbered.body())
                kept.append(numbered)
        return kept

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
        new = duplicate = 0
        with self.writing() as connection:
            for sample in samples:
                known = connection.execute(
                    "SELECT 1 FROM sample WHERE probe = ? AND seq = ?", (probe, sample.seq)
                ).fetchone()
                if known is None and _insert(connection, sample, sample.body()):
                    new += 1
                else:
                    duplicate += 1
            moment = now_us()
            connection.executemany(
                _INSERT_REJECTED,
                (
                    (r.tool, r.file, r.file_sha256, r.line, r.reason, r.message, r.record, moment)
                    for r in rejected
                ),
            )
        return Merged(new=new, duplicate=duplicate)

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


def now_us() -> int:
    """Give the wall clock in microseconds since 1970."""
    return time.time_ns() // 1000


def to_us(moment: datetime) -> int:
    """Give an aware time in microseconds since 1970, exactly."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def to_row(sample: Sample, body: bytes) -> tuple[Any, ...]:
    """Give the narrow columns of a sample: copies of its body, for questions."""
    reading, position, radio, source = (
        sample.reading,
        sample.position,
        sample.radio,
        sample.source,
    )
    return (
        sample_id(body),
        sample.probe,
        sample.seq,
        sample.kind.value,
        to_us(sample.started_at),
        sample.outcome.value,
        sample.reason,
        sample.duration_s,
        sample.engine,
        sample.server,
        sample.family,
        *(
            (None,) * 10
            if reading is None
            else (
                reading.down_mbps,
                reading.up_mbps,
                reading.rtt_idle_ms,
                reading.rtt_loaded_ms,
                reading.jitter_ms,
                reading.loss_ratio,
                reading.bytes_down,
                reading.bytes_up,
                reading.traffic_down_mbps,
                reading.traffic_up_mbps,
            )
        ),
        *((None,) * 3 if position is None else (position.lon, position.lat, position.accuracy_m)),
        *(
            (None,) * 10
            if radio is None
            else (
                radio.plmn,
                radio.operator,
                radio.rat,
                radio.nr_evidence,
                radio.cell_id,
                radio.level_dbm,
                radio.rsrp_dbm,
                radio.rsrq_db,
                radio.sinr_db,
                radio.nr_rsrp_dbm,
            )
        ),
        source.tool,
        source.file_sha256,
        source.line,
        int(sample.simulated),
    )


def _insert(connection: sqlite3.Connection, sample: Sample, body: bytes) -> bool:
    cursor = connection.execute(_INSERT_SAMPLE, to_row(sample, body))
    if cursor.rowcount == 0:
        return False
    connection.execute(_INSERT_EVIDENCE, (cursor.lastrowid, body.decode("utf-8")))
    return True


def _refuse_foreign(path: Path, *, create: bool) -> None:
    """Look at a file's first bytes before SQLite touches it."""
    if path.is_dir():
        raise StoreError("{file} is a folder, not a store", file=path)
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except FileNotFoundError:
        if not create:
            raise StoreError(
                "there is no store {file} yet; measure or import something first (--db?)", file=path
            ) from None
        if not path.parent.is_dir():
            raise StoreError("{folder} is not a folder", folder=path.parent) from None
        return
    if head and not head.startswith(b"SQLite format 3\x00"):
        raise StoreError(
            "{file} is not a SQLite file (it starts with {head}); it is left as it is",
            file=path,
            head=ascii_safe(head[:16].decode("latin-1")),
        )


def _is_writable(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    if not read_only:
        return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size:
        # Without write access SQLite would leave out what is still in the log.
        raise StoreError(
            "{file} is read-only and still has a write-ahead log; copy both files to a folder"
            " that can be written and use the copy",
            file=path,
        )
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(address, uri=True, isolation_level=None)


def _prepare(path: Path, connection: sqlite3.Connection, *, read_only: bool) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if application != APPLICATION_ID and not (empty and application == 0):
        raise StoreError(
            "{file} is a SQLite file of another program; it is left as it is (--db?)", file=path
        )
    if version > SCHEMA_VERSION:
        raise StoreError(
            "{file} was written by a newer phusong (schema {seen}, this one knows {known});"
            " update phusong; the file is left as it is",
            file=path,
            seen=version,
            known=SCHEMA_VERSION,
        )
    if read_only:
        if version < SCHEMA_VERSION:
            raise StoreError(
                "{file} is read-only and of an older schema; copy it where it can be written",
                file=path,
            )
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    if version < SCHEMA_VERSION:
        _migrate(connection)


def _migrate(connection: sqlite3.Connection) -> None:
    """Apply what is missing in one transaction: a killed migration leaves the old file."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for migration in MIGRATIONS[version:]:
            for statement in split_statements(migration):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def split_statements(script: str) -> Iterator[str]:
    """Cut a script into statements; `executescript` would commit before each."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _explained(path: Path, error: sqlite3.Error) -> StoreError:
    text = str(error)
    if "readonly" in text:
        return StoreError("{file} cannot be written: it, or its folder, is read-only", file=path)
    if "is full" in text:
        return StoreError(
            "the disk under {file} is full: nothing of this step was kept, all before it is;"
            " free some space and repeat",
            file=path,
        )
    if "unable to open" in text:
        return StoreError("{file} cannot be opened: {error}", file=path, error=text)
    if "locked" in text or "busy" in text:
        return StoreError(
            "{file} is being written by another program for over {seconds:g} s; try again",
            file=path,
            seconds=BUSY_TIMEOUT_S,
        )
    return StoreError("{file}: {error}", file=path, error=text)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def inputs_json(inputs: dict[str, Any]) -> str:
    """Give a result's inputs as JSON with sorted keys."""
    return json.dumps(inputs, ensure_ascii=False, sort_keys=True)
