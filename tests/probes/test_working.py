"""Latency under load: one sample of both directions, and the command that keeps it."""

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from phusong.data.sample import Kind, Outcome, Sample
from phusong.probes.bufferbloat import CONGESTION, measure_bufferbloat
from phusong.probes.connection import reach
from phusong.probes.interface import AttemptError, Limits, Target
from phusong.probes.offer import ask_offer
from phusong.probes.responsiveness import FORMULA, Parameters
from phusong.probes.working import DIRECTIONS, measure_under_load

from .conftest import read_head

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
LIMITS = Limits(connect_s=1, handshake_s=1, stall_s=2, max_bytes=10**12)
SHORT = Parameters(mad=2, id_s=0.2, at_most_s=0.8, mnp=2)


def test_both_directions_make_one_sample(target: Callable[[int], Target], family: int) -> None:
    phases: list[str] = []
    sample, seen = measure_under_load(
        target(family),
        probe="p",
        started_at=NOW,
        load_s=0.6,
        parameters=SHORT,
        limits=LIMITS,
        on_phase=phases.append,
    )
    assert (sample.kind, sample.outcome, sample.family) == (Kind.LATENCY, Outcome.OK, family)
    assert list(seen.bloat) == list(seen.responsiveness) == list(DIRECTIONS)
    assert len(phases) == 5
    reading = sample.reading
    assert reading
    assert reading.rtt_idle_ms
    assert reading.rtt_loaded_ms == pytest.approx(
        max(each.rtt_loaded_ms for each in seen.bloat.values()), rel=1e-5
    )
    assert reading.loss_ratio == 0
    assert reading.down_mbps is None
    assert Sample.from_body(sample.body()) == sample
    record = json.loads(sample.source.record or "")
    for direction in DIRECTIONS:
        bloat, rpm = record[direction]["bufferbloat"], record[direction]["responsiveness"]
        assert bloat["congestion_asked"] == CONGESTION
        assert set(bloat["loaded"]["percentiles_ms"]) == {"p50", "p90", "p99"}
        assert rpm["formula"] == FORMULA
        assert rpm["departs_from_draft"] == {"id_s": 5.0}
        assert rpm["rpm"] == pytest.approx((rpm["foreign_rpm"] + rpm["loaded_rpm"]) / 2, abs=0.1)


def test_a_server_that_is_not_ours_is_a_failed_sample(
    far_end: Callable[[Callable[[socket.socket], None]], Target],
) -> None:
    def not_found(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    sample, seen = measure_under_load(far_end(not_found), probe="p", started_at=NOW, limits=LIMITS)
    assert (sample.outcome, sample.reason) == (Outcome.PROTOCOL_ERROR, "connect_no_offer")
    assert sample.reading is None
    assert not seen.bloat


def test_without_the_echo_under_load_there_is_no_bufferbloat(
    target: Callable[[int], Target],
) -> None:
    far = target(4)
    address = reach(far, LIMITS)
    assert ask_offer(far, address, LIMITS)
    with pytest.raises(AttemptError) as caught:
        measure_bufferbloat(far, address, bytes(16), "download", load_s=0.5)
    assert caught.value.reason == "no_echo"


def test_the_command_keeps_what_it_measured_and_says_that_nobody_answered(
    phusong: Callable[..., object],
) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{sock.getsockname()[1]}"
        done = phusong("probe", "responsiveness", "--server", url, "--allow-private")
    assert done.code == 1
    assert "refused" in done.err
    private = phusong("probe", "responsiveness", "--server", url)
    assert (private.code, "say --allow-private" in private.err) == (1, True)
    kept = phusong("probe", "responsiveness", "--server", url, "--allow-private", "--json")
    assert kept.code == 1
    assert json.loads(kept.out)["outcome"] == "refused"
