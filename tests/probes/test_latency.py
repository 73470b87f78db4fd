"""Round trips, their variation and loss."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from phusong.probes.connection import reach
from phusong.probes.echo import read_full_answer
from phusong.probes.echo_session import Echo, ask_echoes
from phusong.probes.interface import Address, Limits, Target
from phusong.probes.latency import (
    LoadedEcho,
    jitter_ms,
    loaded_record,
    loaded_rtt_ms,
    loss_by_way,
    measure_idle,
    percentiles_ms,
    summarise,
)
from phusong.probes.offer import ask_offer

from .conftest import read_head

QUICK = Limits(duration_s=0.5, connect_s=1.0, handshake_s=0.5)
TOKEN = bytes(16)


def test_jitter_is_the_mean_step_between_neighbours_that_both_came_back() -> None:
    # Steps 2 and 4; the lost one and its two neighbours give none.
    assert jitter_ms([10.0, 12.0, 8.0, None, 50.0]) == 3.0
    assert jitter_ms([10.0, None, 12.0]) is None
    assert jitter_ms([10.0]) is None


def test_lost_questions_count_as_lost_and_not_as_fast() -> None:
    times = [10.0, None, 30.0, 20.0, None]
    latency = summarise([Echo(0.0, rtt) for rtt in times], method="udp_echo")
    assert latency.rtt_ms == 20.0
    assert latency.loss_ratio == 0.4
    assert latency.jitter_ms == 10.0
    assert latency.record["rtts_ms"] == times
    assert latency.record["jitter_formula"] == "mean_abs_ipdv_rfc5481_of_rtt"


def test_percentiles_lie_between_the_nearest_two() -> None:
    # 0 to 100: the p-th percentile of 101 evenly spaced values is p itself.
    assert percentiles_ms([float(n) for n in range(101)]) == {"p50": 50, "p90": 90, "p99": 99}
    # Of 10 and 20, p90 is nine tenths of the way.
    assert percentiles_ms([20.0, 10.0]) == {"p50": 15.0, "p90": 19.0, "p99": 19.9}
    assert percentiles_ms([7.0]) == {"p50": 7.0, "p90": 7.0, "p99": 7.0}
    assert percentiles_ms([]) is None


def test_lost_questions_and_lost_answers_are_told_apart() -> None:
    # Ten asked. Numbers 2 and 5 never arrived; the answer to 4 was lost; 8 and 9 are unknown.
    received = {0: 1, 1: 2, 3: 3, 6: 5, 7: 6}
    echoes = [Echo(0.0, 9.0 if n in received else None, received.get(n)) for n in range(10)]
    loss = loss_by_way(echoes)
    assert (loss.up, loss.up_of) == (2, 8)
    assert (loss.down, loss.down_of) == (1, 6)
    assert (loss.asked, loss.answered, loss.unplaced) == (10, 5, 2)
    assert loss.shown()["loss_up"] == 0.25
    assert loss.shown()["loss_down"] == pytest.approx(1 / 6, abs=1e-6)


@pytest.mark.parametrize("received", [1, 4, None])
def test_a_server_that_counts_what_cannot_be_tells_nothing(received: int | None) -> None:
    # Three asked, two answered: it must have received two or three.
    echoes = [Echo(0.0, 9.0, None), Echo(0.0, None), Echo(0.0, 9.0, received)]
    loss = loss_by_way(echoes)
    assert (loss.up, loss.down) == (None, None)
    assert loss.shown()["loss_up"] is None


def test_what_is_kept_of_a_loaded_echo_is_of_the_window() -> None:
    echoes = [
        Echo(1.0, 5.0, 1),
        Echo(2.0, 50.0, 2),
        Echo(2.5, None),
        Echo(3.0, 70.0, 3),
        Echo(3.5, 75.0, 4),
    ]
    kept = loaded_record(echoes, 2.0, 3.5)
    assert (kept["asked_in_window"], kept["answered_in_window"]) == (4, 3)
    assert kept["percentiles_ms"]["p50"] == 70.0
    assert kept["jitter_ms"] == 5.0
    assert kept["session"]["loss_up"] == 0.2
    assert kept["session"]["loss_down"] == 0.0


def test_loaded_latency_is_of_the_window_only() -> None:
    echoes = [Echo(1.0, 5.0), Echo(2.0, 50.0), Echo(2.5, None), Echo(3.0, 70.0), Echo(9.0, 5.0)]
    assert loaded_rtt_ms(echoes, 2.0, 3.0) == 60.0
    assert loaded_rtt_ms(echoes, 4.0, 5.0) is None


def test_a_server_with_the_echo_is_asked_by_udp(
    target: Callable[[int], Target], family: int
) -> None:
    far = target(family)
    address = reach(far, QUICK)
    offer = ask_offer(far, address, QUICK)
    assert offer
    latency = measure_idle(far, address, offer.token, limits=QUICK)
    assert latency.record["method"] == "udp_echo"
    assert latency.record["asked"] >= 10
    assert latency.loss_ratio == 0.0
    assert 0 < latency.rtt_ms < 100


def test_a_server_without_the_echo_is_timed_by_handshakes_and_loss_is_unknown(
    far_end: Callable[[Callable[[socket.socket], None]], Target],
) -> None:
    def not_found(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    far = far_end(not_found)
    address = reach(far, QUICK)
    assert ask_offer(far, address, QUICK) is None
    latency = measure_idle(far, address, None, limits=QUICK)
    assert latency.record["method"] == "tcp_handshake"
    assert latency.record["asked"] >= 10
    assert latency.loss_ratio is None
    assert latency.rtt_ms > 0


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"token":"00"}',
        b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + "²".encode("latin-1") + b"\r\n\r\n{}",
    ],
)
def test_a_strange_offer_is_no_offer(
    reply: bytes, far_end: Callable[[Callable[[socket.socket], None]], Target]
) -> None:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(reply)

    far = far_end(script)
    assert ask_offer(far, reach(far, QUICK), QUICK) is None


@contextmanager
def udp_far_end(answers: Callable[[bytes, int], list[bytes]]) -> Iterator[Address]:
    """Answer questions as a test says, given each question and its place in the order."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.05)
        stopping = threading.Event()

        def serve() -> None:
            seen = 0
            while not stopping.is_set():
                try:
                    data, peer = sock.recvfrom(100)
                except OSError:
                    continue
                for reply in answers(data, seen):
                    sock.sendto(reply, peer)
                seen += 1

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Address(4, sock.getsockname())
        finally:
            stopping.set()
            thread.join()


def reply_to(data: bytes, *, received: int = 0, held_us: int = 0) -> bytes:
    return b"psA2" + data[20:32] + struct.pack("!IQI", received, 0, held_us)


def test_every_fifth_question_lost_is_a_loss_of_a_fifth() -> None:
    def answers(data: bytes, place: int) -> list[bytes]:
        return [] if place % 5 == 0 else [reply_to(data)]

    with udp_far_end(answers) as address:
        echoes = ask_echoes(address, TOKEN, probes=20, interval_s=0.005, wait_s=0.2)
    assert [echo.rtt_ms is None for echo in echoes] == [n % 5 == 0 for n in range(20)]


def test_a_delay_of_the_far_end_is_in_the_round_trip() -> None:
    def answers(data: bytes, place: int) -> list[bytes]:
        time.sleep(0.02)
        return [reply_to(data)]

    with udp_far_end(answers) as address:
        echoes = ask_echoes(address, TOKEN, probes=10, interval_s=0.05, wait_s=2)
    # A busy machine only ever adds to it.
    assert 20 <= summarise(echoes, method="udp_echo").rtt_ms < 120


def test_forged_doubled_and_unasked_answers_count_for_nothing() -> None:
    def answers(data: bytes, place: int) -> list[bytes]:
        forged = b"psA2" + bytes(8) + reply_to(data)[12:]
        unasked = reply_to(data[:28] + (10_000).to_bytes(4, "big"))
        return [forged, b"", b"x" * 64, unasked] + ([reply_to(data)] * 3 if place else [])

    with udp_far_end(answers) as address:
        echoes = ask_echoes(address, TOKEN, probes=4, interval_s=0.01, wait_s=0.1)
    assert [echo.rtt_ms is None for echo in echoes] == [True, False, False, False]


def test_an_answer_is_for_its_nonce_only() -> None:
    asked = bytes(20) + b"nonce678" + b"\0\0\0\7"
    read = read_full_answer(reply_to(asked), b"nonce678")
    assert read is not None
    assert read.number == 7
    assert read_full_answer(reply_to(asked), b"other678") is None


def test_what_the_far_end_held_is_taken_off_the_round_trip() -> None:
    def answers(data: bytes, place: int) -> list[bytes]:
        time.sleep(0.03)
        return [reply_to(data, held_us=20_000)]

    with udp_far_end(answers) as address:
        echoes = ask_echoes(address, TOKEN, probes=10, interval_s=0.06, wait_s=2)
    assert 10 <= summarise(echoes, method="udp_echo").rtt_ms < 110


def test_a_far_end_cannot_hold_a_question_for_longer_than_everything_took() -> None:
    def answers(data: bytes, place: int) -> list[bytes]:
        return [reply_to(data, held_us=3_600_000_000)]

    with udp_far_end(answers) as address:
        echoes = ask_echoes(address, TOKEN, probes=5, interval_s=0.01, wait_s=0.3)
    assert all(echo.rtt_ms is not None and echo.rtt_ms > 0 for echo in echoes)


def test_a_wall_clock_that_is_set_meanwhile_makes_no_round_trip_negative(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    true_ns = time.time_ns
    monkeypatch.setattr("phusong.probes.echo_session.time.time_ns", lambda: true_ns() + 10**12)
    with udp_far_end(lambda data, place: [reply_to(data)]) as address:
        echoes = ask_echoes(address, TOKEN, probes=5, interval_s=0.01, wait_s=0.3)
    assert all(echo.rtt_ms is not None and 0 < echo.rtt_ms < 1000 for echo in echoes)


def test_the_wait_for_lost_answers_is_short_where_the_others_were_quick() -> None:
    started = time.monotonic()
    with udp_far_end(lambda data, place: [reply_to(data)] if place else []) as address:
        ask_echoes(address, TOKEN, probes=3, interval_s=0.01, wait_s=30)
    assert time.monotonic() - started < 10


def test_an_echo_that_answers_nothing_falls_back_and_says_so(
    far_end: Callable[[Callable[[socket.socket], None]], Target],
) -> None:
    far = far_end(lambda connection: None)
    address = reach(far, QUICK)
    latency = measure_idle(far, address, TOKEN, wait_s=0.1, limits=QUICK)
    assert latency.record["method"] == "tcp_handshake"
    assert latency.record["udp_echo"].startswith("0 of ")


def test_a_loaded_echo_without_a_far_end_harms_nothing() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        address = Address(4, sock.getsockname())
    with LoadedEcho(address, TOKEN, at_most_s=1) as loaded:
        time.sleep(0.1)
    assert loaded_rtt_ms(loaded.echoes, 0, 1e12) is None
