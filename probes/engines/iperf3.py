"""
iperf3, where it is installed: the reference that others know, over its own protocol.

Its figure is what its receiving side counted, the first two seconds left out (``-O 2``); it has no
interval of confidence and no data budget but its time.
"""

import json
import math
import shutil
import time
from typing import Any

from ...data.sample import Outcome
from ..interface import Address, AttemptError, Limits, Target, Throughput, one_line
from .child import run_child
from .load import FULL_SHARE

_OMIT_S = 2
_SPARE_S = 15.0
_MOST_SECONDS = 60
_CLAIM_SHARE, _CLAIM_BYTES = 1.02, 1 << 23
_FAULTS = {
    "refused": (Outcome.REFUSED, "refused"),
    "timed out": (Outcome.TIMEOUT, "timeout"),
    "unreachable": (Outcome.NO_ROUTE, "no_route"),
    "No route": (Outcome.NO_ROUTE, "no_route"),
    "busy": (Outcome.SERVER_ERROR, "server_busy"),
    "reset": (Outcome.PROTOCOL_ERROR, "reset"),
    "closed": (Outcome.PROTOCOL_ERROR, "closed_early"),
}


def installed_path() -> str | None:
    """Give the program's file; None where there is none."""
    return shutil.which("iperf3")


class Iperf3:
    """The engine; a server is named ``iperf3://host:5201``."""

    name = "iperf3"
    version = "3"
    times_itself = True

    def __init__(self, flows: int = 1) -> None:
        self._flows = flows

    def download(self, target: Target, address: Address, limits: Limits) -> Throughput:
        """Measure towards us."""
        return self._measure(("-R",), target, address, limits)

    def upload(self, target: Target, address: Address, limits: Limits) -> Throughput:
        """Measure away from us."""
        return self._measure((), target, address, limits)

    def _measure(
        self, more: tuple[str, ...], target: Target, address: Address, limits: Limits
    ) -> Throughput:
        program = installed_path()
        if program is None:
            raise AttemptError(Outcome.DEVICE_ERROR, "tool_missing", tool="iperf3")
        seconds = max(1, round(limits.duration_s))
        command = (
            *(program, "-J", "-c", address.ip, "-p", str(target.port), "-t", str(seconds)),
            *("-O", str(_OMIT_S), "-P", str(self._flows)),
            *("--connect-timeout", str(round(limits.connect_s * 1000))),
            *more,
        )
        started = time.monotonic()
        ended = run_child(command, seconds + _OMIT_S + _SPARE_S)
        return read_result(ended.output, started, time.monotonic())


def read_result(output: bytes, start_s: float, end_s: float) -> Throughput:
    """
    Read iperf3's JSON.

    An upload's bytes are what the far end says that it received: no more than we sent, and what
    was still under way when the first seconds were left out.

    Raises
    ------
    AttemptError
        If it tells an error, nothing arrived, or more than was sent.
    """
    try:
        said: Any = json.loads(output)
        if "error" in said:
            raise _fault(str(said["error"]))
        end = said["end"]
        received = end["sum_received"]
        rate, moved = float(received["bits_per_second"]), int(received["bytes"])
        sent = end["sum_sent"]
        handed_over = int(sent.get("bytes", moved))
        rtts = [stream["sender"].get("mean_rtt") for stream in end["streams"]]
        share = float(end.get("cpu_utilization_percent", {}).get("host_total", 0)) / 100
        told = _told(said)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise AttemptError(Outcome.DEVICE_ERROR, "tool_broke") from None
    if not 0 < rate < math.inf or moved <= 0:
        raise AttemptError(Outcome.STALLED, "zero_speed")
    if moved > _CLAIM_SHARE * handed_over + _CLAIM_BYTES * max(1, len(rtts)):
        raise AttemptError(Outcome.PROTOCOL_ERROR, "server_overcounts", claimed_bytes=moved)
    known = [rtt / 1000 for rtt in rtts if isinstance(rtt, int | float) and rtt > 0]
    return Throughput(
        mbps=rate / 1e6,
        cpu_full=share >= FULL_SHARE,
        bytes_moved=moved,
        start_s=start_s,
        end_s=end_s,
        record={
            "formula": "iperf3_receiver_after_2_s",
            "mbps": round(rate / 1e6, 4),
            "payload_bytes": moved,
            "flows": len(rtts),
            "retransmits": sent.get("retransmits"),
            "rtt_loaded_tcp_ms": round(max(known), 3) if known else None,
            "congestion_control": end.get("sender_tcp_congestion"),
            "elapsed_s": round(end_s - start_s, 3),
            "cpu_share": round(share, 4),
        }
        | told,
    )


def _told(said: dict[str, Any]) -> dict[str, Any]:
    """Give its version, and its own bytes of each second that counts."""
    seconds = [each["sum"] for each in said.get("intervals", ())][:_MOST_SECONDS]
    series = [int(each["bytes"]) for each in seconds if not each.get("omitted")]
    return {
        "tool_version": one_line(str(said.get("start", {}).get("version", "unknown"))),
        "series": {"first_ms": 0, "every_ms": 1000, "first_bytes": 0, "bytes": series},
    }


def _fault(said: str) -> AttemptError:
    for word, (outcome, reason) in _FAULTS.items():
        if word in said:
            return AttemptError(outcome, reason, error=one_line(said))
    return AttemptError(Outcome.DEVICE_ERROR, "tool_broke", error=one_line(said))
