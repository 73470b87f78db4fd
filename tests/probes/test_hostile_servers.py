"""A server may do anything: the probe ends in time, with an outcome and never a speed."""

import json
import re
import socket
import time
from collections.abc import Callable

import pytest

from phusong.data.sample import Outcome
from phusong.probes.connection import reach
from phusong.probes.engines.ndt7 import Ndt7
from phusong.probes.engines.websocket import Opcode, accept_key, frame, header
from phusong.probes.interface import AttemptError, Failure, Limits, Target, attempt

from .conftest import read_head, upgrade

Script = Callable[[socket.socket], None]
Start = Callable[[Script], Target]


def answering(reply: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(reply)
        time.sleep(0.05)

    return script


def sending(data: bytes, *, again_s: float | None = None) -> Script:
    def script(connection: socket.socket) -> None:
        upgrade(connection)
        connection.sendall(data)
        while again_s is not None:
            time.sleep(again_s)
            connection.sendall(data)

    return script


def handshake(lines: bytes) -> Script:
    """Agree to a WebSocket with other headers than asked for."""

    def script(connection: socket.socket) -> None:
        key = re.search(rb"Sec-WebSocket-Key: (\S+)", read_head(connection))
        assert key
        accepted = b"Sec-WebSocket-Accept: " + accept_key(key[1].decode()).encode() + b"\r\n"
        upgraded = b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        connection.sendall(upgraded + accepted + lines + b"\r\n")
        time.sleep(0.05)

    return script


def silent(connection: socket.socket) -> None:
    upgrade(connection)
    time.sleep(2)


def mute(connection: socket.socket) -> None:
    time.sleep(2)


def dripping_head(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 101 Switching Protocols\r\n" * 10:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def endless_head(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"X-Filler: " + b"x" * 1000 + b"\r\n")


def slamming(connection: socket.socket) -> None:
    upgrade(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def stopping_midway(connection: socket.socket) -> None:
    upgrade(connection)
    connection.sendall(header(Opcode.BINARY, 1 << 16) + bytes(1 << 15))
    time.sleep(2)


TEXT = frame(Opcode.TEXT, b'{"AppInfo":{"NumBytes":1000000000,"ElapsedTime":1}}', masked=False)
BINARY = header(Opcode.BINARY, 1 << 14) + bytes(1 << 14)
DOWNLOADS: dict[str, tuple[Script, Outcome, str]] = {
    "403": (answering(b"HTTP/1.1 403 No\r\n\r\n"), Outcome.SERVER_ERROR, "http_403"),
    "500": (answering(b"HTTP/1.1 500 No\r\n\r\n"), Outcome.SERVER_ERROR, "http_500"),
    "204": (answering(b"HTTP/1.1 204 Later\r\n\r\n"), Outcome.SERVER_ERROR, "http_204"),
    "a redirect inside": (
        answering(b"HTTP/1.1 302 Found\r\nLocation: ws://10.0.0.1/\r\n\r\n"),
        Outcome.PROTOCOL_ERROR,
        "redirected",
    ),
    "a page": (answering(b"HTTP/1.1 200 OK\r\n\r\n<html>"), Outcome.PROTOCOL_ERROR, "http_200"),
    "not HTTP": (answering(b"SSH-2.0-x\r\n\r\n"), Outcome.PROTOCOL_ERROR, "not_http"),
    "a close at once": (answering(b""), Outcome.PROTOCOL_ERROR, "closed_in_head"),
    "an endless head": (endless_head, Outcome.PROTOCOL_ERROR, "endless_head"),
    "a dripping head": (dripping_head, Outcome.TIMEOUT, "timeout"),
    "no answer": (mute, Outcome.TIMEOUT, "timeout"),
    "silence": (silent, Outcome.STALLED, "opened_then_stalled"),
    "an early end": (sending(BINARY * 4), Outcome.PROTOCOL_ERROR, "closed_early"),
    "an early close": (
        sending(BINARY * 4 + frame(Opcode.CLOSE, b"\x03\xe8", masked=False)),
        Outcome.PROTOCOL_ERROR,
        "closed_early",
    ),
    "a slammed door": (slamming, Outcome.PROTOCOL_ERROR, "closed_early"),
    "a stall midway": (stopping_midway, Outcome.STALLED, "stalled"),
    "text only": (sending(TEXT, again_s=0.1), Outcome.STALLED, "opened_then_stalled"),
    "a flood of text": (sending(TEXT * 500, again_s=0.001), Outcome.PROTOCOL_ERROR, "text_flood"),
    "text that is no JSON": (
        sending(frame(Opcode.TEXT, b"[" * 60_000, masked=False), again_s=0.1),
        Outcome.PROTOCOL_ERROR,
        "bad_json",
    ),
    "a drip": (
        sending(header(Opcode.BINARY, 1) + b"x", again_s=0.02),
        Outcome.STALLED,
        "too_little",
    ),
    "fragments that never end": (
        sending(b"\x02\x01x" + b"\x00\x01x" * 100, again_s=0.05),
        Outcome.PROTOCOL_ERROR,
        "misplaced_fragment",
    ),
    "empty fragments": (
        sending(b"\x02\x00" + b"\x00\x00" * 99),
        Outcome.PROTOCOL_ERROR,
        "closed_early",
    ),
    "a sign-in page": (
        answering(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>"),
        Outcome.PROTOCOL_ERROR,
        "captive_portal",
    ),
    "a redirect to a sign-in page": (
        answering(
            b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/login?mac=1\r\n"
            b"Content-Type: text/html; charset=utf-8\r\n\r\n"
        ),
        Outcome.PROTOCOL_ERROR,
        "captive_portal",
    ),
    "a network that asks for a sign-in": (
        answering(b"HTTP/1.1 511 Network Authentication Required\r\n\r\n"),
        Outcome.PROTOCOL_ERROR,
        "captive_portal",
    ),
    "503": (
        answering(b"HTTP/1.1 503 Busy\r\nRetry-After: 60\r\n\r\n"),
        Outcome.SERVER_ERROR,
        "http_503",
    ),
    "a monstrous frame": (
        sending(header(Opcode.BINARY, 1 << 40)),
        Outcome.PROTOCOL_ERROR,
        "oversized_frame",
    ),
    "another subprotocol": (
        handshake(b"Sec-WebSocket-Protocol: chat\r\n"),
        Outcome.PROTOCOL_ERROR,
        "wrong_subprotocol",
    ),
    "compression that nobody asked for": (
        handshake(
            b"Sec-WebSocket-Protocol: net.measurementlab.ndt.v7\r\n"
            b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
        ),
        Outcome.PROTOCOL_ERROR,
        "unasked_extension",
    ),
    "a compressed message": (
        sending(bytes([0xC2, 0x05]) + b"\x78\x9c\x01\x02\x03"),
        Outcome.PROTOCOL_ERROR,
        "reserved_bits",
    ),
    "a message in too many large fragments": (
        sending(
            bytes([0x02])
            + header(Opcode.BINARY, 1 << 23)[1:]
            + bytes(1 << 23)
            + (bytes([0x00]) + header(Opcode.BINARY, 1 << 23)[1:] + bytes(1 << 23)) * 2
        ),
        Outcome.PROTOCOL_ERROR,
        "oversized_message",
    ),
    "masked frames": (
        sending(frame(Opcode.TEXT, b"{}", masked=True)),
        Outcome.PROTOCOL_ERROR,
        "wrong_masking",
    ),
    "a flood of pings": (
        sending(frame(Opcode.PING, b"", masked=False) * 100, again_s=0.001),
        Outcome.STALLED,
        "opened_then_stalled",
    ),
}


@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_hostile_download_is_an_outcome_in_time(name: str, far_end: Start, quick: Limits) -> None:
    script, outcome, reason = DOWNLOADS[name]
    far = far_end(script)
    address = reach(far, quick)
    started = time.monotonic()
    ended = attempt(lambda: Ndt7().download(far, address, quick))
    took_s = time.monotonic() - started
    assert isinstance(ended, Failure), ended
    assert (ended.outcome, ended.reason) == (outcome, reason)
    assert took_s < quick.handshake_s + quick.duration_s + 0.8


def test_text_to_the_end_and_nothing_else_is_text_only(far_end: Start) -> None:
    limits = Limits(duration_s=0.4, stall_s=2)
    far = far_end(sending(TEXT, again_s=0.1))
    ended = attempt(lambda: Ndt7().download(far, reach(far, limits), limits))
    assert isinstance(ended, Failure)
    assert (ended.outcome, ended.reason) == (Outcome.PROTOCOL_ERROR, "text_only")


def test_what_a_failed_download_had_seen_is_kept(far_end: Start, quick: Limits) -> None:
    far = far_end(stopping_midway)
    ended = attempt(lambda: Ndt7().download(far, reach(far, quick), quick))
    assert isinstance(ended, Failure)
    assert ended.record["payload_bytes"] == 1 << 15
    assert ended.record["series"]["bytes"]


def test_a_refusal_says_when_to_come_back(far_end: Start, quick: Limits) -> None:
    far = far_end(DOWNLOADS["503"][0])
    ended = attempt(lambda: Ndt7().download(far, reach(far, quick), quick))
    assert isinstance(ended, Failure)
    assert ended.record["retry_after_s"] == 60


def never_reading(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    upgrade(connection)
    time.sleep(2)


def claiming(received: object) -> Script:
    """Read everything, and say that so much was received."""

    def script(connection: socket.socket) -> None:
        upgrade(connection)
        connection.settimeout(0.01)
        said = json.dumps({"TCPInfo": {"BytesReceived": received, "ElapsedTime": 1}})
        told = time.monotonic()
        while True:
            try:
                if not connection.recv(1 << 20):
                    return
            except TimeoutError:
                pass
            if time.monotonic() - told > 0.1:
                told = time.monotonic()
                connection.sendall(frame(Opcode.TEXT, said.encode(), masked=False))

    return script


def test_a_server_that_stops_reading_stalls_an_upload(far_end: Start, quick: Limits) -> None:
    far = far_end(never_reading)
    ended = attempt(lambda: Ndt7().upload(far, reach(far, quick), quick))
    assert isinstance(ended, Failure)
    assert ended.outcome is Outcome.STALLED


def test_a_server_that_leaves_early_ends_an_upload(far_end: Start, quick: Limits) -> None:
    far = far_end(slamming)
    ended = attempt(lambda: Ndt7().upload(far, reach(far, quick), quick))
    assert isinstance(ended, Failure)
    assert (ended.outcome, ended.reason) == (Outcome.PROTOCOL_ERROR, "closed_early")


@pytest.mark.parametrize("claim", [1 << 50, -5, "many", True, 1e300, None, [1]])
def test_no_claim_of_a_server_becomes_an_upload_speed(
    claim: object, far_end: Start, quick: Limits
) -> None:
    far = far_end(claiming(claim))
    engine = Ndt7(lambda sock: None)
    ended = attempt(lambda: engine.upload(far, reach(far, quick), quick))
    assert isinstance(ended, Failure)
    # A machine that is busy for longer than the patience of this test sees a stall first.
    assert ended.reason in ("server_overcounts", "no_receiver_count", "stalled")


def test_where_the_kernel_counts_a_servers_claims_do_not_matter(
    far_end: Start, quick: Limits
) -> None:
    far = far_end(claiming(1 << 50))
    result = Ndt7().upload(far, reach(far, quick), quick)
    assert result.bytes_moved < 1 << 40


def test_without_any_receivers_count_there_is_no_upload_speed(
    far_end: Start, quick: Limits
) -> None:
    def swallow(connection: socket.socket) -> None:
        upgrade(connection)
        while connection.recv(1 << 20):
            pass

    far = far_end(swallow)
    with pytest.raises(AttemptError) as ended:
        Ndt7(lambda sock: None).upload(far, reach(far, quick), quick)
    assert ended.value.reason == "no_receiver_count"
