"""Responsiveness: the draft's figures, worked by hand, and the test against a server of ours."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from phusong.data.sample import Outcome
from phusong.probes.connection import reach
from phusong.probes.interface import Address, AttemptError, Limits, Target
from phusong.probes.responsiveness import (
    FORMULA,
    Confidence,
    NetworkQuality,
    Parameters,
    ask_network_quality,
    confidence_of,
    is_stable,
    measure_responsiveness,
    moving_averages,
    rpm_of,
    trimmed_mean,
)
from phusong.probes.working_load import ForeignProbe

from .conftest import read_head

LIMITS = Limits(duration_s=1, connect_s=1, handshake_s=1, stall_s=2)
SHORT = Parameters(mad=2, id_s=0.3, at_most_s=1.5, mnp=3, sdt=0.0)
LAX = Parameters(mad=2, id_s=0.3, at_most_s=20, mnp=2, sdt=1000.0)


def probes(count: int, tcp: float, tls: float | None, http: float) -> list[ForeignProbe]:
    return [ForeignProbe(0.0, tcp, tls, http)] * count


def test_the_trimmed_mean_leaves_out_the_highest_twentieth() -> None:
    # Of 1 to 20 the 20 goes: 190 / 19. Of 19 times, a twentieth is less than one.
    assert trimmed_mean([float(n) for n in range(20, 0, -1)]) == 10.0
    assert trimmed_mean([1.0] * 18 + [20.0]) == 2.0
    assert trimmed_mean([5.0]) == 5.0
    assert trimmed_mean([1.0] * 38 + [999.0] * 2) == 1.0


def test_with_tls_three_steps_weigh_alike() -> None:
    # (20 + 30 + 40) / 3 = 30 ms: 2000 a minute; self 60 ms: 1000; the mean 1500.
    rpm = rpm_of(probes(5, 20.0, 30.0, 40.0), [60.0] * 5)
    assert rpm
    assert (rpm.foreign, rpm.loaded, rpm.rpm) == pytest.approx((2000, 1000, 1500))


def test_without_tls_two_steps_weigh_alike_and_no_zero_stands_in() -> None:
    # (20 + 40) / 2 = 30 ms.
    rpm = rpm_of(probes(5, 20.0, None, 40.0), [60.0])
    assert rpm
    assert (rpm.foreign, rpm.loaded, rpm.rpm) == pytest.approx((2000, 1000, 1500))


def test_without_probes_of_one_kind_there_is_no_figure() -> None:
    assert rpm_of([], [60.0]) is None
    assert rpm_of(probes(1, 1.0, None, 1.0), []) is None


def test_stable_is_a_deviation_of_less_than_a_twentieth_of_the_last() -> None:
    # Of 96, 100, 104, 100 the population's standard deviation is sqrt(8) = 2.83: under 5.
    assert is_stable([1.0, 96.0, 100.0, 104.0, 100.0])
    # Of 90, 110, 90, 110 it is 10, over 5.5.
    assert not is_stable([90.0, 110.0, 90.0, 110.0])
    assert not is_stable([100.0, 100.0, 100.0])
    assert not is_stable([0.0, 0.0, 0.0, 0.0])


def test_a_moving_average_begins_with_the_first_whole_window() -> None:
    assert moving_averages([1.0, 2.0, 3.0, 4.0, 9.0]) == [2.5, 4.5]
    assert moving_averages([1.0, 2.0, 3.0]) == []


@pytest.mark.parametrize(
    ("intervals", "stable", "expected"),
    [(3, False, "low"), (4, False, "medium"), (9, False, "medium"), (4, True, "high")],
)
def test_confidence_is_the_drafts(intervals: int, stable: bool, expected: str) -> None:
    assert confidence_of(intervals, mad=4, stable=stable) == expected


class NqServer:
    """A small server of ``.well-known/nq``; `delay_s` holds every small object back."""

    def __init__(self, *, delay_s: float = 0.0, elsewhere: str = "", break_after: int = 0) -> None:
        self.delay_s = delay_s
        self.elsewhere = elsewhere
        self.break_after = break_after
        self.loads = 0
        self.stopping = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def target(self) -> Target:
        return Target(host="127.0.0.1", port=self.port, allow_private=True)

    def accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(3)
            method, path, _ = read_head(connection).split(b" ", 2)
            if path == b"/.well-known/nq":
                base = self.elsewhere or f"http://127.0.0.1:{self.port}"
                urls = {"large_download": "/l", "small_download": "/s", "upload": "/u"}
                body = json.dumps(
                    {"version": 1, "urls": {f"{k}_url": base + v for k, v in urls.items()}}
                ).encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
                connection.sendall(body)
            elif path == b"/s":
                time.sleep(self.delay_s)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
            else:
                self.loads += 1
                self.carry(connection, upload=method == b"POST")

    def carry(self, connection: socket.socket, *, upload: bool) -> None:
        if self.break_after and self.loads >= self.break_after:
            connection.sendall(b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n")
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not self.stopping.is_set():
            # Slow enough for a machine that runs other tests at the same time.
            time.sleep(0.002)
            if upload:
                connection.recv(65536)
            else:
                connection.sendall(bytes(20_000))

    def close(self) -> None:
        self.stopping.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def nq_server() -> Iterator[Callable[..., NqServer]]:
    running: list[NqServer] = []

    def start(**wishes: object) -> NqServer:
        running.append(NqServer(**wishes))  # type: ignore[arg-type]
        return running[-1]

    yield start
    for server in running:
        server.close()


def test_a_server_of_ours_says_where_its_objects_are(
    target: Callable[[int], Target], family: int
) -> None:
    far = target(family)
    quality = ask_network_quality(far, reach(far, LIMITS), LIMITS)
    assert all(path.startswith("/") for path in (quality.large, quality.small, quality.upload))


def test_parameters_that_are_not_the_drafts_are_named_with_the_drafts_own() -> None:
    assert Parameters().departs_from_draft() == {"id_s": 5.0}
    drafts = Parameters.of_interval(5.0)
    assert (drafts.id_s, drafts.at_most_s) == (5.0, 100.0)
    assert drafts.departs_from_draft() == {}
    assert Parameters.of_interval(1.0) == Parameters()


@pytest.mark.parametrize("direction", ["download", "upload"])
def test_a_server_of_ours_is_measured_each_way(
    target: Callable[[int], Target], direction: str
) -> None:
    far = target(4)
    seen = measure_responsiveness(
        far, reach(far, LIMITS), direction, limits=LIMITS, parameters=SHORT
    )
    assert seen.direction == direction
    assert seen.rpm == pytest.approx((seen.foreign_rpm + seen.loaded_rpm) / 2)
    assert seen.rpm > 10
    assert seen.goodput_mbps > 1
    assert seen.record["formula"] == FORMULA
    assert seen.record["parameters"]["mad"] == 2
    assert seen.record["connections"] >= 1
    assert len(seen.record["times_ms"]["tcp_f"]) >= 1


def test_what_never_settles_ends_in_time_with_medium_confidence(
    nq_server: Callable[..., NqServer],
) -> None:
    server = nq_server()
    started = time.monotonic()
    seen = measure_responsiveness(
        server.target,
        Address(4, ("127.0.0.1", server.port)),
        "download",
        limits=LIMITS,
        parameters=SHORT,
    )
    assert time.monotonic() - started < 10
    assert seen.record["stopped_by"] == "duration"
    assert seen.goodput_confidence is Confidence.MEDIUM
    assert seen.confidence is Confidence.LOW


def test_what_settles_stops_by_itself_and_connections_grow_to_the_most(
    nq_server: Callable[..., NqServer],
) -> None:
    server = nq_server()
    address = Address(4, ("127.0.0.1", server.port))
    seen = measure_responsiveness(server.target, address, "upload", limits=LIMITS, parameters=LAX)
    assert seen.record["stopped_by"] == "stable"
    assert (seen.goodput_confidence, seen.confidence) == (Confidence.HIGH, Confidence.HIGH)
    assert server.loads == 2


def test_what_the_server_holds_back_is_in_the_foreign_figure_only(
    nq_server: Callable[..., NqServer],
) -> None:
    server = nq_server(delay_s=0.2)
    address = Address(4, ("127.0.0.1", server.port))
    seen = measure_responsiveness(
        server.target, address, "download", limits=LIMITS, parameters=SHORT
    )
    # 200 ms of HTTP and next to nothing of TCP: at most 60000 / 100.
    assert seen.foreign_rpm <= 600
    assert seen.loaded_rpm > seen.foreign_rpm


def test_the_budget_ends_it(nq_server: Callable[..., NqServer]) -> None:
    server = nq_server()
    address = Address(4, ("127.0.0.1", server.port))
    seen = measure_responsiveness(
        server.target,
        address,
        "download",
        limits=replace(LIMITS, max_bytes=100_000),
        parameters=replace(LAX, sdt=0.0),
    )
    assert seen.record["stopped_by"] == "budget"
    assert seen.goodput_confidence is Confidence.LOW


def test_a_connection_that_breaks_is_no_responsiveness(
    nq_server: Callable[..., NqServer],
) -> None:
    server = nq_server(break_after=2)
    address = Address(4, ("127.0.0.1", server.port))
    with pytest.raises(AttemptError) as caught:
        measure_responsiveness(server.target, address, "download", limits=LIMITS, parameters=LAX)
    assert caught.value.outcome is Outcome.SERVER_ERROR


@pytest.mark.parametrize(
    "base", ["http://10.0.0.1:80", "https://127.0.0.1", "http://127.0.0.1:1", "file://", "gopher:"]
)
def test_a_server_cannot_send_the_load_elsewhere(
    base: str, nq_server: Callable[..., NqServer]
) -> None:
    server = nq_server(elsewhere=base)
    address = Address(4, ("127.0.0.1", server.port))
    with pytest.raises(AttemptError) as caught:
        ask_network_quality(server.target, address, LIMITS)
    assert caught.value.outcome is Outcome.PROTOCOL_ERROR


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"urls": 1}',
        b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"version": 2}',
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_strange_offer_is_a_failure_with_a_reason(
    reply: bytes, far_end: Callable[[Callable[[socket.socket], None]], Target]
) -> None:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(reply)

    far = far_end(script)
    with pytest.raises(AttemptError) as caught:
        ask_network_quality(far, Address(4, (far.host, far.port)), LIMITS)
    assert caught.value.reason


def test_paths_keep_their_query(nq_server: Callable[..., NqServer]) -> None:
    server = nq_server()
    server.elsewhere = f"http://127.0.0.1:{server.port}/a?b="
    quality = ask_network_quality(server.target, Address(4, ("127.0.0.1", server.port)), LIMITS)
    assert quality == NetworkQuality("/a?b=/l", "/a?b=/s", "/a?b=/u")
