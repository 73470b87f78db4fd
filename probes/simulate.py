"""
A simulated campaign: a thin but real radio field, measured the way technicians measure.

Nothing here is a measurement, and every sample says so (`Sample.simulated`, tool
``phusong-simulate``). It shows the pipeline at the size of a country, with invented operators.

The model, named `MODEL` in every record; the same seed gives the same bytes. `radio_field.py` has
the physics and the truth; here is how a country is drawn over it:

- **Sites** of each operator stand on a shifted lattice with jitter. Their distance grows from
  0.6 km where an area is dense to 9 km where it is empty, times the operator's own thrift.
- **Path loss** at 1 km from 120 dB (open, low band) to 128 (dense, 2 GHz).
- **Shadowing**: six plane waves of random direction and phase, 4 to 8 dB, over some hundreds of
  metres.
- **Terrain**: some empty areas lie behind hills, where every operator loses 10 to 28 dB more; and,
  where asked for, dead zones in which no operator is heard.
- **5G** in dense areas; some devices measure the NR cell, the others only show an icon.
- **Failures** are timeouts, refusals and stalls; and, where asked for, faults of the device.
- **Effort** is uneven: a few areas are never visited, some thoroughly, most at a handful of
  places; now and then a car is parked and measures the same place again and again.
"""

import hashlib
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..data.sample import Position, Provenance, Sample
from .radio_field import DeadZone, RadioField, Site
from .simulated_area import SimulatedArea
from .simulated_attempt import MODEL, Network, SimulatedOperator, measure, spoil

TOOL = "phusong-simulate"
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
_SHADOWING_DB = 8.0  # where nothing is built; dense networks fade less
_WAVES = 6
_MOST_SITES = 40
_DEAD_ZONE_M = (100.0, 600.0)
_MOST_OF_AREA = 0.4


@dataclass(frozen=True, slots=True)
class Hazards:
    """
    What a campaign meets besides weak coverage.

    `dead_zones` is their mean number in an area, `fault_share` the share of attempts that the
    device spoils.
    """

    dead_zones: float = 0.0
    fault_share: float = 0.0


NO_HAZARDS = Hazards()


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
    hazards: Hazards = NO_HAZARDS,
) -> str:
    """Name a campaign by everything that shapes it, so that only the same one has its name."""
    shape = hashlib.sha256(
        repr((MODEL, start.isoformat(), seed, operators, places_per_area)).encode()
    )
    if hazards != NO_HAZARDS:
        shape.update(repr(hazards).encode())
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
    hazards: Hazards = NO_HAZARDS,
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
    invented = invented_operators(operators)
    source = Provenance(tool=TOOL, record=_record(seed, hazards))
    seq = 0
    for area in areas:
        rng = random.Random(f"{MODEL}/{seed}/{area.code}")
        places = _places(rng, area, places_per_area)
        if not places:
            continue
        networks = _networks(rng, area, invented, seed, hazards)
        faults = _other_rng(seed, area, "faults")
        moment = start + timedelta(days=rng.randrange(DAYS), seconds=rng.uniform(0, 4 * 3600))
        metres_east = _M_PER_DEGREE * math.cos(math.radians(area.lat))
        for x, y in places:
            position = Position(
                lon=round(area.lon + x / metres_east, 6),
                lat=round(area.lat + y / _M_PER_DEGREE, 6),
                accuracy_m=round(3 + rng.expovariate(0.3), 1),
                source="simulated",
            )
            for network in networks:
                seq += 1
                sample = measure(rng, network, x, y, position, moment, probe, seq, source)
                yield spoil(sample) if faults.random() < hazards.fault_share else sample
            moment += timedelta(seconds=rng.uniform(50, 90))


def networks_of(
    area: SimulatedArea,
    *,
    seed: int,
    operators: int = OPERATORS,
    places_per_area: float = PLACES_PER_AREA,
    hazards: Hazards = NO_HAZARDS,
) -> list[Network]:
    """Give the networks that a campaign of these options measures in an area: its truth."""
    rng = random.Random(f"{MODEL}/{seed}/{area.code}")
    _places(rng, area, places_per_area)
    return _networks(rng, area, invented_operators(operators), seed, hazards)


def _networks(
    rng: random.Random,
    area: SimulatedArea,
    invented: Sequence[SimulatedOperator],
    seed: int,
    hazards: Hazards,
) -> list[Network]:
    hills_db = _hills_db(rng, area)
    dead = _dead_zones(_other_rng(seed, area, "dead zones"), area, hazards.dead_zones)
    networks = [_network(rng, area, operator, hills_db) for operator in invented]
    return [replace(each, field=replace(each.field, dead_zones=dead)) for each in networks]


def _other_rng(seed: int, area: SimulatedArea, what: str) -> random.Random:
    """Give chances of their own, so that a hazard more leaves everything else as it was."""
    return random.Random(f"{MODEL}/{seed}/{area.code}/{what}")


def _record(seed: int, hazards: Hazards) -> str:
    record: dict[str, object] = {"model": MODEL, "seed": seed}
    if hazards != NO_HAZARDS:
        record |= {"dead_zones": hazards.dead_zones, "fault_share": hazards.fault_share}
    return json.dumps(record, separators=(",", ":"))


def _dead_zones(
    rng: random.Random, area: SimulatedArea, mean_number: float
) -> tuple[DeadZone, ...]:
    """Draw discs in the area: how many as in a Poisson process, none of most of the area."""
    zones = []
    waited = rng.expovariate(1)
    while waited < mean_number:
        angle, off_m = rng.uniform(0, math.tau), area.radius_m * math.sqrt(rng.random())
        radius_m = min(rng.uniform(*_DEAD_ZONE_M), _MOST_OF_AREA * area.radius_m)
        zones.append(DeadZone(off_m * math.cos(angle), off_m * math.sin(angle), radius_m))
        waited += rng.expovariate(1)
    return tuple(zones)


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


def _network(
    rng: random.Random, area: SimulatedArea, operator: SimulatedOperator, hills_db: float
) -> Network:
    """Build an operator's network around an area."""
    spacing_m = 600 * (9000 / 600) ** (1 - area.density) * operator.thrift * rng.uniform(0.8, 1.2)
    reach = area.radius_m + spacing_m
    steps = int(reach / spacing_m) + 1
    off_x, off_y = rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5)
    sites = [
        Site(
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
    field = RadioField(
        loss_at_1_km_db=120 + 8 * area.density + hills_db,
        shadowing_db=_SHADOWING_DB * (1 - area.density / 2),
        sites=tuple(sites[:_MOST_SITES]),
        waves=tuple(waves),
        has_nr=area.density > 0.5 and rng.random() < operator.nr_share,
    )
    return Network(operator, field, measures_nr=rng.random() < 0.7)
