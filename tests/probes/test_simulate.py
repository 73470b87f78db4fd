"""A simulated campaign: the same for the same seed, and never mistaken for a measurement."""

import hashlib
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import geopandas as gpd
import pytest
from shapely.geometry import box

from phusong.data.sample import NrEvidence, Outcome, Rat, Sample
from phusong.probes.simulate import (
    DAYS,
    campaign_probe,
    invented_operators,
    simulate_campaign,
)
from phusong.probes.simulated_area import SimulatedArea, area_around, areas_from_frame

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
