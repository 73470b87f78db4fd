"""
Open data of RTR-NetTest and its sisters (NetMetr, open-rmbt): one row a test, kbit/s, UTC.

The ping is the median that the server saw before the transfers. `signal_strength` is the level of
2G and 3G; LTE's RSRP has a column of its own.
"""

import re
from collections.abc import Mapping
from typing import ClassVar

from ..check import clean_text
from ..levels import RSCP_DBM, RSRP_DBM, RSRQ_DB, RXLEV_DBM
from ..sample import Radio, Rat, Sample
from .fields import read_level, read_number
from .interface import Importer, Row, read_position
from .results import speed_sample
from .technology import evidence_of, find_rat
from .times import read_utc_iso
from .units import kbps_to_mbps

_PLMN = re.compile(r"([0-9]{3})-([0-9]{1,3})\Z")
_LEVELS = {Rat.GSM: RXLEV_DBM, Rat.UMTS: RSCP_DBM}


class RtrNettest(Importer):
    """One file of open data."""

    tool = "rtr-nettest"
    required: ClassVar[tuple[str, ...]] = (
        "open_test_uuid",
        "time_utc",
        "cat_technology",
        "lat",
        "long",
        "download_kbit",
        "upload_kbit",
        "ping_ms",
    )
    time: ClassVar[str] = "time_utc"

    def to_sample(self, row: Row) -> Sample:
        """Make a speed sample of a row."""
        cells = row.cells

        def number(name: str) -> float | None:
            return read_number(name, cells.get(name, ""))

        return speed_sample(
            self,
            row,
            read_utc_iso(self.time, cells[self.time]),
            {
                "down_mbps": kbps_to_mbps(number("download_kbit")),
                "up_mbps": kbps_to_mbps(number("upload_kbit")),
                "rtt_idle_ms": number("ping_ms"),
            },
            engine="rmbt",
            engine_version=clean_text(cells.get("client_version", "")),
            server=clean_text(cells.get("server_name", "")),
            duration_s=number("test_duration"),
            position=read_position(cells["long"], cells["lat"], number("loc_accuracy")),
            radio=_radio(cells),
        )


class NetMetr(RtrNettest):
    """The same, of before the time's column said that it is UTC."""

    tool = "rtr-netmetr"
    required: ClassVar[tuple[str, ...]] = tuple(
        "time" if name == "time_utc" else name for name in RtrNettest.required
    )
    time: ClassVar[str] = "time"


def _radio(cells: Mapping[str, str]) -> Radio:
    rat = find_rat(cells.get("network_type", "")) or find_rat(cells["cat_technology"])
    level = None
    if rat in _LEVELS:
        level = read_level("signal_strength", cells.get("signal_strength", ""), _LEVELS[rat])
    return Radio(
        plmn=_read_plmn(cells.get("network_mcc_mnc", "")),
        operator=clean_text(cells.get("network_name", "")),
        rat=rat,
        nr_evidence=evidence_of(rat),
        level_dbm=level,
        rsrp_dbm=read_level("lte_rsrp", cells.get("lte_rsrp", ""), RSRP_DBM),
        rsrq_db=read_level("lte_rsrq", cells.get("lte_rsrq", ""), RSRQ_DB),
    )


def _read_plmn(cell: str) -> str | None:
    match = _PLMN.match(cell)
    return None if match is None else match[1] + match[2].zfill(2)
