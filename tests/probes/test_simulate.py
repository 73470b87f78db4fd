"""A simulated campaign: the same for the same seed, and never mistaken for a measurement."""

import hashlib
import json
import math
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import geopandas as gpd
import pytest
from shapely.geometry import box

from phusong.data.sample import NrEvidence, Outcome, Position, Provenance, Rat, Sample
from phusong.probes.radio_field import (
    DeadZone,
    RadioField,
    Site,
    failure_chance,
    free_capacity,
)
from phusong.probes.simulate import (
    DAYS,
    Hazards,
    campaign_probe,
    invented_operators,
    networks_of,
    simulate_campaign,
)
from phusong.probes.simulated_area import SimulatedArea, area_around, areas_from_frame
from phusong.probes.simulated_attempt import Network, measure

START = datetime(2026, 7, 1, tzinfo=UTC)
AREAS = [
    area_around(f"{n:05d}", 104 + n % 40 / 10, 10 + n % 70 / 8, (3, 40, 90, 400)[n % 4])
    for n in range(400)
]


def campaign(areas: list[SimulatedArea] = AREAS, **changes: Any) -> list[Sample]:
    return list(
        simulate_campaign(areas, **({"probe": "sim-x", "start": START, "seed": 7} | changes))
    )


def digest(samples: list[Sample]) -> str:
    return hashlib.sha256(b"".join(sample.body() for sample in samples)).hexdigest()


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return campaign()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(samples: list[Sample]) -> None:
    assert digest(campaign()) == digest(samples)
    assert digest(campaign(seed=8)) != digest(samples)


def test_an_area_is_the_same_whatever_is_simulated_beside_it() -> None:
    alone, beside = campaign(AREAS[5:6]), campaign(AREAS[4:6])[-1:]
    assert alone[-1].position == beside[0].position
    assert alone[-1].reading == beside[0].reading


def test_every_sample_is_marked_and_numbered(samples: list[Sample]) -> None:
    assert [sample.seq for sample in samples] == list(range(1, len(samples) + 1))
    for sample in samples:
        assert sample.simulated
        assert sample.source.tool == "phusong-simulate"
        assert json.loads(sample.source.record or "") == {"model": "log-distance-2", "seed": 7}
        assert b'"simulated":true' in sample.body()


def test_the_operators_are_invented_and_on_the_test_network(samples: list[Sample]) -> None:
    assert {(s.radio.operator, s.radio.plmn) for s in samples if s.radio} == {
        ("Sim A", "00101"),
        ("Sim B", "00102"),
        ("Sim C", "00103"),
    }
    assert len({operator.plmn for operator in invented_operators(9)}) == 9


def test_the_name_of_a_campaign_holds_all_that_shapes_it() -> None:
    plain = {"start": START, "seed": 7}
    names = {
        campaign_probe(AREAS, start=START, seed=7),
        campaign_probe(AREAS, start=START, seed=8),
        campaign_probe(AREAS, start=START + timedelta(days=1), seed=7),
        campaign_probe(AREAS[1:], **plain),  # type: ignore[arg-type]
        campaign_probe(AREAS, **plain, operators=2),  # type: ignore[arg-type]
        campaign_probe(AREAS, **plain, places_per_area=5),  # type: ignore[arg-type]
    }
    assert len(names) == 6
    assert campaign_probe(AREAS, start=START, seed=7) in names
    assert all(name.startswith("sim-") for name in names)


def test_failures_have_no_reading_and_there_are_some_of_each_kind(samples: list[Sample]) -> None:
    outcomes = Counter(sample.outcome for sample in samples)
    assert 0.8 < outcomes[Outcome.OK] / len(samples) < 0.995
    assert outcomes[Outcome.TIMEOUT]
    assert outcomes[Outcome.NO_SIGNAL]
    assert outcomes[Outcome.REFUSED]
    assert all((s.reading is None) == (s.outcome is not Outcome.OK) for s in samples)
    without = [s for s in samples if s.outcome is Outcome.NO_SIGNAL]
    assert all(s.radio and s.radio.rat is None and s.radio.rsrp_dbm is None for s in without)


def test_5g_comes_measured_and_indicated_and_only_measured_has_a_level(
    samples: list[Sample],
) -> None:
    radios = [s.radio for s in samples if s.radio and s.radio.rat is Rat.NR_NSA]
    evidence = Counter(radio.nr_evidence for radio in radios)
    assert evidence[NrEvidence.NSA_MEASURED]
    assert evidence[NrEvidence.NSA_INDICATED]
    assert all(
        (r.nr_rsrp_dbm is not None) == (r.nr_evidence is NrEvidence.NSA_MEASURED) for r in radios
    )


def test_effort_is_uneven(samples: list[Sample]) -> None:
    areas = Counter()
    for area in AREAS:
        places = {s.position for s in campaign([area], operators=1)}
        areas["none" if not places else "thorough" if len(places) >= 75 else "few"] += 1
    assert 0 < areas["none"] < 0.1 * len(AREAS)
    assert 0 < areas["thorough"] < 0.15 * len(AREAS)
    assert areas["few"] > 0.7 * len(AREAS)


def test_a_parked_car_measures_the_same_place_again(samples: list[Sample]) -> None:
    where = Counter((s.position.lon, s.position.lat) for s in samples if s.position)
    assert max(where.values()) >= 3 * 6


def test_neighbouring_places_fade_together() -> None:
    area = SimulatedArea("x", 105.0, 20.0, 1500.0, 0.0)
    near, far = [], []
    for seed in range(60):
        level = {
            (s.position.lon, s.position.lat): s.radio.rsrp_dbm
            for s in campaign([area], seed=seed, operators=1)
            if s.position and s.radio and s.radio.rsrp_dbm is not None
        }
        places = list(level.items())
        for (here, one), (there, other) in pairwise(places):
            gap_m = 111_000 * ((here[0] - there[0]) ** 2 * 0.88 + (here[1] - there[1]) ** 2) ** 0.5
            (near if gap_m < 400 else far if gap_m > 1200 else []).append(abs(one - other))
    assert len(near) > 50
    assert len(far) > 10
    assert sum(near) / len(near) < sum(far) / len(far)


def test_the_campaign_stays_in_its_areas_and_its_period() -> None:
    area = area_around("x", 105.0, 20.0, 10.0)
    for sample in islice(campaign([area], seed=3), 500):
        assert sample.position
        east = (sample.position.lon - 105.0) * 111_320 * 0.9397
        north = (sample.position.lat - 20.0) * 111_320
        assert (east**2 + north**2) ** 0.5 <= area.radius_m + 90
        assert START <= sample.started_at < START + timedelta(days=DAYS + 1)


def test_the_default_campaign_has_the_size_asked_for(samples: list[Sample]) -> None:
    assert len(samples) / len(AREAS) / 3 == pytest.approx(16, rel=0.25)


def test_boundaries_become_areas_of_their_size() -> None:
    square = box(105.0, 20.0, 105.1, 20.1)
    frame = gpd.GeoDataFrame({"code": ["7"]}, geometry=[square], crs="EPSG:4326")
    (area,) = areas_from_frame(frame)
    # 0.1 by 0.1 degrees at 20 degrees north: 11.07 by 10.46 km.
    assert area.radius_m == pytest.approx(6071, rel=0.01)
    assert (area.code, area.lon, area.lat) == ("7", pytest.approx(105.05), pytest.approx(20.05))
    (told,) = areas_from_frame(frame.assign(area_km2=[314.159]))
    assert told.radius_m == pytest.approx(10_000, rel=0.001)
    (untold,) = areas_from_frame(frame.assign(area_km2=[float("nan")]))
    assert untold.radius_m == pytest.approx(area.radius_m)


def test_hazards_change_nothing_but_what_they_strike() -> None:
    plain = campaign(AREAS[:60])
    struck = campaign(AREAS[:60], hazards=Hazards(fault_share=0.05))
    differing = [s for p, s in zip(plain, struck, strict=True) if p.outcome is not s.outcome]
    assert {s.outcome for s in differing} == {Outcome.DEVICE_ERROR}
    assert {s.reason for s in differing} == {"device_fault"}
    assert all(s.reading is None for s in differing)
    assert 0.02 < len(differing) / len(plain) < 0.1
    assert json.loads(struck[0].source.record or "")["fault_share"] == 0.05
    names = {
        campaign_probe(AREAS, start=START, seed=7, hazards=hazards)
        for hazards in (Hazards(), Hazards(dead_zones=1), Hazards(fault_share=0.05))
    }
    assert len(names) == 3


def test_a_dead_zone_silences_every_operator_and_nothing_beyond_it() -> None:
    hazards = Hazards(dead_zones=3)
    area = AREAS[2]
    networks = networks_of(area, seed=7, hazards=hazards)
    clear = networks_of(area, seed=7)
    assert len({network.field.dead_zones for network in networks}) == 1
    zones = networks[0].field.dead_zones
    assert zones
    for with_zones, without in zip(networks, clear, strict=True):
        zone = zones[0]
        level = with_zones.field.levels(zone.x_m, zone.y_m)[0]
        assert level == pytest.approx(without.field.levels(zone.x_m, zone.y_m)[0] - 45)
        far = (20 * area.radius_m, 0.0)
        assert with_zones.field.levels(*far) == without.field.levels(*far)


def test_a_field_is_log_distance_path_loss() -> None:
    field = RadioField(120.0, 0.0, (Site(0, 0, 0.5), Site(1e7, 0, 0.5)), ((0.0, 0.0, 0.0),))
    # 30 dBm less 120 dB at 1 km; 37.6 dB a decade.
    assert field.levels(1000, 0)[0] == pytest.approx(-90)
    assert field.levels(100, 0)[0] == pytest.approx(-90 + 37.6)
    # Noise alone: -125 dBm, and 3 dB that a receiver loses.
    assert field.levels(1000, 0)[1] == pytest.approx(-90 + 125 - 3, abs=0.01)


@pytest.mark.parametrize("loss_db", [125.0, 133.0, 136.0, 150.0])
@pytest.mark.parametrize("has_nr", [False, True])
def test_the_truth_of_a_place_is_what_attempts_there_come_to(loss_db: float, has_nr: bool) -> None:
    sites = (Site(0, 0, 0.4), Site(4000, 0, 0.3))
    field = RadioField(loss_db, 5.0, sites, ((0.004, 0.002, 1.0),), has_nr)
    network = Network(invented_operators(1)[0], field)
    rng, tries = random.Random(3), 4_000
    passed = 0
    for _ in range(tries):
        sample = measure(
            rng, network, 900.0, 300.0, Position(lon=105.0, lat=21.0), START, "sim-x", 1,
            Provenance(tool="phusong-simulate"),
        )  # fmt: skip
        passed += sample.reading is not None and (sample.reading.down_mbps or 0) >= 5
    truth = field.pass_chance(900.0, 300.0, 5.0)
    assert passed / tries == pytest.approx(truth, abs=4 * math.sqrt(0.25 / tries))


def test_the_true_share_is_the_mean_over_places_and_falls_in_a_dead_zone() -> None:
    field = RadioField(115.0, 0.0, (Site(0, 0, 0.2), Site(9000, 0, 0.2)), ((0.0, 0.0, 1.5),))
    places = [(100.0 * n, 0.0) for n in range(10)]
    assert field.true_share(places, 5.0) == pytest.approx(1 - failure_chance(40), abs=0.01)
    dead = replace(field, loss_at_1_km_db=135.0, dead_zones=(DeadZone(500, 0, 250.0),))
    # Five of ten places, 300 to 700 m, lie in the zone: 30 - 135 + 20 - 45 dBm at 300 m.
    assert dead.true_share(places, 5.0) == pytest.approx(0.5, abs=0.01)


def test_throughput_is_a_share_of_the_shannon_bound_and_5g_adds_to_it() -> None:
    # At 0 dB: 20 MHz, 1.5 layers, 0.75 of log2(2) bit/s/Hz.
    assert free_capacity(0.0, -90.0, None)[0] == pytest.approx(22.5)
    # An NR cell at -108 dBm: 80 MHz, 0.9, the same 0.75 bit/s/Hz more.
    assert free_capacity(0.0, -90.0, -108.0)[0] == pytest.approx(22.5 + 54)
