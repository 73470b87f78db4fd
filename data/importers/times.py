"""
Times as foreign tools write them, made UTC; what a text does not say is asked for, never guessed.

A local time that a change of clocks made to happen twice, or not at all, is rejected: nothing in
the row says which was meant. A zone of fixed offset (``Etc/GMT-1``) says it.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ..check import ascii_safe
from ..errors import ConfigError, RecordError

_ISO = re.compile(
    r"20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?\Z"
)
_WHOLE = re.compile(r"[0-9]{9,17}(?:\.[0-9]{1,9})?\Z")
_TWELVE_HOURS = re.compile(r"[0-9]\s*(?:AM|PM|A\.M\.|P\.M\.|SA|CH)\b", re.IGNORECASE)
_DATE_WITHOUT_ORDER = re.compile(r"[0-9]{1,2}[/.-][0-9]{1,2}[/.-](?:20)?[0-9]{2}\b")
# Sáng and chiều, as Vietnamese phones and spreadsheets write AM and PM.
_VIETNAMESE_HALVES = ((re.compile(r"\bSA\b"), "AM"), (re.compile(r"\bCH\b"), "PM"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_2000_S = 946_684_800
_YEAR_2100_S = 4_102_444_800
_PROBE_TIME = datetime(2026, 11, 23, 17, 45, tzinfo=UTC)
EPOCH_FORMATS = {"unix-s": 1, "unix-ms": 1_000}


def localise(field: str, seen: str, local: datetime, zone: ZoneInfo) -> datetime:
    """
    Give the UTC time of a local time without zone.

    Raises
    ------
    RecordError
        If clocks made it happen twice, or not at all.
    """
    placed = local.replace(tzinfo=zone)
    moment = placed.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != local:
        raise RecordError(
            "{field}: {seen} did not happen in {zone}, where clocks were set forward",
            reason="nonexistent_time",
            field=field,
            seen=seen,
            zone=zone.key,
        )
    if placed.replace(fold=1).utcoffset() != placed.utcoffset():
        raise RecordError(
            "{field}: {seen} happened twice in {zone}, where clocks were set back;"
            " name a zone of fixed offset for this file, such as Etc/GMT-1",
            reason="ambiguous_time",
            field=field,
            seen=seen,
            zone=zone.key,
        )
    return moment


def read_iso(field: str, cell: str, zone: ZoneInfo | None = None) -> datetime:
    """
    Give the UTC time of an ISO 8601 text; one without offset is local to `zone`.

    Raises
    ------
    RecordError
        If the text is none, or names no zone and `zone` is not known either.
    """
    match = _ISO.match(cell)
    if match is None:
        raise _not_iso(field, cell)
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise _not_in_calendar(field, cell) from None
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    return _place(field, cell, moment, zone)


def read_utc_iso(field: str, cell: str) -> datetime:
    """Give the UTC time of an ISO 8601 text that its tool documents as UTC, written or not."""
    match = _ISO.match(cell)
    return read_iso(field, cell + "Z" if match is not None and match[1] is None else cell)


def read_epoch(field: str, cell: str, per_second: int) -> datetime:
    """Give the time of a count of seconds (`per_second` 1) or milliseconds since 1970."""
    if _WHOLE.match(cell):
        seconds = float(cell) / per_second
        if _YEAR_2000_S <= seconds < _YEAR_2100_S:
            whole, _, part = cell.partition(".")
            exact = timedelta(microseconds=int(whole) * (1_000_000 // per_second))
            return _EPOCH + exact + timedelta(microseconds=_micros(part, per_second))
    raise RecordError(
        "{field}: saw {seen}, expected {unit} since 1970",
        reason="bad_time",
        field=field,
        seen=ascii_safe(cell[:60]),
        unit="seconds" if per_second == 1 else "milliseconds",
    )


def read_moment(text: str | None, zone: str | None) -> datetime | None:
    """
    Give the UTC time that a person named with an option.

    Raises
    ------
    ConfigError
        If it is no ISO 8601 time, or names no zone and no zone is named beside it.
    """
    if text is None:
        return None
    try:
        return read_iso("--at", text, None if zone is None else ZoneInfo(zone))
    except RecordError as error:
        raise ConfigError(error.template, **error.values) from None


def check_time_format(form: str | None) -> str | None:
    """
    Give a format for `read_formatted` back, if it tells a whole time.

    Raises
    ------
    ConfigError
        If a time written in it cannot be read back: no year, a 12-hour clock without ``%p``.
    """
    if form is None or form == "iso" or form in EPOCH_FORMATS:
        return form
    try:
        written = _PROBE_TIME.strftime(form)
        # Without a year, Python 3.13 warns and 3.15 may refuse.
        if "26" in written and datetime.strptime(written, form).replace(tzinfo=UTC) == _PROBE_TIME:
            return form
    except (ValueError, re.error):
        pass
    raise ConfigError(
        "--time-format {form} does not tell a whole time: name iso, unix-s, unix-ms, or year,"
        " month, day, hour and minute such as %d/%m/%Y %H:%M:%S (a 12-hour clock has %I and %p)",
        form=form,
    )


def read_formatted(field: str, cell: str, form: str | None, zone: ZoneInfo | None) -> datetime:
    """Give the UTC time of a text in a format of `check_time_format`; None is ISO 8601."""
    if form is None or form == "iso":
        return read_iso(field, cell, zone)
    if form in EPOCH_FORMATS:
        return read_epoch(field, cell, EPOCH_FORMATS[form])
    text = cell
    if "%p" in form:
        for half, english in _VIETNAMESE_HALVES:
            text = half.sub(english, text)
    try:
        moment = datetime.strptime(text, form)
    except ValueError:
        if _TWELVE_HOURS.search(cell) and "%p" not in form:
            raise _twelve_hours(field, cell) from None
        raise RecordError(
            "{field}: {seen} does not have the form {form} (--time-format)",
            reason="bad_time",
            field=field,
            seen=ascii_safe(cell[:60]),
            form=form,
        ) from None
    if not 2000 <= moment.year < 2100:
        raise _not_in_calendar(field, cell)
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    return _place(field, cell, moment, zone)


def _place(field: str, cell: str, moment: datetime, zone: ZoneInfo | None) -> datetime:
    if zone is None:
        raise RecordError(
            "{field}: {seen} names no time zone; say where its clock stood with --timezone",
            reason="no_time_zone",
            field=field,
            seen=ascii_safe(cell[:60]),
        )
    minute = moment.replace(second=0, microsecond=0)
    return _minute(field, f"{minute:%Y-%m-%d %H:%M}", minute, zone) + (moment - minute)


@lru_cache(maxsize=256)
def _minute(field: str, seen: str, minute: datetime, zone: ZoneInfo) -> datetime:
    return localise(field, seen, minute, zone)


def _micros(part: str, per_second: int) -> int:
    return int(part.ljust(9, "0")) // (1000 * per_second) if part else 0


def _not_iso(field: str, cell: str) -> RecordError:
    if _TWELVE_HOURS.search(cell):
        return _twelve_hours(field, cell)
    if _DATE_WITHOUT_ORDER.match(cell):
        return RecordError(
            "{field}: {seen} does not say which is its day and which its month; say so with"
            " --time-format, such as %d/%m/%Y %H:%M:%S",
            reason="date_order_unknown",
            field=field,
            seen=ascii_safe(cell[:60]),
        )
    return RecordError(
        "{field}: saw {seen}, expected a time such as 2026-07-01T08:30:00+07:00",
        reason="bad_time",
        field=field,
        seen=ascii_safe(cell[:60]),
    )


def _twelve_hours(field: str, cell: str) -> RecordError:
    return RecordError(
        "{field}: {seen} is of a 12-hour clock; say its form with --time-format, such as"
        " %d/%m/%Y %I:%M:%S %p",
        reason="twelve_hour_clock",
        field=field,
        seen=ascii_safe(cell[:60]),
    )


def _not_in_calendar(field: str, cell: str) -> RecordError:
    return RecordError(
        "{field}: {seen} is not in the calendar",
        reason="bad_time",
        field=field,
        seen=ascii_safe(cell[:60]),
    )
