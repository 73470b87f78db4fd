"""Several connections to our own server, and plain HTTP to others."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from phusong.data.errors import ConfigError
from phusong.data.sample import Outcome
from phusong.probes.connection import reach
from phusong.probes.engines import tcp_info
from phusong.probes.engines.librespeed import LibreSpeed
from phusong.probes.engines.multistream import Multistream
from phusong.probes.engines.tcp_info import TcpInfo
from phusong.probes.interface import AttemptError, Engine, Failure, Limits, Target, attempt
from phusong.probes.server.service import MeasurementServer

from .conftest import read_head

Script = Callable[[socket.socket], None]
Start = Callable[[Script], Target]
LONG = Limits(duration_s=0.8, max_bytes=10**12, width=None)
DATA = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"


@pytest.fixture
def http(server: MeasurementServer) -> Callable[[int], Target]:
    def of(family: int) -> Target:
        url = server.url(family).replace("ws://", "http://")
        return Target.parse(f"{url}/backend", schemes=("http",), family=family, allow_private=True)

    return of


@pytest.mark.parametrize("flows", [1, 3])
def test_flows_are_added_up_in_both_directions(
    target: Callable[[int], Target], family: int, flows: int
) -> None:
    far, engine = target(family), Multistream(flows)
    address = reach(far, LONG)
    for move, counter in (
        (engine.download, "kernel_bytes_received"),
        (engine.upload, "kernel_bytes_delivered"),
    ):
        result = move(far, address, LONG)
        assert result.mbps > 50
        record = result.record
        assert record["flows"] == flows
        assert record["counter"] in (counter, "bytes_read", "server_bytes_received")
        over_all = result.bytes_moved * 8e-6 / record["elapsed_s"]
        # On a busy machine the time is not all alike; a wrong unit would be a factor of 8 off.
        assert 0.2 < result.mbps / over_all < 5
        assert record["wire_bytes"] > result.bytes_moved


@pytest.mark.parametrize(("named", "flows"), [("bbr", 1), ("cubic", 4), ("unknown", 4), (None, 4)])
def test_flows_are_as_many_as_the_senders_congestion_control_needs(
    named: str | None, flows: int, far_end: Start
) -> None:
    told = f"Phusong-Congestion-Control: {named}\r\n" if named else ""

    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(DATA + told.encode() + b"\r\n")
        with suppress(TimeoutError):
            while True:
                connection.sendall(bytes(1 << 16))

    far = far_end(script)
    result = Multistream().download(far, reach(far, LONG), LONG)
    assert result.record["flows"] == flows
    assert Multistream(most=1).download(far, reach(far, LONG), LONG).record["flows"] == 1


@pytest.mark.parametrize(("rtt_ms", "flows"), [(30, 1), (100, 3)])
def test_a_far_server_needs_more_than_one_flow_of_bbr(
    rtt_ms: int, flows: int, target: Callable[[int], Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    def far_away(sock: socket.socket) -> TcpInfo | None:
        info = tcp_info.read(sock)
        return None if info is None else replace(info, min_rtt_us=rtt_ms * 1000)

    if tcp_info.read(socket.socket()) is None:
        pytest.skip("the kernel tells nothing of a connection")
    monkeypatch.setattr(tcp_info, "congestion_control", lambda sock: "bbr")
    near, engine = target(4), Multistream(read_counters=far_away)
    assert engine.upload(near, reach(near, LONG), LONG).record["flows"] == flows


def test_an_upload_asks_its_own_kernel_how_many_flows_it_needs(
    target: Callable[[int], Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp_info, "congestion_control", lambda sock: "reno")
    far = target(4)
    assert Multistream().upload(far, reach(far, LONG), LONG).record["flows"] == 4


def test_a_first_flow_that_is_not_answered_ends_it(far_end: Start, quick: Limits) -> None:
    far = far_end(mute)
    with pytest.raises(AttemptError, match="no_answer"):
        Multistream().download(far, reach(far, quick), quick)


def test_without_the_kernel_the_server_counts_an_upload(target: Callable[[int], Target]) -> None:
    far = target(4)
    limits = replace(LONG, duration_s=2)
    engine = Multistream(1, read_counters=lambda sock: None)
    result = engine.upload(far, reach(far, limits), limits)
    assert result.record["counter"] == "server_bytes_received"
    assert result.mbps > 50


def test_a_budget_is_for_all_flows_together(target: Callable[[int], Target]) -> None:
    far = target(4)
    limits = Limits(duration_s=5, max_bytes=400_000_000)
    result = attempt(lambda: Multistream(4).download(far, reach(far, limits), limits))
    moved = result.record["payload_bytes"] if isinstance(result, Failure) else result.bytes_moved
    assert moved < 400_000_000 + 4 * (1 << 22)


@pytest.mark.parametrize("flows", [0, 17, -1])
def test_the_number_of_flows_is_bounded(flows: int) -> None:
    with pytest.raises(ConfigError, match="1 to 16"):
        Multistream(flows)


def test_librespeed_measures_over_both_families(http: Callable[[int], Target], family: int) -> None:
    far, engine = http(family), LibreSpeed(2)
    address = reach(far, LONG)
    assert engine.download(far, address, LONG).mbps > 50
    assert engine.upload(far, address, LONG).mbps > 50


def answering(reply: bytes, *, then_s: float = 0.05) -> Script:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(reply)
        time.sleep(then_s)

    return script


def chunked(connection: socket.socket) -> None:
    """Send a download in chunks, as PHP does."""
    read_head(connection)
    connection.sendall(DATA + b"Transfer-Encoding: chunked\r\n\r\n")
    with suppress(TimeoutError):
        while True:
            connection.sendall(b"2000;x=y\r\n" + bytes(0x2000) + b"\r\n")


def again_and_again(connection: socket.socket) -> None:
    """Give short answers on one connection, as often as asked."""
    while read_head(connection):
        connection.sendall(DATA + b"Content-Length: 100000\r\n\r\n" + bytes(100_000))


@pytest.mark.parametrize("script", [chunked, again_and_again])
def test_a_download_goes_on_over_chunks_and_requests(script: Script, far_end: Start) -> None:
    far = far_end(script)
    result = LibreSpeed(1).download(far, reach(far, LONG), LONG)
    assert result.bytes_moved > 1_000_000


def endless_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-Filler: " + b"x" * 1000 + b"\r\n")


def dripping(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(DATA + b"\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def mute(connection: socket.socket) -> None:
    time.sleep(2)


def stopping_midway(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(DATA + b"\r\n" + bytes(50_000))
    time.sleep(2)


def resetting_midway(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(DATA + b"\r\n" + bytes(50_000))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def slamming(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(DATA + b"\r\n")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html>sign in"
DOWNLOADS: dict[str, tuple[Script, Outcome, str]] = {
    "403": (answering(b"HTTP/1.1 403 No\r\n\r\n"), Outcome.SERVER_ERROR, "http_403"),
    "204": (answering(b"HTTP/1.1 204 No\r\n\r\n"), Outcome.SERVER_ERROR, "http_204"),
    "503": (
        answering(b"HTTP/1.1 503 Busy\r\nRetry-After: 60\r\n\r\n"),
        Outcome.SERVER_ERROR,
        "http_503",
    ),
    "a redirect inside": (
        answering(b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n\r\n"),
        Outcome.PROTOCOL_ERROR,
        "redirected",
    ),
    "a sign-in page": (answering(PAGE), Outcome.PROTOCOL_ERROR, "captive_portal"),
    "a gzip bomb": (
        answering(DATA + b"Content-Encoding: gzip\r\n\r\n" + bytes(1000)),
        Outcome.PROTOCOL_ERROR,
        "compressed",
    ),
    "not HTTP": (answering(b"SSH-2.0-x\r\n\r\n"), Outcome.PROTOCOL_ERROR, "not_http"),
    "an endless head": (endless_head, Outcome.PROTOCOL_ERROR, "endless_head"),
    "a bad chunk": (
        answering(DATA + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n"),
        Outcome.PROTOCOL_ERROR,
        "bad_chunk",
    ),
    "a chunk of all": (
        answering(DATA + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 20 + b"\r\n"),
        Outcome.PROTOCOL_ERROR,
        "bad_chunk",
    ),
    "a length below zero": (
        answering(DATA + b"Content-Length: -1\r\n\r\n"),
        Outcome.PROTOCOL_ERROR,
        "bad_head",
    ),
    "more than it said": (
        answering(DATA + b"Content-Length: 4\r\n\r\n" + bytes(100)),
        Outcome.PROTOCOL_ERROR,
        "closed_early",
    ),
    "less than it said": (
        answering(DATA + b"Content-Length: 100000\r\n\r\n" + bytes(100)),
        Outcome.PROTOCOL_ERROR,
        "closed_early",
    ),
    "no answer": (mute, Outcome.STALLED, "opened_then_stalled"),
    "a drip": (dripping, Outcome.STALLED, "too_little"),
    "a stall midway": (stopping_midway, Outcome.STALLED, "stalled"),
    "a reset midway": (resetting_midway, Outcome.PROTOCOL_ERROR, "closed_early"),
}


@pytest.mark.parametrize("engine", [LibreSpeed(2), Multistream(2)], ids=lambda e: e.name)
@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_hostile_download_is_an_outcome_in_time(
    name: str, engine: Engine, far_end: Start, quick: Limits
) -> None:
    script, outcome, reason = DOWNLOADS[name]
    far = far_end(script)
    address = reach(far, quick)
    started = time.monotonic()
    ended = attempt(lambda: engine.download(far, address, quick))
    assert isinstance(ended, Failure), ended
    assert (ended.outcome, ended.reason) == (outcome, reason)
    assert time.monotonic() - started < quick.connect_s + quick.duration_s + 2


def swallowing(connection: socket.socket) -> None:
    """Read everything and say nothing: a sink is no far end."""
    while connection.recv(1 << 20):
        pass


def refusing_large_bodies(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    with suppress(OSError):
        while connection.recv(1 << 20):
            pass


def never_reading(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    time.sleep(2)


def signing_in(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(PAGE)
    with suppress(OSError):
        while connection.recv(1 << 20):
            pass


def raving(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(DATA + b"\r\n" + b"x" * 5000)
    with suppress(OSError):
        while connection.recv(1 << 20):
            pass


UPLOADS: dict[str, tuple[Script, Outcome, str]] = {
    "a sink that says nothing": (swallowing, Outcome.PROTOCOL_ERROR, "no_answer"),
    "413": (refusing_large_bodies, Outcome.SERVER_ERROR, "http_413"),
    "a reader that stops": (never_reading, Outcome.STALLED, "stalled"),
    "a sign-in page": (signing_in, Outcome.PROTOCOL_ERROR, "captive_portal"),
    "a slammed door": (slamming, Outcome.PROTOCOL_ERROR, "closed_early"),
    "counts that are none": (raving, Outcome.PROTOCOL_ERROR, "bad_json"),
}


@pytest.mark.parametrize("name", UPLOADS)
def test_a_hostile_upload_is_an_outcome_in_time(name: str, far_end: Start, quick: Limits) -> None:
    script, outcome, reason = UPLOADS[name]
    far = far_end(script)
    address = reach(far, quick)
    started = time.monotonic()
    ended = attempt(lambda: Multistream(2).upload(far, address, quick))
    assert isinstance(ended, Failure), ended
    assert ended.outcome is outcome
    assert ended.reason == reason or (name == "a reader that stops" and "stalled" in ended.reason)
    assert time.monotonic() - started < quick.connect_s + quick.duration_s + 2


def gzip_answer(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(DATA + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n" + bytes(9))
    with suppress(OSError):
        while connection.recv(1 << 20):
            pass


def redirecting(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 307 Moved\r\nLocation: http://10.0.0.1/\r\n\r\n")
    with suppress(OSError):
        while connection.recv(1 << 20):
            pass


LIBRESPEED_UPLOADS: dict[str, tuple[Script, Outcome, set[str]]] = {
    "a sink that says nothing": (swallowing, Outcome.STALLED, {"stalled"}),
    "413": (refusing_large_bodies, Outcome.SERVER_ERROR, {"http_413"}),
    "a reader that stops": (
        never_reading,
        Outcome.STALLED,
        {"stalled", "opened_then_stalled"},
    ),
    "a sign-in page": (signing_in, Outcome.PROTOCOL_ERROR, {"captive_portal", "answered_early"}),
    "a slammed door": (slamming, Outcome.PROTOCOL_ERROR, {"closed_early"}),
    "a gzip bomb": (gzip_answer, Outcome.PROTOCOL_ERROR, {"compressed"}),
    "a redirect inside": (redirecting, Outcome.PROTOCOL_ERROR, {"redirected"}),
}


@pytest.mark.parametrize("name", LIBRESPEED_UPLOADS)
def test_a_hostile_upload_of_librespeed_is_an_outcome_in_time(
    name: str, far_end: Start, quick: Limits
) -> None:
    script, outcome, reasons = LIBRESPEED_UPLOADS[name]
    far = far_end(script)
    address = reach(far, quick)
    started = time.monotonic()
    ended = attempt(lambda: LibreSpeed(2).upload(far, address, quick))
    assert isinstance(ended, Failure), ended
    assert ended.outcome is outcome, ended
    assert ended.reason in reasons
    assert time.monotonic() - started < quick.connect_s + quick.duration_s + 2


@pytest.mark.parametrize("engine", [LibreSpeed(2), Multistream(2)], ids=lambda e: e.name)
def test_an_endless_download_ends_at_its_budget_of_time_and_bytes(
    engine: Engine, far_end: Start
) -> None:
    def endless(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(DATA + b"\r\n")
        while True:
            connection.sendall(bytes(1 << 16))

    far = far_end(endless)
    timed = Limits(duration_s=0.5, max_bytes=10**12, width=None)
    started = time.monotonic()
    result = engine.download(far, reach(far, timed), timed)
    assert result.record["stopped_by"] == "duration"
    assert time.monotonic() - started < 10
    bounded = Limits(duration_s=20, max_bytes=5_000_000, width=None)
    ended = attempt(lambda: engine.download(far, reach(far, bounded), bounded))
    moved = ended.record["payload_bytes"]
    assert moved < 5_000_000 + 2 * (1 << 21)


@pytest.mark.parametrize("claim", [b"1125899906842624", b"-5", b'"many"', b"true", b"1e300"])
def test_no_claim_of_a_server_becomes_an_upload_speed(
    claim: bytes, far_end: Start, quick: Limits
) -> None:
    def claiming(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(DATA + b"\r\n")
        connection.settimeout(0.01)
        told = time.monotonic()
        while True:
            with suppress(TimeoutError):
                if not connection.recv(1 << 20):
                    return
            if time.monotonic() - told > 0.1:
                told = time.monotonic()
                connection.sendall(b'{"bytes": ' + claim + b', "elapsed_us": 1}\n')

    far = far_end(claiming)
    engine = Multistream(1, read_counters=lambda sock: None)
    ended = attempt(lambda: engine.upload(far, reach(far, quick), quick))
    assert isinstance(ended, Failure)
    # A machine that is busy for longer than the patience of this test sees a stall first.
    assert ended.reason in ("server_overcounts", "no_receiver_count", "stalled")
