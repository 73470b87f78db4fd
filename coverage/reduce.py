"""
From samples to counts that can be added up.

A `Tally` holds whole numbers only, in canonical order, so that a sum of parts is the whole, bit
for bit, however the samples were cut and in whatever order the parts come. Shares and medians
are worked out from it once, at the end.

A place is an H3 cell of the rule's resolution, inside one area. An occasion is a place on one
day: forty samples from a parked car are one occasion. The day is the one by the sun: it begins
at mean solar midnight at the sample's longitude. A UTC day would cut a morning in Vietnam in two
at seven o'clock, and civil midnight needs a table of time zones that changes; nobody drives
much at either midnight. Parts of a second are left out: exported samples have none.

Medians come from histograms with fixed logarithmic bins 1 % wide. The edges are made by repeated
multiplication, which every IEEE machine does alike, so bins are the same everywhere.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..data.sample import NrEvidence
from .hexagons import cells_of
from .interval import Clusters, Spread, order_statistics
from .rules import Rule
from .sectors import Sectors, parents
from .trials import Judged, Reason

BIN_WIDTH = 0.01
METRICS = ("down_mbps", "up_mbps", "rtt_idle_ms")
EVIDENCE = tuple(choice.value for choice in NrEvidence)
REASONS = tuple(reason.label for reason in Reason if reason is not Reason.TRIAL)

_PER_UNIT = 1_000
_SECOND_US = 1_000_000
_DAY_US = 86_400 * _SECOND_US
_DEGREE_US = _DAY_US // 360
_SMALLEST, _LARGEST = 1e-3, 1e6
_EDGES = np.array(
    list(
        accumulate(
            range(int(np.log(_LARGEST / _SMALLEST) / np.log(1 + BIN_WIDTH)) + 1),
            lambda edge, _: edge * (1 + BIN_WIDTH),
            initial=_SMALLEST,
        )
    )
)
_KEY = ["area", "operator"]

Key = tuple[str, str, str]
Rank = Callable[["pd.Series[int]"], "pd.Series[float]"]


@dataclass(frozen=True, slots=True)
class Tally:
    """
    Counts of one rule.

    `totals`: one row an area and operator (the index); samples, simulated, trials, successes, the
    exclusions by reason, the samples whose area is uncertain, the samples by 5G evidence class.
    `occasions`: trials and successes by area, operator, place and day, and of each metric how many
    trials measured it and the sum of their readings in whole thousandths. `bins`: how many
    readings by area, operator, metric and bin.
    """

    totals: pd.DataFrame
    occasions: pd.DataFrame
    bins: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Estimate:
    """
    What a metric comes to in one area: over all readings (`crowd`), and over `places` equally.

    `median` is of the readings, with the interval from `low` to `high` where there are places
    enough for one.
    """

    places: int
    crowd: float
    equal_place: float
    median: float | None = None
    low: float | None = None
    high: float | None = None


def tally_samples(
    samples: pd.DataFrame,
    judged: Judged,
    areas: npt.NDArray[np.object_],
    operators: npt.NDArray[np.object_],
    rule: Rule,
) -> Tally:
    """Count samples; all of them lie in an area, and `judged` says what each one is."""
    key = {"area": areas, "operator": operators}
    trial = judged.reason == Reason.TRIAL
    counts: dict[str, npt.NDArray[np.int64]] = {
        "samples": np.ones(len(samples), dtype=np.int64),
        "simulated": samples["simulated"].to_numpy(),
        "uncertain": samples["uncertain"].to_numpy().astype(np.int64),
        "trials": trial.astype(np.int64),
        "successes": judged.success.astype(np.int64),
    }
    for reason in Reason:
        if reason is not Reason.TRIAL:
            counts[reason.label] = (judged.reason == reason).astype(np.int64)
    evidence = samples["nr_evidence"].to_numpy()
    for name in EVIDENCE:
        counts[name] = (evidence == name).astype(np.int64)
    totals = _sum(pd.DataFrame({**key, **counts}), _KEY)

    tried = samples[trial]
    tried_key = {"area": areas[trial], "operator": operators[trial]}
    lon = tried["lon"].to_numpy()
    occasions = pd.DataFrame(
        {
            **tried_key,
            "place": cells_of(lon, tried["lat"].to_numpy(), rule.place_resolution),
            "day": _solar_day(tried["started_us"].to_numpy(), lon),
            "trials": np.ones(len(tried), dtype=np.int64),
            "successes": counts["successes"][trial],
            **_readings(tried),
        }
    )
    bins = [_bins(tried[metric].to_numpy(), metric, tried_key) for metric in METRICS]
    return Tally(
        totals,
        _sum(occasions, [*_KEY, "place", "day"]),
        _sum(pd.concat(bins), [*_KEY, "metric", "bin"]),
    )


def merge_tallies(parts: Iterable[Tally]) -> Tally:
    """Add tallies up. The order and the cut of the parts make no difference."""
    tallies = list(parts)
    return Tally(
        _sum(pd.concat([part.totals for part in tallies]).reset_index(), _KEY),
        _sum(
            pd.concat([part.occasions for part in tallies]).reset_index(), [*_KEY, "place", "day"]
        ),
        _sum(pd.concat([part.bins for part in tallies]).reset_index(), [*_KEY, "metric", "bin"]),
    )


def spreads(
    tally: Tally, sectors: Mapping[str, Sectors] | None = None
) -> dict[tuple[str, str], Spread]:
    """
    Give the rates of places of every area and operator with a trial.

    A place's rate is the mean over its occasions of successes per trial. Where an area is cut
    into `sectors`, its places lie in them as clusters.
    """
    table = tally.occasions
    rates = table["successes"] / table["trials"]
    places = rates.groupby(level=[*_KEY, "place"], sort=True).mean()
    frame = pd.DataFrame({"places": 1, "total": places, "squares": places**2})
    sums = frame.groupby(level=_KEY, sort=True).sum()
    held = _clusters(frame, sectors) if sectors is not None and len(frame) else {}
    return {
        key: Spread(int(count), float(total), float(squares), held.get(key))
        for key, count, total, squares in zip(
            sums.index, sums["places"], sums["total"], sums["squares"], strict=True
        )
    }


def _clusters(
    places: pd.DataFrame, sectors: Mapping[str, Sectors]
) -> dict[tuple[str, str], Clusters]:
    codes = places.index.get_level_values("area")
    resolution = codes.map({code: cut.resolution for code, cut in sectors.items()})
    cells = places.index.get_level_values("place").to_numpy(dtype=np.uint64)
    sector = parents(cells, resolution.to_numpy(dtype=np.uint64))
    keys = [places.index.get_level_values(name) for name in _KEY]
    each = places.groupby([*keys, sector], sort=True)[["places", "total"]].sum()
    n, t = each["places"], each["total"]
    squares = pd.DataFrame({"visited": 1, "nn": n * n, "nt": n * t, "tt": t * t})
    sums = squares.groupby(level=[0, 1], sort=True).sum()
    return {
        key: Clusters(visited, sectors[key[0]].count, float(nn), float(nt), float(tt))
        for key, visited, nn, nt, tt in zip(
            sums.index, sums["visited"], sums["nn"], sums["nt"], sums["tt"], strict=True
        )
    }


def count_occasions(tally: Tally) -> dict[tuple[str, str], int]:
    """Give how many occasions each area and operator has."""
    sizes = tally.occasions.groupby(level=_KEY, sort=True).size()
    return dict(zip(sizes.index, sizes.tolist(), strict=True))


def medians(tally: Tally) -> dict[Key, float]:
    """
    Give the median of each area, operator and metric that was measured.

    It is the geometric middle of the bin that holds the lower median: within 0.5 % of it.
    """
    return _quantiles(tally, lambda total: total / 2)


def estimates(tally: Tally, confidence: float) -> dict[Key, Estimate]:
    """
    Give what each area, operator and metric comes to, by readings and by places.

    The median's interval takes each place for one value, as order statistics do: readings of one
    place are much the same.
    """
    median_of = medians(tally)
    by_place = _place_means(tally)
    ranks = {key: order_statistics(means.places, confidence) for key, means in by_place.items()}
    ends = [_quantiles(tally, _at_rank(by_place, ranks, side)) for side in (0, 1)]
    return {
        key: replace(means, median=median_of[key], low=ends[0].get(key), high=ends[1].get(key))
        for key, means in by_place.items()
    }


def _at_rank(
    by_place: Mapping[Key, Estimate], ranks: Mapping[Key, tuple[int, int] | None], side: int
) -> Rank:
    """Give the rank, among readings, of the place of a rank among places."""
    shares: dict[Any, float] = {
        key: rank[side] / by_place[key].places for key, rank in ranks.items() if rank
    }
    return lambda total: pd.Series(
        [readings * shares.get(key, np.nan) for key, readings in total.items()], total.index
    )


def _place_means(tally: Tally) -> dict[Key, Estimate]:
    found = {}
    for metric in METRICS:
        table = tally.occasions[tally.occasions[f"{metric}_n"] > 0]
        count, total = table[f"{metric}_n"], table[f"{metric}_sum"]
        occasion = total / (count * _PER_UNIT)
        places = occasion.groupby(level=[*_KEY, "place"], sort=True).mean()
        each = places.groupby(level=_KEY, sort=True)
        sums = pd.DataFrame({"n": count, "sum": total}).groupby(level=_KEY, sort=True).sum()
        crowd = sums["sum"] / (sums["n"] * _PER_UNIT)
        for (area, operator), places_n, equal, mean in zip(
            crowd.index, each.size(), each.mean(), crowd, strict=True
        ):
            found[area, operator, metric] = Estimate(int(places_n), float(mean), float(equal))
    return found


def _quantiles(tally: Tally, rank: Rank) -> dict[Key, float]:
    """Give the middle of the bin in which the reading of a rank lies, 1 the lowest."""
    table = tally.bins["count"]
    groups = table.groupby(level=[*_KEY, "metric"], sort=True)
    wanted = rank(groups.sum()).dropna()
    reached = groups.cumsum()
    at_least = wanted.reindex(reached.droplevel("bin").index).to_numpy()
    first = reached[reached.to_numpy() >= at_least - 1e-9].reset_index()
    first = first.drop_duplicates([*_KEY, "metric"], keep="first")
    upper = np.clip(first["bin"].to_numpy(), 1, len(_EDGES) - 1)
    middle = np.sqrt(_EDGES[upper - 1] * _EDGES[upper])
    keys = zip(first["area"], first["operator"], first["metric"], strict=True)
    return dict(zip(keys, middle.tolist(), strict=True))


def _readings(tried: pd.DataFrame) -> dict[str, npt.NDArray[np.int64]]:
    columns = {}
    for metric in METRICS:
        values = tried[metric].to_numpy()
        columns[f"{metric}_n"] = (~np.isnan(values)).astype(np.int64)
        columns[f"{metric}_sum"] = np.rint(np.nan_to_num(values) * _PER_UNIT).astype(np.int64)
    return columns


def _bins(
    values: npt.NDArray[np.float64], metric: str, key: dict[str, npt.NDArray[np.object_]]
) -> pd.DataFrame:
    measured = ~np.isnan(values)
    return pd.DataFrame(
        {
            **{name: column[measured] for name, column in key.items()},
            "metric": metric,
            "bin": np.searchsorted(_EDGES, values[measured], side="right"),
            "count": np.ones(int(measured.sum()), dtype=np.int64),
        }
    )


def _solar_day(
    started_us: npt.NDArray[np.int64], lon: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    ahead_us = np.rint(lon * _DEGREE_US).astype(np.int64)
    return (started_us - started_us % _SECOND_US + ahead_us) // _DAY_US


def _sum(frame: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    return frame.groupby(key, sort=True).sum()
