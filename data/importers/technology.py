"""What tools call radio technologies, in one table, and what each name says about 5G."""

from ..check import ascii_safe
from ..errors import RecordError
from ..sample import NrEvidence, Rat

_RATS = {
    **dict.fromkeys(("2G", "GSM", "GPRS", "EDGE"), Rat.GSM),
    **dict.fromkeys(("3G", "UMTS", "WCDMA", "HSDPA", "HSUPA", "HSPA", "HSPA+", "HSPAP"), Rat.UMTS),
    **dict.fromkeys(("4G", "LTE", "LTE CA", "LTE-A", "LTE_CA"), Rat.LTE),
    **dict.fromkeys(("5G", "5G NSA", "5G-NSA", "NR NSA", "NR-NSA", "NRNSA"), Rat.NR_NSA),
    **dict.fromkeys(("5G SA", "5G-SA", "NR SA", "NR-SA", "NR", "NRSA"), Rat.NR_SA),
    **dict.fromkeys(("WLAN", "WIFI", "WI-FI"), Rat.WIFI),
    **dict.fromkeys(("LAN", "ETHERNET", "FIXED", "WIRED"), Rat.FIXED),
}


def find_rat(cell: str) -> Rat | None:
    """Give the technology that a cell names, or None where it names none known here."""
    return _RATS.get(cell.strip().upper())


def read_rat(field: str, cell: str) -> Rat | None:
    """
    Give the technology that a cell names, or None where it is empty.

    Raises
    ------
    RecordError
        If it names another one.
    """
    rat = find_rat(cell)
    if rat is None and cell not in ("", "-", "--"):
        raise RecordError(
            "{field}: {seen} is not a technology that is known here",
            reason="unknown_technology",
            field=field,
            seen=ascii_safe(cell[:60]),
        )
    return rat


def evidence_of(rat: Rat | None) -> NrEvidence | None:
    """Give what a technology's bare name says about 5G; what is unknown says nothing."""
    if rat is Rat.NR_NSA:
        return NrEvidence.NSA_INDICATED
    if rat is Rat.NR_SA:
        return NrEvidence.SA
    return None if rat is None else NrEvidence.NONE
