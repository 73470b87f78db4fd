"""
Network Survey for Android: its CSV files of LTE and NR, and the same in a GeoPackage.

The app logs the serving cell and its neighbours alike. A neighbour says nothing of the service
that the phone had, so such a row is rejected by name; files of before that column are taken as
serving where they name a network (a neighbour in Android's list has none).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from ..check import clean_text
from ..errors import RecordError
from ..levels import NR_RSRP_DBM, NR_RSRQ_DB, NR_SINR_DB, RSRP_DBM, RSRQ_DB, SINR_DB
from ..sample import Kind, NrEvidence, Outcome, Radio, Rat, Sample
from .fields import read_identity, read_level, read_number, read_plmn, read_whole
from .interface import Importer, Row, read_position
from .times import read_epoch, read_iso

_SERVING = {"true": True, "1": True, "false": False, "0": False, "": None}


class NetworkSurveyLte(Importer):
    """LTE records as CSV."""

    tool = "network-survey-lte"
    required: ClassVar[tuple[str, ...]] = (
        "deviceTime",
        "latitude",
        "longitude",
        "mcc",
        "mnc",
        "tac",
        "eci",
        "pci",
        "rsrp",
        "rsrq",
    )
    # What this layout calls the things that are read.
    names: ClassVar[dict[str, str]] = {
        "time": "deviceTime",
        "lat": "latitude",
        "lon": "longitude",
        "accuracy": "accuracy",
        "mcc": "mcc",
        "mnc": "mnc",
        "area": "tac",
        "cell": "eci",
        "pci": "pci",
        "rsrp": "rsrp",
        "rsrq": "rsrq",
        "sinr": "snr",
        "serving": "servingCell",
        "provider": "provider",
    }
    max_pci: ClassVar[int] = 503

    def to_sample(self, row: Row) -> Sample:
        """Make a signal sample of a record of the serving cell."""
        cells = {key: row.cells.get(name, "") for key, name in self.names.items()}
        plmn = read_plmn(cells["mcc"], cells["mnc"])
        _refuse_neighbour(cells["serving"], plmn)
        area = read_identity("tac", cells["area"])
        cell = read_identity(self.names["cell"], cells["cell"])
        pci = read_whole("pci", cells["pci"])
        return Sample(
            probe=self.source.probe,
            seq=row.line,
            kind=Kind.SIGNAL,
            started_at=self.read_time(cells["time"]),
            outcome=Outcome.OK,
            reason=None if cell or area else "no_cell_identity",
            position=read_position(
                cells["lon"], cells["lat"], read_number("accuracy", cells["accuracy"]) or None
            ),
            radio=Radio(
                plmn=plmn,
                operator=clean_text(cells["provider"]),
                cell_id=None if cell is None else str(cell),
                tac=None if area is None else str(area),
                pci=pci if pci is not None and 0 <= pci <= self.max_pci else None,
                **self.read_levels(cells, has_cell=cell is not None),
            ),
            source=self.provenance(row),
        )

    def read_levels(self, cells: Mapping[str, str], *, has_cell: bool) -> dict[str, Any]:
        """Give the technology, what stands behind it, and the levels of its cell."""
        return {
            "rat": Rat.LTE,
            "nr_evidence": NrEvidence.NONE,
            "rsrp_dbm": read_level("rsrp", cells["rsrp"], RSRP_DBM),
            "rsrq_db": read_level("rsrq", cells["rsrq"], RSRQ_DB),
            "sinr_db": read_level("snr", cells["sinr"], SINR_DB),
        }

    def read_time(self, cell: str) -> datetime:
        """Give a record's time, RFC 3339 with its offset."""
        return read_iso("deviceTime", cell, self.options.timezone)


class NetworkSurveyNr(NetworkSurveyLte):
    """
    NR records as CSV.

    A serving cell with an identity of its own is standalone 5G; one without is the NR leg beside
    an LTE anchor, which does not tell its identity.
    """

    tool = "network-survey-nr"
    required: ClassVar[tuple[str, ...]] = (
        "deviceTime",
        "latitude",
        "longitude",
        "mcc",
        "mnc",
        "tac",
        "nci",
        "pci",
        "ssRsrp",
        "ssRsrq",
        "ssSinr",
    )
    names: ClassVar[dict[str, str]] = NetworkSurveyLte.names | {
        "cell": "nci",
        "rsrp": "ssRsrp",
        "rsrq": "ssRsrq",
        "sinr": "ssSinr",
    }
    max_pci: ClassVar[int] = 1007

    def read_levels(self, cells: Mapping[str, str], *, has_cell: bool) -> dict[str, Any]:
        """Give the levels of a standalone cell, or of the NR leg beside an LTE anchor."""
        return _nr_levels(cells, has_cell=has_cell)


class NetworkSurveyLteTable(NetworkSurveyLte):
    """LTE records in the table of a GeoPackage; the position is the geometry's."""

    tool = "network-survey-lte-gpkg"
    required: ClassVar[tuple[str, ...]] = (
        "Time",
        "geom.lon",
        "geom.lat",
        "MCC",
        "MNC",
        "TAC",
        "ECI",
        "Phys_Cell_ID",
        "RSRP",
        "RSRQ",
    )
    names: ClassVar[dict[str, str]] = {
        "time": "Time",
        "lat": "geom.lat",
        "lon": "geom.lon",
        "accuracy": "Accuracy",
        "mcc": "MCC",
        "mnc": "MNC",
        "area": "TAC",
        "cell": "ECI",
        "pci": "Phys_Cell_ID",
        "rsrp": "RSRP",
        "rsrq": "RSRQ",
        "sinr": "SNR",
        "serving": "Serving Cell",
        "provider": "Provider",
    }

    def read_time(self, cell: str) -> datetime:
        """Give a record's time, milliseconds since 1970."""
        return read_epoch("Time", cell, 1000)


class NetworkSurveyNrTable(NetworkSurveyLteTable):
    """NR records in the table of a GeoPackage."""

    tool = "network-survey-nr-gpkg"
    required: ClassVar[tuple[str, ...]] = (
        "Time",
        "geom.lon",
        "geom.lat",
        "TAC",
        "NCI",
        "SS_RSRP",
        "SS_RSRQ",
        "SS_SINR",
    )
    names: ClassVar[dict[str, str]] = NetworkSurveyLteTable.names | {
        "cell": "NCI",
        "pci": "Phys_cell_ID",
        "rsrp": "SS_RSRP",
        "rsrq": "SS_RSRQ",
        "sinr": "SS_SINR",
    }
    max_pci: ClassVar[int] = 1007

    def read_levels(self, cells: Mapping[str, str], *, has_cell: bool) -> dict[str, Any]:
        """Give the levels of a standalone cell, or of the NR leg beside an LTE anchor."""
        return _nr_levels(cells, has_cell=has_cell)


def _nr_levels(cells: Mapping[str, str], *, has_cell: bool) -> dict[str, Any]:
    prefix = "" if has_cell else "nr_"
    rsrp = read_level("rsrp", cells["rsrp"], NR_RSRP_DBM)
    if has_cell:
        evidence = NrEvidence.SA
    else:
        evidence = NrEvidence.NSA_INDICATED if rsrp is None else NrEvidence.NSA_MEASURED
    return {
        "rat": Rat.NR_SA if has_cell else Rat.NR_NSA,
        "nr_evidence": evidence,
        f"{prefix}rsrp_dbm": rsrp,
        f"{prefix}rsrq_db": read_level("rsrq", cells["rsrq"], NR_RSRQ_DB),
        f"{prefix}sinr_db": read_level("snr", cells["sinr"], NR_SINR_DB),
    }


def _refuse_neighbour(serving: str, plmn: str | None) -> None:
    is_serving = _SERVING.get(serving.lower())
    if is_serving is None:
        is_serving = plmn is not None
    if not is_serving:
        raise RecordError(
            "the row is of a neighbouring cell, not of the one that served the phone",
            reason="neighbour_cell",
        )
