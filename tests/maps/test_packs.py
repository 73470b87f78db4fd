"""Columns of numbers come out of a pack as they went in, and nothing is not zero."""

import base64
import zlib

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phusong.maps.packs import Pack, varints


def column(pack: Pack, name: str) -> list[int | None]:
    """Read a column as the page's script does."""
    content = zlib.decompress(base64.b64decode(pack.text()))
    kind, width, offset, length, count, *_ = pack.directory[name]
    part = content[offset : offset + length]
    numbers: list[int] = []
    if width:
        planes = [part[byte * count : (byte + 1) * count] for byte in range(width)]
        numbers = [
            sum(plane[at] << 8 * byte for byte, plane in enumerate(planes)) for at in range(count)
        ]
    else:
        number = shift = 0
        for byte in part:
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                numbers.append(number)
                number = shift = 0
    assert len(numbers) == count
    if kind == "z":
        return [(number >> 1) ^ -(number & 1) for number in numbers]
    if kind == "s":
        signed = [(number - 1 >> 1) ^ -(number - 1 & 1) for number in numbers]
        return [value if number else None for value, number in zip(signed, numbers, strict=True)]
    return [number - 1 if number else None for number in numbers] if kind == "n" else list(numbers)


def test_seven_bits_a_byte_lowest_first() -> None:
    # 300 = 0b10_0101100, the example of Protocol Buffers' documentation.
    assert varints(numpy.array([1, 300], dtype=numpy.uint64)) == bytes([1, 0b10101100, 0b00000010])


@given(st.lists(st.integers(0, 2**31 - 1)))
def test_counts_come_back(numbers: list[int]) -> None:
    pack = Pack()
    pack.add("x", numbers)
    assert column(pack, "x") == numbers


@given(st.lists(st.integers(-(2**30), 2**30 - 1)))
def test_numbers_with_a_sign_come_back(numbers: list[int]) -> None:
    pack = Pack()
    pack.add("x", numbers, "z")
    assert column(pack, "x") == numbers


@given(st.lists(st.none() | st.integers(0, 2**31 - 2)))
def test_nothing_comes_back_as_nothing(numbers: list[int | None]) -> None:
    pack = Pack()
    pack.add("x", numbers, "n")
    assert column(pack, "x") == numbers


@given(st.lists(st.none() | st.integers(-(2**29), 2**29)))
def test_nothing_among_numbers_with_a_sign_comes_back(numbers: list[int | None]) -> None:
    pack = Pack()
    pack.add("x", numbers, "s", predicted=("left", "places", 73))
    assert column(pack, "x") == numbers
    assert pack.directory["x"][5:] == ("left", "places", 73)


@pytest.mark.parametrize("wrong", [-1, 2**31])
def test_a_number_that_a_page_cannot_read_is_refused(wrong: int) -> None:
    with pytest.raises(ValueError, match="packed column"):
        Pack().add("x", [wrong])
