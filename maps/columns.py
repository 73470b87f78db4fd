"""
A result as columns: what a page needs of each area, once, without geometry.

An area that looks like most untouched areas (no sample, the same number of places needed)
takes no row: a layer says once what such an area looks like, in `blank`. So a page of many
operators and rules grows with what was measured, not with the country.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from ..coverage.summary import ANY_OPERATOR, AreaSummary, Result, Verdict
from ..data.errors import MapError
from .scale import NR_EVIDENCE, VERDICTS

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

_COUNTS = ("samples", "trials", "successes", "places", "occasions", "simulated")
_SHARES = ("share", "share_low", "share_high")
_MEDIANS = ("down_mbps_median", "up_mbps_median", "rtt_idle_ms_median")
_FURTHER = ("further_places", "further_places_at_share")
_VERDICT_KEYS = tuple(fill.key for fill in VERDICTS)
_NR_KEYS = tuple(fill.key for fill in NR_EVIDENCE)


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
    areas: Sequence[AreaSummary], position: dict[str, int], operators: Sequence[str]
) -> dict[str, Any]:
    """
    Give one operator's areas as columns, ready for JSON.

    `position` maps an area's code to its place among the shapes; `best` is a place among
    `operators`. Reasons of exclusion and 5G evidence classes are columns of their own.

    Raises
    ------
    MapError
        If an area stands twice or has no shape.
    """
    blank = _usual_blank(areas)
    seen: set[str] = set()
    kept = []
    for area in areas:
        if area.code not in position:
            raise MapError(
                "area {code} of the result has no shape; was it computed with these boundaries?",
                code=area.code,
            )
        if area.code in seen:
            raise MapError("area {code} stands twice in the result", code=area.code)
        seen.add(area.code)
        if _nameless(area) != blank:
            kept.append(area)
    kept.sort(key=lambda area: position[area.code])
    columns = _columns(kept, operators)
    columns["area"] = [position[area.code] for area in kept]
    blank_columns = _columns([blank], operators)
    return columns | {
        "blank": {
            name: values[0] for name, values in blank_columns.items() if isinstance(values, list)
        }
    }


def _columns(areas: Sequence[AreaSummary], operators: Sequence[str]) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "verdict": [_VERDICT_KEYS.index(area.verdict) for area in areas],
    }
    place: dict[str | None, int] = {operator: index for index, operator in enumerate(operators)}
    columns["best"] = [place.get(area.best_operator) for area in areas]
    for name in (*_COUNTS, *_FURTHER):
        columns[name] = [getattr(area, name) for area in areas]
    for name in _SHARES:
        columns[name] = [_rounded(getattr(area, name), 5) for area in areas]
    for name in _MEDIANS:
        columns[name] = [_rounded(getattr(area, name), 2) for area in areas]
    reasons = sorted({reason for area in areas for reason in area.excluded})
    columns["excluded"] = {
        reason: [area.excluded.get(reason, 0) for area in areas] for reason in reasons
    }
    columns["nr"] = {
        key: [area.nr_evidence.get(key, 0) for area in areas]
        for key in _NR_KEYS
        if any(key in area.nr_evidence for area in areas)
    }
    return columns


def _usual_blank(areas: Sequence[AreaSummary]) -> AreaSummary:
    untouched = [
        area
        for area in areas
        if area.verdict is Verdict.NO_DATA
        and not area.samples
        and not any(area.excluded.values())
        and not any(area.nr_evidence.values())
    ]
    if not untouched:
        return AreaSummary(code="", name="", verdict=Verdict.NO_DATA)
    usual, _ = Counter(
        (area.further_places, area.further_places_at_share) for area in untouched
    ).most_common(1)[0]
    return AreaSummary(
        code="",
        name="",
        verdict=Verdict.NO_DATA,
        further_places=usual[0],
        further_places_at_share=usual[1],
    )


def _nameless(area: AreaSummary) -> AreaSummary:
    return replace(
        area,
        code="",
        name="",
        parent_name=None,
        operator=ANY_OPERATOR,
        excluded={reason: n for reason, n in area.excluded.items() if n},
        nr_evidence={key: n for key, n in area.nr_evidence.items() if n},
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


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
