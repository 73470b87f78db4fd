"""A real gpsd fed by gpsfake, where Debian's gpsd, gpsd-clients and gpsd-tools are installed."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def gpsfake(tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Start gpsd on a recorded log, sentence by sentence; give its port."""
    tool, daemon = shutil.which("gpsfake"), shutil.which("gpsd", path="/usr/sbin:/usr/bin")
    if tool is None or daemon is None:
        pytest.skip("needs gpsd and gpsfake, of Debian's gpsd, gpsd-clients and gpsd-tools")
    running: list[subprocess.Popen[bytes]] = []

    def start(log: Path, *arguments: str, port: int | None = None) -> int:
        port = port or free_port()
        running.append(
            subprocess.Popen(
                [tool, "-q", "-P", str(port), *arguments, str(log)],
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # gpsfake leaves its gpsd behind when it is stopped: both end by their group.
                start_new_session=True,
            )
        )
        return port

    start.stop = lambda: stop(running)  # type: ignore[attr-defined]
    yield start
    stop(running)


def stop(running: list[subprocess.Popen[bytes]]) -> None:
    while running:
        process = running.pop()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=5)


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Wait until something holds, a good while on a busy machine."""

    def wait(holds: Callable[[], object], within_s: float = 30) -> None:
        end = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < end, "did not come true"
            time.sleep(0.02)

    return wait
