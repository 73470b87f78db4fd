"""
Responsiveness under working conditions, in round trips per minute (RPM).

The algorithm and the formula of draft-ietf-ippm-responsiveness-09: one more load-generating
connection an interval until the goodput no longer moves, then on until the responsiveness no
longer does, or the time is up; the last intervals' probes count. Each direction by itself, so
that a bad one can be told.

The standard deviation in its tests of stability is the population's (the draft does not say).
Self probes are the kernel's round-trip estimates, the draft's substitute under HTTP/1.1.

An interval is 1 s, as in all versions of the draft before 09, which takes 5 s: a direction then
runs for about a minute at full speed, which nobody who pays for data can be asked for. Figures of
unlike intervals are not to be compared, so each record says where its parameters are not 09's.
"""

import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self
from urllib.parse import urlsplit

from ..data.sample import Outcome
from .connection import Deadline, open_connection
from .interface import Address, AttemptError, Limits, Target, failure_of
from .working_load import ForeignProbe, WorkingLoad, fetch, probe_foreign, tls_context

FORMULA = "draft-ietf-ippm-responsiveness-09"
CONFIG_PATH = "/.well-known/nq"
_FOREIGN_BYTES = {True: 5000, False: 1000}
# What 09 has and we have not, unless asked to.
_DRAFTS_OWN = {"id_s": 5.0}
# How many intervals a direction takes at the most.
MOST_INTERVALS = 20
_PROBERS = 8
_MAX_KEPT = 400


class Confidence(StrEnum):
    """How far a figure had settled: too few intervals, enough of them, or stable ones."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The draft's parameters by its own names (MAD, ID, TMP, SDT, INP, INC, MNP, MPS, PTC)."""

    mad: int = 4
    id_s: float = 1.0
    tmp: float = 0.95
    sdt: float = 0.05
    inp: int = 1
    inc: int = 1
    mnp: int = 16
    mps: float = 100.0
    ptc: float = 0.05
    at_most_s: float = 20.0

    @classmethod
    def of_interval(cls, seconds: float) -> Self:
        """Give the draft's parameters with another interval, and as many of them as ever."""
        return cls(id_s=seconds, at_most_s=MOST_INTERVALS * seconds)

    def departs_from_draft(self) -> dict[str, float]:
        """Give what the draft has, by name, where this is something else."""
        return {name: own for name, own in _DRAFTS_OWN.items() if getattr(self, name) != own}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpm:
    """Round trips per minute: on connections of their own, on the loaded ones, and the mean."""

    foreign: float
    loaded: float

    @property
    def rpm(self) -> float:
        """Give the responsiveness."""
        return (self.foreign + self.loaded) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Responsiveness:
    """One direction's responsiveness; `record` has the parameters and the times it is made of."""

    direction: str
    rpm: float
    foreign_rpm: float
    loaded_rpm: float
    confidence: Confidence
    goodput_mbps: float
    goodput_confidence: Confidence
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NetworkQuality:
    """Where a server has its objects, by its ``.well-known/nq``: paths on the same server."""

    large: str
    small: str
    upload: str


def trimmed_mean(times: Sequence[float], share: float = 0.95) -> float:
    """Give the mean of the lowest `share` of the times: of 20, all but the largest."""
    keep = len(times) - int(len(times) * (1 - share) + 1e-9)
    return statistics.fmean(sorted(times)[:keep])


def rpm_of(
    foreign: Sequence[ForeignProbe], self_ms: Sequence[float], share: float = 0.95
) -> Rpm | None:
    """Give the draft's figures; None without probes of both kinds."""
    if not foreign or not self_ms:
        return None
    parts = [
        trimmed_mean([probe.tcp_ms for probe in foreign], share),
        trimmed_mean([probe.http_ms for probe in foreign], share),
    ]
    tls = [probe.tls_ms for probe in foreign if probe.tls_ms is not None]
    if tls:
        parts.append(trimmed_mean(tls, share))
    return Rpm(
        foreign=60_000 / statistics.fmean(parts),
        loaded=60_000 / trimmed_mean(self_ms, share),
    )


def is_stable(values: Sequence[float], mad: int = 4, sdt: float = 0.05) -> bool:
    """Tell whether the last `mad` values deviate by less than `sdt` of the last one."""
    last = values[-mad:]
    return len(last) == mad and statistics.pstdev(last) < sdt * last[-1]


def moving_averages(values: Sequence[float], mad: int = 4) -> list[float]:
    """Give each value's mean with the `mad` - 1 before it; none before there are so many."""
    return [statistics.fmean(values[i - mad + 1 : i + 1]) for i in range(mad - 1, len(values))]


def confidence_of(intervals: int, *, mad: int, stable: bool) -> Confidence:
    """Give the draft's confidence of a stage that ran for so many intervals."""
    if intervals < mad:
        return Confidence.LOW
    return Confidence.HIGH if stable else Confidence.MEDIUM


def ask_network_quality(target: Target, address: Address, limits: Limits) -> NetworkQuality:
    """
    Ask a server where its objects are.

    Only paths are taken, and only where the answer names the server that was asked: an
    answer cannot send the load, or us, anywhere else.

    Raises
    ------
    AttemptError, OSError
        If it does not tell.
    """
    deadline = Deadline.after(limits.handshake_s)
    with open_connection(target, address, Deadline.after(limits.connect_s)) as sock:
        body = fetch(sock, target, CONFIG_PATH, deadline)
    try:
        said: Any = json.loads(body)
        if str(said["version"]) != "1":
            raise AttemptError(Outcome.PROTOCOL_ERROR, "nq_version")
        urls = said["urls"]
        large, small, upload = (
            _own_path(urls[f"{name}_url"], target)
            for name in ("large_download", "small_download", "upload")
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_nq") from None
    return NetworkQuality(large, small, upload)


def _own_path(url: object, target: Target) -> str:
    if not isinstance(url, str) or len(url) > 2048 or not url.isascii() or not url.isprintable():
        raise ValueError
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    secure = {"https": True, "http": False}.get(parts.scheme)
    here = (parts.hostname, port, secure) == (target.host.lower(), target.port, target.tls)
    if not here or not parts.path.startswith("/") or " " in url:
        raise AttemptError(Outcome.PROTOCOL_ERROR, "nq_elsewhere")
    return parts.path + (f"?{parts.query}" if parts.query else "")


def measure_responsiveness(
    target: Target,
    address: Address,
    direction: str,
    *,
    limits: Limits | None = None,
    parameters: Parameters | None = None,
) -> Responsiveness:
    """
    Measure one direction, ``download`` or ``upload``, against a server of ``.well-known/nq``.

    Raises
    ------
    AttemptError, OSError
        If no responsiveness came of it: no such server, a connection broke, nothing answered.
    """
    limits, parameters = limits or Limits(), parameters or Parameters()
    quality = ask_network_quality(target, address, limits)
    path = quality.upload if direction == "upload" else quality.large
    prober = _Prober(target, address, quality.small, limits, parameters)
    upload = direction == "upload"
    with WorkingLoad(target, address, path, upload=upload, limits=limits) as load:
        test = _Test(load, prober, limits, parameters)
        with prober:
            test.run()
    return test.result(direction)


class _Prober:
    """Sends foreign probes, evenly spread, from a few threads; `per_s` may change on the way."""

    def __init__(
        self, target: Target, address: Address, path: str, limits: Limits, parameters: Parameters
    ) -> None:
        self.done: list[ForeignProbe] = []
        self.failed: list[str] = []
        self.per_s = min(parameters.mps, 10.0)
        self.tls = target.tls
        self._make = (target, address, path, tls_context(target))
        self._seconds = limits.connect_s + limits.handshake_s
        self._stop = threading.Event()
        self._turn = time.monotonic()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, daemon=True, name="foreign-probe")
            for _ in range(_PROBERS)
        ]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        deadline = Deadline.after(1.0)
        for thread in self._threads:
            thread.join(deadline.left())

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                now = time.monotonic()
                turn = self._turn = max(self._turn + 1 / self.per_s, now)
            if self._stop.wait(turn - now):
                return
            try:
                self.done.append(probe_foreign(*self._make, self._seconds))
            except (AttemptError, OSError) as error:
                self.failed.append(failure_of(error).reason)


@dataclass
class _Test:
    """The draft's algorithm for one direction."""

    load: WorkingLoad
    prober: _Prober
    limits: Limits
    parameters: Parameters
    started: float = field(default_factory=time.monotonic)
    goodputs: list[float] = field(default_factory=list)
    rpms: list[Rpm] = field(default_factory=list)
    self_probes: list[tuple[float, float]] = field(default_factory=list)
    saturated: bool = False
    stable: bool = False
    stopped_by: str = ""
    connections: int = 0
    congestion: str | None = None
    last: tuple[list[ForeignProbe], list[float]] = field(default_factory=lambda: ([], []))

    def run(self) -> None:
        """Add load interval by interval until the figures stand still or the time is up."""
        p = self.parameters
        for _ in range(p.inp):
            self.load.add()
        added, counted, counted_s = p.inp, 0, self.started
        end = Deadline(self.started + p.at_most_s)
        while not self.stopped_by:
            self._probe_until(min(time.monotonic() + p.id_s, end.at))
            now, moved = time.monotonic(), self.load.received_bytes()
            self.goodputs.append((moved - counted) / (now - counted_s))
            counted, counted_s = moved, now
            self.last = self._last()
            self.connections = self.load.connections
            self.congestion = self.load.congestion_control() or self.congestion
            self._judge()
            if self.load.error is not None:
                raise self.load.error
            if not self.stopped_by and moved >= self.limits.max_bytes:
                self.stopped_by = "budget"
            if not self.stopped_by and end.passed():
                self.stopped_by = "duration"
            for _ in range(min(p.inc, p.mnp - added) if not self.stopped_by else 0):
                self.load.add()
                added += 1

    def _probe_until(self, end_s: float) -> None:
        """Take self probes as often as foreign ones go out."""
        while (now := time.monotonic()) < end_s:
            rtt_ms = self.load.self_rtt_ms()
            if rtt_ms is not None:
                self.self_probes.append((now, rtt_ms))
            time.sleep(min(1 / self.prober.per_s, end_s - now))

    def _judge(self) -> None:
        p = self.parameters
        averages = moving_averages(self.goodputs, p.mad)
        share_per_s = p.ptc * self.goodputs[-1] / _FOREIGN_BYTES[self.prober.tls]
        self.prober.per_s = max(1.0, min(p.mps, share_per_s))
        if not self.saturated:
            self.saturated = bool(averages) and is_stable(averages, p.mad, p.sdt)
            return
        rpm = rpm_of(*self.last, p.tmp)
        if rpm is not None:
            self.rpms.append(rpm)
            if is_stable([each.rpm for each in self.rpms], p.mad, p.sdt):
                self.stable = True
                self.stopped_by = "stable"

    def _last(self) -> tuple[list[ForeignProbe], list[float]]:
        since = time.monotonic() - self.parameters.mad * self.parameters.id_s
        foreign = [probe for probe in list(self.prober.done) if probe.ended_s >= since]
        return foreign, [rtt for at_s, rtt in self.self_probes if at_s >= since]

    def result(self, direction: str) -> Responsiveness:
        """Give what came of it."""
        p = self.parameters
        rpm = rpm_of(*self.last, p.tmp)
        if rpm is None:
            raise AttemptError(Outcome.STALLED, "no_probe_answered", **self.record())
        averages = moving_averages(self.goodputs, p.mad)
        goodput = averages[-1] if averages else statistics.fmean(self.goodputs)
        return Responsiveness(
            direction=direction,
            rpm=rpm.rpm,
            foreign_rpm=rpm.foreign,
            loaded_rpm=rpm.loaded,
            confidence=confidence_of(len(self.rpms), mad=p.mad, stable=self.stable),
            goodput_mbps=goodput * 8e-6,
            goodput_confidence=confidence_of(len(self.goodputs), mad=p.mad, stable=self.saturated),
            record=self.record(),
        )

    def record(self) -> dict[str, Any]:
        """Give the parameters, and the times that the figures are made of."""
        foreign, self_ms = self.last
        tls = [probe.tls_ms for probe in foreign if probe.tls_ms is not None]
        times = {
            "tcp_f": [probe.tcp_ms for probe in foreign],
            "tls_f": tls,
            "http_f": [probe.http_ms for probe in foreign],
            "http_l": self_ms,
        }
        return {
            "formula": FORMULA,
            "parameters": asdict(self.parameters),
            "departs_from_draft": self.parameters.departs_from_draft(),
            "self_probe": "tcp_rtt_sender" if self.load.upload else "tcp_rtt_receiver",
            "stopped_by": self.stopped_by or None,
            "duration_s": round(time.monotonic() - self.started, 3),
            "connections": self.connections,
            "congestion_control": self.congestion,
            "goodputs_mbps": [round(each * 8e-6, 3) for each in self.goodputs],
            "rpms": [round(each.rpm, 1) for each in self.rpms],
            "foreign_failed": dict(Counter(self.prober.failed)),
            "trimmed_means_ms": {
                name: round(trimmed_mean(each, self.parameters.tmp), 3) if each else None
                for name, each in times.items()
            },
            # Evenly thinned where there are too many to keep.
            "times_ms": {
                name: [round(ms, 2) for ms in each[:: 1 + len(each) // _MAX_KEPT]]
                for name, each in times.items()
            },
        }
