"""
The checks that every field of a sample passes, each with one message that names the field.

Checked at the edge, once: whoever holds a sample need not check again.
"""

import math
import re
import unicodedata
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NoReturn

from .errors import RecordError

MAX_TEXT_CHARS = 512

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def read_utc(name: str, value: object) -> datetime:
    """Read an ISO 8601 time that ends in Z. Local times are never guessed."""
    if isinstance(value, str) and value.endswith("Z"):
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except ValueError:
            pass
    refuse(name, value, "a UTC time such as 2026-07-01T08:30:00Z")


def clean_text(value: str) -> str | None:
    """Give a name in NFC without surrounding space, or None where nothing is left."""
    return unicodedata.normalize("NFC", value).strip() or None


def refuse(name: str, seen: object, expected: str) -> NoReturn:
    raise RecordError(
        "{field}: saw {seen}, expected {expected}",
        reason="bad_" + re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_"),
        field=name,
        seen=repr(seen)[:120] if not isinstance(seen, str) else ascii_safe(seen[:120]),
        expected=expected,
    )


def ascii_safe(text: str) -> str:
    """Show text on one terminal line: control characters and broken code points escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_number(name: str, value: Any, low: float, high: float) -> None:
    # Nearly every number is a float in its range, and NaN is in none.
    if type(value) is float and low <= value <= high:
        return
    if not is_number(value) or not math.isfinite(value):
        refuse(name, value, "a finite number")
    if not low <= value <= high:
        refuse(name, value, f"between {low:g} and {high:g}")


def check_optional_number(name: str, value: Any, low: float, high: float) -> None:
    if value is not None:
        check_number(name, value, low, high)


def check_integer(name: str, value: Any, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        refuse(name, value, f"a whole number between {low} and {high}")


def check_optional_integer(name: str, value: Any, low: int, high: int) -> None:
    if value is not None:
        check_integer(name, value, low, high)


def check_text(
    name: str, value: Any, limit: int = MAX_TEXT_CHARS, *, controls: bool = False
) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        refuse(name, value, f"1 to {limit} characters")
    if value.isprintable():
        # Then it holds neither surrogates nor control characters.
        return
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        refuse(name, value, "text without lone surrogates")
    if not controls and _CONTROL.search(value):
        refuse(name, value, "one line without control characters")


def check_optional_text(name: str, value: Any) -> None:
    if value is not None:
        check_text(name, value)


def check_choice(name: str, value: Any, kind: type[StrEnum]) -> None:
    if not isinstance(value, kind):
        refuse(name, value, "one of " + ", ".join(kind))


def check_optional_choice(name: str, value: Any, kind: type[StrEnum]) -> None:
    if value is not None:
        check_choice(name, value, kind)


def as_choice(name: str, value: Any, kind: type[StrEnum]) -> Any:
    try:
        return kind(value)
    except ValueError:
        refuse(name, value, "one of " + ", ".join(kind))
