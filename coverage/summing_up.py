"""From a tally to what a result says: a row for each area and operator, and the best of them."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from .areas import Areas
from .frame import Ints
from .interval import Spread
from .measures import count_occasions, estimates, spreads
from .reduce import EVIDENCE, METRICS, REASONS, Tally
from .rules import Rule
from .summary import ANY_OPERATOR, AreaSummary
from .verdict import NEVER, VERDICTS, Judgements, judge, judge_all

_PLAIN_COUNTS = ("samples", "trials", "successes", "simulated", "uncertain")
_ESTIMATES = {
    "median": "median",
    "median_low": "low",
    "median_high": "high",
    "mean": "crowd",
    "place_mean": "equal_place",
}
_NOBODY = Spread(0, 0.0, 0.0)


def summarise(tally: Tally | None, areas: Areas, rule: Rule) -> tuple[AreaSummary, ...]:
    """
    Give the rows of a result, by code and operator.

    Every area has a row of its best operator, named as such. An operator with too few places for
    a verdict is passed over where another has enough: one roaming phone must not hold the whole
    area's verdict open. Then the best verdict counts, the highest lower end, more places, the
    first name. Areas without a sample say no data.
    """
    with _no_collection():
        return tuple(_rows(tally, areas, rule))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Look for no garbage meanwhile: a million objects that stay would be searched each time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _rows(tally: Tally | None, areas: Areas, rule: Rule) -> Iterator[AreaSummary]:
    nothing = judge(_NOBODY, rule)
    if tally is None:
        seen = np.empty(0, dtype=np.int64)
        columns: dict[str, list[Any]] = {}
    else:
        seen = tally.totals.keys[0].astype(np.int64)
        spread = spreads(tally, areas.sectors(seen, rule.place_resolution))
        judged = judge_all(spread, rule)
        columns = _columns(tally, spread, judged, rule)
        best = _best(tally, spread, judged, rule)
    values = list(zip(*columns.values(), strict=True))
    starts = np.flatnonzero(np.diff(seen, prepend=-1))
    of_area = dict(zip(seen[starts].tolist(), range(len(starts)), strict=True))
    ends = [*starts.tolist(), len(seen)]
    fields = tuple(columns)
    every, names = areas.named(seen)
    for area, (code, name, parent) in zip(every.tolist(), names, strict=True):
        number = of_area.get(area)
        if number is None:
            yield AreaSummary(
                code=code,
                name=name,
                parent_name=parent,
                verdict=nothing.verdict,
                further_places=nothing.further_places,
            )
            continue
        own = dict(zip(fields, values[best[number]], strict=True))
        own["code"], own["name"], own["parent_name"] = code, name, parent
        own["best_operator"], own["operator"] = own["operator"], ANY_OPERATOR
        yield AreaSummary(**own)
        for group in range(ends[number], ends[number + 1]):
            row = dict(zip(fields, values[group], strict=True))
            row["code"], row["name"], row["parent_name"] = code, name, parent
            yield AreaSummary(**row)


def _best(tally: Tally, spread: Spread, judged: Judgements, rule: Rule) -> list[int]:
    """Give the group of each area's best operator, in the order of areas."""
    area, operator = tally.totals.keys
    low = np.where(np.isnan(judged.low), -1.0, judged.low)
    too_few = spread.places < rule.min_places
    order = np.lexsort((operator, -spread.places, -low, judged.verdict, too_few, area))
    first: list[int] = order[np.flatnonzero(np.diff(area[order], prepend=-1))].tolist()
    return first


def _columns(tally: Tally, spread: Spread, judged: Judgements, rule: Rule) -> dict[str, list[Any]]:
    """Give the fields of an `AreaSummary`, each as a column over all groups."""
    operators = [tally.operators[number] for number in tally.totals.keys[1].tolist()]
    columns: dict[str, list[Any]] = {
        "operator": operators,
        "verdict": [VERDICTS[number] for number in judged.verdict.tolist()],
        "share": _or_none(judged.share),
        "share_low": _or_none(judged.low),
        "share_high": _or_none(judged.high),
        **{name: tally.count(name).tolist() for name in _PLAIN_COUNTS},
        "places": spread.places.tolist(),
        "occasions": count_occasions(tally).tolist(),
        "excluded": _nonzero(tally, REASONS),
        "nr_evidence": _nonzero(tally, EVIDENCE),
        "further_places": _or_none(judged.further_places, NEVER),
        "further_places_at_share": _or_none(judged.further_places_at_share, NEVER),
    }
    if spread.clusters is not None:
        columns["sectors"] = spread.clusters.visited.tolist()
        columns["sectors_of"] = spread.clusters.count.tolist()
    for metric in METRICS:
        found = estimates(tally, metric, rule.confidence)
        for name, field in _ESTIMATES.items():
            columns[f"{metric}_{name}"] = _or_none(getattr(found, field))
    return columns


def _or_none(values: npt.NDArray[Any], none: int | None = None) -> list[Any]:
    """Give numbers as Python's own, None for NaN or for the number that stands for none."""
    missing = np.isnan(values) if none is None else values == none
    plain = values.astype(object)
    plain[missing] = None
    found: list[Any] = plain.tolist()
    return found


def _nonzero(tally: Tally, names: tuple[str, ...]) -> list[dict[str, int]]:
    """Give for each group the counts that are not nought, by name."""
    found: list[dict[str, int]] = [{} for _ in range(len(tally))]
    for name in names:
        counts: Ints = tally.count(name)
        groups = np.flatnonzero(counts)
        for group, count in zip(groups.tolist(), counts[groups].tolist(), strict=True):
            found[group][name] = count
    return found
