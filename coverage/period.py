"""Periods by name: a year, a quarter, a month or a day, in UTC."""

import re
from datetime import UTC, datetime, timedelta

from ..data.errors import ConfigError

_PERIOD = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?:Q(?P<quarter>[1-4])|(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?))?\Z"
)


def read_period(name: str) -> tuple[datetime | None, datetime | None]:
    """
    Give a period's start and its end, which no longer belongs to it; (None, None) for ``all``.

    Raises
    ------
    ConfigError
        If it is none of ``all, 2026, 2026-Q3, 2026-07, 2026-07-15``.
    """
    if name == "all":
        return None, None
    match = _PERIOD.match(name)
    try:
        if match is None:
            raise ValueError
        return _span(match)
    except (ValueError, OverflowError):
        raise ConfigError(
            "{name} is not a period; say all, 2026, 2026-Q3, 2026-07 or 2026-07-15", name=name
        ) from None


def _span(match: re.Match[str]) -> tuple[datetime, datetime]:
    year = int(match["year"])
    if match["day"]:
        start = datetime(year, int(match["month"]), int(match["day"]), tzinfo=UTC)
        return start, start + timedelta(days=1)
    months = 1 if match["month"] else 3 if match["quarter"] else 12
    first = int(match["month"] or 3 * int(match["quarter"] or 1) - 2)
    start = datetime(year, first, 1, tzinfo=UTC)
    years, month = divmod(first - 1 + months, 12)
    return start, datetime(year + years, month + 1, 1, tzinfo=UTC)
