"""
What there is to read in a path: the file itself, its unpacked text, or the members of a zip.

Nothing is unpacked to disk: members are streams. An archive is a promise by a stranger, so its
sizes are limited before anything is read, and counted again while it is.
"""

import gzip
import hashlib
import io
import lzma
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
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
_XZ_MEMORY_BYTES = 256 << 20
_GZIP = b"\x1f\x8b"
_XZ = b"\xfd7zXZ\x00"
_SHAPEFILE = b"\x00\x00\x27\x0a"
# The parts of a shapefile are told by their endings; one of them holds its values.
_VALUES = ".dbf"
_SHAPEFILE_PARTS = (".shp", ".shx", ".prj", ".cpg", ".qpj", ".sbn", ".sbx", ".qix")
_DAMAGE = (
    zlib.error,
    lzma.LZMAError,
    EOFError,
    zipfile.BadZipFile,
    RuntimeError,
    NotImplementedError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Content:
    """
    One readable text: its name for people, and how to open it, as often as needed.

    `path` is where it stands as it is, on disk; `table` the part of a database that is meant.
    """

    name: str
    open: Callable[[], BinaryIO]
    in_archive: bool = False
    path: Path | None = None
    table: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """What a path holds; `skipped` counts members that are never records, by reason."""

    contents: tuple[Content, ...]
    skipped: dict[str, int]


@contextmanager
def open_contents(path: Path) -> Iterator[Opened]:
    """
    Give what there is to read in a file: plain, gzip, xz or zip, told by its first bytes.

    Raises
    ------
    RecordError
        If it is a folder, empty, not a regular file, or an archive that is damaged or too big.
    """
    with _open_plain(path) as file:
        head = file.read(len(_XZ))
    if not head:
        raise RecordError("{file} is empty", reason="empty_file", file=ascii_safe(str(path)))
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        with _open_zip(path) as archive:
            yield _members(path, archive)
    elif head.startswith((_GZIP, _XZ)):
        yield Opened((_packed(path),), {})
    else:
        read = _values_of(path) if head.startswith(_SHAPEFILE) else path
        content = Content(_name(path.name), lambda: _open_plain(read), path=read)
        yield Opened((content,), {})


def fingerprint(content: Content) -> tuple[str, int]:
    """Give the SHA-256 of a content's bytes, as hexadecimal digits, and how many there are."""
    digest = hashlib.sha256()
    size = 0
    with content.open() as stream:
        while block := stream.read(_BUFFER_BYTES):
            digest.update(block)
            size += len(block)
    if content.table is not None:
        # Two tables of one file are two sources; line numbers start again in each.
        digest.update(f"\0{content.table}".encode())
    return digest.hexdigest(), size


def size_hint(path: Path) -> int | None:
    """Give how many bytes will be read from a file, or None where that is not known before."""
    try:
        with _open_plain(path) as file:
            head = file.read(2)
        if head == b"PK":
            with zipfile.ZipFile(path) as archive:
                infos = archive.infolist()
                values = _values_in(infos)
                return sum(info.file_size for info in infos if not _aside(info, values))
        return None if head in (_GZIP, _XZ[:2]) else path.stat().st_size
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


def _packed(path: Path) -> Content:
    allowed = max(_ALWAYS_ALLOWED_BYTES, path.stat().st_size * MAX_RATIO)
    name = _name(path.name)

    def reopen() -> BinaryIO:
        return _unpacked(_open_plain(path), name, min(allowed, MAX_UNPACKED_BYTES))

    return Content(name, reopen)


def _unpacked(packed: BinaryIO, name: str, allowed: int) -> BinaryIO:
    """Give a stream of what a stream holds: unpacked if it is gzip or xz, or as it is."""
    head = packed.peek(len(_XZ))  # type: ignore[attr-defined]
    if head.startswith(_GZIP):
        return _Unpacked.buffered(gzip.GzipFile(fileobj=packed), name, allowed)
    if head.startswith(_XZ):
        return _Unpacked.buffered(_Xz(packed), name, allowed)
    return packed


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
    values = _values_in(infos)
    skipped = Counter(reason for info in infos if (reason := _aside(info, values)))
    contents = tuple(_member(path, archive, info) for info in infos if not _aside(info, values))
    return Opened(contents, dict(skipped))


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Content:
    name = _name(f"{path.name}/{info.filename}")

    def reopen() -> BinaryIO:
        try:
            inner = archive.open(info)
        except _DAMAGE as error:
            raise _damaged(name, error) from error
        allowed = max(_ALWAYS_ALLOWED_BYTES, info.compress_size * MAX_RATIO)
        return _unpacked(_Unpacked.buffered(inner, name, info.file_size), name, allowed)

    return Content(name, reopen, in_archive=True)


def _values_of(path: Path) -> Path:
    """Give the file of a shapefile's values, which stands beside any other part of it."""
    for ending in (_VALUES, _VALUES.upper()):
        if path.with_suffix(ending).is_file():
            return path.with_suffix(ending)
    raise RecordError(
        "{file} is a part of a shapefile; its values stand in a .dbf, which is not beside it",
        reason="half_shapefile",
        file=ascii_safe(str(path)),
    )


def _values_in(infos: Collection[zipfile.ZipInfo]) -> set[str]:
    return {_stem(info.filename) for info in infos if info.filename.lower().endswith(_VALUES)}


def _aside(info: zipfile.ZipInfo, values: Collection[str]) -> str | None:
    """Say why a member is not read: it is junk, or a part of a shapefile beside its values."""
    name = info.filename.lower()
    if name.endswith(_SHAPEFILE_PARTS) and _stem(info.filename) in values:
        return "shapefile_part"
    return _junk(info)


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


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


class _Xz:
    """What xz streams hold, one after another; a dictionary larger than ours is refused."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._decoder = self._fresh()
        self._rest = b""

    def read(self, size: int) -> bytes:
        while True:
            if self._decoder.eof:
                # Streams may be padded with zeros up to four bytes.
                self._rest = (self._decoder.unused_data or self._packed.read(1 << 16)).lstrip(b"\0")
                if not self._rest:
                    return b""
                self._decoder = self._fresh()
            if self._decoder.needs_input and not self._rest:
                self._rest = self._packed.read(1 << 16)
                if not self._rest:
                    raise EOFError("the file ends in the middle of a stream")
            block = self._decoder.decompress(self._rest, size)
            self._rest = b""
            if block:
                return block

    def close(self) -> None:
        self._packed.close()

    @staticmethod
    def _fresh() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)


class _Unpacked(io.RawIOBase):
    """An unpacking stream that gives our errors and stops at its allowance."""

    def __init__(self, inner: IO[bytes] | gzip.GzipFile | _Xz, name: str, allowed: int) -> None:
        self._inner = inner
        self._name = name
        self._allowed = allowed
        self._left = allowed

    @classmethod
    def buffered(cls, inner: IO[bytes] | gzip.GzipFile | _Xz, name: str, allowed: int) -> BinaryIO:
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
