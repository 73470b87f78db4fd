"""The engines that are other people's programs end in time too, whatever the server does."""

import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phusong.data.sample import Outcome
from phusong.probes.connection import reach
from phusong.probes.engines import iperf3, speedtest_cli
from phusong.probes.engines.iperf3 import Iperf3
from phusong.probes.engines.speedtest_cli import SpeedtestCli
from phusong.probes.interface import Address, Failure, Limits, Target, attempt

from .conftest import read_head

Script = Callable[[socket.socket], None]
Start = Callable[[Script], Target]
LIMITS = Limits(duration_s=1.0, connect_s=2.0, stall_s=0.7, max_bytes=20_000_000)
# A child is a Python of its own, on a machine that may be busy.
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speedtest_cli, "_SPARE_S", 20.0)
    monkeypatch.setattr(iperf3, "_SPARE_S", 1.0)
    monkeypatch.setattr(iperf3, "_OMIT_S", 0)


def answering(reply: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(reply)

    return script


def silent(connection: socket.socket) -> None:
    time.sleep(3)


def dripping(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.2)


def endless(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * (1 << 20))


def resetting(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def gzipped(connection: socket.socket) -> None:
    read_head(connection)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n"
    connection.sendall(head + bytes(1000))


MINI: dict[str, tuple[Script, set[str]]] = {
    "silence": (silent, {"no_answer"}),
    "a drip": (dripping, {"tool_timeout"}),
    "a page without end": (endless, {"endless_body"}),
    "a reset midway": (resetting, {"tool_broke", "no_answer"}),
    "a gzip bomb": (gzipped, {"no_mini_server", "tool_broke"}),
    "503": (
        answering(b"HTTP/1.1 503 No\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n"),
        {"no_answer"},
    ),
    "204": (answering(b"HTTP/1.1 204 No\r\n\r\n"), {"no_mini_server"}),
}


@pytest.mark.parametrize("name", MINI)
def test_a_hostile_mini_server_is_an_outcome_of_speedtest_cli(
    name: str, far_end: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, reasons = MINI[name]
    if name == "a drip":
        monkeypatch.setattr(speedtest_cli, "_SPARE_S", 5.0)
    far = far_end(script)
    address = Address(4, (far.host, far.port))
    started = time.monotonic()
    ended = attempt(lambda: SpeedtestCli().download(far, address, LIMITS))
    assert isinstance(ended, Failure), ended
    assert ended.reason in reasons
    assert time.monotonic() - started < PATIENCE_S


def test_a_mini_server_cannot_send_speedtest_cli_elsewhere(far_end: Start) -> None:
    asked: list[bytes] = []

    def inside(connection: socket.socket) -> None:
        asked.append(read_head(connection))

    hidden = far_end(inside)
    moved = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{hidden.port}/\r\n\r\n".encode()
    far = far_end(answering(moved))
    address = Address(4, (far.host, far.port))
    ended = attempt(lambda: SpeedtestCli().download(far, address, LIMITS))
    assert isinstance(ended, Failure)
    assert ended.reason in ("no_answer", "no_mini_server"), ended
    assert asked == []


def lying(connection: socket.socket) -> None:
    """Answer each of iperf3's bytes of state with a wrong one."""
    connection.recv(37)
    connection.sendall(b"\x7f")
    time.sleep(3)


def flooding(connection: socket.socket) -> None:
    connection.recv(37)
    while True:
        connection.sendall(b"\x09" * 65_536)


def claiming(connection: socket.socket) -> None:
    """Ask for parameters, and announce far more of them than there are."""
    connection.recv(37)
    connection.sendall(b"\x09")
    connection.recv(65_536)
    connection.sendall(b"\x0d\xff\xff\xff\xff" + b"[" * 100_000)
    time.sleep(3)


def slamming(connection: socket.socket) -> None:
    connection.recv(37)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def busy(connection: socket.socket) -> None:
    connection.recv(37)
    connection.sendall(b"\xff")


CONTROL: dict[str, Script] = {
    "silence": silent,
    "a wrong state": lying,
    "states without end": flooding,
    "a monstrous length": claiming,
    "a reset": slamming,
    "a refusal": busy,
    "HTTP": answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
}


@pytest.mark.skipif(not shutil.which("iperf3"), reason="iperf3 is not installed")
@pytest.mark.parametrize("name", CONTROL)
def test_a_hostile_server_is_an_outcome_of_iperf3(name: str, far_end: Start) -> None:
    plain = far_end(CONTROL[name])
    far = Target(host=plain.host, port=plain.port, scheme="iperf3", allow_private=True)
    address = reach(far, LIMITS)
    started = time.monotonic()
    ended = attempt(lambda: Iperf3().upload(far, address, LIMITS))
    assert isinstance(ended, Failure), ended
    assert ended.outcome in (
        Outcome.TIMEOUT,
        Outcome.PROTOCOL_ERROR,
        Outcome.SERVER_ERROR,
        Outcome.DEVICE_ERROR,
    )
    assert ended.reason
    assert time.monotonic() - started < PATIENCE_S


def test_a_program_that_dies_or_prints_rubbish_is_an_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, far_end: Start
) -> None:
    fake = tmp_path / "iperf3"
    far = far_end(silent)
    address = Address(4, (far.host, far.port))
    monkeypatch.setattr(iperf3, "installed_path", lambda: str(fake))

    def run(script: str) -> Any:
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o700)
        return attempt(lambda: Iperf3().download(far, address, LIMITS))

    for script in ("kill -SEGV $$", "echo '{'", "echo '[[[['", "true"):
        ended = run(script)
        assert isinstance(ended, Failure)
        assert ended.reason == "tool_broke"
