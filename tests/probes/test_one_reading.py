"""One reading for all: what every engine tells, in the same words."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from phusong import __version__
from phusong.data.sample import Outcome, Sample
from phusong.probes import speed
from phusong.probes.connection import reach
from phusong.probes.engines.ceiling import Ceiling
from phusong.probes.engines.iperf3 import Iperf3
from phusong.probes.engines.librespeed import LibreSpeed
from phusong.probes.engines.multistream import Multistream
from phusong.probes.engines.ndt7 import Ndt7
from phusong.probes.engines.registry import ENGINES
from phusong.probes.engines.speedtest_cli import SpeedtestCli
from phusong.probes.interface import Address, Engine, Limits, Target
from phusong.probes.server.limits import ServerLimits
from phusong.probes.server.service import MeasurementServer
from phusong.probes.speed import measure_visit

LIMITS = Limits(duration_s=1.5, max_bytes=10**12, width=None)
CEILING = Ceiling(down_mbps=1e6, up_mbps=1e6, version=__version__, boot_id=None)
OURS = {"ndt7": Ndt7(), "multistream": Multistream(2), "librespeed": LibreSpeed(2)}
# Of what we count ourselves, all of this is in each direction's record.
WHOLE = {
    "counter",
    "formula",
    "mbps",
    "batches",
    "series",
    "window_s",
    "window_bytes",
    "payload_bytes",
    "wire_bytes",
    "elapsed_s",
    "stopped_by",
    "flows",
    "congestion_control",
    "tcp",
    "cpu_share",
    "busy_share",
}
OUR_END = {
    "min_rtt_ms",
    "rtt_ms",
    "bytes_retrans",
    "cwnd_segments",
    "busy_ms",
    "rwnd_limited_ms",
    "sndbuf_limited_ms",
    "mss_bytes",
    "path_mtu_bytes",
}
# Of other people's programs, what they tell.
LEAST = {"formula", "mbps", "payload_bytes", "flows", "elapsed_s", "cpu_share"}


@pytest.fixture(scope="module")
def far() -> Iterator[MeasurementServer]:
    with MeasurementServer(limits=ServerLimits(runtime_s=5)) as running:
        yield running


def visit(url: str, engine: Engine) -> tuple[Sample, dict[str, Any]]:
    schemes = ENGINES[engine.name].schemes
    sample = measure_visit(
        Target.parse(url, schemes=schemes, allow_private=True),
        probe="p",
        started_at=datetime(2026, 7, 1, tzinfo=UTC),
        limits=LIMITS,
        engine=engine,
        ceiling=lambda: CEILING,
    )
    assert sample.outcome is Outcome.OK, sample
    record: dict[str, Any] = json.loads(sample.source.record or "")
    return sample, record


def phases(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {phase["phase"]: phase for phase in record["phases"]}


@pytest.mark.parametrize("name", OURS)
def test_an_engine_of_ours_tells_everything(name: str, far: MeasurementServer) -> None:
    url = far.url(4) if name != "librespeed" else far.url(4).replace("ws", "http")
    sample, record = visit(url, OURS[name])
    reading = sample.reading
    assert reading
    assert reading.down_mbps is not None
    assert reading.up_mbps is not None
    assert None not in (reading.bytes_down, reading.bytes_up, reading.rtt_idle_ms)
    assert None not in (reading.jitter_ms, reading.loss_ratio, reading.near_ceiling)
    assert None not in (reading.loss_up_ratio, reading.loss_down_ratio, reading.rtt_loaded_ms)
    assert (sample.engine, sample.engine_version, sample.family) == (name, __version__, 4)
    assert sample.duration_s
    assert record["ceiling"]["down_mbps"] == 1_000_000
    for direction in ("download", "upload"):
        seen = phases(record)[direction]
        assert set(seen) >= WHOLE, (direction, WHOLE - set(seen))
        ends = seen["tcp"] if isinstance(seen["tcp"], list) else [seen["tcp"]]
        assert len(ends) == seen["flows"]
        assert all(set(end) >= OUR_END for end in ends)
        assert len(seen["series"]["bytes"]) <= 500
        # Eight batches are the least for an interval; a busy machine may not get as far here.
        way = "down" if direction == "download" else "up"
        bounds = (getattr(reading, f"{way}_low_mbps"), getattr(reading, f"{way}_high_mbps"))
        assert (None not in bounds) is (seen["batches"] >= 8)
        # The far end's, where it tells: ndt7 in its measurements, ours in receipts.
        if name == "ndt7":
            assert seen["server"]["TCPInfo"]["MinRTT"] >= 0
        if name == "multistream":
            assert seen["server_congestion_control"]
        if name != "librespeed":
            assert seen["receipt"]["agrees"] is True
            assert seen["receipt"]["receipt"]["min_rtt_us"] >= 0


def iperf3_server() -> tuple[subprocess.Popen[str], int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["iperf3", "-s", "-p", str(port), "-B", "127.0.0.1", "--forceflush"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    while "listening" not in process.stdout.readline():
        pass
    return process, port


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("iperf3"), reason="iperf3 is not installed")
def test_iperf3_tells_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    process, port = iperf3_server()

    def reach_and_wait(target: Target, limits: Limits) -> Address:
        found = reach(target, limits)
        # The connection that only looks for the server is a broken client to iperf3, for a moment.
        time.sleep(0.5)
        return found

    monkeypatch.setattr(speed, "reach", reach_and_wait)
    try:
        sample, record = visit(f"iperf3://127.0.0.1:{port}", Iperf3())
    finally:
        process.kill()
        process.communicate()
    tells(sample, record)
    for direction in ("download", "upload"):
        seen = phases(record)[direction]
        assert {"congestion_control", "retransmits", "series", "tool_version"} <= set(seen)
        assert seen["tool_version"].startswith("iperf 3")
        assert sum(seen["series"]["bytes"]) > 0


@pytest.mark.slow
def test_speedtest_cli_tells_what_it_knows(far: MeasurementServer) -> None:
    sample, record = visit(far.url(4).replace("ws", "http"), SpeedtestCli())
    tells(sample, record)
    assert sample.reading
    assert sample.reading.rtt_idle_ms is not None


def tells(sample: Sample, record: dict[str, Any]) -> None:
    reading = sample.reading
    assert reading
    assert None not in (reading.down_mbps, reading.up_mbps, reading.bytes_down, reading.bytes_up)
    # What it does not know is unknown, and not zero.
    assert (reading.down_low_mbps, reading.loss_ratio, reading.rtt_loaded_ms) == (None, None, None)
    assert reading.near_ceiling is not None
    assert sample.engine_version
    for direction in ("download", "upload"):
        assert set(phases(record)[direction]) >= LEAST


def test_every_engine_is_in_this_list() -> None:
    assert {*OURS, "iperf3", "speedtest-cli"} == set(ENGINES)
