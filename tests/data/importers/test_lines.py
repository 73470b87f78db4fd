"""Lines of a stranger's file come one at a time, each damaged one with a name."""

import codecs
import io
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phusong.data.errors import RecordError
from phusong.data.importers.lines import KEPT_BYTES, MAX_LINE_BYTES, Line, read_lines, refuse_marked


def lines(data: bytes, encoding: str = "utf-8", limit: int | None = None) -> list[Line]:
    return list(read_lines(io.BufferedReader(io.BytesIO(data)), encoding, limit))


class Endless(io.RawIOBase):
    """So many bytes without one line end, made as they are read."""

    def __init__(self, size: int) -> None:
        self.left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = min(len(buffer), self.left)
        buffer[:count] = b"7" * count
        self.left -= count
        return count


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_both_line_ends_are_understood(end: bytes) -> None:
    assert lines(b"a,1" + end + b"b,2" + end) == [Line(1, "a,1"), Line(2, "b,2")]


def test_a_last_line_without_its_end_is_a_line() -> None:
    assert lines(b"a\nb") == [Line(1, "a"), Line(2, "b", has_end=False)]


def test_a_blank_line_keeps_its_number() -> None:
    assert lines(b"\na\n") == [Line(1, ""), Line(2, "a")]


def test_a_byte_order_mark_of_utf8_is_not_text() -> None:
    assert lines(codecs.BOM_UTF8 + "Độ\n".encode()) == [Line(1, "Độ")]


def test_a_longest_line_is_read_and_one_byte_more_is_not() -> None:
    fits, too_long = b"x" * (MAX_LINE_BYTES - 1) + b"\n", b"y" * (MAX_LINE_BYTES + 1) + b"\n"
    first, second, third = lines(fits + too_long + b"z\n")
    assert (len(first.text), first.problem) == (MAX_LINE_BYTES - 1, None)
    assert second == Line(2, "y" * KEPT_BYTES, "line_too_long")
    assert third == Line(3, "z")


def test_a_line_of_a_gigabyte_takes_seconds_and_no_memory() -> None:
    tracemalloc.start()
    started = time.process_time()
    stream = io.BufferedReader(Endless(1 << 30), 1 << 20)
    assert list(read_lines(stream)) == [Line(1, "7" * KEPT_BYTES, "line_too_long")]
    assert time.process_time() - started < 10
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


def test_a_nul_byte_spoils_its_own_line_only() -> None:
    assert lines(b"a\nb\0c\nd\n") == [
        Line(1, "a"),
        Line(2, "b\\x00c", "nul_byte"),
        Line(3, "d"),
    ]


def test_a_latin1_line_is_named_and_can_be_read_as_such() -> None:
    data = "ok\nÉtat\n".encode("latin-1")
    assert lines(data) == [Line(1, "ok"), Line(2, "\\xc9tat", "bad_encoding")]
    assert lines(data, "latin-1") == [Line(1, "ok"), Line(2, "État")]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf16_is_read_where_it_is_asked_for(codec: str) -> None:
    mark = codecs.BOM_UTF16_LE if codec == "utf-16-le" else codecs.BOM_UTF16_BE
    text = "Độ trễ,1\r\n😀,2\n" * 5_000
    assert [line.text for line in lines(mark + text.encode(codec), "utf-16")] == [
        "Độ trễ,1",
        "😀,2",
    ] * 5_000


def test_half_a_surrogate_in_utf16_spoils_its_own_line_only() -> None:
    data = (
        codecs.BOM_UTF16_LE + "a\n".encode("utf-16-le") + b"\x3d\xd8" + "\nb\n".encode("utf-16-le")
    )
    assert [(line.text, line.problem) for line in lines(data, "utf-16")][::2] == [
        ("a", None),
        ("b", None),
    ]
    assert lines(data, "utf-16")[1].problem == "bad_encoding"


def test_utf16_cut_in_the_middle_of_a_letter_ends_in_a_damaged_line() -> None:
    data = codecs.BOM_UTF16_LE + "a\nbc".encode("utf-16-le")[:-1]
    assert [line.problem for line in lines(data, "utf-16")] == [None, "bad_encoding"]


def test_reading_stops_at_the_limit_even_inside_a_line() -> None:
    assert lines(b"a\nbcd\ne\n", limit=4) == [Line(1, "a"), Line(2, "bc", has_end=False)]


@pytest.mark.parametrize(
    ("mark", "name"),
    [
        (codecs.BOM_UTF16_LE, "UTF-16"),
        (codecs.BOM_UTF16_BE, "UTF-16"),
        (codecs.BOM_UTF32_LE, "UTF-32"),
        (codecs.BOM_UTF32_BE, "UTF-32"),
    ],
)
def test_a_mark_of_another_encoding_is_refused_by_its_name(mark: bytes, name: str) -> None:
    with pytest.raises(RecordError, match=f"log.txt is {name} text.*save it as UTF-8"):
        refuse_marked("log.txt", mark, "utf-8")


def test_utf16_without_its_mark_is_refused() -> None:
    with pytest.raises(RecordError, match="leave --encoding out"):
        refuse_marked("log.txt", b"Time", "utf-16")


@given(st.binary(max_size=300), st.sampled_from(["utf-8", "latin-1", "utf-16"]))
def test_any_bytes_give_numbered_lines_and_no_exception(data: bytes, encoding: str) -> None:
    found = lines(data, encoding)
    assert [line.number for line in found] == list(range(1, len(found) + 1))
    for line in found:
        line.text.encode("utf-8")
        assert "\0" not in line.text
