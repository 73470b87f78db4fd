"""The UDP echo counts what reached it, and cannot be made to do more than it was asked."""

import http.client
import json
import socket
import time

import pytest

from phusong.probes.echo import (
    ANSWER_BYTES,
    NONCE_BYTES,
    QUESTION_BYTES,
    TOKEN_LIFE_S,
    new_token,
    question,
    read_full_answer,
    read_question,
    receive_stamped,
    stamp_arrivals,
)
from phusong.probes.server import echoing
from phusong.probes.server.echoing import EchoDesk
from phusong.probes.server.metrics import Metrics
from phusong.probes.server.service import MeasurementServer

SECRET = b"s" * 32
NONCE = b"nonce678"


def ask(desk: EchoDesk, number: int, *, nonce: bytes = NONCE, ip: str = "192.0.2.1") -> int | None:
    """Ask, and give how many the server says it has received; None: no answer."""
    token = new_token(SECRET, ip, time.monotonic())
    reply = desk.reply(question(token, nonce, number), ip, time.time_ns())
    read = read_full_answer(reply, nonce) if reply is not None else None
    return None if read is None else read.received


@pytest.fixture
def desk() -> EchoDesk:
    return EchoDesk(SECRET, Metrics())


def test_an_answer_is_never_longer_than_its_question() -> None:
    assert ANSWER_BYTES <= QUESTION_BYTES


def test_the_server_counts_different_numbers_of_a_session(desk: EchoDesk) -> None:
    # 3 is lost on the way, 1 comes twice, 2 comes late.
    assert [ask(desk, number) for number in (0, 1, 1, 4, 2, 2, 5)] == [1, 2, 2, 3, 4, 4, 5]


def test_a_number_far_ahead_or_far_behind_costs_no_memory(desk: EchoDesk) -> None:
    assert [ask(desk, number) for number in (0, 2**32 - 1, 0, 2**32 - 2)] == [1, 2, 2, 3]


def test_sessions_do_not_mix(desk: EchoDesk) -> None:
    assert ask(desk, 0) == 1
    assert ask(desk, 0, nonce=b"another8") == 1
    assert ask(desk, 0, ip="192.0.2.2") == 1
    assert ask(desk, 1) == 2


def test_a_session_that_asks_too_fast_is_not_answered(
    desk: EchoDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    answers = [ask(desk, number) for number in range(echoing.QUESTIONS_PER_S + 50)]
    assert answers[echoing.QUESTIONS_PER_S :] == [None] * 50
    monkeypatch.setattr(time, "monotonic", lambda: now + 0.1)
    assert ask(desk, 1000) is not None


def test_one_client_cannot_push_out_the_sessions_of_others(desk: EchoDesk) -> None:
    ask(desk, 0, ip="192.0.2.7")
    for number in range(3 * echoing.MAX_SESSIONS_PER_SOURCE):
        ask(desk, 0, nonce=number.to_bytes(NONCE_BYTES, "big"))
    assert ask(desk, 1, ip="192.0.2.7") == 2


def test_all_hosts_of_an_ipv6_network_are_one_client(
    desk: EchoDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(echoing, "MAX_SESSIONS_PER_SOURCE", 4)
    ask(desk, 0, ip="2001:db8:1::1")
    for host in range(2, 8):
        ask(desk, 0, ip=f"2001:db8:2::{host:x}")
    assert ask(desk, 1, ip="2001:db8:1::1") == 2
    assert ask(desk, 1, ip="2001:db8:2::2") == 1


def test_the_number_of_sessions_is_bounded(desk: EchoDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echoing, "MAX_SESSIONS", 10)
    for host in range(30):
        ask(desk, 0, ip=f"192.0.2.{host}")
    assert sum(len(held) for held in desk._sources.values()) == 10
    assert desk._count == 10
    assert ask(desk, 1, ip="192.0.2.29") == 2
    assert ask(desk, 1, ip="192.0.2.0") == 1


def test_a_token_of_another_address_or_time_is_worth_nothing() -> None:
    asked = question(new_token(SECRET, "192.0.2.1", 1000), NONCE, 7)
    assert read_question(asked, "192.0.2.1", SECRET, 1000 + TOKEN_LIFE_S) is not None
    assert read_question(asked, "192.0.2.2", SECRET, 1000) is None
    assert read_question(asked, "192.0.2.1", SECRET, 1000 + 2 * TOKEN_LIFE_S) is None
    assert read_question(asked, "192.0.2.1", b"t" * 32, 1000) is None


def test_what_is_no_question_is_counted_and_not_answered() -> None:
    metrics = Metrics()
    desk = EchoDesk(SECRET, metrics)
    for data in (b"", b"x", bytes(QUESTION_BYTES), bytes(1400)):
        assert desk.reply(data, "192.0.2.1", 0) is None
    assert metrics.value("phusong_echoes_total", result="malformed") == 3
    assert metrics.value("phusong_echoes_total", result="no_token") == 1


def test_over_real_sockets_the_answer_says_when_the_question_came(
    server: MeasurementServer, family: int
) -> None:
    (place,) = [place for place in server.listening if place.family == family]
    client = http.client.HTTPConnection(place.host, place.port, timeout=5)
    client.request("GET", "/phusong/v1/echo", headers={"Connection": "close"})
    token = bytes.fromhex(json.load(client.getresponse())["token"])
    kind = socket.AF_INET6 if family == 6 else socket.AF_INET
    with socket.socket(kind, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        stamped = stamp_arrivals(sock)
        sock.connect((place.host, place.port))
        sent_ns = time.time_ns()
        sock.send(question(token, NONCE, 41))
        data, _, arrived_ns = receive_stamped(sock, 64)
    read = read_full_answer(data, NONCE)
    assert read is not None
    assert (read.number, read.received) == (41, 1)
    # Both ends have the same clock here.
    assert sent_ns <= read.received_at_ns + 1_000_000
    assert read.received_at_ns <= arrived_ns + 1_000_000
    assert read.held_us * 1000 <= time.time_ns() - sent_ns + 1_000_000
    assert stamped or arrived_ns <= time.time_ns()


def test_the_answer_to_somebody_elses_nonce_is_not_taken() -> None:
    desk = EchoDesk(SECRET, Metrics())
    token = new_token(SECRET, "192.0.2.1", time.monotonic())
    reply = desk.reply(question(token, NONCE, 1), "192.0.2.1", time.time_ns())
    assert reply is not None
    assert read_full_answer(reply, b"another8") is None
    assert read_full_answer(reply[:-1], NONCE) is None
