"""
What all files of G-NetTrack share: its clock, its names for technologies, its levels.

`NRxRSRP` and `NRxRSRQ` are levels of a *neighbouring* cell ("Neighbour Rx"), whatever they look
like: the columns are in logs of 2017, before there was NR, and in the Cork logs they are filled
while the phone is on GPRS. They are therefore no evidence of 5G. What stands behind a row that
says 5G is the phone's own indicator, beside the level of the LTE anchor.
"""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ..check import ascii_safe
from ..errors import RecordError
from ..levels import RSCP_DBM, RSRP_DBM, RXLEV_DBM
from ..sample import NrEvidence, Rat
from .fields import read_level
from .times import localise

# In the column of the operator: logs write the first, events the second.
NO_COVERAGE = frozenset({"NO_COVERAGE", "NO COVERAGE"})

_TIME = re.compile(r"(20[0-9]{2})\.([0-9]{2})\.([0-9]{2})_([0-9]{2})\.([0-9]{2})\.([0-5][0-9])\Z")
_RATS = {
    "2G": Rat.GSM,
    "GSM": Rat.GSM,
    "GPRS": Rat.GSM,
    "EDGE": Rat.GSM,
    "3G": Rat.UMTS,
    "UMTS": Rat.UMTS,
    "HSDPA": Rat.UMTS,
    "HSUPA": Rat.UMTS,
    "HSPA": Rat.UMTS,
    "HSPA+": Rat.UMTS,
    "4G": Rat.LTE,
    "LTE": Rat.LTE,
    "5G": Rat.NR_NSA,
}
# How many bits of a full cell identity are the cell's own; before them stands its node.
_CELL_BITS = {Rat.LTE: 8, Rat.NR_NSA: 8, Rat.UMTS: 16}
_LEVELS = {Rat.GSM: RXLEV_DBM, Rat.UMTS: RSCP_DBM}


def read_time(cell: str, zone: ZoneInfo) -> datetime:
    """
    Give the UTC time of a local time such as ``2019.11.25_15.34.34``.

    A time that a change of clocks made to happen twice, or not at all, is rejected: nothing in
    the row says which was meant. A zone of fixed offset (``Etc/GMT-1``) says it.
    """
    match = _TIME.match(cell)
    if match is None:
        raise RecordError(
            "Timestamp: saw {seen}, expected a time such as 2019.11.25_15.34.34",
            reason="bad_time",
            seen=ascii_safe(cell[:60]),
        )
    return _minute(cell[:16], zone) + timedelta(seconds=int(match[6]))


@lru_cache(maxsize=256)
def _minute(cell: str, zone: ZoneInfo) -> datetime:
    try:
        local = datetime.strptime(cell, "%Y.%m.%d_%H.%M")
    except ValueError:
        raise RecordError(
            "{field}: {seen} is not in the calendar",
            reason="bad_time",
            field="Timestamp",
            seen=cell,
        ) from None
    return localise("Timestamp", cell, local, zone)


def read_rat(name: str, cell: str) -> Rat:
    """Give the technology that a cell names."""
    rat = _RATS.get(cell.upper())
    if rat is None:
        raise RecordError(
            "{field}: {seen} is not a technology that is known here",
            reason="unknown_technology",
            field=name,
            seen=ascii_safe(cell[:60]),
        )
    return rat


def evidence_of(rat: Rat) -> NrEvidence:
    """Give what a row's technology says about 5G: the phone's indicator, or nothing."""
    return NrEvidence.NSA_INDICATED if rat is Rat.NR_NSA else NrEvidence.NONE


def read_levels(name: str, cell: str, rat: Rat) -> tuple[float | None, float | None]:
    """Give (level, RSRP) in dBm: LTE's level is its RSRP, an older network's stands alone."""
    if rat in _LEVELS:
        return read_level(name, cell, _LEVELS[rat]), None
    return None, read_level(name, cell, RSRP_DBM)


def full_cell_id(node: int | None, cell: int | None, rat: Rat) -> str | None:
    """
    Give the full cell identity (ECI of LTE, UTRAN cell id, GSM cell id) as decimal digits.

    ECI is eNodeB * 256 + cell, UTRAN cell id RNC * 65536 + cell (3GPP TS 36.300, TS 25.401).
    """
    bits = _CELL_BITS.get(rat)
    if bits is None:
        return str(cell) if cell else None
    if node is None or cell is None or not 0 <= cell < 1 << bits:
        return None
    return str((node << bits) + cell)
