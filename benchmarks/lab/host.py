"""One end of a lab: a namespace and the programs that run in it; and how all of it is ended."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

COMMAND_S = 30
# Below the emulator's own.
PRIORITY = "5"


class LabError(Exception):
    """The lab cannot be built here."""


class Host:
    """
    One end: its namespace, its addresses, and the programs that run there.

    In `real_time` they go before everything else on the machine but the emulator.
    """

    def __init__(self, name: str, place: int, *, real_time: bool = False) -> None:
        self.name = name
        self.real_time = real_time
        self.addresses = {4: f"10.77.0.{place}", 6: f"fd77::{place}"}
        self._spawned: list[subprocess.Popen[str]] = []

    def command(self, words: Sequence[object]) -> list[str]:
        """Give the words with which a program runs here, and ends when this process does."""
        inside = ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", self.name]
        first = ["chrt", "--rr", PRIORITY] if self.real_time else []
        return [*inside, *first, *map(str, words)]

    def run(
        self, words: Sequence[object], *, timeout_s: float = 60, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; its output is text."""
        return subprocess.run(
            self.command(words),
            capture_output=True,
            text=True,
            check=check,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
        )

    def spawn(self, words: Sequence[object], *, ready: str | None = None) -> subprocess.Popen[str]:
        """Start a program; with `ready`, wait for the line of its output that holds that word."""
        process = subprocess.Popen(
            self.command(words),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if ready else subprocess.DEVNULL,
            stderr=subprocess.STDOUT if ready else subprocess.DEVNULL,
        )
        self._spawned.append(process)
        if ready and process.stdout:
            seen = []
            for line in process.stdout:
                seen.append(line)
                if ready in line:
                    break
            else:
                raise LabError(f"{words} ended before it was ready: {''.join(seen)}")
        return process

    def stop(self, process: subprocess.Popen[str]) -> None:
        """End one program that was spawned."""
        end(process)
        self._spawned.remove(process)

    def close(self) -> None:
        """End what was spawned, and whatever else runs here, then remove the namespace."""
        while self._spawned:
            end(self._spawned.pop())
        remove(self.name)


def remove(name: str) -> None:
    """Kill what runs in a namespace of ours and delete it; what is not there is not there."""
    inside = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
    for pid in inside.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def end(process: subprocess.Popen[Any]) -> None:
    for stop in (process.terminate, process.kill):
        stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(3)
            break
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def ip(*words: str) -> None:
    run(["ip", *words])


def run(words: list[str]) -> None:
    try:
        subprocess.run(words, check=True, capture_output=True, text=True, timeout=COMMAND_S)
    except subprocess.CalledProcessError as error:
        raise LabError(f"{' '.join(words)}: {error.stderr.strip()}") from None
    except OSError as error:
        raise LabError(f"{words[0]}: {error.strerror}") from None
