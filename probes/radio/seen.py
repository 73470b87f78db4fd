"""
What a source saw of the network, in its own pieces, put together as one `Radio`.

The evidence of 5G is decided here, once for all sources. NR alone is standalone (`sa`). NR
beside an LTE anchor is `nsa_measured` if the NR cell's RSRP was measured and `nsa_indicated` if
only the modem's word for the technology says so. Fillers are missing (`data/levels.py`).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...data.errors import RecordError
from ...data.sample import NrEvidence, Radio, Rat, levels
from .state import RadioProblem, RadioState

_PLMN = re.compile(r"[0-9]{5,6}\Z")
_MAX_PCI = {Rat.LTE: 503, Rat.NR_NSA: 503, Rat.NR_SA: 1007}

# Every word that ModemManager, mmcli and Android have for a technology.
WORDS: Mapping[str, Rat] = {
    **dict.fromkeys(("gsm", "gsm-compact", "gprs", "edge"), Rat.GSM),
    **dict.fromkeys(("umts", "wcdma", "hsdpa", "hdspa", "hsupa", "hspa", "hspa-plus"), Rat.UMTS),
    **dict.fromkeys(("hspap", "td-scdma", "tdscdma"), Rat.UMTS),
    **dict.fromkeys(("lte", "lte-cat-m", "lte-nb-iot"), Rat.LTE),
    **dict.fromkeys(("5gnr", "nr", "nr5g"), Rat.NR_SA),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What was measured of one cell, as the source wrote it."""

    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """
    What a source told. `words` are its words for the technologies in use.

    `level_dbm` is the received level before LTE; `cell_id`, `tac` and `pci` are of the cell
    that the modem is registered on.
    """

    words: frozenset[str]
    plmn: str | None = None
    operator: str | None = None
    cell_id: int | None = None
    tac: int | None = None
    pci: int | None = None
    level_dbm: float | None = None
    lte: Levels = field(default_factory=Levels)
    nr: Levels = field(default_factory=Levels)


def registered_state(seen: Seen, sim: str | None) -> RadioState:
    """Give the state of a registered radio."""
    try:
        return RadioState(radio=to_radio(seen), sim=sim, registered=True)
    except RecordError:
        return RadioState(sim=sim, registered=True, problem=RadioProblem.UNREADABLE)


def to_radio(seen: Seen) -> Radio:
    """
    Put what was seen together.

    Raises
    ------
    RecordError
        If a value cannot be of any network.
    """
    rats = {WORDS[word] for word in map(str.lower, seen.words) if word in WORDS}
    nr = _known(seen.nr, levels.NR_RSRP_DBM, levels.NR_RSRQ_DB, levels.NR_SINR_DB)
    lte = _known(seen.lte, levels.RSRP_DBM, levels.RSRQ_DB, levels.SINR_DB)
    rat, evidence = _technology(rats, nr)
    serving = nr if rat is Rat.NR_SA else lte if rat in (Rat.LTE, Rat.NR_NSA) else Levels()
    beside = nr if rat is Rat.NR_NSA else Levels()
    reportable = {Rat.GSM: levels.RXLEV_DBM, Rat.UMTS: levels.RSCP_DBM}.get(rat) if rat else None
    cell, area = levels.known_identity(seen.cell_id), levels.known_identity(seen.tac)
    most = _MAX_PCI.get(rat) if rat else None
    return Radio(
        plmn=seen.plmn if seen.plmn and _PLMN.match(seen.plmn) else None,
        operator=_name(seen.operator),
        rat=rat,
        nr_evidence=evidence,
        cell_id=None if cell is None else str(cell),
        tac=None if area is None else str(area),
        pci=seen.pci if most and seen.pci is not None and 0 <= seen.pci <= most else None,
        level_dbm=(
            levels.reported_level(_finite(seen.level_dbm), reportable) if reportable else None
        ),
        rsrp_dbm=serving.rsrp_dbm,
        rsrq_db=serving.rsrq_db,
        sinr_db=serving.sinr_db,
        nr_rsrp_dbm=beside.rsrp_dbm,
        nr_rsrq_db=beside.rsrq_db,
        nr_sinr_db=beside.sinr_db,
    )


def _technology(rats: set[Rat], nr: Levels) -> tuple[Rat | None, NrEvidence | None]:
    if Rat.LTE in rats:
        if nr.rsrp_dbm is not None:
            return Rat.NR_NSA, NrEvidence.NSA_MEASURED
        if Rat.NR_SA in rats:
            return Rat.NR_NSA, NrEvidence.NSA_INDICATED
        return Rat.LTE, NrEvidence.NONE
    if Rat.NR_SA in rats:
        return Rat.NR_SA, NrEvidence.SA
    for rat in (Rat.UMTS, Rat.GSM):
        if rat in rats:
            return rat, NrEvidence.NONE
    return None, None


def _known(
    told: Levels,
    rsrp_dbm: tuple[float, float],
    rsrq_db: tuple[float, float],
    sinr_db: tuple[float, float],
) -> Levels:
    return Levels(
        rsrp_dbm=levels.reported_level(_finite(told.rsrp_dbm), rsrp_dbm),
        rsrq_db=levels.reported_level(_finite(told.rsrq_db), rsrq_db),
        sinr_db=levels.reported_level(_finite(told.sinr_db), sinr_db),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _name(text: str | None) -> str | None:
    kept = "".join(char for char in (text or "")[:100] if char.isprintable()).strip()
    return kept or None
