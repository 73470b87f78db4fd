"""One visit, one sample."""

import json
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from phusong import __version__
from phusong.data.sample import Outcome, Position, Radio, Sample
from phusong.probes.connection import SMALL_SEGMENT_BYTES
from phusong.probes.engines.ceiling import Ceiling
from phusong.probes.engines.ndt7 import Ndt7
from phusong.probes.engines.websocket import Opcode, header
from phusong.probes.interface import (
    Address,
    AttemptError,
    Limits,
    Target,
    Throughput,
    attempt,
    failure_of,
)
from phusong.probes.speed import PHASES, boot_id, measure_visit

from .conftest import upgrade

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
QUICK = Limits(duration_s=0.5, connect_s=1, handshake_s=0.5, stall_s=0.4, max_bytes=10**12)


def visit(target: Target, **changes: Any) -> Sample:
    return measure_visit(target, **({"probe": "p", "started_at": NOW, "limits": QUICK} | changes))


def phases_of(sample: Sample) -> dict[str, dict[str, Any]]:
    assert sample.source.record
    return {report["phase"]: report for report in json.loads(sample.source.record)["phases"]}


class Breaking(Ndt7):
    """Measure truly, except for an upload that ends as a test says."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def upload(self, target: Target, address: Address, limits: Limits) -> Throughput:
        raise self.error


def test_a_visit_measures_everything_over_the_family_asked(
    target: Callable[[int], Target], family: int
) -> None:
    position, radio = Position(lon=105.8, lat=21.0), Radio(operator="Sim A")
    seen: list[str] = []
    sample = visit(target(family), position=position, radio=radio, on_phase=seen.append)
    assert seen == list(PHASES)
    assert (sample.outcome, sample.reason, sample.family) == (Outcome.OK, None, family)
    reading = sample.reading
    assert reading
    assert reading.down_mbps
    assert reading.up_mbps
    assert min(reading.down_mbps, reading.up_mbps) > 10
    assert reading.rtt_idle_ms
    assert reading.rtt_loaded_ms
    assert reading.jitter_ms is not None
    assert reading.loss_ratio == 0.0
    assert reading.bytes_down
    assert reading.bytes_up
    assert (sample.engine, sample.engine_version) == ("multistream", __version__)
    assert reading.near_ceiling is not None
    assert reading.loss_up_ratio == reading.loss_down_ratio == 0.0
    assert (sample.position, sample.radio, sample.started_at) == (position, radio, NOW)
    assert sample.server == target(family).url
    assert not sample.simulated
    assert sample.duration_s
    assert 1.0 < sample.duration_s < 6
    assert Sample.from_body(sample.body()) == sample


@pytest.mark.parametrize(
    ("limit_mbps", "cpu_full", "near"),
    [(150.0, False, True), (1e6, False, False), (None, False, False), (1e6, True, True)],
)
def test_a_figure_of_the_instruments_own_is_marked(
    target: Callable[[int], Target], limit_mbps: float | None, cpu_full: bool, near: bool
) -> None:
    class Known(Breaking):
        def download(self, target: Target, address: Address, limits: Limits) -> Throughput:
            return Throughput(
                mbps=210.0,
                low_mbps=209.9999999,
                high_mbps=210.0000001,
                cpu_full=cpu_full,
                bytes_moved=1,
                start_s=0,
                end_s=1,
                record={},
            )

        upload = download

    def ceiling() -> Ceiling | None:
        if limit_mbps is None:
            return None
        return Ceiling(down_mbps=limit_mbps, up_mbps=1e6, version="1", boot_id=None)

    sample = visit(target(4), engine=Known(TimeoutError()), ceiling=ceiling)
    assert sample.reading
    assert sample.reading.near_ceiling is near
    assert sample.reading.down_low_mbps == sample.reading.down_mbps == 210.0


def test_a_failed_upload_leaves_no_reading_and_loses_nothing(
    target: Callable[[int], Target],
) -> None:
    sample = visit(target(4), engine=Breaking(TimeoutError()))
    assert (sample.outcome, sample.reason) == (Outcome.TIMEOUT, "upload_timeout")
    assert sample.reading is None
    phases = phases_of(sample)
    assert phases["download"]["mbps"] > 10
    assert phases["latency"]["method"] == "udp_echo"
    assert phases["upload"]["outcome"] == "timeout"


def test_a_visit_broken_off_is_cancelled_and_keeps_what_it_has(
    target: Callable[[int], Target],
) -> None:
    sample = visit(target(4), engine=Breaking(KeyboardInterrupt()))
    assert (sample.outcome, sample.reason) == (Outcome.CANCELLED, "upload_cancelled")
    assert phases_of(sample)["download"]["mbps"] > 10


def test_breaking_off_between_two_phases_is_cancelled_too(
    target: Callable[[int], Target],
) -> None:
    def impatient(phase: str) -> None:
        if phase == "download":
            raise KeyboardInterrupt

    sample = visit(target(4), on_phase=impatient)
    assert (sample.outcome, sample.reason) == (Outcome.CANCELLED, "download_cancelled")


def test_a_private_address_is_not_even_tried(target: Callable[[int], Target]) -> None:
    sample = visit(replace(target(4), allow_private=False))
    assert (sample.outcome, sample.reason) == (
        Outcome.ADDRESS_REFUSED,
        "connect_address_refused",
    )


def silent(connection: socket.socket) -> None:
    """Agree to a test, and then say nothing."""
    upgrade(connection)
    time.sleep(3)


def carrying_small(connection: socket.socket) -> None:
    """Carry a test for whoever sends and takes small packets only, as a black hole does."""
    small = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= SMALL_SEGMENT_BYTES
    upgrade(connection)
    while small:
        connection.sendall(header(Opcode.BINARY, 1 << 14) + bytes(1 << 14))
        time.sleep(0.01)
    time.sleep(3)


@pytest.mark.parametrize(
    ("script", "reason", "tried"),
    [
        (silent, "download_opened_then_stalled", "opened_then_stalled"),
        (carrying_small, "download_path_mtu", "through"),
    ],
)
def test_what_opens_and_stalls_is_tried_in_small_packets_to_tell_whose_fault_it_is(
    far_end: Callable[[Callable[[socket.socket], None]], Target],
    script: Callable[[socket.socket], None],
    reason: str,
    tried: str,
) -> None:
    sample = visit(far_end(script), engine=Ndt7())
    assert (sample.outcome, sample.reason) == (Outcome.STALLED, reason)
    assert sample.reading is None
    seen = phases_of(sample)["download"]
    assert seen["in_small_segments"] == tried
    assert "mbps" not in seen


def test_nobody_listening_is_a_refused_sample() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        sample = visit(Target(host="127.0.0.1", port=port, allow_private=True))
    assert (sample.outcome, sample.reason) == (Outcome.REFUSED, "connect_refused")
    assert sample.reading is None


def test_the_family_asked_for_is_named_even_if_nothing_came(
    target: Callable[[int], Target],
) -> None:
    sample = visit(replace(target(4), family=6))
    assert (sample.outcome, sample.family) == (Outcome.DNS_FAILURE, 6)


def test_a_far_end_that_is_no_speed_server_is_an_outcome(
    far_end: Callable[[Callable[[socket.socket], None]], Target],
) -> None:
    sample = visit(far_end(lambda connection: connection.sendall(b"220 mail ready\r\n\r\n")))
    assert (sample.outcome, sample.reason) == (Outcome.PROTOCOL_ERROR, "download_not_http")
    assert phases_of(sample)["latency"]["method"] == "tcp_handshake"


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (TimeoutError(), Outcome.TIMEOUT, "timeout"),
        (ConnectionRefusedError(111, "no"), Outcome.REFUSED, "refused"),
        (ConnectionResetError(104, "no"), Outcome.PROTOCOL_ERROR, "reset"),
        (OSError(101, "Network is unreachable"), Outcome.NO_ROUTE, "no_route"),
        (OSError(113, "No route to host"), Outcome.NO_ROUTE, "no_route"),
        (OSError(99, "Cannot assign requested address"), Outcome.NO_ROUTE, "no_route"),
        (PermissionError(13, "Permission denied"), Outcome.REFUSED, "prohibited"),
        (OSError(24, "Too many open files"), Outcome.DEVICE_ERROR, "device_error"),
        (socket.gaierror(-2, "unknown"), Outcome.DNS_FAILURE, "dns_failure"),
        (MemoryError(), Outcome.DEVICE_ERROR, "device_error"),
        (KeyboardInterrupt(), Outcome.CANCELLED, "cancelled"),
        (AttemptError(Outcome.STALLED, "stalled"), Outcome.STALLED, "stalled"),
    ],
)
def test_an_exception_becomes_its_outcome(
    error: BaseException, outcome: Outcome, reason: str
) -> None:
    failure = failure_of(error)
    assert (failure.outcome, failure.reason) == (outcome, reason)


def test_a_fault_of_ours_is_not_turned_into_an_outcome() -> None:
    with pytest.raises(ZeroDivisionError):
        attempt(lambda: 1 // 0)


def test_a_boot_has_one_name_where_the_system_gives_one() -> None:
    assert boot_id() == boot_id()
