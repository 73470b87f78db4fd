"""A real gpsd, fed with three receivers' logs, and its own expected output beside ours."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phusong.probes.position.belief import Report
from phusong.probes.position.gpsd import gpsd_reading, read_tpv
from phusong.probes.position.registry import open_position

LOGS = ("telit-he910", "quectel-l76k-nmea", "ublox-neo-m9n-nmea")


def expected_places(check_file: Path) -> dict[str, set[tuple[float, float]]]:
    """Give the places of each moment that gpsd's own regression test expects."""
    places: dict[str, set[tuple[float, float]]] = {}
    for line in check_file.read_text("utf-8").splitlines():
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("class") == "TPV" and "lat" in message and "time" in message:
            places.setdefault(message["time"], set()).add((message["lon"], message["lat"]))
    return places


@pytest.mark.parametrize("log", LOGS)
def test_what_a_real_gpsd_tells_is_what_gpsd_expects_of_the_log(
    log: str, shared: Callable[[str], Path], gpsfake: Callable[..., int]
) -> None:
    file = shared(f"format-samples/gpsd/{log}.log")
    expected = expected_places(shared(f"format-samples/gpsd/{log}.log.chk"))
    # Over and over: while it finds out the speed of the line, gpsd hears no sentence.
    port = gpsfake(file, "-c", "0.002")
    heard: list[Report] = []
    closing = threading.Event()
    timer = threading.Timer(30, closing.set)
    timer.start()
    for _ in range(300):
        try:
            for report in gpsd_reading("127.0.0.1", port)(closing):
                if report is not None and report.lon is not None and report.taken_at is not None:
                    heard.append(report)
                if len({r.taken_at for r in heard}) >= len(expected) - 3:
                    closing.set()
            break
        except ConnectionRefusedError:
            closing.wait(0.1)
    timer.cancel()
    assert len({report.taken_at for report in heard}) > 0.9 * len(expected)
    for report in heard:
        assert report.taken_at is not None
        moment = report.taken_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert moment in expected
        assert any(
            report.lon == pytest.approx(lon, abs=2e-8)
            and report.lat == pytest.approx(lat, abs=2e-8)
            for lon, lat in expected[moment]
        )
        assert report.mode in ("2d", "3d")


def test_a_source_reads_gpsd_and_comes_back_when_it_was_restarted(
    shared: Callable[[str], Path],
    gpsfake: Callable[..., int],
    eventually: Callable[[Callable[[], object]], None],
) -> None:
    file = shared("format-samples/gpsd/ublox-neo-m9n-nmea.log")
    port = gpsfake(file, "-c", "0.02")
    source = open_position(f"gpsd:127.0.0.1:{port}")
    try:
        # The first report of a moment may come before the sentence that has its accuracy.
        eventually(lambda: (place := source.current().usable) and place.accuracy_m)
        position = source.current().position
        assert position is not None
        assert position.source == "gpsd"
        assert position.lat == pytest.approx(38.1105, abs=0.001)
        assert position.accuracy_m is not None
        assert position.accuracy_m < 20
        assert position.age_s is not None
        assert position.age_s <= 10
        gpsfake.stop()  # type: ignore[attr-defined]
        eventually(lambda: source.current().problem == "not_connected")
        gpsfake(file, "-c", "0.02", port=port)
        eventually(lambda: source.current().usable)
    finally:
        source.close()


def talk(*lines: bytes) -> int:
    """Say these lines to the first who connects, then hold the line; give the port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        link, _ = server.accept()
        link.sendall(b"".join(lines))
        link.settimeout(10)
        with link, server, contextlib.suppress(OSError):
            link.recv(100)
            link.recv(100)

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


VERSION = b'{"class":"VERSION","release":"3.25","rev":"3.25","proto_major":3,"proto_minor":15}\r\n'
TPV = (
    b'{"class":"TPV","mode":3,"lon":105.85,"lat":21.03,"eph":4.5,"time":"2026-07-01T01:30:00Z"}\r\n'
)


def first_report(port: int) -> Report | None:
    closing = threading.Event()
    for report in gpsd_reading("127.0.0.1", port)(closing):
        if report is not None:
            closing.set()
            return report
    return None


def test_a_line_that_a_receiver_garbled_is_passed_over() -> None:
    report = first_report(talk(VERSION, b'{"class":"TP\xff\n', b"[[[[[1\n", b"7\n", TPV))
    assert report is not None
    assert (report.lon, report.lat, report.accuracy_m) == (105.85, 21.03, 4.5)


def test_another_protocol_than_gpsds_third_is_refused_as_a_lost_link() -> None:
    with pytest.raises(OSError, match="protocol 3"):
        first_report(talk(VERSION.replace(b'"proto_major":3', b'"proto_major":9'), TPV))


def test_a_line_without_an_end_does_not_fill_the_memory() -> None:
    with pytest.raises(OSError, match="without an end"):
        first_report(talk(VERSION, b"x" * 200_000))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"mode": 1}, ("none", None, None)),
        ({"mode": 3, "lon": True, "lat": 21.0}, ("3d", None, None)),
        ({"mode": 2, "lon": 105.0, "lat": 21.0, "epx": 3, "epy": 4.0}, ("2d", 105.0, 5.0)),
        ({"mode": "3", "lon": 105.0, "time": "yesterday"}, ("none", 105.0, None)),
        ({"mode": 3, "lon": float("inf"), "eph": float("nan")}, ("3d", None, None)),
    ],
)
def test_a_tpv_of_odd_values_is_read_as_missing(
    message: dict[str, Any], expected: tuple[str, float | None, float | None]
) -> None:
    report = read_tpv(message, 1.0)
    assert (report.mode, report.lon, report.accuracy_m) == expected
