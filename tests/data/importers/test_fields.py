"""Only plain numbers are numbers, and what a device writes for nothing is nothing."""

import pytest

from phusong.data.errors import RecordError
from phusong.data.importers.fields import (
    read_hexadecimal,
    read_identity,
    read_level,
    read_number,
    read_whole,
)
from phusong.data.levels import RSCP_DBM, RSRP_DBM


@pytest.mark.parametrize(
    ("cell", "value"),
    [("12", 12.0), ("-8.394549000000001", -8.394549000000001), ("6.385646E-8", 6.385646e-8)],
)
def test_a_plain_number_is_read(cell: str, value: float) -> None:
    assert read_number("x", cell) == value


@pytest.mark.parametrize("cell", ["", "-", "--"])
def test_an_empty_cell_and_a_dash_are_missing_and_not_zero(cell: str) -> None:
    assert read_number("x", cell) is None
    assert read_whole("x", cell) is None
    assert read_hexadecimal("x", cell) is None


@pytest.mark.parametrize(
    "cell",
    [
        "1_0",
        "１２",
        "nan",
        "NaN",
        "inf",
        "-Infinity",
        "1e309",
        "0x1F",
        "1 2",
        "12dBm",
        "٣",
        ".",
        "9" * 400,
    ],
)
def test_what_python_might_take_for_a_number_is_refused(cell: str) -> None:
    with pytest.raises(RecordError, match="is not a number") as caught:
        read_number("x", cell)
    assert caught.value.reason == "bad_number"


def test_a_decimal_comma_has_its_own_name() -> None:
    with pytest.raises(RecordError, match="decimal comma") as caught:
        read_number("Longitude", "105,85")
    assert caught.value.reason == "decimal_comma"


@pytest.mark.parametrize("cell", ["1.5", "1e3", "１", "1_0", "9" * 30])
def test_a_whole_number_has_no_fraction_and_an_end(cell: str) -> None:
    with pytest.raises(RecordError):
        read_whole("x", cell)


@pytest.mark.parametrize("cell", ["0", "-1", "2147483647", "16777215", "65535", "268435455"])
def test_fillers_are_no_identity(cell: str) -> None:
    assert read_identity("tac", cell) is None


def test_an_identity_in_hexadecimal_digits_is_read() -> None:
    assert read_hexadecimal("LACHEX", "9CBA") == 40122
    assert read_hexadecimal("LACHEX", "0") is None
    with pytest.raises(RecordError):
        read_hexadecimal("LACHEX", "0x9C")


@pytest.mark.parametrize("cell", ["-200", "-340", "-164", "-24", "0", "2147483647"])
def test_a_level_that_cannot_be_reported_is_missing(cell: str) -> None:
    assert read_level("RSRP", cell, RSRP_DBM) is None


def test_rscp_ends_one_below_the_value_that_phones_write_for_none() -> None:
    assert read_level("Level", "-25", RSCP_DBM) == -25
    assert read_level("Level", "-24", RSCP_DBM) is None
