"""NMEA sentences, compared with what gpsd makes of the same logs."""

import json
import os
import pty
from collections.abc import Callable
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phusong.probes.position.nmea import Sentences, reports, serial_reading
from phusong.probes.position.receiver import Receiver
from phusong.probes.position.registry import open_position


def sentence(text: str) -> bytes:
    """Give a sentence with its checksum: the exclusive or of its characters."""
    return f"${text}*{reduce(lambda a, b: a ^ b, text.encode()):02X}\r\n".encode()


def rmc(
    moment: datetime, lat: str = "2101.8000", lon: str = "10551.0000", status: str = "A"
) -> bytes:
    return sentence(
        f"GPRMC,{moment:%H%M%S}.00,{status},{lat},N,{lon},E,019.4,084.4,{moment:%d%m%y},,,A"
    )


MOMENT = datetime(2026, 7, 1, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("log", "with_place"),
    [("telit-he910", 187), ("quectel-l76k-nmea", 150), ("ublox-neo-m9n-nmea", 61)],
)
def test_every_report_of_a_real_log_is_one_that_gpsd_expects(
    log: str, with_place: int, shared: Callable[[str], Path]
) -> None:
    expected: dict[str, list[dict[str, Any]]] = {}
    for line in shared(f"format-samples/gpsd/{log}.log.chk").read_text("utf-8").splitlines():
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("class") == "TPV" and "time" in message:
            expected.setdefault(message["time"], []).append(message)
    file = shared(f"format-samples/gpsd/{log}.log")
    said = [r for r in reports(iter(file.read_bytes().split(b"\n"))) if r.lon is not None]
    heard = {report.taken_at: report for report in said}
    assert len(heard) == with_place
    for report in heard.values():
        assert report.taken_at is not None
        assert report.speed_mps is not None
        moment = report.taken_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert any(
            told.get("lon") == pytest.approx(report.lon, abs=2e-8)
            and told.get("lat") == pytest.approx(report.lat, abs=2e-8)
            and told.get("speed") == pytest.approx(report.speed_mps, abs=2e-3)
            for told in expected[moment]
        )
        if report.accuracy_m is not None:
            told = [t["eph"] for t in expected[moment] if "eph" in t]
            assert any(report.accuracy_m == pytest.approx(eph, abs=2e-3) for eph in told)
        assert int(report.mode[0]) in {told["mode"] for told in expected[moment]}


def test_a_sentence_counts_only_with_its_checksum_and_the_others_are_counted() -> None:
    sentences = Sentences()
    good = rmc(MOMENT)
    for line in (
        good.replace(b"2101", b"2201"),
        good.split(b"*")[0],
        b"$GPRMC,\xff\xfe*00",
        b"AT+CGPSINFO",
        sentence("GPXYZ,1,2"),
        b"",
        b"# a comment of the log",
    ):
        assert sentences.hear(line, 1.0) is None
    assert sentences.bad == {
        "bad_checksum": 2,
        "not_ascii": 1,
        "not_nmea": 1,
        "unknown_sentence": 1,
    }
    report = sentences.hear(good, 2.0)
    assert report is not None
    assert (report.lon, report.lat) == (105.85, 21.03)
    assert report.speed_mps == pytest.approx(19.4 * 0.514444, abs=0.001)


def test_a_sentence_marked_void_has_no_place() -> None:
    report = Sentences().hear(rmc(MOMENT, status="V"), 1.0)
    assert report is not None
    assert (report.mode, report.lon, report.taken_at) == ("none", None, MOMENT)


def test_a_receiver_without_rmc_is_read_by_its_gga() -> None:
    sentences = Sentences()
    gga = sentence("GPGGA,013000.00,2101.8,N,10551.0,E,1,08,1.5,12.0,M,,M,,")
    report = sentences.hear(gga, 1.0)
    assert report is not None
    assert (report.lon, report.lat, report.accuracy_m) == (105.85, 21.03, 28.5)
    assert report.taken_at is None


@pytest.mark.parametrize("cells", ["9999.9,N,10551.0,E", "2101.8,N,,", "ab,N,10551.0,E"])
def test_a_torn_or_absurd_place_is_no_place(cells: str) -> None:
    line = sentence(f"GPRMC,013000.00,A,{cells},019.4,084.4,010726,,,A")
    report = Sentences().hear(line, 1.0)
    assert report is None or report.lat is None or abs(report.lat) > 90


CELLS = st.sampled_from(["", "x", "-1", "1e9", "nan", "310299", "9999.9999", "ABC.5", " ", "é"])


@given(kind=st.sampled_from(["RMC", "GGA", "GSA"]), cells=st.lists(CELLS, max_size=16))
def test_no_sentence_of_a_broken_receiver_stops_the_reading(kind: str, cells: list[str]) -> None:
    sentences = Sentences()
    sentences.hear(sentence(",".join([f"GP{kind}", *cells])), 1.0)
    assert sentences.hear(rmc(MOMENT), 2.0) is not None


def test_a_file_is_followed_as_it_grows(
    tmp_path: Path, eventually: Callable[[Callable[[], object]], None]
) -> None:
    file = tmp_path / "gps.nmea"
    file.write_bytes(rmc(MOMENT))
    source = open_position(f"nmea:{file}")
    try:
        eventually(lambda: source.current().problem == "stale")
        with file.open("ab") as growing:
            line = rmc(datetime.now(UTC), lat="2102.4000")
            growing.write(line[:20])
            growing.flush()
            growing.write(line[20:])
        eventually(lambda: source.current().usable)
        position = source.current().position
        assert position is not None
        assert (position.lat, position.source) == (21.04, "nmea:gps.nmea")
    finally:
        source.close()


def test_a_serial_line_is_read_and_an_unplugged_one_is_said(
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    pytest.importorskip("serial")
    ours, theirs = pty.openpty()
    source = Receiver("serial:pty", serial_reading(os.ttyname(theirs), 4800), stale_after_s=1)
    try:
        eventually(lambda: source.current().problem == "no_fix")
        os.write(ours, b"garbage\r\n" + rmc(MOMENT))
        eventually(lambda: source.current().usable)
        os.close(theirs)
        os.close(ours)
        eventually(lambda: source.current().problem == "not_connected")
    finally:
        source.close()
