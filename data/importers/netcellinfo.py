"""
Network Cell Info (Lite) logs, in the columns of OpenCelliD's uploads, and their merged tables.

A log repeats a row when nothing changed, to the same millisecond; merged exports repeat it once
for each export. A repeated row is one measurement written twice and counted as a duplicate.
`rating`, `ta`, `speed` and `direction` stay in the raw record.
"""

from typing import ClassVar

from ..check import ascii_safe
from ..errors import RecordError
from ..levels import RSCP_DBM, RSRP_DBM, RXLEV_DBM
from ..sample import Kind, Outcome, Radio, Rat, Sample
from .fields import read_identity, read_level, read_plmn, read_whole
from .interface import Importer, Row, read_position
from .times import read_epoch

_RATS = {"GSM": Rat.GSM, "UMTS": Rat.UMTS, "LTE": Rat.LTE}
_LEVELS = {Rat.GSM: RXLEV_DBM, Rat.UMTS: RSCP_DBM, Rat.LTE: RSRP_DBM}


class NetCellInfo(Importer):
    """One log as the app writes it."""

    tool = "netcellinfo"
    required: ClassVar[tuple[str, ...]] = (
        "mcc",
        "mnc",
        "lac",
        "cellid",
        "lat",
        "lon",
        "signal",
        "measured_at",
        "act",
        "tac",
        "pci",
    )
    # What this layout calls the things that are read, in the order of `required`.
    _names: ClassVar[tuple[str, ...]] = required

    def to_sample(self, row: Row) -> Sample:
        """Make a signal sample of a row."""
        cells = row.cells
        mcc, mnc, lac, cell, lat, lon, signal, moment, act, tac, pci = (
            cells[name] for name in self._names
        )
        rat = _RATS.get(act.upper())
        if rat is None:
            raise RecordError(
                "{field}: {seen} is not a technology that is known here",
                reason="unknown_technology",
                field=self._names[8],
                seen=ascii_safe(act[:60]),
            )
        level = read_level("signal", signal, _LEVELS[rat])
        is_lte = rat is Rat.LTE
        area = read_identity("tac", tac) if is_lte else None
        if area is None:
            area = read_identity("lac", lac)
        identity = read_identity("cellid", cell)
        return Sample(
            probe=self.source.probe,
            seq=row.line,
            kind=Kind.SIGNAL,
            started_at=read_epoch("measured_at", moment, 1000),
            outcome=Outcome.OK,
            position=read_position(lon, lat),
            radio=Radio(
                plmn=read_plmn(mcc, mnc),
                rat=rat,
                cell_id=None if identity is None else str(identity),
                tac=None if area is None else str(area),
                pci=_read_pci(pci) if is_lte else None,
                level_dbm=None if is_lte else level,
                rsrp_dbm=level if is_lte else None,
            ),
            source=self.provenance(row),
        )

    def identity(self, row: Row) -> str | None:
        """Give every cell but the name of the export that a merged table adds."""
        return "\x1f".join(cell for name, cell in row.cells.items() if name != "source_file")


class NetCellInfoMerged(NetCellInfo):
    """Several logs merged into one table, whose columns their collector renamed."""

    tool = "netcellinfo-merged"
    required: ClassVar[tuple[str, ...]] = (
        "mcc",
        "mnc",
        "lac",
        "CellID",
        "Latitude",
        "Longitude",
        "RSRP",
        "Timestamp",
        "NetworkType",
        "tac",
        "pci",
    )
    _names: ClassVar[tuple[str, ...]] = required


def _read_pci(cell: str) -> int | None:
    value = read_whole("pci", cell)
    return None if value is None or not 0 <= value <= 503 else value
