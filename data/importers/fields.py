"""
Cells of a foreign table as numbers, strictly.

Python's own `float` reads ``1_0``, full-width digits, ``nan`` and ``infinity``; a measurement
never holds them. Here a number is plain ASCII digits or the row is rejected with the field's
name. What a device writes where it has nothing (a dash, -200 dBm, the largest integer) is None.
"""

import math
import re
from functools import lru_cache

from ..check import ascii_safe
from ..errors import RecordError
from ..levels import FILLERS, known_identity, reported_level

# Levels and cells repeat from row to row, places and times do not.
_REMEMBERED = 4_096
_MISSING = frozenset({"", "-", "--"})
_NUMBER = re.compile(r"[+-]?[0-9]{1,25}(?:\.[0-9]{0,25})?(?:[eE][+-]?[0-9]{1,3})?\Z")
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}(?:\.0{1,6})?\Z")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+\Z")
_HEX = re.compile(r"[0-9A-Fa-f]{1,16}\Z")


def is_missing(cell: str) -> bool:
    """Tell whether a cell is empty or holds a dash."""
    return cell in _MISSING


def read_number(name: str, cell: str) -> float | None:
    """Give a cell's number, or None where it is missing; refuse what is not a plain number."""
    if cell in _MISSING:
        return None
    if not _NUMBER.match(cell):
        raise _not_a_number(name, cell)
    value = float(cell)
    if not math.isfinite(value):
        raise _not_a_number(name, cell)
    return value


def read_whole(name: str, cell: str) -> int | None:
    """Give a cell's whole number (``12`` or ``12.0``), or None where it is missing."""
    if cell in _MISSING:
        return None
    if not _WHOLE.match(cell):
        raise _not_a_number(name, cell)
    return int(cell.split(".")[0])


@lru_cache(maxsize=_REMEMBERED)
def read_identity(name: str, cell: str) -> int | None:
    """Give a cell or area identity; zero, negative numbers and fillers mean that none is known."""
    return known_identity(read_whole(name, cell))


@lru_cache(maxsize=_REMEMBERED)
def read_hexadecimal(name: str, cell: str) -> int | None:
    """Give an identity written in hexadecimal digits; zero and fillers mean none is known."""
    if cell in _MISSING:
        return None
    if not _HEX.match(cell):
        raise _not_a_number(name, cell)
    return known_identity(int(cell, 16))


@lru_cache(maxsize=_REMEMBERED)
def read_level(name: str, cell: str, reportable: tuple[float, float]) -> float | None:
    """Give a level in dBm or dB, or None where it is missing or no device can have measured it."""
    return reported_level(read_number(name, cell), reportable)


def read_plmn(mcc: str, mnc: str) -> str | None:
    """Join MCC and MNC as wide as the source has them; a network's code has two digits or three."""
    for name, cell in (("mcc", mcc), ("mnc", mnc)):
        value = read_whole(name, cell)
        if value is None or value in FILLERS or value < 0:
            return None
    # Written as a number, Viettel's 452-04 is 452 and 4.
    return mcc + mnc.zfill(2)


def _not_a_number(name: str, cell: str) -> RecordError:
    if _DECIMAL_COMMA.match(cell):
        return RecordError(
            "{field}: {seen} has a decimal comma; write it with a point",
            reason="decimal_comma",
            field=name,
            seen=ascii_safe(cell[:60]),
        )
    return RecordError(
        "{field}: {seen} is not a number",
        reason="bad_number",
        field=name,
        seen=ascii_safe(cell[:60]),
    )
