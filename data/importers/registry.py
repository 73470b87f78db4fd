"""
Which importers there are, and which one reads a file: told by its columns, never by its name.

A new format is one file and one line here.
"""

from collections.abc import Sequence

from ..check import ascii_safe
from ..errors import ConfigError, RecordError
from .aggregates import OoklaTiles, OpenCellIdCells
from .gnettrack_csv import GnettrackCsv
from .gnettrack_events import GnettrackEvents
from .gnettrack_log import GnettrackLog, GnettrackTest
from .interface import Importer
from .iperf3 import Iperf3
from .librespeed import LibrespeedCliCsv, LibrespeedCliJson, LibrespeedPage
from .murakami import Murakami
from .ndt7 import Ndt7Client
from .netcellinfo import NetCellInfo, NetCellInfoMerged
from .networksurvey import (
    NetworkSurveyLte,
    NetworkSurveyLteTable,
    NetworkSurveyNr,
    NetworkSurveyNrTable,
)
from .ookla import OoklaCli
from .opencellid import OpenCellId
from .rtr import NetMetr, RtrNettest
from .speedtest_cli import SpeedtestCliCsv, SpeedtestCliJson
from .tr471 import Tr471

IMPORTERS: tuple[type[Importer], ...] = (
    GnettrackCsv,
    GnettrackTest,
    GnettrackEvents,
    GnettrackLog,
    NetCellInfo,
    NetCellInfoMerged,
    OpenCellId,
    NetworkSurveyLte,
    NetworkSurveyNr,
    NetworkSurveyLteTable,
    NetworkSurveyNrTable,
    RtrNettest,
    NetMetr,
    SpeedtestCliJson,
    SpeedtestCliCsv,
    LibrespeedCliJson,
    LibrespeedCliCsv,
    LibrespeedPage,
    OoklaCli,
    Ndt7Client,
    Iperf3,
    Tr471,
    Murakami,
    OoklaTiles,
    OpenCellIdCells,
)

# Files that stand beside logs, recognised so that nobody looks for what is wrong with them.
NOT_RECORDS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"Event", "Stats"}), "gnettrack_stats"),
)
# What obudpst's server writes of itself.
_SERVER_STATISTICS = frozenset({"host_name", "data_record_count", "schema_version"})

_SHOWN_COLUMNS = 12


class NotRecordsError(RecordError):
    """The file is known, and holds no measurements."""


def detect(
    name: str,
    shapes: Sequence[Sequence[str]],
    tool: str | None = None,
    *,
    documents: bool = False,
) -> type[Importer]:
    """
    Give the importer for a file with these columns, or for the first of these sets of paths.

    Raises
    ------
    NotRecordsError
        If the file is known to hold no measurements.
    RecordError
        If no importer knows the columns, or one misses a column; the message names both.
    ConfigError
        If there is no importer called `tool`.
    """
    sets = [set(columns) for columns in shapes]
    if tool is not None:
        return _named(name, set().union(*sets) if documents else sets[0], tool)
    candidates = [one for one in IMPORTERS if one.documents is documents]
    for present in sets:
        _refuse_known(name, present)
        for importer in candidates:
            if any(present.issuperset(wanted) for wanted in (importer.required, *importer.also)):
                return importer
    present = sets[0]
    nearest = max(candidates, key=lambda one: len(present & set(one.required)) / len(one.required))
    if 2 * len(present & set(nearest.required)) > len(nearest.required):
        raise _missing(name, nearest, present)
    raise RecordError(
        "{file}: its first line names no format known here; it holds the columns {columns}; known"
        " are {tools} (--tool); a table of anything else is read by --map",
        reason="unknown_format",
        file=name,
        columns=_shown(shapes[0]),
        tools=", ".join(one.tool for one in IMPORTERS),
    )


def find_headless(cells: Sequence[str]) -> type[Importer] | None:
    """Give the importer of a table that begins with a row at once, by that row."""
    return next((one for one in IMPORTERS if one.is_headless(cells)), None)


def _refuse_known(name: str, present: set[str]) -> None:
    for marks, reason in NOT_RECORDS:
        if marks <= present:
            raise NotRecordsError(
                "{file} holds G-NetTrack's totals, no measurements; import the log beside it",
                reason=reason,
                file=name,
            )
    if present >= _SERVER_STATISTICS:
        raise NotRecordsError(
            "{file} holds statistics of a server, no results of a client",
            reason="server_statistics",
            file=name,
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
