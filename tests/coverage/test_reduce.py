"""Counts that add up: a sum of parts is the whole, bit for bit."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phusong.coverage.frame import COLUMNS, Frame, sample_frame
from phusong.coverage.hexagons import cells_of
from phusong.coverage.measures import count_occasions, estimates, medians, spreads
from phusong.coverage.reduce import EDGES, METRICS, Tally, bin_numbers, merge_tallies, tally_samples
from phusong.coverage.rules import load_rule
from phusong.coverage.trials import judge_samples

RULE = load_rule("vn-4g")
DAY_US = 86_400_000_000
MakeChunk = Callable[..., dict[str, Any]]


def tally(samples: Frame, area: int = 4) -> Tally:
    areas = np.full(len(samples), area)
    places = cells_of(samples.lon, samples.lat, RULE.place_resolution).astype(np.int64)
    return tally_samples(samples, judge_samples(samples, RULE), areas, samples.operator, places)


def bytes_of(counted: Tally) -> list[Any]:
    sums = (counted.totals, counted.occasions, counted.bins)
    plain: list[Any] = [counted.operators]
    for each in sums:
        columns = [*each.keys, *(each.values[name] for name in sorted(each.values))]
        plain.append([sorted(each.values), *((col.dtype.str, col.tobytes()) for col in columns)])
    return plain


def measured(counted: Tally) -> list[bytes]:
    spread = spreads(counted)
    found = [spread.places, spread.total, spread.squares, count_occasions(counted)]
    for metric in METRICS:
        told = estimates(counted, metric, replace(RULE, min_places=2))
        found += [medians(counted, metric), told.low, told.high]
        found += [part for mean in (told.crowd, told.equal_place) for part in (mean.low, mean.high)]
    return [column.tobytes() for column in found]


attempts = st.fixed_dictionaries(
    {
        "probe": st.just("p"),
        "kind": st.sampled_from(["speed", "signal"]),
        "outcome": st.sampled_from(["ok", "ok", "timeout", "cancelled"]),
        "reason": st.sampled_from([None, None, "radio_changed"]),
        "plmn": st.none(),
        "operator": st.sampled_from(["Viettel", "VNPT", "Môbi"]),
        "rat": st.sampled_from(["LTE", "3G", None]),
        "nr_evidence": st.sampled_from(["none", None]),
        "engine": st.none(),
        "tool": st.none(),
        "down_mbps": st.floats(1e-3, 1e4),
        "up_mbps": st.one_of(st.none(), st.floats(1e-3, 1e4)),
        "rtt_idle_ms": st.none(),
        "lon": st.floats(105.80, 105.81),
        "lat": st.floats(21.00, 21.01),
        "accuracy_m": st.sampled_from([5.0, 500.0, None]),
        "rsrp_dbm": st.none(),
        "nr_rsrp_dbm": st.none(),
        "near_ceiling": st.sampled_from([None, 0, 1]),
        "started_us": st.integers(0, 10 * DAY_US),
        "simulated": st.integers(0, 1),
    }
)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(attempts, min_size=1, max_size=60), data=st.data())
def test_shuffled_parts_add_up_to_the_whole_bit_for_bit(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    def frame(part: list[dict[str, Any]]) -> Frame:
        return sample_frame({name: [row[name] for row in part] for name in COLUMNS})

    whole = merge_tallies([tally(frame(rows))])
    shuffled = data.draw(st.permutations(rows))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(rows)), max_size=5)) | {len(rows)})
    parts = [tally(frame(shuffled[a:b])) for a, b in itertools.pairwise([0, *cuts])]
    nested = merge_tallies([merge_tallies(parts[:2]), *parts[2:]])
    for merged in (merge_tallies(parts), nested):
        assert bytes_of(merged) == bytes_of(whole)
        assert measured(merged) == measured(whole)


def test_a_parked_car_is_one_place_and_one_occasion(chunk: MakeChunk) -> None:
    parked = [{"down_mbps": 1.0 if n < 30 else 50.0} for n in range(40)]
    elsewhere = {"lat": 21.05}
    counted = tally(sample_frame(chunk(*parked, elsewhere)))
    spread = spreads(counted)
    assert spread.places.tolist() == [2]
    assert spread.share[0] == pytest.approx((0.25 + 1.0) / 2)
    assert count_occasions(counted).tolist() == [2]
    assert counted.count("trials").tolist() == [41]


def test_a_place_counts_its_days_alike_however_often_it_was_tried(chunk: MakeChunk) -> None:
    good_day = [{"started_us": 5 * DAY_US}] * 9
    bad_day = [{"started_us": 7 * DAY_US, "outcome": "timeout"}]
    spread = spreads(tally(sample_frame(chunk(*good_day, *bad_day))))
    assert (spread.places.tolist(), spread.share.tolist()) == ([1], [0.5])


def test_a_day_begins_at_midnight_by_the_sun_and_not_in_greenwich(chunk: MakeChunk) -> None:
    # 105.85 degrees east is 7 h 03.4 min ahead: 6:50 and 7:10 in Hanoi are either side of
    # midnight UTC and one morning, 23:50 and 0:10 are two days.
    midnight_utc, minute = 20_000 * DAY_US, 60_000_000
    morning = [{"started_us": midnight_utc + n * minute} for n in (-10, 10)]
    assert count_occasions(tally(sample_frame(chunk(*morning)))).tolist() == [1]
    at_night = [{"started_us": midnight_utc - 424 * minute + n * minute} for n in (-10, 10)]
    assert count_occasions(tally(sample_frame(chunk(*at_night)))).tolist() == [2]


def test_exclusions_are_counted_by_reason_and_not_among_the_trials(chunk: MakeChunk) -> None:
    made = chunk({}, {"outcome": "cancelled"}, {"accuracy_m": 900.0}, {"kind": "signal"})
    counted = tally(sample_frame(made))
    assert counted.count("samples").tolist() == [4]
    for name in ("trials", "cancelled", "poor_position", "other_kind"):
        assert counted.count(name).tolist() == [1]


def test_a_reading_on_an_edge_is_in_the_bin_above_and_the_next_below_it_is_not() -> None:
    beside = [np.nextafter(EDGES, -np.inf), EDGES, np.nextafter(EDGES, np.inf)]
    beyond = [-1.0, 0.0, 5e-324, EDGES[0] / 2, EDGES[-1] * 2, 1e300, np.inf]
    spread = np.random.default_rng(5).lognormal(3, 4, 50_000)
    values = np.concatenate([*beside, beyond, spread])
    assert bin_numbers(values).tolist() == np.searchsorted(EDGES, values, side="right").tolist()


@pytest.mark.parametrize("value", [0.0004, 0.37, 1.0, 29.99, 30.0, 594.81, 9e5, 5e6])
def test_a_median_is_within_half_a_percent(chunk: MakeChunk, value: float) -> None:
    made = chunk({"down_mbps": value / 3}, {"down_mbps": value}, {"down_mbps": value * 3})
    counted = tally(sample_frame(made))
    (median,) = medians(counted, "down_mbps")
    assert median == pytest.approx(min(max(value, 1e-3), 1e6), rel=0.0051)


def test_a_median_is_of_what_was_measured_and_absent_otherwise(chunk: MakeChunk) -> None:
    made = chunk({"down_mbps": 40.0, "rtt_idle_ms": None}, {"outcome": "timeout"})
    counted = tally(sample_frame(made))
    assert medians(counted, "down_mbps") == pytest.approx([40.0], rel=0.0051)
    assert np.isnan(medians(counted, "rtt_idle_ms")).all()
