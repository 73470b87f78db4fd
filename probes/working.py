"""
What a full link does to everything else: one sample, both directions.

For each direction bufferbloat (four flows of cubic), then responsiveness. It costs far more data
than a visit, so it is a measurement of its own. The sample is of kind `LATENCY`: its loaded round
trip is the worse direction's; everything else is in `source.record`.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..data.sample import Kind, Outcome, Position, Provenance, Radio, Reading, Sample
from .bufferbloat import Bufferbloat, measure_bufferbloat
from .connection import reach
from .engines.ndt7 import VERSION
from .interface import Address, AttemptError, Failure, Limits, Target, attempt
from .offer import ask_offer
from .responsiveness import Parameters, Responsiveness, measure_responsiveness
from .speed import TOOL, boot_id

ENGINE = "responsiveness"
DIRECTIONS = ("download", "upload")
_PHASES = {
    "download": ("bufferbloat download", "responsiveness download"),
    "upload": ("bufferbloat upload", "responsiveness upload"),
}


@dataclass(slots=True)
class UnderLoad:
    """What came of it, by direction."""

    bloat: dict[str, Bufferbloat] = field(default_factory=dict)
    responsiveness: dict[str, Responsiveness] = field(default_factory=dict)


def measure_under_load(
    target: Target,
    *,
    probe: str,
    started_at: datetime,
    load_s: float = 8.0,
    parameters: Parameters | None = None,
    limits: Limits | None = None,
    position: Position | None = None,
    radio: Radio | None = None,
    on_phase: Callable[[str], None] = lambda phase: None,
) -> tuple[Sample, UnderLoad]:
    """
    Measure once; whatever comes of it is a sample.

    The far end must be a server of ours: the load asks it for cubic, and the echo is its own.

    Parameters
    ----------
    load_s
        How long each direction is loaded for bufferbloat; responsiveness takes what it takes, up
        to its own limit.
    limits
        `max_bytes` bounds each of the four loads.
    """
    run = _Run(target, load_s, parameters or Parameters(), limits or Limits(), on_phase)
    mono_ns = time.monotonic_ns()
    failure = attempt(run.all)
    phase = run.phase.replace(" ", "_")
    sample = Sample(
        probe=probe,
        kind=Kind.LATENCY,
        started_at=started_at,
        outcome=failure.outcome if isinstance(failure, Failure) else Outcome.OK,
        reason=f"{phase}_{failure.reason}"[:64] if isinstance(failure, Failure) else None,
        mono_ns=mono_ns,
        boot_id=boot_id(),
        duration_s=round((time.monotonic_ns() - mono_ns) / 1e9, 4),
        engine=ENGINE,
        engine_version=VERSION,
        server=target.url,
        family=run.address.family if run.address else target.family,
        reading=None if isinstance(failure, Failure) else run.reading(),
        position=position,
        radio=radio,
        source=Provenance(
            tool=TOOL, record=run.record(failure if isinstance(failure, Failure) else None)
        ),
    )
    return sample, run.seen


class _Run:
    def __init__(
        self,
        target: Target,
        load_s: float,
        parameters: Parameters,
        limits: Limits,
        on_phase: Callable[[str], None],
    ) -> None:
        self.target = target
        self.load_s = load_s
        self.parameters = parameters
        self.limits = limits
        self.on_phase = on_phase
        self.phase = "connect"
        self.address: Address | None = None
        self.seen = UnderLoad()

    def all(self) -> None:
        """Go through both directions."""
        target, limits = self.target, self.limits
        self.on_phase(self.phase)
        address = self.address = reach(target, limits)
        offer = ask_offer(target, address, limits)
        if offer is None or not offer.max_flows:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "no_offer")
        for direction, (bufferbloat, responsiveness) in _PHASES.items():
            self._begin(bufferbloat)
            self.seen.bloat[direction] = measure_bufferbloat(
                target,
                address,
                offer.token,
                direction,
                load_s=self.load_s,
                max_bytes=limits.max_bytes,
            )
            self._begin(responsiveness)
            self.seen.responsiveness[direction] = measure_responsiveness(
                target, address, direction, limits=limits, parameters=self.parameters
            )

    def _begin(self, phase: str) -> None:
        self.phase = phase
        self.on_phase(phase)

    def reading(self) -> Reading:
        """Give the idle figures of the first direction, and the worse loaded round trip."""
        first = self.seen.bloat[DIRECTIONS[0]]
        lost = first.record["idle"]
        return Reading(
            rtt_idle_ms=_figure(first.rtt_idle_ms),
            rtt_loaded_ms=_figure(max(each.rtt_loaded_ms for each in self.seen.bloat.values())),
            jitter_ms=_figure(first.jitter_ms),
            loss_ratio=(lost["asked"] - lost["answered"]) / lost["asked"],
            loss_up_ratio=lost["loss_up"],
            loss_down_ratio=lost["loss_down"],
        )

    def record(self, failure: Failure | None) -> str:
        """Give everything that was seen as JSON that fits into a sample."""
        whole: dict[str, Any] = {
            direction: {
                "bufferbloat": _bloat_shown(self.seen.bloat.get(direction)),
                "responsiveness": _rpm_shown(self.seen.responsiveness.get(direction)),
            }
            for direction in DIRECTIONS
        }
        if failure is not None:
            whole["failed"] = {
                "phase": self.phase,
                "outcome": failure.outcome.value,
                "reason": failure.reason,
            } | {
                name: value
                for name, value in failure.record.items()
                if not isinstance(value, list | dict)
            }
        return json.dumps(whole, ensure_ascii=True, separators=(",", ":"))


def _bloat_shown(seen: Bufferbloat | None) -> dict[str, Any] | None:
    if seen is None:
        return None
    load = {key: seen.record["load"].get(key) for key in ("flows", "mbps", "payload_bytes")}
    return {
        "rtt_idle_ms": round(seen.rtt_idle_ms, 3),
        "rtt_loaded_ms": round(seen.rtt_loaded_ms, 3),
        "congestion_asked": seen.record["congestion_asked"],
        "idle": seen.record["idle"],
        "loaded": seen.record["loaded"],
        "load": load | {"congestion_control": seen.record["load"].get("congestion_control")},
    }


def _rpm_shown(seen: Responsiveness | None) -> dict[str, Any] | None:
    if seen is None:
        return None
    return {
        "rpm": round(seen.rpm, 2),
        "foreign_rpm": round(seen.foreign_rpm, 2),
        "loaded_rpm": round(seen.loaded_rpm, 2),
        "confidence": seen.confidence.value,
        "goodput_mbps": round(seen.goodput_mbps, 4),
        "goodput_confidence": seen.goodput_confidence.value,
    } | seen.record


def _figure(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
