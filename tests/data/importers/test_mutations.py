"""Damaged files of every kind: only our errors, and no row is lost that was not damaged itself."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phusong.data.errors import PhusongError
from phusong.data.importers.interface import Options, read_timezone
from phusong.data.importers.registry import IMPORTERS
from phusong.data.importers.run import import_file
from phusong.data.store import Store

AT_HANOI = Options(
    timezone=read_timezone("Asia/Ho_Chi_Minh"), at=datetime(2026, 7, 1, 1, 30, tzinfo=UTC)
)
SPOILERS = [b"\0", b"\t", b",", b'"', b"\xff", b"-", b"nan", b"1e999", b"'", b"9" * 50, b"--", b"0"]
SPOILERS += [
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"null",
    b'\\ud800"',
    b"-200",
    "１".encode(),
    b"2147483647",
]
SPOILERS += [b"1,5", b"08:30 PM", b"01/07/2026", b"PK", b"\xef\xbb\xbf", b"true", b""]
SETTINGS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
REAL = (
    "sn-gnettrack/raw_logs/Orange_log.txt",
    "sn-gnettrack/raw_logs/Yas_log_datatest.txt",
    "sn-gnettrack/raw_logs/expresso_log_events.txt",
    "us-netcellinfo/network_cell_info_log.csv",
    "us-netcellinfo/combined_cleaned.csv",
    "format-samples/murakami/ndt7-_LOCATION-_NETWORK_TYPE-_CONNECTION_TYPE-test_datetime.jsonl",
    "format-samples/murakami/ookla-speedtest-_LOCATION-_NETWORK_TYPE-_CONNECTION_TYPE-test_datetime.jsonl",
    "format-samples/obudpst/client_example_01.json",
)


def spoil(data: st.DataObject, content: bytearray, first: int, last: int) -> None:
    """Put something else in a few places between two."""
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(first, last))
        stop = data.draw(st.integers(start, min(last, start + 12)))
        put = data.draw(st.sampled_from(SPOILERS) | st.binary(max_size=8))
        content[start:stop] = put
        last += len(put) - (stop - start)


def kept_rows(store: Store) -> int:
    """Count samples, and averages, which are kept beside them."""
    return int(store.tables["sample"].count) + int(store.tables["aggregate"].count)


def add_up(store: Store, path: Path, options: Options) -> int | None:
    """Import; give how many of its rows are kept now, or None where the file was refused."""
    before = kept_rows(store)
    try:
        report = import_file(store, path, options)
    except PhusongError as error:
        assert str(error)
        assert kept_rows(store) == before
        return None
    accepted = sum(file.accepted for file in report.files)
    assert kept_rows(store) == before + accepted
    for file in report.files:
        assert file.rows == file.accepted + file.duplicate + file.rejected.total()
    # An example tried again finds its rows there already.
    return accepted + sum(file.duplicate for file in report.files)


def test_every_importer_of_text_has_its_file(originals: dict[str, bytes]) -> None:
    tools = {one.tool for one in IMPORTERS if not one.tool.endswith("-gpkg")}
    assert originals.keys() == tools


@SETTINGS
@given(st.data())
def test_a_spoilt_file_ends_in_our_error_or_in_rows_that_add_up(
    store: Store, tmp_path: Path, originals: dict[str, bytes], data: st.DataObject
) -> None:
    content = bytearray(originals[data.draw(st.sampled_from(sorted(originals)))])
    spoil(data, content, 0, len(content))
    path = tmp_path / "spoilt"
    path.write_bytes(content)
    add_up(store, path, AT_HANOI)


@SETTINGS
@given(st.data())
def test_damage_inside_one_row_costs_no_other(
    store: Store, tmp_path: Path, originals: dict[str, bytes], data: st.DataObject
) -> None:
    tool = data.draw(st.sampled_from(sorted(originals)))
    whole = originals[tool]
    if b"{\n" in whole:
        pieces = [json.dumps(json.loads(whole.split(b"\n{")[0])).encode()] * 4
        pieces = [piece + b"\n" for piece in pieces]
    else:
        pieces = whole.splitlines(keepends=True)
    hit = data.draw(st.integers(len(pieces) - 3, len(pieces) - 1))
    spoilt = bytearray(pieces[hit].rstrip(b"\n"))
    spoil(data, spoilt, 0, len(spoilt))
    pieces[hit] = bytes(spoilt).replace(b"\n", b"").replace(b"\r", b"") + b"\n"
    path = tmp_path / "spoilt"
    path.write_bytes(b"".join(pieces))
    kept = add_up(store, path, AT_HANOI)
    assert kept is not None
    assert kept >= 3


@pytest.mark.parametrize("name", REAL, ids=lambda name: Path(name).name[:24])
def test_a_spoilt_real_file_is_never_a_traceback(
    store: Store, tmp_path: Path, shared: Callable[[str], Path], name: str
) -> None:
    whole = shared(name).read_bytes()[:12_000]
    path = tmp_path / "spoilt"

    @settings(SETTINGS, max_examples=15)
    @given(st.data())
    def spoil_and_import(data: st.DataObject) -> None:
        content = bytearray(whole)
        spoil(data, content, 0, len(content))
        path.write_bytes(content)
        add_up(store, path, AT_HANOI)

    spoil_and_import()


@settings(SETTINGS, max_examples=60)
@given(st.data())
def test_a_spoilt_geopackage_ends_in_our_error_or_in_rows_that_add_up(
    store: Store, geopackage: Path, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(geopackage.read_bytes())
    spoil(data, content, 0, len(content))
    path = tmp_path / "spoilt.gpkg"
    path.write_bytes(content)
    add_up(store, path, AT_HANOI)


@pytest.mark.parametrize("name", [*REAL[:2], *REAL[3:5]], ids=lambda name: Path(name).name[:24])
def test_damage_inside_one_row_of_a_real_file_costs_no_other(
    store: Store, tmp_path: Path, shared: Callable[[str], Path], name: str
) -> None:
    with shared(name).open("rb") as file:
        lines = [file.readline() for _ in range(12)]
    path = tmp_path / "spoilt"
    path.write_bytes(b"".join(lines))
    good = add_up(store, path, AT_HANOI)
    assert good

    @settings(SETTINGS, max_examples=15)
    @given(st.data())
    def spoil_one_row(data: st.DataObject) -> None:
        # Some of them begin with a blank line above the header.
        hit = data.draw(st.integers(2, len(lines) - 1))
        spoilt = bytearray(lines[hit].rstrip(b"\r\n"))
        spoil(data, spoilt, 0, len(spoilt))
        row = bytes(spoilt).replace(b"\n", b"").replace(b"\r", b"") + b"\n"
        path.write_bytes(b"".join([*lines[:hit], row, *lines[hit + 1 :]]))
        kept = add_up(store, path, AT_HANOI)
        assert kept is not None
        assert kept >= good - 1

    spoil_one_row()
