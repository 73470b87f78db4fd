"""
A result as columns: what a page needs of each area, once, without geometry.

An area that looks like most untouched areas (no sample, the same number of places needed)
takes no row: a layer says once what such an area looks like, in `blank`. The row of the best
operator repeats one of the others and only names it, in `same`. So a page of many operators,
rules and periods grows with what was measured, not with the country. Of numbers that follow from
others but for a little (`predict.py`), only that little is kept.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..coverage.interval import quantile
from ..coverage.summary import ANY_OPERATOR, AreaSummary, Result, Verdict
from ..data.errors import MapError
from .packs import Pack
from .predict import exact_share, high_of, left, low_of, share_of, times
from .scale import NR_EVIDENCE, VERDICTS

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

NUMBERS = (
    *("samples", "trials", "successes", "places", "occasions", "simulated"),
    *("further_places", "further_places_at_share", "share", "share_low", "share_high"),
    *("down_mbps_median", "up_mbps_median", "rtt_idle_ms_median"),
)
_FURTHER = ("further_places", "further_places_at_share")
_MEDIANS = ("down_mbps_median", "up_mbps_median", "rtt_idle_ms_median")
_VERDICT_KEYS = tuple(fill.key for fill in VERDICTS)
_VERDICTS = {key: index for index, key in enumerate(_VERDICT_KEYS)}
_NO_DATA = _VERDICTS[Verdict.NO_DATA]
_NR_KEYS = tuple(fill.key for fill in NR_EVIDENCE)

MEDIAN_STEPS = 100
EXACT_SHARE_STEPS = 10_000
COARSE_SHARE_STEPS = 200
COARSE_FROM_ROWS = 500_000

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnResult:
    """A result and the shapes of its areas: code, geometry and perhaps name, parent_name."""

    result: Result
    geometry: "GeoDataFrame"

    @property
    def shapes_key(self) -> tuple[str | None, str]:
        """Give what results over the same shapes have in common."""
        return (self.result.boundary_id, self.result.area)


class Points(Protocol):
    """Samples to draw as points: parallel columns, and how many there were to choose from."""

    @property
    def lon(self) -> Sequence[float]: ...
    @property
    def lat(self) -> Sequence[float]: ...
    @property
    def ok(self) -> Sequence[bool]: ...
    @property
    def simulated(self) -> Sequence[bool]: ...
    @property
    def measured_total(self) -> int: ...
    @property
    def simulated_total(self) -> int: ...


def operators_of(result: Result) -> list[str]:
    """Give the operators a result speaks of, any operator first."""
    return sorted({area.operator for area in result.areas}, key=lambda o: (o != ANY_OPERATOR, o))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """
    One operator's areas in order of their place among the shapes; nothing is NaN.

    `numbers` are ``verdict`` and NUMBERS, `excluded` and `nr` counts by name, `best` names of
    operators or None.
    """

    area: Whole
    numbers: Mapping[str, Numbers]
    excluded: Mapping[str, Whole]
    nr: Mapping[str, Whole]
    best: Sequence[str | None]

    def equal(self, mine: Whole, other: "Rows", others: Whole) -> NDArray[np.bool_]:
        """Tell which of my rows say the same as the other's."""
        same = np.ones(len(mine), dtype=np.bool_)
        for name, numbers in self.numbers.items():
            a, b = numbers[mine], other.numbers[name][others]
            same &= (a == b) | (np.isnan(a) & np.isnan(b))
        for ours, theirs in ((self.excluded, other.excluded), (self.nr, other.nr)):
            for name in {*ours, *theirs}:
                here = ours[name][mine] if name in ours else 0
                there = theirs[name][others] if name in theirs else 0
                same &= np.equal(here, there)
        return same

    def taken(self, rows: Whole) -> "Rows":
        """Give some of the rows; a reason that none of them has is left out."""
        counts = [
            {name: numbers[rows] for name, numbers in group.items() if numbers[rows].any()}
            for group in (self.excluded, self.nr)
        ]
        return Rows(
            area=self.area[rows],
            numbers={name: numbers[rows] for name, numbers in self.numbers.items()},
            excluded=counts[0],
            nr=counts[1],
            best=[self.best[row] for row in rows],
        )


def read_rows(areas: Sequence[AreaSummary], position: Mapping[str, int]) -> Rows:
    """
    Give one operator's areas as columns; `position` maps a code to its place among the shapes.

    Raises
    ------
    MapError
        If an area stands twice or has no shape.
    """
    places = [position.get(area.code, -1) for area in areas]
    if -1 in places:
        raise MapError(
            "area {code} of the result has no shape; was it computed with these boundaries?",
            code=areas[places.index(-1)].code,
        )
    place = np.array(places, dtype=np.int64)
    order = np.argsort(place, kind="stable")
    area = place[order]
    twice = np.flatnonzero(area[1:] == area[:-1])
    if twice.size:
        code = areas[order[twice[0] + 1]].code
        raise MapError("area {code} stands twice in the result", code=code)
    numbers = {"verdict": np.array([_VERDICTS[each.verdict] for each in areas], float)[order]}
    for name in NUMBERS:
        numbers[name] = np.array(list(map(attrgetter(name), areas)), dtype=float)[order]
    best = list(map(attrgetter("best_operator"), areas))
    return Rows(
        area=area,
        numbers=numbers,
        excluded=_by_name([each.excluded for each in areas], order),
        nr=_by_name([each.nr_evidence for each in areas], order, _NR_KEYS),
        best=[best[at] for at in order],
    )


def _by_name(
    counts: Sequence[Mapping[str, int]], order: Whole, names: Sequence[str] = ()
) -> dict[str, Whole]:
    found = [(at, each) for at, each in enumerate(counts) if each]
    seen = {name for _, each in found for name, count in each.items() if count}
    columns = {}
    for name in [name for name in names if name in seen] or sorted(seen):
        column = np.zeros(len(counts), dtype=np.int64)
        for at, each in found:
            column[at] = each.get(name, 0)
        columns[name] = column[order]
    return columns


def usual_blank(rows: Rows) -> dict[str, float]:
    """Give what most areas without a sample look like, as a value a number."""
    numbers = rows.numbers
    untouched = (numbers["verdict"] == _NO_DATA) & (numbers["samples"] == 0)
    for counts in (*rows.excluded.values(), *rows.nr.values()):
        untouched &= counts == 0
    blank = dict.fromkeys(numbers, 0.0) | {"verdict": float(_NO_DATA)}
    blank |= {name: np.nan for name in numbers if name.startswith("share") or name in _MEDIANS}
    pairs = np.column_stack([np.nan_to_num(numbers[name][untouched], nan=-1) for name in _FURTHER])
    kinds, counts = np.unique(pairs, axis=0, return_counts=True)
    usual = kinds[counts.argmax()] if counts.size else (-1, -1)
    for name, value in zip(_FURTHER, usual, strict=True):
        blank[name] = np.nan if value < 0 else float(value)
    return blank


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """
    One operator's rows as they are kept.

    `area` are the areas that have a row, `best` and `same` places among the operators (NaN for
    none), `own` the rows that say something of their own: those without `same`.
    """

    area: Whole
    best: Numbers
    same: Numbers
    own: Rows
    blank: Mapping[str, float]


def make_layer(rows: Rows, by_operator: Mapping[str, Rows], operator: str) -> Layer:
    """Leave out what looks like most untouched areas, and what repeats the best operator's row."""
    blank = usual_blank(rows)
    place = {name: index for index, name in enumerate(by_operator)}
    best = np.array([np.nan if name is None else place.get(name, np.nan) for name in rows.best])
    same = np.full(len(rows.area), np.nan)
    if operator == ANY_OPERATOR:
        for name, other in by_operator.items():
            mine = np.flatnonzero(best == place[name])
            at = np.searchsorted(other.area, rows.area[mine])
            found = at < len(other.area)
            found[found] = other.area[at[found]] == rows.area[mine[found]]
            mine, at = mine[found], at[found]
            same[mine[rows.equal(mine, other, at)]] = place[name]
    plain = np.array([name is None for name in rows.best], dtype=np.bool_)
    for name, value in blank.items():
        numbers = rows.numbers[name]
        plain &= np.isnan(numbers) if np.isnan(value) else numbers == value
    for counts in (*rows.excluded.values(), *rows.nr.values()):
        plain &= counts == 0
    kept = ~plain
    return Layer(
        area=rows.area[kept],
        best=best[kept],
        same=same[kept],
        own=rows.taken(np.flatnonzero(kept & np.isnan(same))),
        blank=blank,
    )


def choose_share_steps(rows: int) -> int:
    """
    Give the steps in which a page of so many rows keeps shares.

    Ten-thousandths, and two-hundredths where there are very many: every edge between classes is
    a multiple of either.
    """
    return COARSE_SHARE_STEPS if rows > COARSE_FROM_ROWS else EXACT_SHARE_STEPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What a result's rows are kept by: z of its intervals, steps of a share, places needed."""

    z: float
    steps: float
    needed: float


def pack_result(
    result: Result, position: Mapping[str, int], pack: Pack, share_steps: int = EXACT_SHARE_STEPS
) -> dict[str, Any]:
    """
    Put every operator's columns into a pack; give the layers' heads and the steps of a share.

    A share and the low end of its interval are rounded
    down and the high end up, so that rounding proves nothing.
    """
    areas: dict[str, list[AreaSummary]] = {name: [] for name in operators_of(result)}
    for area in result.areas:
        areas[area.operator].append(area)
    by_operator = {name: read_rows(own, position) for name, own in areas.items()}
    made = [make_layer(rows, by_operator, operator) for operator, rows in by_operator.items()]
    # How many places prove an area where all pass; an operator's own rows need not tell.
    needed = float(np.nanmax([0.0, *(layer.blank["further_places"] for layer in made)]))
    scale = Scale(z=quantile(result.confidence), steps=float(share_steps), needed=needed)
    layers = []
    for number, (operator, layer) in enumerate(zip(by_operator, made, strict=True)):
        _pack_layer(pack, f"{number}.", layer, scale)
        blank = {name: None if np.isnan(value) else value for name, value in layer.blank.items()}
        layers.append(
            {
                "operator": operator,
                "blank": blank | {"verdict": int(layer.blank["verdict"]), "best": None},
                "excluded": list(layer.own.excluded),
                "nr": list(layer.own.nr),
            }
        )
    return {
        "layers": layers,
        "share_steps": share_steps,
        "median_steps": MEDIAN_STEPS,
        "z": scale.z,
    }


def _pack_layer(pack: Pack, prefix: str, layer: Layer, scale: Scale) -> None:
    pack.add(f"{prefix}area", np.diff(layer.area, prepend=0))
    pack.add(f"{prefix}best", layer.best, "n")
    pack.add(f"{prefix}same", layer.same, "n")
    numbers = dict(layer.own.numbers)
    steps = scale.steps
    for name in ("share", "share_low"):
        numbers[name] = np.floor(numbers[name] * steps + 1e-6)
    numbers["share_high"] = np.ceil(numbers["share_high"] * steps - 1e-6)
    for name in _MEDIANS:
        numbers[name] = np.rint(numbers[name] * MEDIAN_STEPS)
    expected = _expected(numbers, scale)
    for name, values in numbers.items():
        nothing = name in _FURTHER or name in _MEDIANS or name.startswith("share")
        if name in expected:
            of, numbers_expected = expected[name]
            missed = values - np.nan_to_num(numbers_expected)
            pack.add(f"{prefix}{name}", missed, "s" if nothing else "z", predicted=of)
        else:
            pack.add(f"{prefix}{name}", values, "n" if nothing else "u")
    for group, counts in (("excluded", layer.own.excluded), ("nr", layer.own.nr)):
        for number, each in enumerate(counts.values()):
            pack.add(f"{prefix}{group}.{number}", each)


def _expected(
    numbers: Mapping[str, Numbers], scale: Scale
) -> dict[str, tuple[tuple[Any, ...], Numbers]]:
    """Give the columns of which only what differs is kept: how they are predicted, and as what."""
    z, steps = scale.z, scale.steps
    places, samples = numbers["places"], numbers["samples"]
    passed, tried = numbers["successes"], numbers["trials"]
    each = float(samples.sum() / places.sum()) if places.any() else 0.0
    share = exact_share(numbers["share"], passed, tried, steps)
    low = low_of(share, places, z, steps)
    high = high_of(share, numbers["share_low"], places, z, steps)
    found: dict[str, tuple[tuple[Any, ...], Numbers]] = {
        "samples": (("times", "places", each), times(places, each)),
        "trials": (("same", "samples"), samples),
        "successes": (("same", "trials"), tried),
        "occasions": (("same", "places"), places),
        "further_places": (("left", "places", scale.needed), left(places, scale.needed)),
        "share": (("share",), share_of(passed, tried, steps)),
        "share_low": (("low",), low),
        "share_high": (("high",), high),
    }
    if numbers["simulated"].any():
        found["simulated"] = (("same", "samples"), samples)
    return found


def sample_counts(result: Result) -> tuple[int, int]:
    """Give how many of the samples that went into a result were measured and simulated."""
    samples, simulated = result.inputs.get("samples"), result.inputs.get("simulated")
    if not (isinstance(samples, int) and isinstance(simulated, int)):
        samples = sum(area.samples for area in _once(result))
        simulated = sum(area.simulated for area in _once(result))
    return max(samples - simulated, 0), simulated


def nr_counts(result: Result) -> dict[str, int]:
    """Give how many of a result's samples stand behind each 5G evidence class."""
    total: Counter[str] = Counter()
    for area in _once(result):
        if area.nr_evidence:
            total.update(area.nr_evidence)
    return {key: total[key] for key in _NR_KEYS if total[key]}


def _once(result: Result) -> list[AreaSummary]:
    """Give rows that count each sample once: the best operator's row repeats one of them."""
    single = [area for area in result.areas if area.operator != ANY_OPERATOR]
    return single or list(result.areas)
