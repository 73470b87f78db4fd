"""
A simulated campaign: a thin but real radio field, measured the way technicians measure.

Nothing here is a measurement, and every sample says so (`Sample.simulated`, tool
``phusong-simulate``). It shows the pipeline at the size of a country, with invented operators.

The model, named `MODEL` in every record; the same seed gives the same bytes:

- **Sites** of each operator stand on a shifted lattice with jitter. Their distance grows from
  0.6 km where an area is dense to 9 km where it is empty, times the operator's own thrift.
- **Path loss** is log-distance, ``A + 37.6 log10(d / km)`` dB, A from 120 (open, low band) to 128
  (dense, 2 GHz), the exponent and the dense end as in 3GPP TR 36.942's macro cell.
- **Shadowing** is a smooth field of mean 0: six plane waves of random direction and phase, 4 to
  8 dB, over some hundreds of metres, so that neighbouring places fade together.
- **Terrain**: some empty areas lie behind hills, where every operator loses 10 to 28 dB more.
- **SINR** compares the best site with noise and with the second site under its load;
  **throughput** is a share of the Shannon bound, capped by the device, less the cell's load.
- **Failures** grow as SINR falls: timeouts, refusals, stalls; below the device's sensitivity
  there is no signal.
- **5G** is non-standalone, in dense areas, beside the LTE anchor; some devices measure the NR
  cell, the others only show an icon.
- **Effort** is uneven: a few areas are never visited, some thoroughly, most at a handful of
  places; now and then a car is parked and measures the same place again and again.
"""

import hashlib
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

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
from .simulated_area import SimulatedArea

MODEL = "log-distance-2"
TOOL = "phusong-simulate"
ENGINE = "simulated"
PLACES_PER_AREA = 16.0
OPERATORS = 3
MOST_OPERATORS = 9
DAYS = 60

_M_PER_DEGREE = 111_320.0
_PLACE_SPACING_M = 200.0
_UNVISITED_SHARE, _THOROUGH_SHARE, _PARKED_SHARE = 0.03, 0.15, 0.02
_HILLY_SHARE, _HILLS_DB = 0.3, (10.0, 28.0)
_THOROUGH_PLACES = (80, 110)
_THOROUGH_SHARE_OF_EFFORT = 0.65
_SENSITIVITY_DBM = -124.0
_NOISE_DBM = -125.0  # 15 kHz of thermal noise and a receiver's 7 dB
_SITE_DBM = 30.0  # per resource element, antenna gain included
_UPLINK_NOISE_DBM = -105.0
_SHADOWING_DB = 8.0  # where nothing is built; dense networks fade less
_IMPLEMENTATION_DB = 3.0
_WAVES = 6
_MOST_SITES = 40


@dataclass(frozen=True, slots=True)
class SimulatedOperator:
    """An invented network: `thrift` stretches the distance between its sites."""

    name: str
    plmn: str
    thrift: float
    nr_share: float


@dataclass(frozen=True, slots=True)
class _Site:
    x_m: float
    y_m: float
    load: float


@dataclass(frozen=True, slots=True)
class _Field:
    """One operator's network in one area, in metres from its centre."""

    operator: SimulatedOperator
    loss_at_1_km_db: float
    shadowing_db: float
    sites: tuple[_Site, ...]
    waves: tuple[tuple[float, float, float], ...]
    has_nr: bool
    measures_nr: bool


def invented_operators(count: int) -> tuple[SimulatedOperator, ...]:
    """Give operators that do not exist: names "Sim A" on, codes of the test network 001."""
    return tuple(
        SimulatedOperator(
            name=f"Sim {chr(ord('A') + number)}",
            plmn=f"001{number + 1:02d}",
            thrift=1.0 + 0.3 * number,
            nr_share=max(0.1, 0.8 - 0.25 * number),
        )
        for number in range(count)
    )


def campaign_probe(
    areas: Sequence[SimulatedArea],
    *,
    start: datetime,
    seed: int,
    operators: int = OPERATORS,
    places_per_area: float = PLACES_PER_AREA,
) -> str:
    """Name a campaign by everything that shapes it, so that only the same one has its name."""
    shape = hashlib.sha256(
        repr((MODEL, start.isoformat(), seed, operators, places_per_area)).encode()
    )
    for area in areas:
        shape.update(repr((area.code, area.lon, area.lat, area.radius_m, area.density)).encode())
    return f"sim-{shape.hexdigest()[:16]}"


def simulate_campaign(
    areas: Sequence[SimulatedArea],
    *,
    probe: str,
    start: datetime,
    seed: int,
    operators: int = OPERATORS,
    places_per_area: float = PLACES_PER_AREA,
) -> Iterator[Sample]:
    """
    Give the samples of a campaign, numbered from 1, in the order of the areas.

    Parameters
    ----------
    probe
        The name under which they are kept, best from `campaign_probe`.
    start
        First day, aware UTC; visits fall on the `DAYS` from there, in daylight.
    places_per_area
        The mean over all areas of how many places are visited, each with every operator.
    """
    networks = invented_operators(operators)
    source = Provenance(tool=TOOL, record=f'{{"model":"{MODEL}","seed":{seed}}}')
    seq = 0
    for area in areas:
        rng = random.Random(f"{MODEL}/{seed}/{area.code}")
        places = _places(rng, area, places_per_area)
        if not places:
            continue
        hills_db = _hills_db(rng, area)
        fields = [_field(rng, area, network, hills_db) for network in networks]
        moment = start + timedelta(days=rng.randrange(DAYS), seconds=rng.uniform(0, 4 * 3600))
        metres_east = _M_PER_DEGREE * math.cos(math.radians(area.lat))
        for x, y in places:
            position = Position(
                lon=round(area.lon + x / metres_east, 6),
                lat=round(area.lat + y / _M_PER_DEGREE, 6),
                accuracy_m=round(3 + rng.expovariate(0.3), 1),
                source="simulated",
            )
            for field in fields:
                seq += 1
                yield _measure(rng, field, x, y, position, moment, probe, seq, source)
            moment += timedelta(seconds=rng.uniform(50, 90))


def _places(
    rng: random.Random, area: SimulatedArea, places_per_area: float
) -> list[tuple[float, float]]:
    """Choose places on a lattice inside the area, in the order of a drive; repeats for a stop."""
    thorough_mean = sum(_THOROUGH_PLACES) / 2
    thorough_share = min(
        _THOROUGH_SHARE, _THOROUGH_SHARE_OF_EFFORT * places_per_area / thorough_mean
    )
    kind = rng.random()
    if kind < _UNVISITED_SHARE:
        return []
    if kind < _UNVISITED_SHARE + thorough_share:
        count = rng.randint(*_THOROUGH_PLACES)
    else:
        left = places_per_area - thorough_share * thorough_mean
        mean = left / (1 - _UNVISITED_SHARE - thorough_share)
        count = 1 + int(rng.expovariate(1 / max(mean - 0.5, 0.05)))
    reach = 0.85 * area.radius_m
    steps = min(int(reach / _PLACE_SPACING_M), 2 + int(math.sqrt(count)))
    stride = max(_PLACE_SPACING_M, min(reach / (steps + 1), 3 * _PLACE_SPACING_M))
    shift_x, shift_y = rng.uniform(-60, 60), rng.uniform(-60, 60)
    nodes = [
        (column * stride + shift_x, row * stride + shift_y)
        for row in range(-steps, steps + 1)
        for column in (range(-steps, steps + 1) if row % 2 else range(steps, -steps - 1, -1))
        if math.hypot(column, row) * stride <= reach
    ]
    chosen = sorted(rng.sample(range(len(nodes)), min(count, len(nodes))))
    route = [nodes[number] for number in chosen]
    if rng.random() < _PARKED_SHARE:
        route += [route[-1]] * rng.randint(5, 40)
    return route


def _hills_db(rng: random.Random, area: SimulatedArea) -> float:
    hidden = rng.random() < _HILLY_SHARE * (1 - area.density)
    return rng.uniform(*_HILLS_DB) if hidden else 0.0


def _field(
    rng: random.Random, area: SimulatedArea, operator: SimulatedOperator, hills_db: float
) -> _Field:
    """Build an operator's network around an area."""
    spacing_m = 600 * (9000 / 600) ** (1 - area.density) * operator.thrift * rng.uniform(0.8, 1.2)
    reach = area.radius_m + spacing_m
    steps = int(reach / spacing_m) + 1
    off_x, off_y = rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5)
    sites = [
        _Site(
            (column + off_x + rng.uniform(-0.2, 0.2)) * spacing_m,
            (row + off_y + rng.uniform(-0.2, 0.2)) * spacing_m,
            rng.uniform(0.1, 0.6),
        )
        for row in range(-steps, steps + 1)
        for column in range(-steps, steps + 1)
    ]
    sites.sort(key=lambda site: math.hypot(site.x_m, site.y_m))
    waves = []
    for _ in range(_WAVES):
        angle, length_m = rng.uniform(0, math.tau), rng.uniform(400, 2500)
        waves.append(
            (
                math.tau / length_m * math.cos(angle),
                math.tau / length_m * math.sin(angle),
                rng.uniform(0, math.tau),
            )
        )
    return _Field(
        operator=operator,
        loss_at_1_km_db=120 + 8 * area.density + hills_db,
        shadowing_db=_SHADOWING_DB * (1 - area.density / 2),
        sites=tuple(sites[:_MOST_SITES]),
        waves=tuple(waves),
        has_nr=area.density > 0.5 and rng.random() < operator.nr_share,
        measures_nr=rng.random() < 0.7,
    )


def _levels(field: _Field, x: float, y: float) -> tuple[float, float, float]:
    """Give RSRP in dBm, SINR in dB and the load of the serving site at a place."""
    best = second = math.inf
    load = other_load = 0.0
    for site in field.sites:
        dx, dy = site.x_m - x, site.y_m - y
        squared = dx * dx + dy * dy
        if squared < best:
            best, second, load, other_load = squared, best, site.load, load
        elif squared < second:
            second, other_load = squared, site.load
    cos = math.cos
    fade = sum(cos(kx * x + ky * y + phase) for kx, ky, phase in field.waves)
    shadow_db = field.shadowing_db * math.sqrt(2 / _WAVES) * fade
    # log10 of a squared distance: half the exponent; nobody measures within 35 m of a mast.
    reference = _SITE_DBM - field.loss_at_1_km_db + 18.8 * 6
    rsrp = reference - 18.8 * math.log10(max(best, 1225.0)) + shadow_db
    # The neighbour's fading is another one, so only the server's own shadowing moves its level.
    other = reference - 18.8 * math.log10(max(second, 1225.0)) - 5
    interference = 10 ** (_NOISE_DBM / 10) + other_load * 10 ** (other / 10)
    return rsrp, rsrp - 10 * math.log10(interference) - _IMPLEMENTATION_DB, load


def _measure(
    rng: random.Random,
    field: _Field,
    x: float,
    y: float,
    position: Position,
    moment: datetime,
    probe: str,
    seq: int,
    source: Provenance,
) -> Sample:
    """Attempt one speed test at a place."""
    rsrp, sinr, load = _levels(field, x, y)
    rsrp += rng.gauss(0, 1.5)
    sinr += rng.gauss(0, 1.0)
    nr_rsrp = rsrp - 9 if field.has_nr and rsrp > -103 else None
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
        radio=_radio(field, rsrp, sinr, nr_rsrp, signal=outcome is not Outcome.NO_SIGNAL),
        source=source,
        simulated=True,
    )


def _outcome(rng: random.Random, rsrp: float, sinr: float) -> tuple[Outcome, str | None]:
    if rsrp < _SENSITIVITY_DBM:
        return Outcome.NO_SIGNAL, "no_signal"
    chance = 0.0003 + 0.7 / (1 + math.exp(min(sinr + 4, 50)))
    if rng.random() >= chance:
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
    per_hz = min(0.75 * math.log2(1 + 10 ** (sinr / 10)), 5.0)
    free = (1 - load) * rng.uniform(0.85, 1.1)
    down = 20 * 1.5 * per_hz * free
    headroom_db = rsrp - _SITE_DBM + 36 - _UPLINK_NOISE_DBM
    up = 8 * min(0.75 * math.log2(1 + 10 ** (headroom_db / 10)), 4.5) * free
    if nr_rsrp is not None:
        nr_per_hz = min(0.75 * math.log2(1 + 10 ** ((nr_rsrp + 108) / 10)), 6.0)
        down += 80 * 0.9 * nr_per_hz * free
        up += 10 * nr_per_hz * free
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
    field: _Field, rsrp: float, sinr: float, nr_rsrp: float | None, *, signal: bool
) -> Radio:
    if not signal:
        return Radio(plmn=field.operator.plmn, operator=field.operator.name)
    measured = nr_rsrp is not None and field.measures_nr
    evidence = NrEvidence.NONE
    if nr_rsrp is not None:
        evidence = NrEvidence.NSA_MEASURED if measured else NrEvidence.NSA_INDICATED
    return Radio(
        plmn=field.operator.plmn,
        operator=field.operator.name,
        rat=Rat.LTE if nr_rsrp is None else Rat.NR_NSA,
        nr_evidence=evidence,
        rsrp_dbm=round(min(rsrp, -44.0), 1),
        sinr_db=round(min(max(sinr, -20.0), 40.0), 1),
        nr_rsrp_dbm=round(nr_rsrp, 1) if measured and nr_rsrp is not None else None,
    )
