"""
speedtest-cli, the package, as it is: a second opinion, never the default.

It is abandoned, reads low on fast links, and turns failures into numbers. It runs in a process
of its own with a deadline, and its known faults become outcomes: a ping of half an hour is what
it says when nobody answered, a rate of zero when nothing came.
"""

import json
import math
import sys
import time
from importlib import metadata
from typing import Any

from ...data.sample import Outcome
from ..interface import Address, AttemptError, Limits, Target, Throughput, one_line
from .child import run_child
from .load import FULL_SHARE

# Three failed pings, 3600 s each, of which it gives half the mean: 1800000 ms.
_FAILED_PING_MS = 600_000.0
_SPARE_S = 30.0
# Named as the server, it means: let speedtest.net choose one.
_ITS_OWN = ("www.speedtest.net", "speedtest.net")
_FAULTS = {
    "ConfigRetrievalError": (Outcome.SERVER_ERROR, "no_configuration"),
    "NoMatchedServers": (Outcome.SERVER_ERROR, "no_servers"),
    "ServersRetrievalError": (Outcome.SERVER_ERROR, "no_servers"),
    "SpeedtestBestServerFailure": (Outcome.TIMEOUT, "no_answer"),
    "SpeedtestMiniConnectFailure": (Outcome.REFUSED, "no_answer"),
    "InvalidSpeedtestMiniServer": (Outcome.PROTOCOL_ERROR, "no_mini_server"),
    "EndlessBodyError": (Outcome.PROTOCOL_ERROR, "endless_body"),
    "MemoryError": (Outcome.PROTOCOL_ERROR, "endless_body"),
    "ModuleNotFoundError": (Outcome.DEVICE_ERROR, "tool_missing"),
}


def installed_version() -> str | None:
    """Give the version of the package; None where there is none."""
    try:
        return metadata.version("speedtest-cli")
    except metadata.PackageNotFoundError:
        return None


class SpeedtestCli:
    """The engine: against a Speedtest Mini server such as ours, or speedtest.net's own choice."""

    name = "speedtest-cli"
    times_itself = True

    def __init__(self) -> None:
        self.version = installed_version() or "none"

    def download(self, target: Target, address: Address, limits: Limits) -> Throughput:
        """Measure towards us."""
        return self._measure("download", target, address, limits)

    def upload(self, target: Target, address: Address, limits: Limits) -> Throughput:
        """Measure away from us."""
        return self._measure("upload", target, address, limits)

    def _measure(
        self, direction: str, target: Target, address: Address, limits: Limits
    ) -> Throughput:
        asked = {
            "direction": direction,
            "mini": None if target.host in _ITS_OWN else _mini_url(target, address),
            "secure": target.tls,
            "duration_s": limits.duration_s,
            "max_bytes": limits.max_bytes,
            "timeout_s": limits.stall_s,
        }
        child = "phusong.probes.engines.speedtest_child"
        command = (sys.executable, "-m", child, json.dumps(asked))
        started = time.monotonic()
        ended = run_child(command, limits.duration_s + _SPARE_S)
        return read_result(ended.output, started, time.monotonic(), cpu_s=ended.cpu_s)


def read_result(output: bytes, start_s: float, end_s: float, *, cpu_s: float = 0.0) -> Throughput:
    """
    Take what the child printed for what it is.

    Raises
    ------
    AttemptError
        For every fault of the package, and for what is no result.
    """
    try:
        said: Any = json.loads(output)
    except (ValueError, RecursionError):
        raise AttemptError(Outcome.DEVICE_ERROR, "tool_broke") from None
    if not isinstance(said, dict):
        raise AttemptError(Outcome.DEVICE_ERROR, "tool_broke")
    if "error" in said:
        raise _fault(str(said["error"]), str(said.get("said", "")))
    rate, ping = _number(said.get("bits_per_s")), _number(said.get("ping_ms"))
    moved = said.get("bytes")
    if ping is None or ping >= _FAILED_PING_MS:
        raise AttemptError(Outcome.TIMEOUT, "ping_failed", ping_ms=ping)
    if not rate or not isinstance(moved, int) or moved <= 0:
        raise AttemptError(Outcome.STALLED, "zero_speed")
    # Its threads share one processor, as Python's do.
    share = cpu_s / max(1e-6, end_s - start_s)
    return Throughput(
        mbps=rate / 1e6,
        cpu_full=share >= FULL_SHARE,
        rtt_ms=ping,
        bytes_moved=moved,
        start_s=start_s,
        end_s=end_s,
        record={
            "formula": "speedtest_cli_all_bytes_over_wall_time",
            "mbps": round(rate / 1e6, 4),
            "ping_ms": ping,
            "payload_bytes": moved,
            "flows": said.get("threads"),
            "elapsed_s": round(end_s - start_s, 3),
            "cpu_share": round(share, 4),
        },
    )


def _fault(name: str, said: str) -> AttemptError:
    if "HTTP Error 403" in said:
        return AttemptError(Outcome.SERVER_ERROR, "http_403", error=one_line(said))
    outcome, reason = _FAULTS.get(name, (Outcome.DEVICE_ERROR, "tool_broke"))
    return AttemptError(outcome, reason, error=one_line(f"{name}: {said}"))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _mini_url(target: Target, address: Address) -> str:
    """Name the server by its checked address: the package would look the name up again."""
    host = f"[{address.ip}]" if address.family == 6 else address.ip
    if target.tls:
        host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{'https' if target.tls else 'http'}://{host}:{target.port}{target.base}"
