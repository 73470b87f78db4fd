"""
G-NetTrack's own tab-separated logs: the walk (``_log``) and its tests (``_log_datatest``).

Rows end in an empty cell too many, and cells in the middle may be empty; columns are counted
from the left and nothing is closed up. A row without coverage names no network. Its attempt
failed on the network of the SIM card, so it is attributed to the only operator that the file
names; where it names none or several, `--operator` must say, and without it those rows are
rejected: a failure must not be counted against the wrong network, nor against nobody.
"""

from collections.abc import Mapping
from typing import ClassVar

from ..check import clean_text
from ..errors import RecordError
from ..levels import RSRQ_DB, SINR_DB
from ..sample import Kind, Outcome, Radio, Rat, Reading, Sample
from .fields import is_missing, read_identity, read_level, read_number, read_whole
from .gnettrack import (
    NO_COVERAGE,
    evidence_of,
    full_cell_id,
    read_levels,
    read_rat,
    read_time,
)
from .interface import Importer, Options, Row, Source, read_position
from .units import kbps_to_mbps, percent_to_ratio

_NAMES_REMEMBERED = 100
# The lowest step of Android's 2G and 3G scale, which also stands where no cell is heard.
_LOWEST_CODE_DBM = -113


class GnettrackLog(Importer):
    """One signal log: a row at each change of position or signal."""

    tool = "gnettrack-log"
    required: ClassVar[tuple[str, ...]] = (
        "Timestamp",
        "Longitude",
        "Latitude",
        "Operatorname",
        "Operator",
        "Node",
        "CellID",
        "LAC",
        "NetworkTech",
        "Level",
        "Qual",
        "SNR",
    )
    local_time = True
    surveys = True

    def __init__(self, source: Source, options: Options) -> None:
        super().__init__(source, options)
        self._names: set[str] = set()
        self._plmns: set[str] = set()
        self._has_snr = False

    def survey(self, row: Row) -> None:
        """Note the networks named in the file, and whether its phone measured SNR at all."""
        cells = row.cells
        if len(self._names) < _NAMES_REMEMBERED and not _is_blank(cells["Operatorname"]):
            self._names.add(cells["Operatorname"])
        plmn = cells.get("Operator", "")
        if len(self._plmns) < _NAMES_REMEMBERED and not is_missing(plmn):
            self._plmns.add(plmn)
        # Where a phone reports no SNR, G-NetTrack writes 0.0 in every LTE row.
        if not is_missing(cells["SNR"]) and cells["SNR"].strip("0.") != "":
            self._has_snr = True

    def to_sample(self, row: Row) -> Sample:
        """Make a signal sample of a row; without coverage it is an attempt that failed."""
        cells = row.cells
        covered = not self.is_uncovered(cells)
        radio = self.radio(cells) if covered else self.own_network()
        return Sample(
            probe=self.source.probe,
            seq=row.line,
            kind=Kind.SIGNAL,
            started_at=read_time(cells["Timestamp"], self.zone),
            outcome=Outcome.OK if covered else Outcome.NO_SIGNAL,
            reason="no_cell_identity" if covered and not (radio.cell_id or radio.tac) else None,
            position=read_position(cells["Longitude"], cells["Latitude"]),
            radio=radio,
            source=self.provenance(row),
        )

    @staticmethod
    def is_uncovered(cells: Mapping[str, str]) -> bool:
        """Tell whether a row says that no network was heard."""
        return cells["Operatorname"] in NO_COVERAGE or cells["NetworkTech"] == "--"

    def radio(self, cells: Mapping[str, str]) -> Radio:
        """Give the network that a row names."""
        rat = read_rat("NetworkTech", cells["NetworkTech"])
        level, rsrp = read_levels("Level", cells["Level"], rat)
        node = read_identity("Node", cells["Node"])
        cell_id = full_cell_id(node, read_whole("CellID", cells["CellID"]), rat)
        area = read_identity("LAC", cells["LAC"])
        if level == _LOWEST_CODE_DBM and cell_id is None and area is None:
            level = None
        plmn = cells.get("Operator", "")
        has_quality = rat in (Rat.LTE, Rat.NR_NSA)
        return Radio(
            plmn=None if is_missing(plmn) else plmn,
            operator=self._operator(cells["Operatorname"], plmn),
            rat=rat,
            nr_evidence=evidence_of(rat),
            cell_id=cell_id,
            tac=None if area is None else str(area),
            pci=read_whole("PSC", cells.get("PSC", "")) if has_quality and cell_id else None,
            level_dbm=level,
            rsrp_dbm=rsrp,
            # Before LTE the column Qual holds Ec/N0.
            rsrq_db=read_level("Qual", cells["Qual"], RSRQ_DB) if has_quality else None,
            sinr_db=(
                read_level("SNR", cells["SNR"], SINR_DB) if has_quality and self._has_snr else None
            ),
        )

    def own_network(self) -> Radio:
        """Give the network of the SIM card, for a row without coverage."""
        operator = self._only_operator()
        if operator is None:
            raise RecordError(
                "Operatorname: no coverage, and the file names {count} operators; say whose SIM"
                " card it was with --operator",
                reason="operator_unknown",
                count=len(self._names),
            )
        plmn = next(iter(self._plmns)) if len(self._plmns) == 1 else None
        return Radio(plmn=plmn, operator=operator)

    def _operator(self, name: str, plmn: str) -> str | None:
        if not _is_blank(name):
            return clean_text(name)
        known = is_missing(plmn) or self._plmns <= {plmn}
        return self._only_operator() if known else None

    def _only_operator(self) -> str | None:
        if self.options.operator is not None:
            return clean_text(self.options.operator)
        return clean_text(next(iter(self._names))) if len(self._names) == 1 else None


class GnettrackTest(GnettrackLog):
    """
    One log of speed tests: a ping, an upload and a download, seen from the phone.

    A downlink or uplink of 0 kbit/s is no speed: the transfer did not happen. Such a test is an
    attempt that stalled, without a reading; what it did measure stays in its raw record.
    """

    tool = "gnettrack-test"
    required: ClassVar[tuple[str, ...]] = (
        "Timestamp",
        "Longitude",
        "Latitude",
        "Operatorname",
        "Node",
        "CellID",
        "LAC",
        "NetworkTech",
        "Level",
        "Qual",
        "SNR",
        "PINGAVG",
        "PINGLOSS",
        "TESTDOWNLINK",
        "TESTUPLINK",
    )

    def to_sample(self, row: Row) -> Sample:
        """Make a speed sample of a row; kbit/s become Mbit/s, percent a ratio."""
        cells = row.cells
        covered = not self.is_uncovered(cells)
        down = kbps_to_mbps(read_number("TESTDOWNLINK", cells["TESTDOWNLINK"]))
        up = kbps_to_mbps(read_number("TESTUPLINK", cells["TESTUPLINK"]))
        stalled = _stalled(down, up)
        outcome = Outcome.STALLED if stalled else Outcome.OK
        if stalled and not covered:
            outcome, stalled = Outcome.NO_SIGNAL, None
        return Sample(
            probe=self.source.probe,
            seq=row.line,
            kind=Kind.SPEED,
            started_at=read_time(cells["Timestamp"], self.zone),
            outcome=outcome,
            reason=stalled,
            engine="gnettrack",
            reading=_reading(cells, down, up) if outcome is Outcome.OK else None,
            position=read_position(cells["Longitude"], cells["Latitude"]),
            radio=self.radio(cells) if covered else self.own_network(),
            source=self.provenance(row),
        )


def _reading(cells: Mapping[str, str], down: float | None, up: float | None) -> Reading:
    loss = read_number("PINGLOSS", cells["PINGLOSS"])
    ping = read_number("PINGAVG", cells["PINGAVG"])
    if down is None and up is None and ping is None and loss is None:
        raise RecordError("the row holds no result of any test", reason="nothing_measured")
    return Reading(
        down_mbps=down,
        up_mbps=up,
        rtt_idle_ms=ping,
        loss_ratio=percent_to_ratio(loss),
    )


def _stalled(down: float | None, up: float | None) -> str | None:
    if down == 0 and up == 0:
        return "both_stalled"
    if down == 0:
        return "download_stalled"
    return "upload_stalled" if up == 0 else None


def _is_blank(name: str) -> bool:
    return is_missing(name) or name in NO_COVERAGE
