"""One visit after another: a family at a time, and the next server where one refuses."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from ..data.errors import ConfigError
from ..data.sample import Kind, Outcome, Position, Provenance, Radio, Sample
from .discovery import LOCATE_URL, find_servers, found_by, locate_target
from .engines.ceiling import Ceiling
from .engines.registry import ENGINES
from .interface import Engine, Failure, Limits, Target, attempt
from .scope import Scope
from .speed import TOOL, boot_id, measure_visit

_REFUSALS = (Outcome.SERVER_ERROR, Outcome.REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    What to measure, and how.

    `server` is the far end; or, with `country`, the Locate service that is asked for far ends.
    Without `families` the name's first address decides. `around` gives what else belongs into
    each sample's record.
    """

    server: Target
    country: str | None = None
    families: Sequence[int | None] = (None,)
    engine: Engine | None = None
    limits: Limits = field(default_factory=Limits)
    position: Position | None = None
    radio: Radio | None = None
    receipt_key: bytes | None = None
    scope: Scope = Scope.WHOLE
    around: Callable[[], Mapping[str, Any]] = dict


def make_engine(name: str | None, flows: int | None) -> tuple[Engine | None, tuple[str, ...]]:
    """
    Give the engine asked for and the schemes of its servers; None leaves it to the server.

    Raises
    ------
    ConfigError
        If what it needs is not installed, or it cannot open so many connections.
    """
    known = ENGINES[name or ("multistream" if flows else "ndt7")]
    if name is None and flows is None:
        return None, known.schemes
    missing = known.missing()
    if missing is not None:
        raise ConfigError(
            "{engine} needs {missing}, which is not installed here; see: phusong probe engines",
            engine=known.name,
            missing=missing,
        )
    if flows is not None and flows > known.most_flows:
        raise ConfigError(
            "{engine} opens at most {most} {most:connection|connections} (--flows)",
            engine=known.name,
            most=known.most_flows,
        )
    return known.make(flows), known.schemes


def far_end(
    url: str | None,
    country: str | None,
    locate: str | None,
    *,
    schemes: Sequence[str],
    allow_private: bool,
    ca_file: Path | None,
) -> Target:
    """
    Give the server that was named, or the Locate service that will name one.

    Raises
    ------
    ConfigError
        If it is neither or both, or no address.
    """
    if (url is None) == (country is None):
        raise ConfigError("name the far end by --server or by --country, one of the two")
    if url is None:
        service = locate or LOCATE_URL
        return locate_target(service, allow_private=allow_private, ca_file=ca_file)
    return Target.parse(url, schemes=schemes, allow_private=allow_private, ca_file=ca_file)


def named_position(
    lon: float | None, lat: float | None, accuracy_m: float | None
) -> Position | None:
    """
    Give the place that the user named, None if none was.

    Raises
    ------
    ConfigError
        If it is half a place.
    """
    if lon is None and lat is None and accuracy_m is None:
        return None
    if lon is None or lat is None:
        raise ConfigError("a position needs both --lon and --lat")
    return Position(lon=lon, lat=lat, accuracy_m=accuracy_m, source="user")


def measure_all(
    plan: Plan,
    *,
    probe: str,
    now: Callable[[], datetime],
    on_phase: Callable[[str], None] | None = None,
    ceiling: Callable[[], Ceiling | None] = lambda: None,
) -> Iterator[Sample]:
    """Give a sample for each attempt; a refused one is followed by one with the next server."""
    for family in plan.families:
        started_at = now()
        if plan.country is None:
            targets: list[Target] | Failure = [replace(plan.server, family=family)]
            found: dict[str, Any] = {}
        else:
            country, found = plan.country, found_by(plan.server, plan.country)
            targets = attempt(partial(find_servers, plan.server, country, family=family))
        if isinstance(targets, Failure):
            yield _not_found(plan, probe, targets, family, started_at, found)
            continue
        for target in targets:
            sample = measure_visit(
                target,
                probe=probe,
                started_at=now(),
                limits=plan.limits,
                position=plan.position,
                radio=plan.radio,
                engine=plan.engine,
                on_phase=on_phase,
                ceiling=ceiling,
                found_by=found,
                receipt_key=plan.receipt_key,
                scope=plan.scope,
                around=plan.around,
            )
            yield sample
            if sample.outcome not in _REFUSALS:
                break


def was_private(sample: Sample) -> bool:
    """Tell whether a private or loopback address was all that kept a visit from its server."""
    refused = sample.outcome is Outcome.ADDRESS_REFUSED
    return refused and any(phase.get("private") for phase in _phases(sample))


def disagreements(sample: Sample) -> list[tuple[str, int, int]]:
    """Give direction, bytes that the far end counted, and bytes that we did, where they differ."""
    kept = [(phase, phase.get("receipt") or {}) for phase in _phases(sample)]
    return [
        (phase["phase"], receipt["receipt"]["bytes"], receipt["counted_bytes"])
        for phase, receipt in kept
        if receipt.get("agrees") is False
    ]


def _phases(sample: Sample) -> list[dict[str, Any]]:
    try:
        record: dict[str, Any] = json.loads(sample.source.record or "{}")
    except ValueError:
        # Too much was seen to be kept whole.
        return []
    return [*record.get("phases", ()), record.get("failed", {})]


def _not_found(
    plan: Plan,
    probe: str,
    failure: Failure,
    family: int | None,
    started_at: datetime,
    found: dict[str, Any],
) -> Sample:
    """Give the sample of an attempt for which no server was to be had."""
    record: dict[str, Any] = {
        "phases": [{"phase": "locate", "reason": failure.reason, **failure.record}]
    }
    record |= {"found_by": found} | dict(plan.around())
    return Sample(
        probe=probe,
        kind=Kind.LATENCY if plan.scope is Scope.LATENCY else Kind.SPEED,
        started_at=started_at,
        outcome=failure.outcome,
        reason=f"locate_{failure.reason}"[:64],
        boot_id=boot_id(),
        server=plan.server.url,
        family=family,
        position=plan.position,
        radio=plan.radio,
        source=Provenance(tool=TOOL, record=json.dumps(record)),
    )
