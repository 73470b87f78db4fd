"""The engines that are other people's programs, and which engine is taken."""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phusong.data.errors import ConfigError
from phusong.data.sample import Outcome
from phusong.probes.connection import reach
from phusong.probes.engines import iperf3, load, speedtest_cli
from phusong.probes.engines.ceiling import (
    Ceiling,
    ceiling_of,
    keep_ceiling,
    kept_ceiling,
    measure_ceiling,
)
from phusong.probes.engines.child import run_child
from phusong.probes.engines.iperf3 import Iperf3
from phusong.probes.engines.ndt7 import VERSION
from phusong.probes.engines.registry import ENGINES, default_engine
from phusong.probes.engines.speedtest_cli import SpeedtestCli
from phusong.probes.interface import AttemptError, Limits, Target
from phusong.probes.server.limits import ServerLimits
from phusong.probes.server.service import MeasurementServer
from phusong.probes.visits import make_engine

NOTHING = json.dumps(
    {"end": {"streams": [], "sum_sent": {}, "sum_received": {"bits_per_second": 0, "bytes": 0}}}
).encode()
OVER = "server_overcounts"


def iperf3_said(*, sent: int, received: int, rate: str = "8e7") -> bytes:
    return (
        f'{{"end": {{"streams": [{{"sender": {{}}}}], "sum_sent": {{"bytes": {sent}}},'
        f' "sum_received": {{"bits_per_second": {rate}, "bytes": {received}}}}}}}'
    ).encode()


GOOD = {"bits_per_s": 5e6, "bytes": 6_000_000, "ping_ms": 12.5, "threads": 8}


def said(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def test_what_speedtest_cli_says_is_read() -> None:
    result = speedtest_cli.read_result(said(), 1.0, 2.0)
    assert (result.mbps, result.rtt_ms, result.bytes_moved) == (5.0, 12.5, 6_000_000)


@pytest.mark.parametrize(
    ("output", "outcome", "reason"),
    [
        (said(ping_ms=1_800_000.0), Outcome.TIMEOUT, "ping_failed"),
        (said(ping_ms=600_033.1), Outcome.TIMEOUT, "ping_failed"),
        (said(bits_per_s=0.0, bytes=0), Outcome.STALLED, "zero_speed"),
        (said(bits_per_s=float("inf")), Outcome.STALLED, "zero_speed"),
        (said(bytes=0), Outcome.STALLED, "zero_speed"),
        (said(ping_ms=None), Outcome.TIMEOUT, "ping_failed"),
        (
            said(error="ConfigRetrievalError", said="HTTP Error 403: Forbidden"),
            Outcome.SERVER_ERROR,
            "http_403",
        ),
        # A port may hold the number of a status.
        (
            said(error="SpeedtestMiniConnectFailure", said="http://127.0.0.1:34035"),
            Outcome.REFUSED,
            "no_answer",
        ),
        (said(error="ConfigRetrievalError", said="x"), Outcome.SERVER_ERROR, "no_configuration"),
        (
            said(error="SpeedtestBestServerFailure", said="Unable to connect"),
            Outcome.TIMEOUT,
            "no_answer",
        ),
        (
            said(error="InvalidSpeedtestMiniServer", said="x"),
            Outcome.PROTOCOL_ERROR,
            "no_mini_server",
        ),
        (said(error="ModuleNotFoundError", said="x"), Outcome.DEVICE_ERROR, "tool_missing"),
        (said(error="ZeroDivisionError", said="x"), Outcome.DEVICE_ERROR, "tool_broke"),
        (b"", Outcome.DEVICE_ERROR, "tool_broke"),
        (b"Traceback (most recent call last)", Outcome.DEVICE_ERROR, "tool_broke"),
        (b"[]", Outcome.DEVICE_ERROR, "tool_broke"),
    ],
)
def test_a_fault_of_speedtest_cli_is_an_outcome_and_never_a_number(
    output: bytes, outcome: Outcome, reason: str
) -> None:
    with pytest.raises(AttemptError) as ended:
        speedtest_cli.read_result(output, 1.0, 2.0)
    assert (ended.value.outcome, ended.value.reason) == (outcome, reason)


def test_speedtest_cli_measures_against_our_server_and_asks_nobody_else() -> None:
    limits = Limits(duration_s=1.0, max_bytes=40_000_000)
    with MeasurementServer(limits=ServerLimits(runtime_s=5)) as server:
        url = server.url(4).replace("ws://", "http://")
        far = Target.parse(url, schemes=("http",), allow_private=True)
        engine, address = SpeedtestCli(), reach(far, limits)
        down = engine.download(far, address, limits)
        up = engine.upload(far, address, limits)
    assert min(down.mbps, up.mbps) > 1
    assert 0 < down.bytes_moved < 60_000_000
    assert down.rtt_ms is not None
    assert engine.version == "2.1.3"


def test_speedtest_cli_against_what_is_no_mini_server_is_an_outcome(
    far_end: Callable[[Callable[[socket.socket], None]], Target],
) -> None:
    far = far_end(lambda connection: connection.sendall(b"HTTP/1.1 404 No\r\n\r\n"))
    limits = Limits(duration_s=1.0)
    with pytest.raises(AttemptError) as ended:
        SpeedtestCli().download(far, reach(far, limits), limits)
    assert ended.value.reason in ("no_answer", "no_mini_server")


@pytest.mark.skipif(not shutil.which("iperf3"), reason="iperf3 is not installed")
def test_iperf3_measures_against_iperf3() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        ["iperf3", "-s", "-p", str(port), "-B", "127.0.0.1", "--forceflush"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout
        while "listening" not in server.stdout.readline():
            pass
        far = Target.parse(f"iperf3://127.0.0.1:{port}", schemes=("iperf3",), allow_private=True)
        limits = Limits(duration_s=1.0)
        engine = Iperf3(2)
        address = reach(far, limits)
        # iperf3 takes the connection that only looked for it as a broken client.
        time.sleep(0.5)
        down = engine.download(far, address, limits)
        assert down.mbps > 50
        assert down.record["flows"] == 2
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize(
    ("output", "outcome", "reason"),
    [
        (b'{"error": "unable to connect: Connection refused"}', Outcome.REFUSED, "refused"),
        (b'{"error": "unable to connect: Connection timed out"}', Outcome.TIMEOUT, "timeout"),
        (b'{"error": "the server is busy running a test"}', Outcome.SERVER_ERROR, "server_busy"),
        (b'{"error": "something else"}', Outcome.DEVICE_ERROR, "tool_broke"),
        (b'{"end": {}}', Outcome.DEVICE_ERROR, "tool_broke"),
        (b"[1]", Outcome.DEVICE_ERROR, "tool_broke"),
        (b"iperf3: error", Outcome.DEVICE_ERROR, "tool_broke"),
        (iperf3_said(sent=10**8, received=10**8 + 12_000_000), Outcome.PROTOCOL_ERROR, OVER),
        (iperf3_said(sent=10**8, received=10**15), Outcome.PROTOCOL_ERROR, OVER),
        (iperf3_said(sent=10**8, received=10**8, rate="Infinity"), Outcome.STALLED, "zero_speed"),
        (iperf3_said(sent=10**8, received=10**8, rate="NaN"), Outcome.STALLED, "zero_speed"),
        (NOTHING, Outcome.STALLED, "zero_speed"),
    ],
)
def test_a_fault_of_iperf3_is_an_outcome(output: bytes, outcome: Outcome, reason: str) -> None:
    with pytest.raises(AttemptError) as ended:
        iperf3.read_result(output, 1.0, 2.0)
    assert (ended.value.outcome, ended.value.reason) == (outcome, reason)


def test_what_was_under_way_when_iperf3_began_to_count_is_no_lie() -> None:
    said_more = iperf3_said(sent=10**8, received=10**8 + 10_000_000)
    assert iperf3.read_result(said_more, 1.0, 2.0).mbps == 80


def test_a_program_that_never_ends_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    code = f"while sleep 0.2; do touch {mark}; done & sleep 60"
    started = time.monotonic()
    with pytest.raises(AttemptError, match="tool_timeout"):
        run_child(["sh", "-c", code], 0.5)
    assert time.monotonic() - started < 10
    time.sleep(0.5)
    mark.unlink(missing_ok=True)
    time.sleep(0.6)
    assert not mark.exists()


def test_a_program_that_prints_without_end_is_ended() -> None:
    with pytest.raises(AttemptError, match="tool_flood"):
        run_child([sys.executable, "-c", "while True: print('x' * 100000)"], 20)


def test_a_program_that_is_not_there_is_an_outcome() -> None:
    with pytest.raises(AttemptError, match="tool_missing"):
        run_child(["no-such-program-here"], 1)


def test_a_program_gets_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "secret")
    ended = run_child([sys.executable, "-c", "import os; print(dict(os.environ))"], 20)
    assert b"secret" not in ended.output


@pytest.mark.parametrize(
    ("name", "flows", "expected", "scheme"),
    [
        (None, None, None, "ws"),
        ("ndt7", None, "ndt7", "ws"),
        (None, 4, "multistream", "ws"),
        ("multistream", 16, "multistream", "ws"),
        ("librespeed", None, "librespeed", "http"),
        ("speedtest-cli", None, "speedtest-cli", "http"),
    ],
)
def test_an_engine_is_taken_by_its_name(
    name: str | None, flows: int | None, expected: str | None, scheme: str
) -> None:
    engine, schemes = make_engine(name, flows)
    assert (engine.name if engine else None, schemes[0]) == (expected, scheme)


def test_what_an_engine_cannot_do_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="at most 1 connection "):
        make_engine("ndt7", 4)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="iperf3, which is not installed"):
        make_engine("iperf3", None)


def test_without_a_wish_the_server_decides() -> None:
    assert default_engine(0).name == "ndt7"
    assert default_engine(16).name == "multistream"
    assert all(known.make(None).name == name for name, known in ENGINES.items())


def test_the_machines_own_limit_is_measured_and_kept_for_this_boot(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "ceiling.json"
    found = ceiling_of(path, "boot", lambda boot: measure_ceiling(boot, seconds=0.5))
    assert found
    assert min(found.down_mbps, found.up_mbps) > 100
    if shutil.which("openssl"):
        assert found.tls_down_mbps is not None
        assert found.tls_down_mbps > 20

    def never(boot: str | None) -> Ceiling:
        raise AssertionError

    assert ceiling_of(path, "boot", never) == found
    assert kept_ceiling(path, "another boot") is None
    assert kept_ceiling(path, None) is None


def test_a_rate_near_the_limit_is_told_by_direction() -> None:
    ceiling = Ceiling(down_mbps=1000, up_mbps=500, version=VERSION, boot_id="b")
    assert [ceiling.is_near(mbps, "download") for mbps in (799, 800)] == [False, True]
    assert [ceiling.is_near(mbps, "upload") for mbps in (399, 400)] == [False, True]


def test_over_tls_a_rate_is_set_beside_the_limit_over_tls() -> None:
    known = {"down_mbps": 10_000, "up_mbps": 10_000, "version": VERSION, "boot_id": "b"}
    ceiling = Ceiling(**known, tls_down_mbps=1000, tls_up_mbps=500)
    assert [ceiling.is_near(m, "download", tls=True) for m in (799, 800)] == [False, True]
    assert [ceiling.is_near(m, "upload", tls=True) for m in (399, 400)] == [False, True]
    assert not ceiling.is_near(900, "download")
    # Where it is not known, TLS is at least no faster than without.
    unknown = Ceiling(**known)
    assert [unknown.is_near(m, "download", tls=True) for m in (7999, 8000)] == [False, True]


def test_without_openssl_the_limit_over_tls_is_unknown_and_not_zero(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    found = measure_ceiling("boot", seconds=0.3)
    assert found.down_mbps > 50
    assert (found.tls_down_mbps, found.shown()["tls_up_mbps"]) == (None, None)


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", "null", '{"down_mbps": "x"}', '{"down_mbps": 0, "up_mbps": 1}']
)
def test_a_broken_file_of_the_limit_is_measured_again(text: str, tmp_path: Path) -> None:
    path = tmp_path / "ceiling.json"
    path.write_text(text)
    assert kept_ceiling(path, "boot") is None


def test_a_limit_of_another_version_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "ceiling.json"
    keep_ceiling(path, Ceiling(down_mbps=9, up_mbps=9, version="0.0", boot_id="boot"))
    assert kept_ceiling(path, "boot") is None


def test_a_machine_that_cannot_be_its_own_far_end_has_no_known_limit(tmp_path: Path) -> None:
    def broken(boot: str | None) -> Ceiling:
        return measure_ceiling(boot, command=(sys.executable, "-c", ""))

    assert ceiling_of(tmp_path / "x.json", "boot", broken) is None


def test_a_thread_that_waits_is_not_busy_and_one_that_computes_is() -> None:
    meter = load.Meter()
    time.sleep(0.2)
    idle = meter.read()
    meter = load.Meter()
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        pass
    busy = meter.read()
    assert idle.busy_share < 0.5 < busy.busy_share
    assert busy.cpu_share <= busy.busy_share + 0.01
    assert load.together([]).busy_share == 0.0
