"""From a tally to what a result says: a row for each area and operator, and the best of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from .area_rows import AreaRows, Choices, Column, Counts, Numbers
from .areas import Areas
from .frame import Flags, Ints
from .interval import Spread
from .measures import count_occasions, estimates, spreads
from .reduce import EVIDENCE, METRICS, REASONS, Tally
from .rules import Rule
from .sectors import Sectors
from .summary import AreaSummary
from .verdict import NEVER, VERDICTS, Judgement, Judgements, judge, judge_all

_PLAIN_COUNTS = ("samples", "trials", "successes", "simulated", "uncertain")
_ESTIMATES = {
    "median": "median",
    "median_low": "low",
    "median_high": "high",
}
_MEANS = {"mean": "crowd", "place_mean": "equal_place"}
_NOBODY = Spread(0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The area of each group in a stretch of them, the best group of each area, and the columns."""

    area: Ints
    best: Ints
    columns: dict[str, Column]


def summarise(tallies: Iterable[Tally], areas: Areas, rule: Rule) -> AreaRows:
    """
    Give the rows of a result, by code and operator; tallies are of stretches of areas, in order.

    Every area has a row of its best operator, named as such. An operator with too few places for
    a verdict is passed over where another has enough: one roaming phone must not hold the whole
    area's verdict open. Then the best verdict counts, the highest lower end, more places, the
    first name. Areas without a sample say no data.
    """
    nothing = judge(_NOBODY, rule)
    stretches = [_stretch(tally, areas, rule, nothing) for tally in tallies]
    if not stretches:
        none = np.empty(0, dtype=np.int64)
        stretches = [_Stretch(none, none, _columns_of_nothing(nothing))]
    # Taken out one by one: a country's columns would else be held twice.
    columns: dict[str, Column] = {}
    for name in list(stretches[0].columns):
        parts = [stretch.columns.pop(name) for stretch in stretches]
        columns[name] = type(parts[0]).joined(parts)
    before = np.cumsum([0, *(len(stretch.area) for stretch in stretches)])
    seen = np.concatenate([stretch.area for stretch in stretches])
    best = np.concatenate(
        [stretch.best + start for stretch, start in zip(stretches, before[:-1], strict=True)]
    )
    every, named = areas.named(seen)
    starts = np.flatnonzero(np.diff(seen, prepend=-1))
    counts = np.diff(starts, append=len(seen))
    # Areas in the order of their rows, and which of those that were seen each of them is.
    which = np.searchsorted(seen[starts], every)
    was_seen = np.isin(every, seen[starts])
    own = np.zeros(len(every), dtype=np.int64)
    own[was_seen] = counts[which[was_seen]]
    area = np.repeat(np.arange(len(every)), own + 1)
    position = np.arange(len(area)) - np.repeat(np.cumsum(own + 1) - (own + 1), own + 1)
    # An area that nobody saw has the row after all groups.
    first, top = np.full(len(every), len(seen)), np.full(len(every), len(seen))
    first[was_seen], top[was_seen] = starts[which[was_seen]], best[which[was_seen]]
    is_best = position == 0
    group = np.where(is_best, top[area], first[area] + position - 1)
    return AreaRows(named, area, group, is_best, columns)


def _stretch(tally: Tally, areas: Areas, rule: Rule, nothing: Judgement) -> _Stretch:
    area = tally.totals.keys[0].astype(np.int64)
    sectors = areas.sectors(area, rule.place_resolution)
    spread = spreads(tally, sectors)
    judged = judge_all(spread, rule)
    columns = _columns(tally, spread, judged, nothing) | _speeds(tally, rule, sectors)
    return _Stretch(area, _best(tally, spread, judged, rule), columns)


def _best(tally: Tally, spread: Spread, judged: Judgements, rule: Rule) -> Ints:
    """Give the group of each area's best operator, in the order of areas."""
    area, operator = tally.totals.keys
    low = np.where(np.isnan(judged.low), -1.0, judged.low)
    too_few = spread.places < rule.min_places
    order = np.lexsort((operator, -spread.places, -low, judged.verdict, too_few, area))
    return np.asarray(order[np.flatnonzero(np.diff(area[order], prepend=-1))])


def _columns(
    tally: Tally, spread: Spread, judged: Judgements, nothing: Judgement
) -> dict[str, Column]:
    """
    Give the fields of an `AreaSummary` as columns over the groups, and at last of `nothing`.

    Those of speeds and latency come from `_speeds`.
    """
    columns: dict[str, Column] = {
        "operator": _choices(tally.totals.keys[1], tally.operators, None),
        "verdict": _choices(judged.verdict, VERDICTS, nothing.verdict),
        "share": _measured(judged.share),
        "share_low": _measured(judged.low),
        "share_high": _measured(judged.high),
        **{name: _counted(tally.count(name)) for name in _PLAIN_COUNTS},
        "places": _counted(spread.places),
        "occasions": _counted(count_occasions(tally)),
        "excluded": _by_name(tally, REASONS),
        "nr_evidence": _by_name(tally, EVIDENCE),
        "further_places": _further(judged.further_places, nothing.further_places),
        "further_places_at_share": _further(judged.further_places_at_share, None),
    }
    if spread.clusters is not None:
        columns["sectors"] = _counted(spread.clusters.visited)
        columns["sectors_of"] = _counted(spread.clusters.count)
    return columns


def _speeds(tally: Tally, rule: Rule, sectors: Sectors | None) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for metric in METRICS:
        found = estimates(tally, metric, rule, sectors)
        for name, field in _ESTIMATES.items():
            columns[f"{metric}_{name}"] = _measured(getattr(found, field))
        for name, field in _MEANS.items():
            mean = getattr(found, field)
            columns[f"{metric}_{name}"] = _measured(mean.value)
            columns[f"{metric}_{name}_low"] = _measured(mean.low)
            columns[f"{metric}_{name}_high"] = _measured(mean.high)
    return columns


def _columns_of_nothing(nothing: Judgement) -> dict[str, Column]:
    """Give the same where there is no group: the other fields are those of no sample at all."""
    unseen = AreaSummary(
        code="", name="", verdict=nothing.verdict, further_places=nothing.further_places
    )
    none = np.empty(0, dtype=np.int64)
    said = {each.name: getattr(unseen, each.name) for each in fields(unseen)} | {"operator": None}
    return {name: _choices(none, (), value) for name, value in said.items()}


def _choices(numbers: npt.NDArray[Any], things: Sequence[Any], nothing: Any) -> Choices:
    return Choices(np.append(numbers, len(things)), (*things, nothing))


def _numbers(values: npt.NDArray[Any], missing: Flags, nothing: float | None) -> Numbers:
    last = 0 if nothing is None else nothing
    return Numbers(np.append(values, last), np.append(missing, nothing is None))


def _measured(values: npt.NDArray[np.float64]) -> Numbers:
    return _numbers(values, np.isnan(values), None)


def _counted(counts: Ints) -> Numbers:
    return _numbers(counts, np.zeros(len(counts), dtype=np.bool_), 0)


def _further(places: Ints, nothing: int | None) -> Numbers:
    return _numbers(places, places == NEVER, nothing)


def _by_name(tally: Tally, names: tuple[str, ...]) -> Counts:
    counts = [tally.count(name) for name in names]
    return Counts(names, np.column_stack([np.append(each, 0) for each in counts]))
