"""Intervals of means: by hand, against a known truth, and refused where nothing carries them."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely

from phusong.coverage.areas import Areas
from phusong.coverage.compute import compute
from phusong.coverage.means import Mean, mean_over
from phusong.coverage.places import InSectors, Places
from phusong.coverage.record import result_from_rows, result_to_rows
from phusong.coverage.rules import load_rule

MakeChunk = Callable[..., dict[str, Any]]
RULE = load_rule("vn-4g")
OF_FOUR = replace(RULE, min_places=4)
ONES = np.ones(4)
SPEEDS = np.array([10.0, 20.0, 30.0, 40.0])


def one_group(*starts: int, sectors: int = 0, count: int = 4) -> Places:
    """Give the places of one group, in sectors that begin at `starts`, of so many in all."""
    group = np.zeros(count, dtype=np.int64)
    if not starts:
        return Places(1, group)
    held = InSectors(np.array(starts), group[: len(starts)], np.array([sectors]))
    return Places(1, group, held)


def ends(mean: Mean) -> tuple[float, float, float]:
    return float(mean.value[0]), float(mean.low[0]), float(mean.high[0])


def test_the_interval_of_four_places_is_students() -> None:
    # Mean 25, sample variance 500/3, of the mean 500/12; t with 3 degrees is 3.182446.
    half = 3.182446 * (500 / 12) ** 0.5
    found = ends(mean_over(one_group(), ONES, SPEEDS, OF_FOUR))
    assert found == pytest.approx((25, 25 - half, 25 + half), rel=1e-6)


def test_the_interval_over_readings_is_that_of_a_ratio() -> None:
    # 130 in 6 readings; without one place 120/5, 70/4, 110/5, 90/4: off by 7/3, -25/6, 1/3, 5/6.
    sizes, totals = np.array([1, 2, 1, 2]), np.array([10, 60, 20, 40])
    half = 3.182446 * (3 / 4 * (196 + 625 + 4 + 25) / 36) ** 0.5
    found = ends(mean_over(one_group(), sizes, totals, OF_FOUR))
    assert found == pytest.approx((65 / 3, 65 / 3 - half, 65 / 3 + half), rel=1e-6)


def test_two_sectors_that_differ_carry_less_than_their_places() -> None:
    # Without one sector 35 or 15: 1/2 * (100 + 100) = 100; t with one degree is 12.7062.
    found = ends(mean_over(one_group(0, 2, sectors=6), ONES, SPEEDS, OF_FOUR))
    assert found == pytest.approx((25, 0, 25 + 127.062), rel=1e-6)


def test_sectors_that_are_alike_do_not_narrow_what_places_say() -> None:
    # 10 and 40 in one, 20 and 30 in the other: no variance between sectors, 500/12 between places.
    speeds = np.array([10.0, 40.0, 20.0, 30.0])
    _, _, high = ends(mean_over(one_group(0, 2, sectors=6), ONES, speeds, OF_FOUR))
    assert high == pytest.approx(25 + 12.7062 * (500 / 12) ** 0.5, rel=1e-5)


@pytest.mark.parametrize(
    ("places", "min_places"),
    [
        (one_group(), 5),
        (one_group(0, 2, sectors=7), 4),
        (one_group(0, sectors=3), 4),
        (one_group(count=1), 1),
    ],
    ids=["too few places", "too few of the sectors", "one sector", "one place"],
)
def test_a_mean_that_nothing_carries_has_no_interval(places: Places, min_places: int) -> None:
    count = len(places.group)
    rule = replace(RULE, min_places=min_places)
    value, low, high = ends(mean_over(places, ONES[:count], SPEEDS[:count], rule))
    assert value == SPEEDS[:count].mean()
    assert (np.isnan(low), np.isnan(high)) == (True, True)


def test_the_interval_holds_the_true_mean_of_a_village() -> None:
    # 1,000 villages of 30 sectors with 40 places each, whose speeds are alike within a sector; a
    # campaign sees 1 to 8 places in 15 of the sectors, and reads each of them now and then.
    rng = np.random.default_rng(11)
    villages, visited = 1_000, 15
    shared, own = rng.normal(0, 0.4, (villages, 30, 1)), rng.normal(0, 0.3, (villages, 30, 40))
    everywhere = 20 * np.exp(shared + own)
    truth = everywhere.mean(axis=(1, 2))
    inside = rng.integers(1, 9, (villages, visited, 1))
    speeds = everywhere[:, :visited][np.arange(40) < inside]
    sector = np.repeat(np.arange(villages), visited)
    held = InSectors(np.cumsum(inside) - inside.ravel(), sector, np.full(villages, 30))
    places = Places(villages, np.repeat(sector, inside.ravel()), held)

    def share_held(mean: Mean) -> float:
        return float(((mean.low <= truth) & (truth <= mean.high)).mean())

    once, often = np.ones(len(speeds)), 1 + rng.poisson(2, len(speeds))
    assert share_held(mean_over(places, once, speeds, RULE)) > 0.94
    assert share_held(mean_over(places, often, often * speeds, RULE)) > 0.94
    # As if every place stood for itself: what the interval must not be.
    assert share_held(mean_over(replace(places, sectors=None), once, speeds, RULE)) < 0.85


def test_a_place_with_most_of_the_readings_does_not_make_the_mean_sure() -> None:
    # 10, 20 and 30 once, 60 in 97 readings: 5880/100, and 20 without the last place.
    sizes = np.array([1, 1, 1, 97])
    mean = mean_over(one_group(), sizes, sizes * np.array([10.0, 20.0, 30.0, 60.0]), OF_FOUR)
    moved = 38.8**2 + (48.8**2 + 38.8**2 + 28.8**2) / 99**2
    half = 3.182446 * (3 / 4 * moved) ** 0.5
    assert ends(mean) == pytest.approx((58.8, 0, 58.8 + half), rel=1e-6)


def village(chunks: list[dict[str, Any]]) -> Any:
    frame = gpd.GeoDataFrame(
        {"code": ["v"], "name": ["v"], "parent_code": [None], "parent_name": [None]},
        geometry=[shapely.box(105.8, 21, 105.85, 21.05)],
        crs="EPSG:4326",
    )
    (result,) = compute(
        chunks,
        [Areas(label="village", frame=frame, set_id="one")],
        [RULE],
        homes={},
        software="test",
        computed_at=datetime(2026, 7, 1, tzinfo=UTC),
    )
    return result


def drive() -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    return [
        {"lon": lon, "lat": lat, "down_mbps": speed, "up_mbps": None}
        for lon, lat, speed in zip(
            rng.uniform(105.8, 105.85, 150).tolist(),
            rng.uniform(21, 21.05, 150).tolist(),
            rng.lognormal(3, 0.5, 150).tolist(),
            strict=True,
        )
    ]


def test_cut_and_shuffled_samples_give_the_same_interval_to_the_bit(chunk: MakeChunk) -> None:
    whole = village([chunk(*drive())]).areas[0]
    mixed = [drive()[n] for n in np.random.default_rng(6).permutation(150).tolist()]
    cut = village([chunk(*mixed[n : n + 7]) for n in range(0, 150, 7)]).areas[0]
    assert whole == cut
    for name in ("down_mbps_mean", "down_mbps_place_mean", "rtt_idle_ms_place_mean"):
        low, high = (getattr(whole, f"{name}_{end}") for end in ("low", "high"))
        assert low <= getattr(whole, name) <= high
        # RTTs are all alike, speeds are not.
        assert (high - low > 1) == name.startswith("down")
    assert (whole.up_mbps_mean, whole.up_mbps_mean_low, whole.up_mbps_mean_high) == (None,) * 3


def test_a_result_kept_before_means_had_intervals_is_read_without_them(chunk: MakeChunk) -> None:
    result = village([chunk(*drive())])
    header, rows = result_to_rows(result)
    assert list(result_from_rows(header, rows).areas) == list(result.areas)
    for kept in rows:
        told = json.loads(kept["summary"])
        older = {name: value for name, value in told.items() if "_mean_" not in name}
        assert len(older) < len(told)
        kept["summary"] = json.dumps(older | {"parent_name": None, "up_mbps_mean": None})
    area = result_from_rows(header, rows).areas[0]
    assert area.down_mbps_place_mean == result.areas[0].down_mbps_place_mean
    assert (area.down_mbps_place_mean_low, area.down_mbps_mean_high) == (None, None)
