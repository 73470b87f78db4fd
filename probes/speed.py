"""
One visit: idle latency, download with latency under load, upload; one sample.

The phases run one after the other to the same checked address. The first phase that fails gives
the sample its outcome, with a reason that names the phase (``upload_timeout``), and the sample
then has no reading: half a visit is not a slow visit. What the earlier phases measured
stays in `source.record`, which is kept as evidence whatever came of the visit.

Where data is dear, a visit may be smaller: the download alone, or the latency alone. Such a sample
has no value for what was left out, and its record names the rule by which it was made small.
"""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from enum import StrEnum
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
from .engines.ceiling import Ceiling
from .engines.registry import default_engine
from .interface import (
    DATA_CAP,
    Address,
    Engine,
    Failure,
    Latency,
    Limits,
    Target,
    Throughput,
    attempt,
)
from .latency import LoadedEcho, loaded_record, loaded_rtt_ms, measure_idle
from .meter import WIRE_SHARE
from .offer import Offer, ask_offer

PHASES = ("connect", "latency", "download", "upload")
TOOL = "phusong"
# Below this no machine that runs us is the limit; above it, what it can do is looked up.
FAST_MBPS = 200.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

T = TypeVar("T")


class Scope(StrEnum):
    """How much of a visit is made."""

    WHOLE = "whole"
    DOWNLOAD = "download"
    LATENCY = "latency"


_RULES = {
    Scope.DOWNLOAD: "latency, then one download that ends once its estimate is steady; no upload",
    Scope.LATENCY: "latency alone",
}


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
    ceiling: Callable[[], Ceiling | None] = lambda: None,
    found_by: Mapping[str, Any] | None = None,
    scope: Scope = Scope.WHOLE,
    around: Callable[[], Mapping[str, Any]] = dict,
) -> Sample:
    """
    Measure once; whatever comes of it is a sample.

    Ctrl-C gives a sample with outcome `CANCELLED`: its caller keeps it and then ends.

    Parameters
    ----------
    started_at
        The wall clock when this is called, in UTC.
    duration_s
        How long each direction runs at the most; `limits`, where given, says it instead.
    engine
        Without one, multistream where the server offers it, and ndt7 elsewhere.
    on_phase
        Called with the name of each of `PHASES` as it begins.
    ceiling
        Asked, after a fast test, what this machine can measure.
    found_by
        How the server was found, to be kept with the sample.
    around
        Asked when the phases are over for what else belongs into the record: what the radio did
        meanwhile, say.
    """
    visit = _Visit(
        target,
        engine,
        limits or Limits(duration_s=duration_s),
        on_phase or (lambda phase: None),
        ceiling,
        dict(found_by or {}),
        scope,
    )
    mono_ns = time.monotonic_ns()
    failure = attempt(visit.run)
    if isinstance(failure, Failure) and visit.failure is None:
        visit.fail(failure)
    visit.around = dict(around())
    return visit.sample(
        probe=probe, started_at=started_at, mono_ns=mono_ns, position=position, radio=radio
    )


class _Visit:
    def __init__(
        self,
        target: Target,
        engine: Engine | None,
        limits: Limits,
        on_phase: Callable[[str], None],
        ceiling: Callable[[], Ceiling | None],
        found_by: dict[str, Any],
        scope: Scope,
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
        self.ask_ceiling = ceiling
        self.ceiling: Ceiling | None = None
        self.found_by = found_by
        self.scope = scope
        self.around: dict[str, Any] = {}

    def run(self) -> None:
        """Go through the phases until one fails."""
        target, limits = self.target, self.limits
        address = self._do("connect", lambda: reach(target, limits))
        if address is None:
            return
        self.address = address
        self._report(ip=address.ip, family=address.family)
        offer = self._offer(address)
        if self.failure is not None:
            return
        if self.scope is not Scope.LATENCY or self.engine is not None:
            self.engine = self.engine or default_engine(offer.max_flows if offer else 0)
        self._measure(address, offer)

    def _measure(self, address: Address, offer: Offer | None) -> None:
        target, limits, engine = self.target, self.limits, self.engine
        token = offer.token if offer else None
        if engine is None or not engine.times_itself:
            self.latency = self._do(
                "latency", lambda: measure_idle(target, address, token, limits=limits)
            )
            if self.latency is None:
                return
            self._report(**self.latency.record)
            token = token if self.latency.loss_ratio is not None else None
        if engine is None or self.scope is Scope.LATENCY:
            return
        self.down, self.loaded_ms = self._move("download", engine.download, address, token)
        if self.down is None:
            return
        if self.scope is Scope.WHOLE:
            self.up, _ = self._move("upload", engine.upload, address, token)
        if self.failure is None and max(m.mbps for m in self.moves()) > FAST_MBPS:
            self.ceiling = self.ask_ceiling()

    def _offer(self, address: Address) -> Offer | None:
        """Ask what the server offers; a server that does not answer offers nothing."""
        if self.engine is not None and self.engine.times_itself:
            return None
        offer = attempt(lambda: ask_offer(self.target, address, self.limits))
        if not isinstance(offer, Failure):
            return offer
        if offer.outcome is Outcome.CANCELLED:
            self.fail(offer)
        self._report(udp_echo_offer=offer.reason)
        return None

    def _move(
        self,
        phase: str,
        run: Callable[[Target, Address, Limits], Throughput],
        address: Address,
        token: bytes | None,
    ) -> tuple[Throughput | None, float | None]:
        """Measure one direction; beside it the round trip under its load, on a flow of its own."""
        target, limits = self.target, self.limits
        echo: AbstractContextManager[LoadedEcho | None] = nullcontext()
        if token is not None:
            echo = LoadedEcho(address, token, at_most_s=limits.duration_s + limits.connect_s)
        with echo as loaded:
            moved = self._do(phase, lambda: run(target, address, limits))
        if moved is None:
            return None, None
        self._report(**moved.record)
        if loaded is None:
            return moved, None
        loaded_ms = loaded_rtt_ms(loaded.echoes, moved.start_s, moved.end_s)
        if loaded_ms is not None:
            seen = loaded_record(loaded.echoes, moved.start_s, moved.end_s)
            self._report(loaded_method="udp_echo", rtt_loaded_ms=round(loaded_ms, 3), loaded=seen)
        return moved, loaded_ms

    def _do(self, phase: str, run: Callable[[], T]) -> T | None:
        self.phase = phase
        self.reports.append({"phase": phase})
        self.on_phase(phase)
        meter = self.limits.meter
        if meter is not None:
            meter.begin(phase)
        result = attempt(run)
        if isinstance(result, Failure):
            self.fail(result)
        if meter is not None:
            meter.end(_wire_bytes(result.record if hasattr(result, "record") else {}))
        if isinstance(result, Failure):
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

    def sample(
        self,
        *,
        probe: str,
        started_at: datetime,
        mono_ns: int,
        position: Position | None,
        radio: Radio | None,
    ) -> Sample:
        """Give what came of the visit."""
        return Sample(
            probe=probe,
            kind=Kind.LATENCY if self.scope is Scope.LATENCY else Kind.SPEED,
            started_at=started_at,
            outcome=self.failure.outcome if self.failure else Outcome.OK,
            reason=self.reason(),
            mono_ns=mono_ns,
            boot_id=boot_id(),
            duration_s=round((time.monotonic_ns() - mono_ns) / 1e9, 4),
            engine=self.engine.name if self.engine else None,
            engine_version=self.engine.version if self.engine else None,
            server=self.target.url,
            family=self.address.family if self.address else self.target.family,
            reading=None if self.failure else self.reading(),
            position=position,
            radio=radio,
            source=Provenance(tool=TOOL, record=self.record()),
        )

    def reading(self) -> Reading | None:
        """Give the reading of a visit whose phases all came through."""
        latency, down, up = self.latency, self.down, self.up
        first = latency.rtt_ms if latency else down.rtt_ms if down else None
        if first is None and down is None:
            return None
        lost = latency.record if latency else {}
        return Reading(
            rtt_idle_ms=_figure(first),
            rtt_loaded_ms=_figure(self.loaded_ms),
            jitter_ms=_figure(latency.jitter_ms if latency else None),
            loss_ratio=latency.loss_ratio if latency else None,
            loss_up_ratio=lost.get("loss_up"),
            loss_down_ratio=lost.get("loss_down"),
            near_ceiling=self.near_ceiling(),
            **_figures("down", down),
            **_figures("up", up),
        )

    def moves(self) -> list[Throughput]:
        """Give the directions that were measured."""
        return [moved for moved in (self.down, self.up) if moved is not None]

    def near_ceiling(self) -> bool | None:
        """Tell whether this machine, not the link, may have been the limit; None without a rate."""
        if not self.moves():
            return None
        limit = self.ceiling
        ways = (("download", self.down), ("upload", self.up))
        near = limit is not None and any(m and limit.is_near(m.mbps, way) for way, m in ways)
        return near or any(moved.cpu_full for moved in self.moves())

    def reason(self) -> str | None:
        """Give the short name of what ended the visit; None if nothing did."""
        if self.failure is None:
            return None
        if self.failure.reason == DATA_CAP:
            return DATA_CAP
        return f"{self.phase}_{self.failure.reason}"[:64]

    def record(self) -> str:
        """Give every phase's report as JSON that fits into a sample."""
        seen: dict[str, Any] = {"phases": self.reports} | self.around
        if self.scope in _RULES:
            seen["small"] = {"rule": _RULES[self.scope], "scope": self.scope.value}
            if self.scope is Scope.DOWNLOAD:
                seen["small"]["steady_within"] = self.limits.width
        if self.ceiling is not None:
            seen["ceiling"] = self.ceiling.shown()
        if self.found_by:
            seen["found_by"] = self.found_by
        text = _compact(seen)
        if len(text) > MAX_RECORD_CHARS:
            for report in self.reports:
                for bulky in ("series", "rtts_ms", "tcp", "server"):
                    report.pop(bulky, None)
            text = _compact(seen)
        return text[:MAX_RECORD_CHARS]


def _wire_bytes(record: Mapping[str, Any]) -> int | None:
    """Give what a phase has cost by its own account; None where it has none."""
    if isinstance(record.get("wire_bytes"), int):
        return int(record["wire_bytes"])
    payload = record.get("payload_bytes")
    return int(payload * WIRE_SHARE) if isinstance(payload, int) else None


def _figures(way: str, moved: Throughput | None) -> dict[str, Any]:
    """Give one direction's fields of a reading."""
    if moved is None:
        return {}
    return {
        f"{way}_mbps": _figure(moved.mbps),
        f"bytes_{way}": moved.bytes_moved,
        f"{way}_low_mbps": _figure(moved.low_mbps, at_most=moved.mbps),
        f"{way}_high_mbps": _figure(moved.high_mbps, at_least=moved.mbps),
    }


def _compact(seen: dict[str, Any]) -> str:
    return json.dumps(seen, ensure_ascii=True, separators=(",", ":"))


def _figure(
    value: float | None, *, at_most: float | None = None, at_least: float | None = None
) -> float | None:
    """
    Keep the digits that mean something; never round a measured speed to zero.

    A bound is rounded as the figure is, so that the figure stays inside its interval.
    """
    if value is None:
        return None
    if at_most is not None:
        value = min(value, at_most)
    if at_least is not None:
        value = max(value, at_least)
    return float(f"{value:.6g}")


def boot_id() -> str | None:
    """Give the name of this boot, which orders monotonic times; None where there is none."""
    try:
        return _BOOT_ID.read_text("ascii").strip() or None
    except (OSError, ValueError):
        return None
