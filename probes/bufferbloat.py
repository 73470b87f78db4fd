"""
What a link's queue does to others while it is full: a measurement of its own.

Capacity is measured with flows that keep the queue short (BBR); one of those hides a queue of a
second. Here at least four flows of cubic, which fill whatever queue there is, load the link, and
the UDP echo tells what everybody else then waits. So it needs a server of ours, for the echo and
for the far end's congestion control. What was asked for and what our end really used are both
kept: a kernel may allow others only.
"""

from dataclasses import dataclass
from typing import Any

from ..data.sample import Outcome
from .engines.multistream import Multistream
from .interface import Address, AttemptError, Engine, Limits, Target
from .latency import LoadedEcho, loaded_record, loaded_rtt_ms, measure_idle

FLOWS = 4
CONGESTION = "cubic"
LOAD_S = 8.0
MAX_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bufferbloat:
    """
    Median round trips in one direction's worst case, in milliseconds.

    `p90_ms` and `p99_ms` are under load, `jitter_ms` without; `added_ms` is what the load adds to
    the median, and may be a little below 0 where it adds nothing.
    """

    direction: str
    rtt_idle_ms: float
    rtt_loaded_ms: float
    p90_ms: float
    p99_ms: float
    jitter_ms: float | None
    mbps: float
    record: dict[str, Any]

    @property
    def added_ms(self) -> float:
        """Give what the load adds."""
        return self.rtt_loaded_ms - self.rtt_idle_ms


def measure_bufferbloat(
    target: Target,
    address: Address,
    token: bytes,
    direction: str,
    *,
    load_s: float = LOAD_S,
    max_bytes: int = MAX_BYTES,
    engine: Engine | None = None,
) -> Bufferbloat:
    """
    Load one direction, ``download`` or ``upload``, and ask for echoes beside it.

    `token` is what a server of ours offers (`offer.ask_offer`).

    Raises
    ------
    AttemptError, OSError
        If the load or the echo gave nothing.
    """
    engine = engine or Multistream(FLOWS, congestion=CONGESTION)
    limits = Limits(duration_s=load_s, max_bytes=max_bytes, width=None)
    idle = measure_idle(target, address, token, limits=limits)
    if idle.record["method"] != "udp_echo":
        raise AttemptError(Outcome.STALLED, "no_echo")
    with LoadedEcho(address, token, at_most_s=load_s + limits.connect_s) as echo:
        run = engine.upload if direction == "upload" else engine.download
        load = run(target, address, limits)
    loaded_ms = loaded_rtt_ms(echo.echoes, load.start_s, load.end_s)
    if loaded_ms is None:
        raise AttemptError(Outcome.STALLED, "no_echo_under_load", **load.record)
    seen = loaded_record(echo.echoes, load.start_s, load.end_s)
    return Bufferbloat(
        direction=direction,
        rtt_idle_ms=idle.rtt_ms,
        rtt_loaded_ms=loaded_ms,
        p90_ms=seen["percentiles_ms"]["p90"],
        p99_ms=seen["percentiles_ms"]["p99"],
        jitter_ms=idle.jitter_ms,
        mbps=load.mbps,
        record={
            "idle": idle.record,
            "loaded": seen,
            "load": load.record,
            "congestion_asked": CONGESTION,
        },
    )
