"""
Units of foreign tools made ours, in this one place.

Throughput becomes Mbit/s (10^6 bit/s), time ms, a share a ratio 0 to 1. What was not measured
stays None.
"""

# LibreSpeed's page multiplies what it counted by this to guess at the headers it cannot see.
LIBRESPEED_PAGE_FACTOR = 1.06


def kbps_to_mbps(kbps: float | None) -> float | None:
    """Give Mbit/s (10^6 bit/s) for kbit/s (10^3 bit/s)."""
    return None if kbps is None else kbps / 1000


def bps_to_mbps(bps: float | None) -> float | None:
    """Give Mbit/s for bit/s."""
    return None if bps is None else bps / 1_000_000


def bytes_per_s_to_mbps(rate: float | None) -> float | None:
    """Give Mbit/s for bytes/s."""
    return None if rate is None else rate * 8 / 1_000_000


def page_to_mbps(mbps: float | None) -> float | None:
    """Give the Mbit/s that LibreSpeed's page counted, for the Mbit/s that it shows."""
    return None if mbps is None else mbps / LIBRESPEED_PAGE_FACTOR


def s_to_ms(seconds: float | None) -> float | None:
    """Give milliseconds for seconds."""
    return None if seconds is None else seconds * 1000


def ms_to_s(milliseconds: float | None) -> float | None:
    """Give seconds for milliseconds."""
    return None if milliseconds is None else milliseconds / 1000


def percent_to_ratio(percent: float | None) -> float | None:
    """Give a ratio 0 to 1 for percent."""
    return None if percent is None else percent / 100
