"""
Run another program that measures: bounded in time and in what it may say.

It gets no shell, no terminal and a process group of its own, which ends with it: what it
started may not go on when its time is over or the user breaks off.
"""

import os
import resource
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from ...data.sample import Outcome
from ..connection import READ, Deadline, ready
from ..interface import AttemptError

_MAX_OUTPUT_BYTES = 4_000_000
_KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "PYTHONPATH", "SSL_CERT_FILE", "VIRTUAL_ENV")
_END_S = 2.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit code, what it printed, and its seconds on a processor."""

    code: int
    output: bytes
    cpu_s: float


def run_child(command: Sequence[str], timeout_s: float) -> Ended:
    """
    Run a program to its end.

    Raises
    ------
    AttemptError
        `tool_missing` if there is none, `tool_timeout` past its time, `tool_flood` if it
        prints without end.
    """
    before_s = _children_s()
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    try:
        process = subprocess.Popen(  # noqa: S603 - a list, no shell
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept | {"LC_ALL": "C", "NO_COLOR": "1"},
            start_new_session=True,
        )
    except OSError:
        raise AttemptError(Outcome.DEVICE_ERROR, "tool_missing", tool=command[0]) from None
    try:
        with process:
            output = _read(process, Deadline.after(timeout_s))
            code = process.wait(_END_S)
        return Ended(code, output, _children_s() - before_s)
    except subprocess.TimeoutExpired:
        raise AttemptError(Outcome.TIMEOUT, "tool_timeout") from None
    finally:
        _end(process)


def _children_s() -> float:
    """Give the processor's time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _read(process: "subprocess.Popen[bytes]", deadline: Deadline) -> bytes:
    output = b""
    if process.stdout is None:
        return output
    descriptor = process.stdout.fileno()
    try:
        while True:
            if not ready(descriptor, READ, deadline.left()):
                raise AttemptError(Outcome.TIMEOUT, "tool_timeout")
            data = os.read(descriptor, 1 << 16)
            if not data:
                return output
            output += data
            if len(output) > _MAX_OUTPUT_BYTES:
                raise AttemptError(Outcome.PROTOCOL_ERROR, "tool_flood")
    except BaseException:
        # Before the pipe is closed: leaving the `with` waits for the process.
        _end(process)
        raise


def _end(process: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
