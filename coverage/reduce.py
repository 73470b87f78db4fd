"""
From samples to counts that can be added up.

A `Tally` holds whole numbers only, in canonical order, so that a sum of parts is the whole, bit
for bit, however the samples were cut and in whatever order the parts come. Shares and medians
are worked out from it once, at the end.

A place is an H3 cell of the rule's resolution, inside one area. An occasion is a place on one
day: forty samples from a parked car are one occasion. The day is the one by the sun: it begins
at mean solar midnight at the sample's longitude. A UTC day would cut a morning in Vietnam in two
at seven o'clock, and civil midnight needs a table of time zones that changes; nobody drives
much at either midnight.

Medians come from histograms with fixed logarithmic bins 1 % wide. The edges are made by repeated
multiplication, which every IEEE machine does alike, so bins are the same everywhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..data.sample import NrEvidence
from .hexagons import cells_of
from .interval import Spread
from .rules import Rule
from .trials import Judged, Reason

BIN_WIDTH = 0.01
METRICS = ("down_mbps", "up_mbps", "rtt_idle_ms")
EVIDENCE = tuple(choice.value for choice in NrEvidence)
REASONS = tuple(reason.label for reason in Reason if reason is not Reason.TRIAL)

_DAY_US = 86_400_000_000
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
_COUNTS = ["samples", "simulated", "trials", "successes", *REASONS, *EVIDENCE]


@dataclass(frozen=True, slots=True)
class Tally:
    """
    Counts of one rule.

    `totals`: one row an area and operator (the index); samples, simulated, trials, successes, the
    exclusions by reason, the samples by 5G evidence class. `occasions`: trials and successes by
    area, operator, place and day. `bins`: how many readings by area, operator, metric and bin.
    """

    totals: pd.DataFrame
    occasions: pd.DataFrame
    bins: pd.DataFrame


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


def spreads(tally: Tally) -> dict[tuple[str, str], Spread]:
    """
    Give the rates of places of every area and operator with a trial.

    A place's rate is the mean over its occasions of successes per trial.
    """
    table = tally.occasions
    rates = table["successes"] / table["trials"]
    places = rates.groupby(level=[*_KEY, "place"], sort=True).mean()
    frame = pd.DataFrame({"places": 1, "total": places, "squares": places**2})
    sums = frame.groupby(level=_KEY, sort=True).sum()
    return {
        key: Spread(int(count), float(total), float(squares))
        for key, count, total, squares in zip(
            sums.index, sums["places"], sums["total"], sums["squares"], strict=True
        )
    }


def count_occasions(tally: Tally) -> dict[tuple[str, str], int]:
    """Give how many occasions each area and operator has."""
    sizes = tally.occasions.groupby(level=_KEY, sort=True).size()
    return dict(zip(sizes.index, sizes.tolist(), strict=True))


def medians(tally: Tally) -> dict[tuple[str, str, str], float]:
    """
    Give the median of each area, operator and metric that was measured.

    It is the geometric middle of the bin that holds the lower median: within 0.5 % of it.
    """
    table = tally.bins["count"]
    cumulated = table.groupby(level=[*_KEY, "metric"], sort=True).cumsum()
    total = table.groupby(level=[*_KEY, "metric"], sort=True).transform("sum")
    reached = cumulated[2 * cumulated >= total]
    first = reached.reset_index().drop_duplicates([*_KEY, "metric"], keep="first")
    upper = np.clip(first["bin"].to_numpy(), 1, len(_EDGES) - 1)
    middle = np.sqrt(_EDGES[upper - 1] * _EDGES[upper])
    keys = zip(first["area"], first["operator"], first["metric"], strict=True)
    return dict(zip(keys, middle.tolist(), strict=True))


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
    return (started_us + ahead_us) // _DAY_US


def _sum(frame: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    return frame.groupby(key, sort=True).sum()
