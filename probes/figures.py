"""What a visit measured as the numbers of a reading."""

from collections.abc import Mapping
from typing import Any

from .interface import Throughput
from .meter import WIRE_SHARE


def wire_bytes(record: Mapping[str, Any]) -> int | None:
    """Give what a phase has cost by its own account; None where it has none."""
    if isinstance(record.get("wire_bytes"), int):
        return int(record["wire_bytes"])
    payload = record.get("payload_bytes")
    return int(payload * WIRE_SHARE) if isinstance(payload, int) else None


def figures(way: str, moved: Throughput | None) -> dict[str, Any]:
    """Give one direction's fields of a reading."""
    if moved is None:
        return {}
    return {
        f"{way}_mbps": figure(moved.mbps),
        f"bytes_{way}": moved.bytes_moved,
        f"{way}_low_mbps": figure(moved.low_mbps, at_most=moved.mbps),
        f"{way}_high_mbps": figure(moved.high_mbps, at_least=moved.mbps),
    }


def figure(
    value: float | None, *, at_most: float | None = None, at_least: float | None = None
) -> float | None:
    """
    Keep the digits that mean something; never round a measured speed to zero.

    A bound is rounded as the figure is, so that the figure stays inside its interval.
    """
    if value is None:
        return None
    if at_most is not None:
        value = min(value, at_most)
    if at_least is not None:
        value = max(value, at_least)
    return float(f"{value:.6g}")
