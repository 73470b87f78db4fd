"""
Which importers there are, and which one reads a file: told by its columns, never by its name.

A new format is one file and one line here.
"""

from collections.abc import Sequence

from ..check import ascii_safe
from ..errors import ConfigError, RecordError
from .gnettrack_csv import GnettrackCsv
from .gnettrack_log import GnettrackLog, GnettrackTest
from .interface import Importer
from .netcellinfo import NetCellInfo, NetCellInfoMerged

IMPORTERS: tuple[type[Importer], ...] = (
    GnettrackCsv,
    GnettrackTest,
    GnettrackLog,
    NetCellInfo,
    NetCellInfoMerged,
)

# Files that stand beside logs, recognised so that nobody looks for what is wrong with them.
NOT_RECORDS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"EventType", "EventDetails"}), "gnettrack_events"),
    (frozenset({"Event", "Stats"}), "gnettrack_stats"),
)

_SHOWN_COLUMNS = 12


class NotRecordsError(RecordError):
    """The file is known, and holds no measurements."""


def detect(name: str, columns: Sequence[str], tool: str | None = None) -> type[Importer]:
    """
    Give the importer for a file with these columns.

    Raises
    ------
    NotRecordsError
        If the file is known to hold no measurements.
    RecordError
        If no importer knows the columns, or one misses a column; the message names both.
    ConfigError
        If there is no importer called `tool`.
    """
    present = set(columns)
    if tool is not None:
        return _named(name, present, tool)
    for marks, reason in NOT_RECORDS:
        if marks <= present:
            raise NotRecordsError(
                "{file} holds G-NetTrack's events or totals, no measurements; import the log beside"
                " it",
                reason=reason,
                file=name,
            )
    for importer in IMPORTERS:
        if present.issuperset(importer.required):
            return importer
    nearest = max(IMPORTERS, key=lambda one: len(present & set(one.required)) / len(one.required))
    if 2 * len(present & set(nearest.required)) > len(nearest.required):
        raise _missing(name, nearest, present)
    raise RecordError(
        "{file}: its first line names no format known here; it holds the columns {columns}; known"
        " are {tools} (--tool)",
        reason="unknown_format",
        file=name,
        columns=_shown(columns),
        tools=", ".join(one.tool for one in IMPORTERS),
    )


def _named(name: str, present: set[str], tool: str) -> type[Importer]:
    importer = next((one for one in IMPORTERS if one.tool == tool), None)
    if importer is None:
        raise ConfigError(
            "there is no importer {tool}; known are {tools}",
            tool=tool,
            tools=", ".join(one.tool for one in IMPORTERS),
        )
    if not present.issuperset(importer.required):
        raise _missing(name, importer, present)
    return importer


def _missing(name: str, importer: type[Importer], present: set[str]) -> RecordError:
    return RecordError(
        "{file} looks like {tool}, but has no column {columns}; nothing of it was read",
        reason="missing_column",
        file=name,
        tool=importer.tool,
        columns=", ".join(column for column in importer.required if column not in present),
    )


def _shown(columns: Sequence[str]) -> str:
    shown = [ascii_safe(column[:40]) or "(no name)" for column in columns[:_SHOWN_COLUMNS]]
    if len(columns) > _SHOWN_COLUMNS:
        shown.append("…")
    return ", ".join(shown)
