"""
Lines of a stranger's text file, one at a time, in memory that does not grow with the file.

A file from the field may hold anything: a line without an end, NUL bytes where a phone died,
another alphabet's encoding. Such a line is given with the name of its problem, so that the
lines around it are still read. A byte order mark of UTF-16 or UTF-32 is refused outright: read
as UTF-8, such a file would be nothing but damaged lines.
"""

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from ..errors import RecordError

MAX_LINE_BYTES = 1 << 20
KEPT_BYTES = 200

# The order matters: UTF-32's little-endian mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


class Line(NamedTuple):
    """
    One line: its number from 1, its text without the line end, and what is wrong with it.

    The last line of a file may have no end: then more may have been meant to stand there.
    """

    number: int
    text: str
    problem: str | None = None
    has_end: bool = True


def read_lines(
    stream: BinaryIO, encoding: str = "utf-8", limit: int | None = None
) -> Iterator[Line]:
    r"""
    Give the lines of a byte stream, split at ``\n`` with ``\r\n`` understood.

    A line longer than `MAX_LINE_BYTES`, one that holds a NUL byte or one that is not text in
    `encoding` has a `problem` (``line_too_long``, ``nul_byte``, ``bad_encoding``) and its first
    characters only. A last line without its end is a line. Reading stops after `limit` bytes.
    """
    if encoding == "utf-16":
        # The limit counts the file's own bytes; transcoded, they are other bytes.
        stream = io.BufferedReader(_Utf16(stream, limit), MAX_LINE_BYTES)
        limit = None
    codec = "latin-1" if encoding == "latin-1" else "utf-8"
    number = 0
    left = limit
    while raw := stream.readline(
        MAX_LINE_BYTES + 1 if left is None else min(left, MAX_LINE_BYTES + 1)
    ):
        number += 1
        if left is not None:
            left -= len(raw)
        if len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n"):
            left = _skip_line(stream, left)
            yield Line(number, _kept(raw, codec), "line_too_long")
            continue
        if number == 1 and codec == "utf-8":
            raw = raw.removeprefix(codecs.BOM_UTF8)
        if b"\0" in raw:
            yield Line(number, _kept(raw, codec), "nul_byte")
            continue
        try:
            text = raw.decode(codec)
        except UnicodeDecodeError:
            yield Line(number, _kept(raw, codec), "bad_encoding")
            continue
        yield Line(number, text.rstrip("\r\n"), None, raw.endswith(b"\n"))


def refuse_marked(name: str, head: bytes, encoding: str) -> None:
    """
    Refuse text whose byte order mark says that it is not what it will be read as.

    Raises
    ------
    RecordError
        Naming the encoding seen and what to do about it.
    """
    seen = next((label for mark, label in _MARKS if head.startswith(mark)), None)
    if seen == "UTF-32":
        raise RecordError(
            "{file} is {encoding} text, which is not read; save it as UTF-8",
            reason="bad_encoding",
            file=name,
            encoding=seen,
        )
    if seen is not None and encoding != "utf-16":
        raise RecordError(
            "{file} is {encoding} text; read it with --encoding utf-16, or save it as UTF-8",
            reason="bad_encoding",
            file=name,
            encoding=seen,
        )
    if seen is None and encoding == "utf-16":
        raise RecordError(
            "{file} does not start with UTF-16's byte order mark; leave --encoding out",
            reason="bad_encoding",
            file=name,
        )


def _skip_line(stream: BinaryIO, left: int | None) -> int | None:
    while True:
        rest = stream.readline(MAX_LINE_BYTES if left is None else min(left, MAX_LINE_BYTES))
        if left is not None:
            left -= len(rest)
        if not rest or rest.endswith(b"\n"):
            return left


def _kept(raw: bytes, codec: str) -> str:
    text = raw[:KEPT_BYTES].decode(codec, "backslashreplace")
    return text.rstrip("\r\n").replace("\0", "\\x00")


class _Utf16(io.RawIOBase):
    """
    UTF-16 bytes as UTF-8 bytes.

    Half of a surrogate pair, or an odd byte at the end, comes out as bytes that are not UTF-8:
    the one line that holds it is then rejected as any other damaged line.
    """

    def __init__(self, stream: BinaryIO, limit: int | None) -> None:
        self._stream = stream
        self._left = limit
        self._decoder = codecs.getincrementaldecoder("utf-16")("surrogatepass")
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        while not self._ready and not self._ended:
            size = 1 << 16 if self._left is None else min(self._left, 1 << 16)
            raw = self._stream.read(size)
            if self._left is not None:
                self._left -= len(raw)
            self._ended = not raw
            try:
                text = self._decoder.decode(raw, self._ended)
                self._ready = text.encode("utf-8", "surrogatepass")
            except UnicodeError:
                self._ready = b"\xff"
                self._ended = True
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count
