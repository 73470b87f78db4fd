"""
Opening a store: refuse what is not ours, and bring an older file up to date.

Nothing is changed in a file before it is known to be a store that this code understands.
"""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from .check import ascii_safe
from .errors import DiskFullError, StoreError
from .schema import APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION

BUSY_TIMEOUT_S = 10.0


def open_connection(path: Path, *, create: bool) -> sqlite3.Connection:
    """
    Open the SQLite file of a store; one on a read-only medium opens for reading.

    Raises
    ------
    StoreError
        As `Store.open` says.
    """
    _refuse_foreign(path, create=create)
    read_only = path.exists() and not _is_writable(path)
    try:
        connection = _connect(path, read_only=read_only)
    except sqlite3.Error as error:
        raise explained(path, error) from error
    try:
        _prepare(path, connection, read_only=read_only)
    except sqlite3.Error as error:
        connection.close()
        raise explained(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def explained(path: Path, error: sqlite3.Error) -> StoreError:
    """Say in plain words what SQLite said, and what to do about it."""
    text = str(error)
    if "readonly" in text:
        return StoreError("{file} cannot be written: it, or its folder, is read-only", file=path)
    if "is full" in text:
        return DiskFullError(
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
    return sqlite3.connect(reading_address(path), uri=True, isolation_level=None)


def reading_address(path: Path) -> str:
    """Give the address at which SQLite opens a store for reading alone."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    return address if _is_writable(path) else f"{address}&immutable=1"


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
