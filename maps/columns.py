"""
A result as columns: what a page needs of each area, once, without geometry.

An area that looks like most untouched areas (no sample, the same number of places needed)
takes no row: a layer says once what such an area looks like, in `blank`. The row of the best
operator repeats one of the others and only names it, in `same`. So a page of many operators,
rules and periods grows with what was measured, not with the country.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..coverage.summary import ANY_OPERATOR, AreaSummary, Result, Verdict
from ..data.errors import MapError
from .packs import Pack
from .scale import NR_EVIDENCE, VERDICTS

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

_COUNTS = ("samples", "trials", "successes", "places", "occasions", "simulated")
_SHARES = ("share", "share_low", "share_high")
_MEDIANS = ("down_mbps_median", "up_mbps_median", "rtt_idle_ms_median")
_FURTHER = ("further_places", "further_places_at_share")
_VERDICT_KEYS = tuple(fill.key for fill in VERDICTS)
_NR_KEYS = tuple(fill.key for fill in NR_EVIDENCE)
# What makes two rows the same to a reader, whosever they are.
_VALUES = ("verdict", *_COUNTS, *_FURTHER, *_SHARES, *_MEDIANS, "excluded", "nr_evidence")
_values_of = attrgetter(*_VALUES)
_NONE = (None, None)

# Counts that hardly differ from another are kept as the difference from it.
_RELATIVE = {"trials": "samples", "successes": "trials", "occasions": "places"}
MEDIAN_STEPS = 100
EXACT_SHARE_STEPS = 10_000
COARSE_SHARE_STEPS = 200
COARSE_FROM_ROWS = 500_000

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnResult:
    """A result and the shapes of its areas: code, geometry and perhaps name, parent_name."""

    result: Result
    geometry: "GeoDataFrame"


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


def layer_columns(
    areas: Sequence[AreaSummary],
    position: Mapping[str, int],
    operators: Sequence[str],
    rows_of: Mapping[str, Mapping[str, Row]] | None = None,
) -> dict[str, Any]:
    """
    Give one operator's areas as columns.

    `position` maps an area's code to its place among the shapes; `best` and `same` are places
    among `operators`. `rows_of` gives operators' rows by code, as `row_of` makes them: a row that
    repeats the best operator's is in `same`, and in no column of values. Reasons of exclusion
    and 5G evidence classes are columns of their own.

    Raises
    ------
    MapError
        If an area stands twice or has no shape.
    """
    blank = _usual_blank(areas)
    place = {operator: index for index, operator in enumerate(operators)}
    rows: dict[int, tuple[Row, int | None, int | None]] = {}
    seen: set[str] = set()
    rows_of = rows_of or {}
    own = rows_of.get(areas[0].operator, {}) if areas else {}
    for area in areas:
        if area.code not in position:
            raise MapError(
                "area {code} of the result has no shape; was it computed with these boundaries?",
                code=area.code,
            )
        if area.code in seen:
            raise MapError("area {code} stands twice in the result", code=area.code)
        seen.add(area.code)
        row = own.get(area.code) or row_of(area)
        best = area.best_operator
        if best is None and row == blank:
            continue
        known = (
            rows_of.get(best, {}).get(area.code) if best and area.operator == ANY_OPERATOR else None
        )
        same = place.get(best) if best is not None and known == row else None
        rows[position[area.code]] = (row, None if best is None else place.get(best), same)
    kept = sorted(rows)
    columns = _columns([rows[at][0] for at in kept if rows[at][2] is None])
    columns["area"] = kept
    columns["best"] = [rows[at][1] for at in kept]
    columns["same"] = [rows[at][2] for at in kept]
    blank_columns = _columns([blank])
    columns["blank"] = {
        name: values[0] for name, values in blank_columns.items() if isinstance(values, list)
    } | {"best": None}
    return columns


def choose_share_steps(rows: int) -> int:
    """
    Give the steps in which a page of so many rows keeps shares.

    Ten-thousandths, and two-hundredths where there are very many: every edge between classes is
    a multiple of either.
    """
    return COARSE_SHARE_STEPS if rows > COARSE_FROM_ROWS else EXACT_SHARE_STEPS


def row_of(area: AreaSummary) -> Row:
    """Give what an area's row says, without whose it is."""
    row: Row = _values_of(area)
    if row[-1] or row[-2]:
        return (*row[:-2], *({name: n for name, n in each.items() if n} for each in row[-2:]))
    return row


def _columns(rows: Sequence[Row]) -> dict[str, Any]:
    by_name = dict(
        zip(_VALUES, zip(*rows, strict=True) if rows else [()] * len(_VALUES), strict=True)
    )
    columns: dict[str, Any] = {
        "verdict": [_VERDICT_KEYS.index(verdict) for verdict in by_name["verdict"]]
    }
    for name in (*_COUNTS, *_FURTHER, *_SHARES, *_MEDIANS):
        columns[name] = list(by_name[name])
    reasons = sorted(
        {reason for excluded in by_name["excluded"] if excluded for reason in excluded}
    )
    columns["excluded"] = {
        reason: [excluded.get(reason, 0) for excluded in by_name["excluded"]] for reason in reasons
    }
    found = {key for evidence in by_name["nr_evidence"] if evidence for key in evidence}
    columns["nr"] = {
        key: [evidence.get(key, 0) for evidence in by_name["nr_evidence"]]
        for key in _NR_KEYS
        if key in found
    }
    return columns


def _usual_blank(areas: Sequence[AreaSummary]) -> Row:
    untouched = Counter(
        (area.further_places, area.further_places_at_share)
        for area in areas
        if area.verdict is Verdict.NO_DATA
        and not area.samples
        and not any(area.excluded.values())
        and not any(area.nr_evidence.values())
    )
    usual = untouched.most_common(1)[0][0] if untouched else _NONE
    return row_of(
        AreaSummary(
            code="",
            name="",
            verdict=Verdict.NO_DATA,
            further_places=usual[0],
            further_places_at_share=usual[1],
        )
    )


def pack_result(
    result: Result, position: Mapping[str, int], pack: Pack, share_steps: int = EXACT_SHARE_STEPS
) -> dict[str, Any]:
    """
    Put every operator's columns into a pack; give the layers' heads and the steps of a share.

    A share and the low end of its interval are rounded
    down and the high end up, so that rounding proves nothing.
    """
    by_operator: dict[str, list[AreaSummary]] = {name: [] for name in operators_of(result)}
    for area in result.areas:
        by_operator[area.operator].append(area)
    operators = list(by_operator)
    rows_of = {
        operator: {area.code: row_of(area) for area in areas}
        for operator, areas in by_operator.items()
        if operator != ANY_OPERATOR
    }
    layers = []
    for number, (operator, areas) in enumerate(by_operator.items()):
        columns = layer_columns(areas, position, operators, rows_of)
        _pack_columns(pack, f"{number}.", columns, share_steps)
        layers.append(
            {
                "operator": operator,
                "blank": columns["blank"],
                "excluded": list(columns["excluded"]),
                "nr": list(columns["nr"]),
            }
        )
    return {"layers": layers, "share_steps": share_steps, "median_steps": MEDIAN_STEPS}


def _pack_columns(pack: Pack, prefix: str, columns: Mapping[str, Any], steps: int) -> None:
    pack.add(f"{prefix}area", np.diff(np.array(columns["area"], dtype=np.int64), prepend=0))
    pack.add(f"{prefix}verdict", columns["verdict"])
    for name in ("best", "same", *_FURTHER):
        pack.add(f"{prefix}{name}", columns[name], "n")
    for name in _COUNTS:
        numbers = np.array(columns[name], dtype=np.int64)
        of = _RELATIVE.get(name)
        if name == "simulated" and numbers.any():
            of = "samples"
        if of is None:
            pack.add(f"{prefix}{name}", numbers)
        else:
            pack.add(f"{prefix}{name}", np.array(columns[of], dtype=np.int64) - numbers, "z", of=of)
    for name in _SHARES:
        share = np.array(columns[name], dtype=np.float64) * steps
        outward = np.ceil(share - 1e-6) if name == "share_high" else np.floor(share + 1e-6)
        pack.add(f"{prefix}{name}", outward, "n")
    for name in _MEDIANS:
        median = np.array(columns[name], dtype=np.float64) * MEDIAN_STEPS
        pack.add(f"{prefix}{name}", np.rint(median), "n")
    for group in ("excluded", "nr"):
        for number, counts in enumerate(columns[group].values()):
            pack.add(f"{prefix}{group}.{number}", counts)


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
        total.update(area.nr_evidence)
    return {key: total[key] for key in _NR_KEYS if total[key]}


def _once(result: Result) -> list[AreaSummary]:
    """Give rows that count each sample once: the best operator's row repeats one of them."""
    single = [area for area in result.areas if area.operator != ANY_OPERATOR]
    return single or list(result.areas)
