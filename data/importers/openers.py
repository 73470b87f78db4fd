"""
What there is to read in a path: the file itself, its unpacked text, or the members of a zip.

Nothing is unpacked to disk: members are streams. An archive is a promise by a stranger, so its
sizes are limited before anything is read, and counted again while it is.
"""

import gzip
import hashlib
import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from ..check import MAX_TEXT_CHARS, ascii_safe
from ..errors import RecordError

MAX_MEMBERS = 10_000
MAX_UNPACKED_BYTES = 16 << 30
# Logs shrink some ten to fifty times; a zip made to hurt, a thousand times and more.
MAX_RATIO = 200
_ALWAYS_ALLOWED_BYTES = 64 << 20
_BUFFER_BYTES = 1 << 20
_DAMAGE = (zlib.error, EOFError, zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError)


@dataclass(frozen=True, slots=True)
class Content:
    """One readable text: its name for people, and how to open it, as often as needed."""

    name: str
    open: Callable[[], BinaryIO]
    in_archive: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """What a path holds; `skipped` counts members that are never records, by reason."""

    contents: tuple[Content, ...]
    skipped: dict[str, int]


@contextmanager
def open_contents(path: Path) -> Iterator[Opened]:
    """
    Give what there is to read in a file: plain, gzip or zip, told by its first bytes.

    Raises
    ------
    RecordError
        If it is a folder, empty, not a regular file, or an archive that is damaged or too big.
    """
    with _open_plain(path) as file:
        head = file.read(4)
    if not head:
        raise RecordError("{file} is empty", reason="empty_file", file=ascii_safe(str(path)))
    if head == b"PK\x03\x04" or head == b"PK\x05\x06":
        with _open_zip(path) as archive:
            yield _members(path, archive)
    elif head.startswith(b"\x1f\x8b"):
        yield Opened((_gzipped(path),), {})
    else:
        yield Opened((Content(_name(path.name), lambda: _open_plain(path)),), {})


def fingerprint(content: Content) -> tuple[str, int]:
    """Give the SHA-256 of a content's bytes, as hexadecimal digits, and how many there are."""
    digest = hashlib.sha256()
    size = 0
    with content.open() as stream:
        while block := stream.read(_BUFFER_BYTES):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def size_hint(path: Path) -> int | None:
    """Give how many bytes will be read from a file, or None where that is not known before."""
    try:
        with _open_plain(path) as file:
            head = file.read(2)
        if head == b"PK":
            with zipfile.ZipFile(path) as archive:
                return sum(info.file_size for info in archive.infolist() if not _junk(info))
        return None if head == b"\x1f\x8b" else path.stat().st_size
    except _DAMAGE:
        return None


def _open_plain(path: Path) -> BinaryIO:
    if path.is_dir():
        raise RecordError(
            "{file} is a folder; name the files in it", reason="folder", file=ascii_safe(str(path))
        )
    if not path.exists():
        raise RecordError(
            "{file}: there is no such file", reason="no_file", file=ascii_safe(str(path))
        )
    if not path.is_file():
        raise RecordError(
            "{file} is not a regular file; records are read twice, so save them in one",
            reason="not_a_file",
            file=ascii_safe(str(path)),
        )
    return path.open("rb", buffering=_BUFFER_BYTES)


def _gzipped(path: Path) -> Content:
    allowed = max(_ALWAYS_ALLOWED_BYTES, path.stat().st_size * MAX_RATIO)
    name = _name(path.name)

    def reopen() -> BinaryIO:
        return _Unpacked.buffered(gzip.open(path, "rb"), name, min(allowed, MAX_UNPACKED_BYTES))

    return Content(name, reopen)


@contextmanager
def _open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise RecordError(
            "{file} is a damaged zip file: {error}",
            reason="bad_archive",
            file=ascii_safe(str(path)),
            error=error,
        ) from error
    with archive:
        yield archive


def _members(path: Path, archive: zipfile.ZipFile) -> Opened:
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise RecordError(
            "{file} holds {count} members; at most {limit} are read, divide it",
            reason="bad_archive",
            file=ascii_safe(str(path)),
            count=len(infos),
            limit=MAX_MEMBERS,
        )
    unpacked = sum(info.file_size for info in infos)
    allowed = max(_ALWAYS_ALLOWED_BYTES, path.stat().st_size * MAX_RATIO)
    if unpacked > min(allowed, MAX_UNPACKED_BYTES):
        raise RecordError(
            "{file} would unpack to {size} bytes, more than {limit}; it is not read",
            reason="bad_archive",
            file=ascii_safe(str(path)),
            size=unpacked,
            limit=min(allowed, MAX_UNPACKED_BYTES),
        )
    skipped = Counter(reason for info in infos if (reason := _junk(info)))
    contents = tuple(_member(path, archive, info) for info in infos if not _junk(info))
    return Opened(contents, dict(skipped))


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Content:
    name = _name(f"{path.name}/{info.filename}")

    def reopen() -> BinaryIO:
        try:
            inner = archive.open(info)
        except _DAMAGE as error:
            raise _damaged(name, error) from error
        return _Unpacked.buffered(inner, name, info.file_size)

    return Content(name, reopen, in_archive=True)


def _junk(info: zipfile.ZipInfo) -> str | None:
    """Say why a member is no file of records, whatever it holds."""
    parts = info.filename.split("/")
    if info.is_dir():
        return "folder"
    if "__MACOSX" in parts or parts[-1].startswith("._") or parts[-1] == ".DS_Store":
        return "macos_junk"
    return None


def _name(text: str) -> str:
    return ascii_safe(text)[-MAX_TEXT_CHARS:]


def _damaged(name: str, error: Exception) -> RecordError:
    return RecordError(
        "{file} is damaged and cannot be unpacked: {error}",
        reason="bad_archive",
        file=name,
        error=error,
    )


class _Unpacked(io.RawIOBase):
    """An unpacking stream that gives our errors and stops at its allowance."""

    def __init__(self, inner: IO[bytes] | gzip.GzipFile, name: str, allowed: int) -> None:
        self._inner = inner
        self._name = name
        self._allowed = allowed
        self._left = allowed

    @classmethod
    def buffered(cls, inner: IO[bytes] | gzip.GzipFile, name: str, allowed: int) -> BinaryIO:
        return io.BufferedReader(cls(inner, name, allowed), _BUFFER_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        try:
            block = self._inner.read(min(len(view), 1 << 18))
        except _DAMAGE as error:
            raise _damaged(self._name, error) from error
        self._left -= len(block)
        if self._left < 0:
            raise RecordError(
                "{file} unpacks to more than {limit} bytes; it is not read",
                reason="bad_archive",
                file=self._name,
                limit=self._allowed,
            )
        view[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._inner.close()
        super().close()
