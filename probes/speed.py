"""
One visit: idle latency, download with latency under load, upload; one sample.

The phases run one after the other to the same checked address. The first phase that fails gives
the sample its outcome, with a reason that names the phase (``upload_timeout``), and the sample
then has no reading: half a visit is not a slow visit. What the earlier phases measured
stays in `source.record`, which is kept as evidence whatever came of the visit.
"""

import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from ..data.sample import (
    MAX_RECORD_CHARS,
    Kind,
    Outcome,
    Position,
    Provenance,
    Radio,
    Reading,
    Sample,
)
from .connection import reach
from .engines.ndt7 import Ndt7
from .interface import Address, Engine, Failure, Latency, Limits, Target, Throughput, attempt
from .latency import LoadedEcho, ask_offer, loaded_rtt_ms, measure_idle

PHASES = ("connect", "latency", "download", "upload")
TOOL = "phusong"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

T = TypeVar("T")


def measure_visit(
    target: Target,
    *,
    probe: str,
    started_at: datetime,
    duration_s: float = 10.0,
    position: Position | None = None,
    radio: Radio | None = None,
    engine: Engine | None = None,
    limits: Limits | None = None,
    on_phase: Callable[[str], None] | None = None,
) -> Sample:
    """
    Measure once; whatever comes of it is a sample.

    Ctrl-C gives a sample with outcome `CANCELLED`: its caller keeps it and then ends.

    Parameters
    ----------
    started_at
        The wall clock when this is called, in UTC.
    duration_s
        How long each direction runs; `limits`, where given, says it instead.
    on_phase
        Called with the name of each of `PHASES` as it begins.
    """
    visit = _Visit(
        target,
        engine or Ndt7(),
        limits or Limits(duration_s=duration_s),
        on_phase or (lambda phase: None),
    )
    mono_ns = time.monotonic_ns()
    failure = attempt(visit.run)
    if isinstance(failure, Failure) and visit.failure is None:
        visit.fail(failure)
    return Sample(
        probe=probe,
        kind=Kind.SPEED,
        started_at=started_at,
        outcome=visit.failure.outcome if visit.failure else Outcome.OK,
        reason=f"{visit.phase}_{visit.failure.reason}"[:64] if visit.failure else None,
        mono_ns=mono_ns,
        boot_id=boot_id(),
        duration_s=round((time.monotonic_ns() - mono_ns) / 1e9, 4),
        engine=visit.engine.name,
        engine_version=visit.engine.version,
        server=target.url,
        family=visit.address.family if visit.address else target.family,
        reading=None if visit.failure else visit.reading(),
        position=position,
        radio=radio,
        source=Provenance(tool=TOOL, record=visit.record()),
    )


class _Visit:
    def __init__(
        self, target: Target, engine: Engine, limits: Limits, on_phase: Callable[[str], None]
    ) -> None:
        self.target = target
        self.engine = engine
        self.limits = limits
        self.on_phase = on_phase
        self.phase = PHASES[0]
        self.reports: list[dict[str, Any]] = []
        self.failure: Failure | None = None
        self.address: Address | None = None
        self.latency: Latency | None = None
        self.down: Throughput | None = None
        self.up: Throughput | None = None
        self.loaded_ms: float | None = None

    def run(self) -> None:
        """Go through the phases until one fails."""
        target, engine, limits = self.target, self.engine, self.limits
        address = self._do("connect", lambda: reach(target, limits))
        if address is None:
            return
        self.address = address
        self._report(ip=address.ip, family=address.family)
        offer = attempt(lambda: ask_offer(target, address, limits))
        if isinstance(offer, Failure):
            if offer.outcome is Outcome.CANCELLED:
                self.fail(offer)
                return
            self._report(udp_echo_offer=offer.reason)
        token = offer if isinstance(offer, bytes) else None
        self.latency = self._do(
            "latency", lambda: measure_idle(target, address, token, limits=limits)
        )
        if self.latency is None:
            return
        self._report(**self.latency.record)
        self._download(address, token if self.latency.loss_ratio is not None else None)
        if self.down is None:
            return
        self.up = self._do("upload", lambda: engine.upload(target, address, limits))
        if self.up is not None:
            self._report(**self.up.record)

    def _download(self, address: Address, token: bytes | None) -> None:
        target, engine, limits = self.target, self.engine, self.limits
        if token is None:
            self.down = self._do("download", lambda: engine.download(target, address, limits))
        else:
            loaded = LoadedEcho(address, token, at_most_s=limits.duration_s + limits.connect_s)
            with loaded:
                self.down = self._do("download", lambda: engine.download(target, address, limits))
            if self.down is not None:
                self.loaded_ms = loaded_rtt_ms(loaded.echoes, self.down.start_s, self.down.end_s)
        if self.down is not None:
            self._report(**self.down.record)
            if self.loaded_ms is not None:
                self._report(loaded_method="udp_echo", rtt_loaded_ms=round(self.loaded_ms, 3))

    def _do(self, phase: str, run: Callable[[], T]) -> T | None:
        self.phase = phase
        self.reports.append({"phase": phase})
        self.on_phase(phase)
        result = attempt(run)
        if isinstance(result, Failure):
            self.fail(result)
            return None
        self._report(outcome=Outcome.OK.value)
        return result

    def fail(self, failure: Failure) -> None:
        """Note the failure that ends the visit."""
        self.failure = failure
        if not self.reports:
            self.reports.append({"phase": self.phase})
        self._report(outcome=failure.outcome.value, reason=failure.reason, **failure.record)

    def _report(self, **seen: Any) -> None:
        self.reports[-1] |= seen

    def reading(self) -> Reading | None:
        """Give the reading of a visit whose phases all came through."""
        if self.latency is None or self.down is None or self.up is None:
            return None
        return Reading(
            down_mbps=_figure(self.down.mbps),
            up_mbps=_figure(self.up.mbps),
            rtt_idle_ms=_figure(self.latency.rtt_ms),
            rtt_loaded_ms=_figure(self.loaded_ms),
            jitter_ms=_figure(self.latency.jitter_ms),
            loss_ratio=self.latency.loss_ratio,
            bytes_down=self.down.bytes_moved,
            bytes_up=self.up.bytes_moved,
        )

    def record(self) -> str:
        """Give every phase's report as JSON that fits into a sample."""
        text = json.dumps({"phases": self.reports}, ensure_ascii=True, separators=(",", ":"))
        if len(text) > MAX_RECORD_CHARS:
            for report in self.reports:
                report.pop("points_s_bytes", None)
                report.pop("rtts_ms", None)
            text = json.dumps({"phases": self.reports}, ensure_ascii=True, separators=(",", ":"))
        return text[:MAX_RECORD_CHARS]


def _figure(value: float | None) -> float | None:
    """Keep the digits that mean something; never round a measured speed to zero."""
    return None if value is None else float(f"{value:.6g}")


def boot_id() -> str | None:
    """Give the name of this boot, which orders monotonic times; None where there is none."""
    try:
        return _BOOT_ID.read_text("ascii").strip() or None
    except (OSError, ValueError):
        return None
