"""`phusong probe serve` as it is run: by hand, and as a service."""

import json
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from phusong.probes.server.commands import serve

ROOT = Path(__file__).resolve().parent.parent.parent
UNIT = ROOT / "docs" / "phusong-serve.service"
ID = "receipt-of-a-test-00001"


def unit_command() -> list[str]:
    (line,) = [x for x in UNIT.read_text("utf-8").splitlines() if x.startswith("ExecStart=")]
    return shlex.split(line.removeprefix("ExecStart="))


def test_a_server_with_a_key_and_counters_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    key = tmp_path / "receipts.key"
    command = [sys.executable, "-m", "phusong", "probe", "serve", "--port", "0", "--json"]
    command += ["--bind", "127.0.0.1", "--bind", "::1", "--signing-key", str(key)]
    command += ["--metrics-bind", "127.0.0.1:0", "--max-test-mb", "1", "--max-connections", "20"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        try:
            assert process.stdout
            assert process.stderr
            places = [json.loads(process.stdout.readline()) for _ in range(2)]
            assert [place["family"] for place in places] == [4, 6]
            metrics = process.stderr.readline().split()[-1]
            for place in places:
                url = place["url"].replace("ws://", "http://")
                test = f"{ID}{place['family']}"
                with urllib.request.urlopen(
                    f"{url}/phusong/v1/download?test={test}", timeout=20
                ) as answer:
                    assert 1_000_000 <= len(answer.read()) < 3_000_000
                said = receipt(f"{url}/phusong/v1/receipt?test={test}")
                assert said["receipt"]["ended_by"] == "budget"
                assert said["signature"]
            with urllib.request.urlopen(metrics, timeout=20) as answer:
                assert b'phusong_receipts_total{signed="true"} 2\n' in answer.read()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert "2 tests served" in process.stderr.read()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def receipt(url: str) -> Any:
    """Ask while the server still says goodbye to the download."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            assert error.code == 409
            time.sleep(0.02)
    raise AssertionError("the test never ended")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--metrics-bind", "9101"), "is no address and port"),
        (("--metrics-bind", "example.com:9101"), "no numeric address"),
        (("--signing-key", "nowhere/receipts.key"), "cannot be written"),
    ],
)
def test_what_cannot_be_served_with_is_said(
    phusong: Callable[..., Any], options: tuple[str, ...], words: str
) -> None:
    done = phusong("probe", "serve", "--bind", "127.0.0.1", "--port", 0, *options)
    assert done.code == 3
    assert words in done.err


def test_the_service_calls_the_command_with_options_that_it_has() -> None:
    program, *words = unit_command()
    assert Path(program).name == "phusong"
    assert words[:2] == ["probe", "serve"]
    context = serve.make_context("serve", words[2:])
    assert isinstance(context, click.Context)
    assert context.params["signing_key"]
    assert context.params["metrics_bind"] == "127.0.0.1:9464"


def test_systemd_accepts_the_service(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("needs systemd-analyze")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text("utf-8").replace(unit_command()[0], sys.executable))
    done = subprocess.run(
        [verify, "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60
    )
    if "Failed to" in done.stderr and UNIT.name not in done.stderr:
        pytest.skip(f"systemd-analyze cannot run here: {done.stderr.strip()}")
    # It also speaks of other units of this machine.
    assert UNIT.name not in done.stderr, done.stderr
    assert done.returncode == 0
