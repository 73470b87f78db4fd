"""ndt7 between our client and our server, over real sockets."""

import socket
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from phusong.data.sample import Outcome
from phusong.probes.connection import reach
from phusong.probes.engines import estimate, transfer
from phusong.probes.engines.ndt7 import Ndt7
from phusong.probes.engines.tcp_info import TcpInfo
from phusong.probes.interface import AttemptError, Limits, Target
from phusong.probes.server.exchange import FinishedTest
from phusong.probes.server.service import MeasurementServer

LONG = Limits(duration_s=1.8, max_bytes=10**12)
FEW = 30_000_000


@pytest.fixture
def may_end_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server end a test first, so that every byte that it sent arrives."""
    monkeypatch.setattr(transfer, "COMPLETE_SHARE", 0.3)


def no_kernel(sock: socket.socket) -> TcpInfo | None:
    return None


def finished(server: MeasurementServer) -> FinishedTest:
    """Give the test that the server has just counted."""
    until = time.monotonic() + 5
    while not server.finished and time.monotonic() < until:
        time.sleep(0.01)
    return server.finished.pop()


@pytest.mark.usefixtures("may_end_early")
def test_a_download_is_the_bytes_that_the_server_sent(
    server: MeasurementServer, target: Callable[[int], Target], family: int
) -> None:
    far = target(family)
    result = Ndt7().download(far, reach(far, LONG), LONG)
    seen = finished(server)
    assert (seen.direction, seen.family, seen.ended) == ("download", family, "time")
    # The server ends it and all arrives: not one byte may be missing.
    assert result.bytes_moved == seen.sent_bytes > 1_000_000
    assert result.record["stopped_by"] == "peer"
    # On a busy machine the second is not all alike; a wrong unit would be a factor of 8 off.
    assert 0.2 < result.mbps / (8e-6 * seen.sent_bytes / seen.seconds) < 5


def test_an_upload_is_the_bytes_that_the_server_received(
    server: MeasurementServer, target: Callable[[int], Target], family: int
) -> None:
    far = target(family)
    limits = Limits(duration_s=0.8, max_bytes=10**12)
    result = Ndt7().upload(far, reach(far, limits), limits)
    seen = finished(server)
    assert (seen.direction, seen.family) == ("upload", family)
    assert result.record["counter"] in ("kernel_bytes_delivered", "server_bytes_received")
    # What was on its way when the client left may still have arrived.
    assert 0.9 * seen.received_bytes < result.bytes_moved <= 1.001 * seen.received_bytes
    # Over a busy machine's loopback the ramp may hold most of the time.
    assert 0.2 < result.mbps / (8e-6 * seen.received_bytes / seen.seconds) < 5


@pytest.mark.usefixtures("may_end_early")
def test_without_the_kernel_the_application_counts_a_download(
    server: MeasurementServer, target: Callable[[int], Target]
) -> None:
    far = target(4)
    result = Ndt7(no_kernel).download(far, reach(far, LONG), LONG)
    assert result.record["counter"] == "bytes_read"
    assert result.bytes_moved == finished(server).sent_bytes


def test_without_the_kernel_the_server_counts_an_upload() -> None:
    limits = Limits(duration_s=2, max_bytes=10**12)
    with MeasurementServer() as server:
        far = Target.parse(server.url(4), allow_private=True)
        result = Ndt7(no_kernel).upload(far, reach(far, limits), limits)
        assert result.record["counter"] == "server_bytes_received"
        assert 0 < result.bytes_moved <= finished(server).received_bytes * 1.001


def test_a_test_ends_at_its_data_budget() -> None:
    limits = Limits(duration_s=10, max_bytes=FEW)
    with MeasurementServer() as server:
        far = Target.parse(server.url(4), allow_private=True)
        try:
            result = Ndt7().download(far, reach(far, limits), limits)
        except AttemptError as error:
            # A machine that moves the budget in a tenth of a second learns no speed from it.
            assert (error.outcome, error.reason) == (Outcome.CANCELLED, "budget_spent")
            moved = error.record["payload_bytes"]
        else:
            assert result.record["stopped_by"] == "budget"
            moved = result.bytes_moved
    assert FEW <= moved < FEW + (1 << 22)


def test_a_budget_too_small_for_a_speed_gives_none(target: Callable[[int], Target]) -> None:
    far = target(4)
    limits = Limits(duration_s=10, max_bytes=100_000)
    with pytest.raises(AttemptError) as ended:
        Ndt7().upload(far, reach(far, limits), limits)
    assert (ended.value.outcome, ended.value.reason) == (Outcome.CANCELLED, "budget_spent")


def test_the_record_names_counter_ramp_and_points_and_not_our_address(
    target: Callable[[int], Target],
) -> None:
    far = target(4)
    limits = Limits(duration_s=0.7, max_bytes=10**12)
    result = Ndt7().download(far, reach(far, limits), limits)
    record = result.record
    assert record["formula"] == "tapered_mean_after_ramp_v3"
    assert record["series"]["first_ms"] < 50
    assert record["flows"] == 1
    assert 0 < record["cpu_share"] <= record["busy_share"] < 1.5
    assert set(record["server"]) <= {"AppInfo", "TCPInfo"}
    assert "127.0.0.1" not in str(record)
    assert 0.3 * record["elapsed_s"] <= result.end_s - result.start_s <= record["elapsed_s"]


def test_a_test_ends_when_the_rate_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "_SHORTEST_S", 1.0)
    limits = Limits(duration_s=9, max_bytes=10**12, width=1000.0)
    with MeasurementServer() as server:
        far = Target.parse(server.url(4), allow_private=True)
        result = Ndt7().download(far, reach(far, limits), limits)
        assert finished(server).seconds < limits.duration_s
    assert result.record["stopped_by"] == "enough"
    assert result.record["elapsed_s"] < limits.duration_s
    assert result.low_mbps is not None
    assert result.high_mbps is not None
    assert result.low_mbps <= result.mbps <= result.high_mbps


def test_nobody_listening_is_refused() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        far = Target(host="127.0.0.1", port=sock.getsockname()[1], allow_private=True)
        with pytest.raises(ConnectionRefusedError):
            reach(far, LONG)


def test_a_listener_that_never_accepts_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        waiting = []
        for _ in range(8):
            filler = socket.socket()
            filler.settimeout(0)
            filler.connect_ex(sock.getsockname())
            waiting.append(filler)
        time.sleep(0.05)
        far = Target(host="127.0.0.1", port=sock.getsockname()[1], allow_private=True)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            reach(far, replace(LONG, connect_s=0.3))
        assert time.monotonic() - started < 1
        for filler in waiting:
            filler.close()
