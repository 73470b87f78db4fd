"""
Everything a page shows, as one value for JSON: results in columns over shapes drawn once.

Results over the same boundaries share their shapes; results over H3 cells of one resolution
share the union of their cells. Texts stay texts here: escaping is the page's business.
"""

from collections.abc import Sequence
from datetime import datetime
from math import isfinite
from typing import Any

import numpy as np

from ..coverage.rules import list_rules, load_rule
from ..coverage.summary import AreaSummary, Result, Verdict
from ..coverage.trials import REASON_TEXTS
from ..data.errors import MapError
from ..data.sample import NrEvidence
from .columns import DrawnResult, Points, layer_columns, nr_counts, operators_of, sample_counts
from .scale import scales
from .shapes import STEPS_PER_DEGREE, Shapes, draw_shapes, home_extent, whole_extent

POINTS_SHOWN_AT_FIRST = 2_000

# What a result counts, as it adds up: a store keeps these by name only.
_INPUTS = {
    "samples": "samples",
    "first_sample": "first sample",
    "last_sample": "last sample",
    "simulated": "of them simulated",
    "without_position": "without a position",
    "outside": "outside every area",
    "other_operator": "of other operators",
    "operator_unknown": "of an unknown operator",
    "trials": "attempts that count",
    "successes": "of them passed",
    "excluded": "not counted",
    "operators": "operators",
    "rule_version": "version of the rule",
    "uncertain": "in an uncertain area",
    "found_by": "areas found by",
    "nested_level": "finer level",
    "not_nested": "codes that do not nest",
}
_NOT_NESTED = {"level": "level", "areas": "areas", "of": "of so many", "first": "the first of them"}
_THRESHOLDS = {
    "required_share": "required share",
    "down_mbps": "download, Mbit/s",
    "up_mbps": "upload, Mbit/s",
    "rtt_idle_ms": "idle RTT, ms",
    "rsrp_dbm": "RSRP, dBm",
}
_NAMED = {**_INPUTS, **_NOT_NESTED, **_THRESHOLDS, **REASON_TEXTS}


def page_data(results: Sequence[DrawnResult], points: Points | None = None) -> dict[str, Any]:
    """
    Give what the page's script reads.

    ``named`` gives the short names in the data as words, ``said`` lists the texts of ours in it.

    Raises
    ------
    MapError
        If there is no result, or one is empty or does not fit its shapes.
    """
    if not results:
        raise MapError("there is no result to draw; compute one first: phusong coverage compute")
    for drawn in results:
        if not drawn.result.areas:
            raise MapError(
                "the result of {rule} has no areas: nothing was judged, so there is nothing to"
                " draw",
                rule=drawn.result.rule,
            )
    keys = list(dict.fromkeys(_shapes_key(drawn.result) for drawn in results))
    sets = [[drawn for drawn in results if _shapes_key(drawn.result) == key] for key in keys]
    shapes = [draw_shapes(_union(drawn)) for drawn in sets]
    drawn_scales = scales()
    return {
        "scales": drawn_scales,
        "steps_per_degree": STEPS_PER_DEGREE,
        "shapes": [_shapes(*pair) for pair in zip(shapes, sets, strict=True)],
        "results": [
            _result(drawn.result, index, shapes[index])
            for drawn in results
            for index in [keys.index(_shapes_key(drawn.result))]
        ],
        "points": _points(points) if points is not None else None,
        "named": _NAMED,
        "said": sorted(
            {fill["label"] for name in ("verdict", "nr") for fill in drawn_scales[name]}
            | set(_NAMED.values())
        ),
    }


def _shapes_key(result: Result) -> tuple[str | None, str]:
    return (result.boundary_id, result.area)


def _union(drawn: Sequence[DrawnResult]) -> Any:
    """Give the areas of some results once each."""
    import pandas as pd

    frames = {id(one.geometry): one.geometry for one in drawn}
    if len(frames) == 1:
        return drawn[0].geometry
    together = pd.concat(frames.values(), ignore_index=True)
    return together[~together["code"].duplicated()]


def _shapes(shapes: Shapes, drawn: Sequence[DrawnResult]) -> dict[str, Any]:
    with_data = {
        area.code
        for one in drawn
        for area in one.result.areas
        if area.verdict is not Verdict.NO_DATA
    }
    seen = np.array([code in with_data for code in shapes.codes])
    parents = sorted({parent for parent in shapes.parents if parent is not None})
    place = {parent: index for index, parent in enumerate(parents)}
    return {
        "codes": shapes.codes,
        "names": shapes.names,
        "parents": parents,
        "parent": [-1 if parent is None else place[parent] for parent in shapes.parents],
        "polygons": shapes.polygons,
        "tolerance_m": shapes.tolerance_deg and round(shapes.tolerance_deg * 111_320),
        "home": home_extent(shapes.bounds[seen] if seen.any() else shapes.bounds),
        "whole": whole_extent(shapes.bounds),
    }


def _result(result: Result, shapes_index: int, shapes: Shapes) -> dict[str, Any]:
    position = {code: index for index, code in enumerate(shapes.codes)}
    measured, simulated = sample_counts(result)
    by_operator: dict[str, list[AreaSummary]] = {name: [] for name in operators_of(result)}
    for area in result.areas:
        by_operator[area.operator].append(area)
    return {
        "shapes": shapes_index,
        "rule": result.rule,
        "title": {"en": result.rule_title_en, "vi": result.rule_title_vi},
        "unverified": result.rule_unverified,
        "required_share": result.required_share,
        "confidence": result.confidence,
        "area": result.area,
        "boundary": {
            "id": result.boundary_id,
            "name": result.boundary_name,
            "vintage": result.boundary_vintage,
            "approximate": result.boundary_approximate,
        },
        "period": [_utc(result.period_start), _utc(result.period_end)],
        "software": result.software,
        "computed_at": _utc(result.computed_at),
        "inputs": _plain(_ordered(result.inputs)),
        "measured": measured,
        "simulated": simulated,
        "nr": nr_counts(result),
        "by_indication": _by_indication(result),
        "layers": [
            {"operator": operator} | layer_columns(areas, position, list(by_operator))
            for operator, areas in by_operator.items()
        ],
    }


def _points(points: Points) -> dict[str, Any]:
    """Give points as whole steps from one to the next, and two bits each."""
    steps = np.rint(
        np.column_stack([np.asarray(points.lon, float), np.asarray(points.lat, float)])
        * STEPS_PER_DEGREE
    ).astype(int)
    return {
        "steps": np.diff(steps, axis=0, prepend=0).ravel().tolist(),
        "kind": [
            int(ok) + 2 * int(simulated)
            for ok, simulated in zip(points.ok, points.simulated, strict=True)
        ],
        "measured_total": points.measured_total,
        "simulated_total": points.simulated_total,
        "shown_at_first": len(points.lon) <= POINTS_SHOWN_AT_FIRST,
    }


def _by_indication(result: Result) -> bool:
    """
    Tell whether 5G rests on the phone's own icon: by the rule, or because nothing else was seen.

    The result names its rule only; a person's own rule is judged by what evidence there is.
    """
    if result.rule in list_rules():
        return load_rule(result.rule).nr_evidence is NrEvidence.NSA_INDICATED
    counts = nr_counts(result)
    measured = (NrEvidence.SA, NrEvidence.NSA_MEASURED)
    return NrEvidence.NSA_INDICATED in counts and not any(key in counts for key in measured)


def _ordered(inputs: dict[str, object]) -> dict[str, object]:
    first = {name: inputs[name] for name in _INPUTS if name in inputs}
    return first | inputs


def _plain(value: object) -> Any:
    """Give a value of a result's inputs as JSON has it; what JSON has not becomes text."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, str | int):
        return value
    return value if isinstance(value, float) and isfinite(value) else str(value)


def _utc(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="minutes")
