"""
G-NetTrack Pro logs as comma-separated tables, one row a second, as in the Cork data set.

`DL_bitrate` and `UL_bitrate` are kbit/s of the phone's own traffic meter while other programs
used the link: traffic, not a speed test. `PING*`, `RSSI`, `CQI` and the neighbour's levels stay in
the raw record: a ping while a download runs is neither idle nor a test's loaded latency.
"""

from collections.abc import Mapping
from typing import ClassVar

from ..check import clean_text
from ..levels import RSRQ_DB, SINR_DB
from ..sample import Kind, Outcome, Radio, Rat, Reading, Sample
from .fields import is_missing, read_hexadecimal, read_identity, read_level, read_number
from .gnettrack import evidence_of, read_levels, read_rat, read_time
from .interface import Importer, Row, read_position
from .units import kbps_to_mbps


class GnettrackCsv(Importer):
    """One CSV file of G-NetTrack Pro."""

    tool = "gnettrack-csv"
    required: ClassVar[tuple[str, ...]] = (
        "Timestamp",
        "Longitude",
        "Latitude",
        "Operatorname",
        "NetworkMode",
        "RSRP",
        "RSRQ",
        "SNR",
        "DL_bitrate",
        "UL_bitrate",
    )
    local_time = True

    def to_sample(self, row: Row) -> Sample:
        """Make a signal sample of a row; its traffic meter is a reading of traffic."""
        cells = row.cells
        radio = self._radio(cells)
        return Sample(
            probe=self.source.probe,
            seq=row.line,
            kind=Kind.SIGNAL,
            started_at=read_time(cells["Timestamp"], self.zone),
            outcome=Outcome.OK,
            reason=None if radio.cell_id or radio.tac else "no_cell_identity",
            reading=_traffic(cells["DL_bitrate"], cells["UL_bitrate"]),
            position=read_position(cells["Longitude"], cells["Latitude"]),
            radio=radio,
            source=self.provenance(row),
        )

    def _radio(self, cells: Mapping[str, str]) -> Radio:
        rat = read_rat("NetworkMode", cells["NetworkMode"])
        level, rsrp = read_levels("RSRP", cells["RSRP"], rat)
        # Before LTE the column RSRQ holds Ec/N0 or RxQual, and SNR nothing.
        has_quality = rat in (Rat.LTE, Rat.NR_NSA)
        cell = read_identity("RAWCELLID", cells.get("RAWCELLID", ""))
        area = read_hexadecimal("LACHEX", cells.get("LACHEX", ""))
        return Radio(
            operator=clean_text(cells["Operatorname"]),
            rat=rat,
            nr_evidence=evidence_of(rat),
            cell_id=None if cell is None else str(cell),
            tac=None if area is None else str(area),
            level_dbm=level,
            rsrp_dbm=rsrp,
            rsrq_db=read_level("RSRQ", cells["RSRQ"], RSRQ_DB) if has_quality else None,
            sinr_db=read_level("SNR", cells["SNR"], SINR_DB) if has_quality else None,
        )


def _traffic(down: str, up: str) -> Reading | None:
    if is_missing(down) and is_missing(up):
        return None
    return Reading(
        traffic_down_mbps=kbps_to_mbps(read_number("DL_bitrate", down)),
        traffic_up_mbps=kbps_to_mbps(read_number("UL_bitrate", up)),
    )
