"""
A file imported: every row becomes a sample, a duplicate or a named rejection.

A file is known by the SHA-256 of its content, a row by its line in it: importing again, or under
another name, changes nothing, and an import that was interrupted is completed by repeating it.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..aggregate import Aggregate, merge_aggregates
from ..errors import RecordError
from ..sample import Sample
from ..store import Rejected, Store
from .columnmap import ColumnMap, read_map
from .documents import Documents
from .interface import Importer, Options, Row, Source
from .layout import Layout, read_content, read_layouts, shapes_of
from .openers import Content, fingerprint, open_contents
from .registry import NotRecordsError, detect, find_headless
from .table import BadRow, Header

BATCH_ROWS = 4_000
MAX_KEPT_CHARS = 10_000
# Repeats are looked for among this many rows; a set of all rows would grow with the file.
REPEATS_REMEMBERED = 1_000_000


@dataclass(slots=True)
class FileReport:
    """What became of one file's rows: accepted + duplicate + rejected = rows."""

    name: str
    tool: str
    sha256: str = ""
    accepted: int = 0
    duplicate: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        """Count the rows read."""
        return self.accepted + self.duplicate + self.rejected.total()

    def as_record(self) -> dict[str, object]:
        """Give the report as plain values, for printing as JSON."""
        return {
            "file": self.name,
            "tool": self.tool,
            "sha256": self.sha256,
            "rows": self.rows,
            "accepted": self.accepted,
            "duplicate": self.duplicate,
            "rejected": dict(self.rejected),
        }


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or a member that holds no records, and why."""

    name: str
    error: RecordError


@dataclass(slots=True)
class ImportReport:
    """What became of one path: its files, what was skipped by name, and what by kind."""

    files: list[FileReport] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Chosen:
    content: Content
    layout: Layout
    importer: type[Importer]
    make: Callable[[Source, Options], Importer]


@dataclass(slots=True)
class _Made:
    """What became of a batch of rows: samples or averages, and rows that are neither."""

    samples: list[Sample] = field(default_factory=list)
    aggregates: list[Aggregate] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def check_files(paths: Sequence[Path], options: Options) -> None:
    """
    Look at files before anything of them is kept.

    Raises
    ------
    RecordError, ConfigError
        If one cannot be imported as it is, an option is missing, or none holds any record.
    """
    aside: list[Skipped] = []
    found = 0
    for path in paths:
        report = ImportReport()
        with open_contents(path) as opened:
            chosen = _choose(opened.contents, options, report)
        if not chosen and not report.skipped:
            raise RecordError(
                "{file} holds no file of records", reason="empty_file", file=path.name
            )
        found += len(chosen)
        aside += report.skipped
    if found == 0 and aside:
        raise aside[0].error


def import_file(
    store: Store,
    path: Path,
    options: Options,
    on_progress: Callable[[int], None] = lambda steps: None,
) -> ImportReport:
    """
    Keep every record of a file.

    `on_progress` is told of further bytes read. Rows are kept in batches: after an interruption
    what was kept stays, and importing the file again completes it.

    Raises
    ------
    RecordError, ConfigError
        Before anything is kept, if the file cannot be imported as it is.
    StoreError
        If the store cannot be written.
    """
    with open_contents(path) as opened:
        report = ImportReport(ignored=Counter(opened.skipped))
        for chosen in _choose(opened.contents, options, report):
            report.files.append(_import_content(store, chosen, options, on_progress))
    return report


def _choose(contents: tuple[Content, ...], options: Options, report: ImportReport) -> list[_Chosen]:
    chosen = []
    for content in contents:
        try:
            layouts = read_layouts(content, options.encoding)
        except RecordError as error:
            if not content.in_archive:
                raise
            report.skipped.append(Skipped(content.name, error))
            continue
        for part, layout in layouts:
            try:
                one = _choose_one(part, layout, options)
            except RecordError as error:
                # A file that was named is refused; what merely lies beside logs is set aside.
                aside = part.in_archive or part.table or isinstance(error, NotRecordsError)
                if not aside:
                    raise
                report.skipped.append(Skipped(part.name, error))
                continue
            if one.importer.local_time:
                _ = one.make(Source(part.name, "", ""), options).zone
            chosen.append(one)
    return chosen


def _choose_one(content: Content, layout: Layout, options: Options) -> _Chosen:
    shapes = shapes_of(layout)
    if options.mapping:
        if isinstance(layout, Documents):
            raise RecordError(
                "{file} holds JSON; --map is for tables", reason="not_a_table", file=content.name
            )
        terms = read_map(options.mapping, shapes[0])
        return _Chosen(content, layout, ColumnMap, partial(ColumnMap, terms=terms))
    if isinstance(layout, Header) and options.tool is None:
        headless = find_headless(layout.columns)
        if headless is not None:
            header = Header(layout.line - 1, layout.delimiter, headless.required)
            return _Chosen(content, header, headless, headless)
    is_documents = isinstance(layout, Documents)
    importer = detect(content.name, shapes, options.tool, documents=is_documents)
    return _Chosen(content, layout, importer, importer)


def _import_content(
    store: Store, chosen: _Chosen, options: Options, on_progress: Callable[[int], None]
) -> FileReport:
    content = chosen.content
    sha256, size = fingerprint(content)
    tool = chosen.importer.tool
    source = Source(content.name, sha256, f"{tool}-{sha256[:16]}")
    importer = chosen.make(source, options)
    report = FileReport(content.name, tool, sha256)
    if importer.surveys:
        for row in read_content(content, chosen.layout, options.encoding, size):
            if isinstance(row, Row):
                importer.survey(row)
    store.add_source_file(sha256=sha256, name=content.name, tool=tool)
    seen: set[bytes] = set()
    told = 0
    for batch in _batches(read_content(content, chosen.layout, options.encoding, size)):
        made = _make(importer, batch, seen, report)
        if made.aggregates:
            merged = merge_aggregates(store, made.aggregates, made.rejected)
        else:
            merged = store.merge_records(source.probe, made.samples, made.rejected)
        report.accepted += merged.new
        report.duplicate += merged.duplicate
        read = min(sum(len(row.text) + 1 for row in batch), size - told)
        told += read
        on_progress(read)
    on_progress(size - told)
    return report


def _make(
    importer: Importer, batch: list[Row | BadRow], seen: set[bytes], report: FileReport
) -> _Made:
    """Make records of a batch, and count in the report those of which none was made."""
    made = _Made()
    for row in batch:
        try:
            if isinstance(row, BadRow):
                raise row.error
            if _is_repeat(importer, row, seen):
                report.duplicate += 1
                continue
            record = importer.to_sample(row)
            if isinstance(record, Aggregate):
                made.aggregates.append(record)
            else:
                made.samples.append(record)
        except RecordError as error:
            report.rejected[error.reason] += 1
            made.rejected.append(_rejection(importer.source, importer.tool, row, error))
    return made


def _batches(rows: Iterator[Row | BadRow]) -> Iterator[list[Row | BadRow]]:
    batch: list[Row | BadRow] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _is_repeat(importer: Importer, row: Row, seen: set[bytes]) -> bool:
    identity = importer.identity(row)
    if identity is None:
        return False
    key = hashlib.blake2b(identity.encode("utf-8"), digest_size=16).digest()
    if key in seen:
        return True
    if len(seen) >= REPEATS_REMEMBERED:
        seen.clear()
    seen.add(key)
    return False


def _rejection(source: Source, tool: str, row: Row | BadRow, error: RecordError) -> Rejected:
    return Rejected(
        tool=tool,
        file=source.name,
        file_sha256=source.sha256,
        line=row.line,
        reason=error.reason,
        message=str(error)[:MAX_KEPT_CHARS],
        record=row.text[:MAX_KEPT_CHARS],
    )
