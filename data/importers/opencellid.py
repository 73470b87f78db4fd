"""
Measurements in the columns of OpenCelliD's uploads, from tools that write fewer than its app.

A table with `tac` and `pci` and times in milliseconds is Network Cell Info's; this one takes what
the upload's description asks for, and times as milliseconds or as ISO 8601.
"""

from datetime import datetime
from typing import ClassVar

from ..levels import RSCP_DBM, RSRP_DBM, RXLEV_DBM
from ..sample import Kind, Outcome, Radio, Rat, Sample
from .fields import read_identity, read_level, read_plmn, read_whole
from .interface import Importer, Row, read_position
from .technology import evidence_of, read_rat
from .times import read_epoch, read_iso

_LEVELS = {Rat.GSM: RXLEV_DBM, Rat.UMTS: RSCP_DBM}


class OpenCellId(Importer):
    """One table of measurements."""

    tool = "opencellid"
    required: ClassVar[tuple[str, ...]] = (
        "lon",
        "lat",
        "mcc",
        "mnc",
        "lac",
        "cellid",
        "signal",
        "measured_at",
        "act",
    )

    def to_sample(self, row: Row) -> Sample:
        """Make a signal sample of a row."""
        cells = row.cells
        rat = read_rat("act", cells["act"])
        is_old = rat in _LEVELS
        reportable = RSRP_DBM if rat is None else _LEVELS.get(rat, RSRP_DBM)
        level = read_level("signal", cells["signal"], reportable)
        area = read_identity("tac", cells.get("tac", "")) or read_identity("lac", cells["lac"])
        cell = read_identity("cellid", cells["cellid"])
        pci = read_whole("pci", cells.get("pci", ""))
        highest = 1007 if rat is Rat.NR_SA else 503
        return Sample(
            probe=self.source.probe,
            seq=row.line,
            kind=Kind.SIGNAL,
            started_at=self._read_time(cells["measured_at"]),
            outcome=Outcome.OK,
            reason=None if cell or area else "no_cell_identity",
            position=read_position(cells["lon"], cells["lat"]),
            radio=Radio(
                plmn=read_plmn(cells["mcc"], cells["mnc"]),
                rat=rat,
                nr_evidence=evidence_of(rat),
                cell_id=None if cell is None else str(cell),
                tac=None if area is None else str(area),
                pci=pci if not is_old and pci is not None and 0 <= pci <= highest else None,
                level_dbm=level if is_old else None,
                # The signal of a row that names no technology is of nobody knows what.
                rsrp_dbm=None if is_old or rat is None else level,
            ),
            source=self.provenance(row),
        )

    def _read_time(self, cell: str) -> datetime:
        if cell.isdigit():
            return read_epoch("measured_at", cell, 1000)
        return read_iso("measured_at", cell, self.options.timezone)

    def identity(self, row: Row) -> str | None:
        """Give every cell: such logs repeat a row when nothing changed."""
        return "\x1f".join(row.cells.values())
