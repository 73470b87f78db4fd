"""
What a radio can report, and what devices write where they have nothing: in one place.

Importers and probes ask here, so that a filler is missing whichever way it came in.
"""

# What reporting ranges leave room for; outside of them stands no level but a device's filler.
RSRP_DBM = (-156.0, -44.0)  # 3GPP TS 36.133, 9.1.4, with the extended range
RSRQ_DB = (-34.0, 2.5)  # 3GPP TS 36.133, 9.1.7, with the extended range
SINR_DB = (-30.0, 40.0)  # Android's LTE scale is -20 to 30; some modems go a little further
RSCP_DBM = (-120.0, -25.0)  # 3GPP TS 25.133, 9.1.1: -24, one above, is how phones write "none"
RXLEV_DBM = (-113.0, -47.0)  # Android's GSM scale starts at -113; 3GPP TS 45.008, 8.1.4
NR_RSRP_DBM = (-156.0, -31.0)  # 3GPP TS 38.133, 10.1.6
NR_RSRQ_DB = (-43.0, 20.0)  # 3GPP TS 38.133, 10.1.11
NR_SINR_DB = (-23.0, 40.0)  # 3GPP TS 38.133, 10.1.16
# Largest signed integers, and all ones in the fields' 16, 24, 28 and 36 bits.
FILLERS = frozenset(
    {0xFFFF, 0xFFFFFF, 0xFFFFFFF, 0xFFFFFFFFF}
    | {0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF}
)


def reported_level(value: float | None, reportable: tuple[float, float]) -> float | None:
    """Give a level in dBm or dB, or None where no device can have measured it."""
    low, high = reportable
    return value if value is not None and low <= value <= high else None


def known_identity(value: int | None) -> int | None:
    """Give a cell's or area's identity, or None for zero, a negative number or a filler."""
    return None if value is None or value <= 0 or value in FILLERS else value
