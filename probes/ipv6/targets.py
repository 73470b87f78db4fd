"""
Lists of hosts with their agencies, from a CSV file: what an audit checks and an import reads.

Columns are found by their usual English and Vietnamese names or named by the user. The file is
read line by line with a limit on each, gzip or plain, comma, semicolon or tab.
"""

import csv
import gzip
import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ...data.errors import ConfigError, RecordError
from ..interface import one_line

MAX_LINE_CHARS = 65_536
MAX_HOSTS = 1_000_000

FIELDS: Mapping[str, tuple[str, ...]] = {
    "host": ("host", "initial_domain", "domain", "domain name", "website", "url", "hostname",
             "tên miền", "địa chỉ", "trang web"),
    "agency": ("agency", "organization name", "organisation", "agency_name_vi", "cơ quan",
               "đơn vị"),
    "bureau": ("bureau", "suborganization name", "department", "đơn vị trực thuộc", "phòng ban"),
    "parent": ("parent", "parent_agency", "ministry", "cơ quan chủ quản"),
    "level": ("level", "domain type", "cấp"),
    "unit": ("unit", "unit code", "unit_code", "province", "mã đơn vị", "mã đvhc", "tỉnh"),
    "aaaa": ("aaaa", "ipv6", "has_aaaa"),
    "reachable": ("reachable", "ipv6_reachable"),
}  # fmt: skip
DESCRIBING = ("agency", "bureau", "parent", "level", "unit")
_TRUTH = {"true": True, "yes": True, "1": True, "có": True, "y": True,
          "false": False, "no": False, "0": False, "không": False, "n": False}  # fmt: skip
_UNKNOWN = {"", "unknown", "null", "none", "n/a", "không rõ"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedHost:
    (
        """One row of a list: a host, who runs it, and what others found where the list says it.

    `site` is what the list calls it: a host may have a second site on another port.
    """
        ""
    )

    line: int
    host: str
    site: str
    about: Mapping[str, str]
    aaaa: bool | None = None
    reachable: bool | None = None


def fingerprint(path: Path) -> str:
    """Give the SHA-256 of a file's content, which names it whatever it is called."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_list(path: Path, named: Mapping[str, str] | None = None) -> Iterator[ListedHost]:
    """
    Read the rows of a list in order; rows without a host are left out.

    `named` says which column holds a field, where its name is not a usual one.

    Raises
    ------
    ConfigError
        If a named column is not there, or none holds the host.
    RecordError
        If a line is too long or holds a value that is neither yes, no nor unknown.
    """
    with _opened(path) as file:
        lines = _lines(path, file)
        header_text = next(lines, "")
        delimiter = max(",;\t", key=header_text.count)
        header = [cell.strip() for cell in next(csv.reader([header_text], delimiter=delimiter), [])]
        columns = _columns(path, header, named or {})
        rows = csv.reader(lines, delimiter=delimiter)
        try:
            for row in rows:
                listed = _listed(path, rows.line_num + 1, row, columns)
                if listed is not None:
                    yield listed
        except csv.Error as error:
            raise RecordError(
                "{file}, line {line}: {error}", file=path, line=rows.line_num + 1, error=error
            ) from None


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if packed else raw
        with io.TextIOWrapper(stream, "utf-8-sig", newline="") as text:
            yield text


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    number = 0
    try:
        while line := file.readline(MAX_LINE_CHARS):
            number += 1
            if len(line) == MAX_LINE_CHARS or number > MAX_HOSTS:
                raise RecordError(
                    "{file}, line {line}: too long; is this a CSV file?", file=path, line=number
                )
            yield line
    except (UnicodeError, EOFError, gzip.BadGzipFile, ValueError) as error:
        raise RecordError(
            "{file}, line {line}: {error}", file=path, line=number + 1, error=one_line(str(error))
        ) from None


def _columns(path: Path, header: list[str], named: Mapping[str, str]) -> dict[str, int]:
    lowered = [cell.lower() for cell in header]
    columns: dict[str, int] = {}
    for field, usual in FIELDS.items():
        if field in named:
            if named[field].lower() not in lowered:
                raise ConfigError(
                    "{file} has no column {name}; it has {columns}",
                    file=path,
                    name=named[field],
                    columns=one_line(", ".join(header)),
                )
            columns[field] = lowered.index(named[field].lower())
            continue
        for name in usual:
            if name in lowered:
                columns[field] = lowered.index(name)
                break
    if "host" not in columns:
        raise ConfigError(
            "{file}: no column holds the host; it has {columns}. Name one with --column host=NAME",
            file=path,
            columns=one_line(", ".join(header)) or "–",
        )
    return columns


def _listed(path: Path, line: int, row: list[str], columns: Mapping[str, int]) -> ListedHost | None:
    # Split and joined, so that no-break spaces and their kind are plain ones.
    cells = {field: " ".join(row[at].split()) for field, at in columns.items() if at < len(row)}
    host = host_in(cells.get("host", ""))
    if not host:
        return None
    return ListedHost(
        line=line,
        host=host,
        site=one_line(cells["host"].lower()),
        about={field: one_line(cells[field]) for field in DESCRIBING if cells.get(field)},
        aaaa=_truth(path, line, cells.get("aaaa", "")),
        reachable=_truth(path, line, cells.get("reachable", "")),
    )


def host_in(text: str) -> str:
    """Give the host of a URL, or of a name that stands alone."""
    bare = text.strip().partition("://")[2] or text.strip()
    bare = bare.split("/")[0].split("?")[0].rpartition("@")[2]
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    return one_line(bare.rstrip(".").lower())


def _truth(path: Path, line: int, text: str) -> bool | None:
    lowered = text.lower()
    if lowered in _UNKNOWN:
        return None
    if lowered not in _TRUTH:
        raise RecordError(
            "{file}, line {line}: {value} is neither yes, no nor unknown",
            file=path,
            line=line,
            value=one_line(text),
        )
    return _TRUTH[lowered]
