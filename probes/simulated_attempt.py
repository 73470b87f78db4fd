"""One simulated attempt: what a device would have seen and measured at a place of a radio field."""

import random
from dataclasses import dataclass, replace
from datetime import datetime

from ..data.sample import (
    Kind,
    NrEvidence,
    Outcome,
    Position,
    Provenance,
    Radio,
    Rat,
    Reading,
    Sample,
)
from .radio_field import (
    FREE_FROM,
    FREE_TO,
    RSRP_NOISE_DB,
    SENSITIVITY_DBM,
    SINR_NOISE_DB,
    RadioField,
    failure_chance,
    free_capacity,
)

MODEL = "log-distance-2"
ENGINE = "simulated"


@dataclass(frozen=True, slots=True)
class SimulatedOperator:
    """An invented network: `thrift` stretches the distance between its sites."""

    name: str
    plmn: str
    thrift: float
    nr_share: float


@dataclass(frozen=True, slots=True)
class Network:
    """An operator, its field around one area, and whether its device measures the NR cell."""

    operator: SimulatedOperator
    field: RadioField
    measures_nr: bool = True


def measure(
    rng: random.Random,
    network: Network,
    x: float,
    y: float,
    position: Position,
    moment: datetime,
    probe: str,
    seq: int,
    source: Provenance,
) -> Sample:
    """Attempt one speed test at a place."""
    rsrp, sinr, load = network.field.levels(x, y)
    rsrp += rng.gauss(0, RSRP_NOISE_DB)
    sinr += rng.gauss(0, SINR_NOISE_DB)
    nr_rsrp = network.field.nr_level(rsrp)
    outcome, reason = _outcome(rng, rsrp, sinr)
    reading = _reading(rng, sinr, load, rsrp, nr_rsrp) if outcome is Outcome.OK else None
    return Sample(
        probe=probe,
        seq=seq,
        kind=Kind.SPEED,
        started_at=moment,
        outcome=outcome,
        reason=reason,
        duration_s=round(rng.uniform(21, 24) if reading else rng.uniform(5, 12), 2),
        engine=ENGINE,
        engine_version=MODEL,
        reading=reading,
        position=position,
        radio=_radio(network, rsrp, sinr, nr_rsrp, signal=outcome is not Outcome.NO_SIGNAL),
        source=source,
        simulated=True,
    )


def spoil(sample: Sample) -> Sample:
    """Give the same attempt as a faulty device would have ended it."""
    return replace(
        sample,
        outcome=Outcome.DEVICE_ERROR,
        reason="device_fault",
        reading=None,
        duration_s=0.5,
    )


def _outcome(rng: random.Random, rsrp: float, sinr: float) -> tuple[Outcome, str | None]:
    if rsrp < SENSITIVITY_DBM:
        return Outcome.NO_SIGNAL, "no_signal"
    if rng.random() >= failure_chance(sinr):
        return Outcome.OK, None
    kind = rng.random()
    if kind < 0.65:
        return Outcome.TIMEOUT, "download_timeout" if kind < 0.4 else "upload_timeout"
    if kind < 0.85:
        return Outcome.STALLED, "download_stalled"
    return Outcome.REFUSED, "connect_refused"


def _reading(
    rng: random.Random, sinr: float, load: float, rsrp: float, nr_rsrp: float | None
) -> Reading:
    free = (1 - load) * rng.uniform(FREE_FROM, FREE_TO)
    down, up = (capacity * free for capacity in free_capacity(sinr, rsrp, nr_rsrp))
    rtt = 18 + 25 * load + rng.expovariate(0.2)
    jitter = 0.5 + rng.expovariate(0.5)
    return Reading(
        down_mbps=round(max(down, 0.02), 2),
        up_mbps=round(max(up, 0.02), 2),
        rtt_idle_ms=round(rtt, 1),
        rtt_loaded_ms=round(rtt + 20 + rng.expovariate(0.02), 1),
        jitter_ms=round(jitter, 2),
        loss_ratio=0.05 if sinr < 0 and rng.random() < 0.2 else 0.0,
    )


def _radio(
    network: Network, rsrp: float, sinr: float, nr_rsrp: float | None, *, signal: bool
) -> Radio:
    if not signal:
        return Radio(plmn=network.operator.plmn, operator=network.operator.name)
    measured = nr_rsrp is not None and network.measures_nr
    evidence = NrEvidence.NONE
    if nr_rsrp is not None:
        evidence = NrEvidence.NSA_MEASURED if measured else NrEvidence.NSA_INDICATED
    return Radio(
        plmn=network.operator.plmn,
        operator=network.operator.name,
        rat=Rat.LTE if nr_rsrp is None else Rat.NR_NSA,
        nr_evidence=evidence,
        rsrp_dbm=round(min(rsrp, -44.0), 1),
        sinr_db=round(min(max(sinr, -20.0), 40.0), 1),
        nr_rsrp_dbm=round(nr_rsrp, 1) if measured and nr_rsrp is not None else None,
    )
