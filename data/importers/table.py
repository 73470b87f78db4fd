"""A text as a table: its header found, its rows cut into cells, its damaged rows named."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass

from ..check import ascii_safe
from ..errors import RecordError
from .interface import Row
from .lines import Line, read_lines, refuse_marked
from .openers import Content

MAX_COLUMNS = 500
_DELIMITERS = ("\t", ",", ";")
_PROBLEMS = {
    "line_too_long": "the line is longer than 1 MiB",
    "nul_byte": "the line holds NUL bytes",
    "bad_encoding": "the line is not text in the encoding named (--encoding)",
}


@dataclass(frozen=True, slots=True)
class Header:
    """The first line that is not empty: where it stands, its columns, and what parts them."""

    line: int
    delimiter: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line that is no row: why, in a name and in words, and its first characters."""

    line: int
    error: RecordError
    text: str


def read_header(content: Content, encoding: str) -> Header:
    """
    Read a table's header: its first line that is neither empty nor a comment.

    Raises
    ------
    RecordError
        If there is none, it is damaged, or a column stands twice.
    """
    with content.open() as stream:
        refuse_marked(content.name, stream.peek(4)[:4], encoding)  # type: ignore[attr-defined]
        for line in read_lines(stream, encoding):
            if line.problem is not None:
                raise RecordError(
                    "{file}, line {line}: {problem}; a table's first line names its columns",
                    reason="bad_header",
                    file=content.name,
                    line=line.number,
                    problem=_PROBLEMS[line.problem],
                )
            if line.text.strip() and not _is_comment(line.text):
                return _parse_header(content.name, line)
    raise RecordError("{file} is empty", reason="empty_file", file=content.name)


def read_rows(
    content: Content, header: Header, encoding: str, limit: int
) -> Iterator[Row | BadRow]:
    """
    Give every line after the header that is not blank: a row, or why it is none.

    Reads at most `limit` bytes: a log that is still being written has no more rows than when it
    was fingerprinted.
    """
    columns = header.columns
    width = len(columns)
    with content.open() as stream:
        for line in read_lines(stream, encoding, limit):
            if line.number <= header.line:
                continue
            if line.problem is not None:
                yield BadRow(line.number, line_problem(line), line.text)
                continue
            if not line.text or line.text.isspace():
                continue
            try:
                cells = _cut(line.text, header.delimiter)
            except csv.Error as error:
                yield BadRow(line.number, _unquoted(error), line.text)
                continue
            if tuple(cells[:width]) == columns:
                yield BadRow(line.number, _repeated(), line.text)
            elif len(cells) < width and not line.has_end:
                yield BadRow(line.number, _torn(len(cells), width), line.text)
            elif len(cells) < width or any(cells[width:]):
                yield BadRow(line.number, _miscounted(len(cells), width), line.text)
            else:
                yield Row(line.number, dict(zip(columns, cells, strict=False)), line.text)


def _parse_header(name: str, line: Line) -> Header:
    delimiter = max(_DELIMITERS, key=line.text.count)
    try:
        columns = _cut(line.text, delimiter)
    except csv.Error as error:
        raise RecordError(
            "{file}, line {line}: {problem}; a table's first line names its columns",
            reason="bad_header",
            file=name,
            line=line.number,
            problem=error,
        ) from error
    while columns and not columns[-1]:
        columns.pop()
    if len(columns) > MAX_COLUMNS:
        raise RecordError(
            "{file} has {count} columns; at most {limit} are read",
            reason="bad_header",
            file=name,
            count=len(columns),
            limit=MAX_COLUMNS,
        )
    twice = next((column for column in columns if column and columns.count(column) > 1), None)
    if twice is not None:
        raise RecordError(
            "{file}: the column {column} stands twice",
            reason="bad_header",
            file=name,
            column=ascii_safe(twice[:60]),
        )
    return Header(line.number, delimiter, tuple(columns))


def _is_comment(text: str) -> bool:
    # Network Survey writes "# CSV Version=0.5.0" above its header; a header itself has cells.
    return text.startswith("#") and not any(delimiter in text for delimiter in _DELIMITERS)


def _cut(text: str, delimiter: str) -> list[str]:
    if '"' not in text:
        return [cell.strip() for cell in text.split(delimiter)]
    (cells,) = csv.reader([text], delimiter=delimiter, strict=True)
    return [cell.strip() for cell in cells]


def line_problem(line: Line) -> RecordError:
    """Say what is wrong with a line that cannot be read."""
    return text_problem(str(line.problem))


def text_problem(reason: str) -> RecordError:
    """Say in words why a line is no text."""
    return RecordError("{problem}", reason=reason, problem=_PROBLEMS[reason])


def unreadable_header(name: str, problem: object) -> RecordError:
    """Say why the header of a table that is no text cannot be read."""
    return RecordError(
        "{file} is a damaged table: {problem}", reason="bad_header", file=name, problem=problem
    )


def torn_row(seen_bytes: int, expected_bytes: int) -> RecordError:
    """Say that a file of rows of equal length ends within one."""
    return RecordError(
        "the file ends in the middle of this row, after {seen} of {expected} bytes",
        reason="torn_last_line",
        seen=seen_bytes,
        expected=expected_bytes,
    )


def _unquoted(error: csv.Error) -> RecordError:
    return RecordError(
        "the quotes of the row do not match: {error}", reason="bad_quotes", error=error
    )


def _repeated() -> RecordError:
    return RecordError("the header stands here again", reason="repeated_header")


def _torn(seen: int, expected: int) -> RecordError:
    return RecordError(
        "the file ends in the middle of this row, after {seen} of {expected} cells",
        reason="torn_last_line",
        seen=seen,
        expected=expected,
    )


def _miscounted(seen: int, expected: int) -> RecordError:
    return RecordError(
        "the row has {seen} {seen:cell|cells}, its header names {expected}",
        reason="wrong_cell_count",
        seen=seen,
        expected=expected,
    )
