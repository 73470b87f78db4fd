"""Values of a foreign JSON document or D-Bus message, by the type that they must have."""

import math
import re
from collections.abc import Mapping
from typing import Any

_NUMBER = re.compile(r"[+-]?[0-9]{1,19}(?:\.[0-9]{1,19})?\Z")
_HEX = re.compile(r"[0-9A-Fa-f]{1,16}\Z")


def child(value: object, *path: str) -> Mapping[str, Any]:
    """Give the object at a path of keys, empty where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def text(value: object) -> str | None:
    """Give a text, or None where it is empty, a dash or something else."""
    if not isinstance(value, str) or value in ("", "--", "unknown"):
        return None
    return value


def number(value: object) -> float | None:
    """Give a number, or the number that a text holds, or None."""
    if isinstance(value, str) and _NUMBER.match(value):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def whole(value: object) -> int | None:
    """Give a whole number, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def hexadecimal(value: object) -> int | None:
    """Give the number that hexadecimal digits write, as 3GPP TS 27.007 has identities."""
    return int(value, 16) if isinstance(value, str) and _HEX.match(value) else None
