"""
A text as JSON documents: one a line, one after another, or in an array; read as a stream.

A document becomes a row whose columns are the paths of its values (``download.bandwidth``), and
whose cells are the values as they stand there, so that what reads tables reads documents too.
Lists are left out of the cells; the raw record keeps them. A document that is cut off is named,
and those after it are still read.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NoReturn

from ..errors import RecordError
from ..sample import MAX_RECORD_CHARS
from .interface import Row
from .lines import Line, read_lines, refuse_marked
from .openers import Content
from .table import BadRow, line_problem

MAX_DOCUMENT_CHARS = 4 << 20
MAX_PATHS = 2_000
_LOOKED_AT = 50
_KEPT_CHARS = 200
# A text in quotes never holds a line end, so brackets can be counted line by line.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]')


@dataclass(frozen=True, slots=True)
class Documents:
    """The columns of a file's first documents, each one a shape that an importer may know."""

    shapes: tuple[tuple[str, ...], ...]


@dataclass(slots=True)
class _Piece:
    """Text between the brackets of one document, and the line where it began."""

    line: int
    parts: list[str] = field(default_factory=list)
    chars: int = 0
    is_deep: bool = False

    def add(self, text: str) -> None:
        self.parts.append(text)
        self.chars += len(text)

    @property
    def text(self) -> str:
        return "\n".join(self.parts)


def looks_like_documents(content: Content) -> bool:
    """Tell whether a text begins as JSON objects do."""
    with content.open() as stream:
        head = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    return head.startswith(b"{") or re.match(rb"\[\s*(\{|$)", head) is not None


def read_shapes(content: Content, encoding: str) -> Documents:
    """
    Read the first documents of a text.

    Raises
    ------
    RecordError
        If none of them is a JSON object.
    """
    with content.open() as stream:
        refuse_marked(content.name, stream.peek(4)[:4], encoding)  # type: ignore[attr-defined]
    rows = islice(_read(content, encoding, None), _LOOKED_AT)
    shapes = [tuple(row.cells) for row in rows if isinstance(row, Row)]
    if not shapes:
        raise RecordError(
            "{file} begins as JSON does, but its first documents cannot be read",
            reason="bad_json",
            file=content.name,
        )
    return Documents(tuple(shapes))


def read_documents(content: Content, encoding: str, limit: int) -> Iterator[Row | BadRow]:
    """Give every document of a text: a row, or why it is none. Reads at most `limit` bytes."""
    yield from _read(content, encoding, limit)


def _read(content: Content, encoding: str, limit: int | None) -> Iterator[Row | BadRow]:
    # Two documents may stand on one line, and a row is known by its number.
    last = 0
    for piece in _pieces(content, encoding, limit):
        if isinstance(piece, BadRow):
            number = max(piece.line, last + 1)
            yield BadRow(number, piece.error, piece.text)
        else:
            number = max(piece.line, last + 1)
            yield _parse(number, piece.text)
        last = number


def _pieces(content: Content, encoding: str, limit: int | None) -> Iterator[_Piece | BadRow]:
    with content.open() as stream:
        cutter = _Cutter()
        for line in read_lines(stream, encoding, limit):
            if line.problem is not None:
                yield from cutter.give_up()
                yield BadRow(line.number, line_problem(line), line.text)
            else:
                yield from cutter.feed(line)
        yield from cutter.give_up()


class _Cutter:
    """Cuts lines into documents by counting brackets outside of quotes."""

    def __init__(self) -> None:
        self._piece: _Piece | None = None
        self._depth = 0
        self._indent: str | None = None
        self._one_a_line = False

    def feed(self, line: Line) -> Iterator[_Piece | BadRow]:
        """Take one more line; give the documents that end on it."""
        text = line.text
        if self._piece is not None and self._begins_another(text):
            yield from self.give_up()
        done, between = self._cut(line.number, text)
        if between.strip(" \t\r\n,[]"):
            # What else stands on a damaged line is not trusted, so that it is one row.
            yield from (piece for piece in done if piece.line < line.number)
            error = RecordError("this is no JSON document", reason="bad_json")
            yield BadRow(line.number, error, text[:_KEPT_CHARS])
            if self._piece is not None and self._piece.line == line.number:
                self._piece = None
            return
        self._one_a_line = self._one_a_line or any(len(piece.parts) == 1 for piece in done)
        yield from done
        if self._piece is not None and self._piece.chars > MAX_DOCUMENT_CHARS:
            error = RecordError(
                "the JSON document that begins here is longer than {limit} characters",
                reason="document_too_long",
                limit=MAX_DOCUMENT_CHARS,
            )
            yield BadRow(self._piece.line, error, self._piece.text[:_KEPT_CHARS])
            self._piece = None

    def _cut(self, number: int, text: str) -> tuple[list[_Piece], str]:
        """Give the documents that end on a line, and what stands between documents."""
        done = []
        between = ""
        start = 0
        for token in _TOKEN.finditer(text):
            mark = token[0]
            if self._piece is None:
                if mark == "{":
                    between += text[start : token.start()]
                    start = token.start()
                    self._begin(number, text[:start])
            elif mark in "{[":
                self._depth += 1
            elif mark in "}]":
                self._depth -= 1
                if self._depth == 0:
                    self._piece.add(text[start : token.end()])
                    done.append(self._piece)
                    self._piece = None
                    start = token.end()
        if self._piece is None:
            return done, between + text[start:]
        self._keep(text[start:])
        return done, between

    def give_up(self) -> Iterator[BadRow]:
        """Name the document that has begun and did not end."""
        if self._piece is not None:
            error = RecordError(
                "the JSON document that begins here is cut off", reason="torn_document"
            )
            yield BadRow(self._piece.line, error, self._piece.text[:_KEPT_CHARS])
            self._piece = None

    def _begin(self, line: int, before: str) -> None:
        self._piece = _Piece(line)
        self._depth = 1
        if self._indent is None:
            self._indent = before if not before.strip() else ""

    def _begins_another(self, text: str) -> bool:
        # Inside of one document, what stands deeper is indented more.
        piece = self._piece
        start = (self._indent or "") + "{"
        if piece is None or not text.startswith(start):
            return False
        if piece.is_deep or self._one_a_line:
            return True
        return all(part.startswith("{") for part in piece.parts) and _is_whole(text)

    def _keep(self, text: str) -> None:
        piece = self._piece
        if piece is not None:
            indent = self._indent or ""
            piece.is_deep |= bool(piece.parts) and text.startswith((indent + " ", indent + "\t"))
            piece.add(text)


def _is_whole(text: str) -> bool:
    """Tell whether a line is a document by itself: then the one before it was cut off."""
    try:
        return isinstance(json.loads(text.strip().rstrip(",")), dict)
    except (ValueError, RecursionError):
        return False


def _parse(line: int, text: str) -> Row | BadRow:
    try:
        content = json.loads(
            text,
            parse_int=str,
            parse_float=str,
            parse_constant=_no_constant,
            object_pairs_hook=_unique_keys,
        )
        cells: dict[str, str] = {}
        _flatten(content, "", cells)
    except (ValueError, RecursionError) as error:
        bad = RecordError(
            "the document is not JSON: {error}", reason="bad_json", error=str(error)[:200]
        )
        return BadRow(line, bad, text[:_KEPT_CHARS])
    return Row(line, cells, _record(text, content))


def _flatten(content: dict[str, Any], above: str, cells: dict[str, str]) -> None:
    for key, value in content.items():
        path = f"{above}{key}"
        if isinstance(value, dict):
            _flatten(value, f"{path}.", cells)
        elif isinstance(value, str):
            # A lone surrogate can stand in JSON and nowhere else.
            cells[path] = value.strip().encode("utf-8", "backslashreplace").decode("utf-8")
        elif value is None:
            cells[path] = ""
        elif isinstance(value, bool):
            cells[path] = "true" if value else "false"
        if len(cells) > MAX_PATHS:
            raise ValueError(f"it holds more than {MAX_PATHS} values")


def _record(text: str, content: dict[str, Any]) -> str:
    """Give the raw record; of one too long to keep, without its lists."""
    if len(text) <= MAX_RECORD_CHARS:
        return text
    return json.dumps(_without_lists(content), ensure_ascii=True, separators=(",", ":"))


def _without_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_lists(one) for key, one in value.items()}
    return f"{len(value)} items, left out here" if isinstance(value, list) else value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # iperf3 --bidir repeats keys; one that says two things says nothing.
    content: dict[str, Any] = {}
    for key, value in pairs:
        if content.setdefault(key, value) != value:
            raise ValueError(f"the key {key[:60]} stands twice and says two things")
    return content


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
