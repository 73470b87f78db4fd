"""
One visit: idle latency, download with latency under load, upload; one sample.

The phases run one after the other to the same checked address. The first phase that fails gives
the sample its outcome, with a reason that names the phase (``upload_timeout``), and the sample
then has no reading: half a visit is not a slow visit. What the earlier phases measured
stays in `source.record`, which is kept as evidence whatever came of the visit.
"""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
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
from .engines.ceiling import Ceiling
from .engines.registry import default_engine
from .interface import Address, Engine, Failure, Latency, Limits, Target, Throughput, attempt
from .latency import LoadedEcho, loaded_record, loaded_rtt_ms, measure_idle
from .offer import Offer, ask_offer
from .receipt import ask_receipt, is_test_id

PHASES = ("connect", "latency", "download", "upload")
TOOL = "phusong"
# Below this no machine that runs us is the limit; above it, what it can do is looked up.
FAST_MBPS = 200.0
_NOTHING_CAME = ("opened_then_stalled", "too_little")
# Enough to tell whether anything comes through in small packets.
_SMALL_LIMITS: dict[str, Any] = {"duration_s": 1.5, "stall_s": 1.5}
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
    ceiling: Callable[[], Ceiling | None] = lambda: None,
    found_by: Mapping[str, Any] | None = None,
    receipt_key: bytes | None = None,
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
    receipt_key
        The public key, in PEM, that the server's receipts have to be signed with.
    """
    visit = _Visit(
        target,
        engine,
        limits or Limits(duration_s=duration_s),
        on_phase or (lambda phase: None),
        ceiling,
        dict(found_by or {}),
        receipt_key,
    )
    mono_ns = time.monotonic_ns()
    failure = attempt(visit.run)
    if isinstance(failure, Failure) and visit.failure is None:
        visit.fail(failure)
    duration_s = round((time.monotonic_ns() - mono_ns) / 1e9, 4)
    seen = visit.sample(probe, started_at, position, radio)
    return replace(seen, mono_ns=mono_ns, boot_id=boot_id(), duration_s=duration_s)


class _Visit:
    def __init__(
        self,
        target: Target,
        engine: Engine | None,
        limits: Limits,
        on_phase: Callable[[str], None],
        ceiling: Callable[[], Ceiling | None],
        found_by: dict[str, Any],
        receipt_key: bytes | None,
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
        self.receipt_key = receipt_key
        self.has_receipts = False

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
        self.has_receipts = offer is not None
        self.engine = engine = self.engine or default_engine(offer.max_flows if offer else 0)
        token = offer.token if offer else None
        if not engine.times_itself:
            self.latency = self._do(
                "latency", lambda: measure_idle(target, address, token, limits=limits)
            )
            if self.latency is None:
                return
            self._report(**self.latency.record)
            token = token if self.latency.loss_ratio is not None else None
        self.down, self.loaded_ms = self._move("download", engine.download, address, token)
        if self.down is None:
            return
        self.up, _ = self._move("upload", engine.upload, address, token)
        if self.up is not None and max(self.up.mbps, self.down.mbps) > FAST_MBPS:
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
            self._suspect_path_mtu(run, address)
            return None, None
        self._report(**moved.record)
        if self.has_receipts and is_test_id(moved.test_id):
            self._ask_receipt(phase, address, moved)
        if loaded is None:
            return moved, None
        loaded_ms = loaded_rtt_ms(loaded.echoes, moved.start_s, moved.end_s)
        if loaded_ms is not None:
            seen = loaded_record(loaded.echoes, moved.start_s, moved.end_s)
            self._report(loaded_method="udp_echo", rtt_loaded_ms=round(loaded_ms, 3), loaded=seen)
        return moved, loaded_ms

    def _suspect_path_mtu(
        self, run: Callable[[Target, Address, Limits], Throughput], address: Address
    ) -> None:
        """
        Try once more in small packets what has opened and then carried nothing.

        If that goes through, the path loses full-size packets without a word: a fault of the
        network's, and of another kind than a server that is silent. What it carried is no speed.
        """
        if self.failure is None or self.failure.reason not in _NOTHING_CAME:
            return
        small = replace(address, small_segments=True)
        tried = attempt(lambda: run(self.target, small, replace(self.limits, **_SMALL_LIMITS)))
        if isinstance(tried, Failure) and tried.reason != "budget_spent":
            self._report(in_small_segments=tried.reason)
            if tried.outcome is Outcome.CANCELLED:
                self.fail(tried)
            return
        self._report(in_small_segments="through")
        self.fail(replace(self.failure, reason="path_mtu", record={}))

    def _ask_receipt(self, phase: str, address: Address, moved: Throughput) -> None:
        """Keep what the far end has counted, beside what we have."""
        target, limits, key = self.target, self.limits, self.receipt_key
        kept = ask_receipt(target, address, moved, phase, limits=limits, key=key)
        self._report(receipt=kept)

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
        latency, down, up = self.latency, self.down, self.up
        if down is None or up is None:
            return None
        lost = latency.record if latency else {}
        return Reading(
            down_mbps=_figure(down.mbps),
            up_mbps=_figure(up.mbps),
            rtt_idle_ms=_figure(latency.rtt_ms if latency else down.rtt_ms),
            rtt_loaded_ms=_figure(self.loaded_ms),
            jitter_ms=_figure(latency.jitter_ms if latency else None),
            loss_ratio=latency.loss_ratio if latency else None,
            bytes_down=down.bytes_moved,
            bytes_up=up.bytes_moved,
            down_low_mbps=_figure(down.low_mbps, at_most=down.mbps),
            down_high_mbps=_figure(down.high_mbps, at_least=down.mbps),
            up_low_mbps=_figure(up.low_mbps, at_most=up.mbps),
            up_high_mbps=_figure(up.high_mbps, at_least=up.mbps),
            loss_up_ratio=lost.get("loss_up"),
            loss_down_ratio=lost.get("loss_down"),
            near_ceiling=self.near_ceiling(down, up),
        )

    def sample(
        self, probe: str, started_at: datetime, position: Position | None, radio: Radio | None
    ) -> Sample:
        """Give what came of the visit, times aside."""
        failure = self.failure
        return Sample(
            probe=probe,
            kind=Kind.SPEED,
            started_at=started_at,
            outcome=failure.outcome if failure else Outcome.OK,
            reason=f"{self.phase}_{failure.reason}"[:64] if failure else None,
            engine=self.engine.name if self.engine else None,
            engine_version=self.engine.version if self.engine else None,
            server=self.target.url,
            family=self.address.family if self.address else self.target.family,
            reading=None if failure else self.reading(),
            position=position,
            radio=radio,
            source=Provenance(tool=TOOL, record=self.record()),
        )

    def near_ceiling(self, down: Throughput, up: Throughput) -> bool:
        """Tell whether this machine, not the link, may have been the limit."""
        limit = self.ceiling
        near = limit is not None and (
            limit.is_near(down.mbps, "download", tls=self.target.tls)
            or limit.is_near(up.mbps, "upload", tls=self.target.tls)
        )
        return near or down.cpu_full or up.cpu_full

    def record(self) -> str:
        """Give every phase's report as JSON that fits into a sample."""
        seen: dict[str, Any] = {"phases": self.reports}
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
