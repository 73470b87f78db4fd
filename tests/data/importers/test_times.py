"""A time says which moment it is, or its row is rejected by the name of what is missing."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from phusong.data.errors import ConfigError, RecordError
from phusong.data.importers.times import (
    check_time_format,
    read_epoch,
    read_formatted,
    read_iso,
    read_utc_iso,
)

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
DUBLIN = ZoneInfo("Europe/Dublin")
MOMENT = datetime(2026, 7, 1, 1, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-07-01T01:30:15Z",
        "2026-07-01T08:30:15+07:00",
        "2026-07-01 08:30:15+0700",
        "2026-07-01 08:30:15",
        "2026-07-01T08:30:15.000000000",
    ],
)
def test_iso_times_are_one_moment(text: str) -> None:
    assert read_iso("t", text, HANOI) == MOMENT


def test_parts_of_a_second_are_kept() -> None:
    half = timedelta(microseconds=123_456)
    assert read_iso("t", "2026-07-01T01:30:15.123456789Z") == MOMENT + half
    assert read_epoch("t", "1782869415.123456", 1) == MOMENT + half
    assert read_epoch("t", "1782869415123", 1000) == MOMENT + timedelta(milliseconds=123)


def test_what_a_tool_documents_as_utc_is_utc() -> None:
    assert read_utc_iso("t", "2026-07-01T01:30:15") == MOMENT
    assert read_utc_iso("t", "2026-07-01T08:30:15+07:00") == MOMENT


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-07-01T08:30:15", "no_time_zone"),
        ("01/07/2026 08:30", "date_order_unknown"),
        ("7-1-2026", "date_order_unknown"),
        ("01.07.26 08:30", "date_order_unknown"),
        ("07/01/2026 8:30:15 PM", "twelve_hour_clock"),
        ("8:30 CH 01/07/2026", "twelve_hour_clock"),
        ("2026-02-30T08:30:15Z", "bad_time"),
        ("1999-07-01T08:30:15Z", "bad_time"),
        ("２０26-07-01T08:30:15Z", "bad_time"),
        ("", "bad_time"),
        ("soon", "bad_time"),
    ],
)
def test_what_a_time_does_not_say_is_named_and_never_guessed(text: str, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        read_iso("t", text)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-10-25T01:30:00", "ambiguous_time"),
        ("2026-03-29T01:30:00", "nonexistent_time"),
    ],
)
def test_hours_that_clocks_doubled_or_skipped_are_named(text: str, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        read_iso("t", text, DUBLIN)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%d/%m/%Y %H:%M:%S", "01/07/2026 08:30:15"),
        ("%m/%d/%Y %H:%M:%S", "07/01/2026 08:30:15"),
        ("%Y.%m.%d_%H.%M.%S", "2026.07.01_08.30.15"),
        ("%d/%m/%Y %I:%M:%S %p", "01/07/2026 08:30:15 AM"),
        ("%d/%m/%Y %I:%M:%S %p", "01/07/2026 08:30:15 SA"),
        ("%d/%m/%Y %H:%M:%S %z", "01/07/2026 01:30:15 +0000"),
        ("unix-s", "1782869415"),
        ("unix-ms", "1782869415000"),
        ("iso", "2026-07-01T08:30:15"),
    ],
)
def test_a_time_is_read_in_the_form_that_was_named(form: str, text: str) -> None:
    assert read_formatted("t", text, check_time_format(form), HANOI) == MOMENT


def test_an_afternoon_in_vietnamese_is_one() -> None:
    form = "%d/%m/%Y %I:%M:%S %p"
    after = read_formatted("t", "01/07/2026 08:30:15 CH", form, HANOI)
    assert after == MOMENT + timedelta(hours=12)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("13/13/2026 08:30:15", "bad_time"),
        ("01/07/2026 08:30:15 PM", "twelve_hour_clock"),
        ("01/07/1970 08:30:15", "bad_time"),
    ],
)
def test_a_time_of_another_form_is_named(text: str, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        read_formatted("t", text, "%d/%m/%Y %H:%M:%S", HANOI)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "form", ["%d/%m/%Y", "%I:%M %d/%m/%Y", "%H:%M", "nonsense", "%Q", "%d/%m %H:%M"]
)
def test_a_form_that_tells_no_whole_time_is_refused(form: str) -> None:
    with pytest.raises(ConfigError, match="does not tell a whole time"):
        check_time_format(form)


@pytest.mark.parametrize("text", ["1782869415", "17828694150000000", "-1", "1e12", "９9999999999"])
def test_a_count_that_is_no_moment_of_our_time_is_refused(text: str) -> None:
    with pytest.raises(RecordError) as caught:
        read_epoch("t", text, 1000)
    assert caught.value.reason == "bad_time"
