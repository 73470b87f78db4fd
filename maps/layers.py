"""
Everything a page shows: results in packed columns over shapes that are there once.

Results over the same boundaries share their shapes; results over H3 cells of one resolution
share the union of their cells. Texts stay texts here: escaping is the page's business.
"""

from collections.abc import Sequence
from datetime import datetime
from math import isfinite
from typing import Any

import numpy as np

from ..coverage.rules import list_rules, load_rule
from ..coverage.summary import Result, Verdict
from ..coverage.trials import REASON_TEXTS
from ..data.errors import MapError
from ..data.sample import NrEvidence
from .adoption_layer import DrawnAdoption, pack_adoption
from .arcs import STEPS_PER_DEGREE
from .columns import DrawnResult, Points, choose_share_steps, nr_counts, pack_result, sample_counts
from .packs import Pack
from .scale import scales
from .shapes import VERTEX_BUDGET, Shapes, draw_shapes, home_extent, whole_extent

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


def page_data(
    results: Sequence[DrawnResult],
    points: Points | None = None,
    *,
    adoptions: Sequence[DrawnAdoption] = (),
    vertex_budget: int = VERTEX_BUDGET,
) -> tuple[dict[str, Any], list[str]]:
    """
    Give what the page's script reads: a value for JSON, and the packs that it refers to.

    The packs of the first result and of its shapes come first. ``named`` gives the short names in
    the data as words, ``said`` lists the texts of ours in it.

    Raises
    ------
    MapError
        If there is no result, or one is empty or does not fit its shapes.
    """
    _check(results, adoptions)
    drawn_sets: dict[tuple[str | None, str], list[DrawnResult | DrawnAdoption]] = {}
    everything: list[DrawnResult | DrawnAdoption] = [*results, *adoptions]
    for each in everything:
        drawn_sets.setdefault(each.shapes_key, []).append(each)
    keys = list(drawn_sets)
    steps = choose_share_steps(sum(len(drawn.result.areas) for drawn in results))
    packs: list[str] = []
    shapes: list[dict[str, Any]] = []
    positions: list[dict[str, int]] = []
    drawn_results = []
    for each in everything:
        index = keys.index(each.shapes_key)
        # Sets come in the order of what is drawn over them first.
        if index == len(shapes):
            together = drawn_sets[each.shapes_key]
            drawn_shapes = draw_shapes(_union(together), vertex_budget)
            shapes.append(_shapes(drawn_shapes, together, packs))
            positions.append({code: place for place, code in enumerate(drawn_shapes.codes)})
        if isinstance(each, DrawnAdoption):
            pack = Pack()
            row = pack_adoption(each, index, positions[index], pack)
            drawn_results.append({**row, "pack": _packed(pack, packs)})
        else:
            drawn_results.append(_result(each.result, index, positions[index], packs, steps))
    drawn_scales = scales()
    data = {
        "scales": drawn_scales,
        "steps_per_degree": STEPS_PER_DEGREE,
        "shapes": shapes,
        "results": drawn_results,
        "points": _points(points) if points is not None else None,
        "named": _NAMED,
        "said": sorted(
            {fill["label"] for name in ("verdict", "nr", "change") for fill in drawn_scales[name]}
            | set(_NAMED.values())
        ),
    }
    return data, packs


def _check(results: Sequence[DrawnResult], adoptions: Sequence[DrawnAdoption]) -> None:
    if not results and not adoptions:
        raise MapError("there is no result to draw; compute one first: phusong coverage compute")
    for drawn in results:
        if not drawn.result.areas:
            raise MapError(
                "the result of {rule} has no areas: nothing was judged, so there is nothing to"
                " draw",
                rule=drawn.result.rule,
            )


def _packed(pack: Pack, packs: list[str]) -> dict[str, Any]:
    packs.append(pack.text())
    return {"id": f"pack-{len(packs) - 1}", "columns": pack.directory}


def _union(drawn: Sequence[DrawnResult | DrawnAdoption]) -> Any:
    """Give the areas of some results once each."""
    import pandas as pd

    frames = {id(one.geometry): one.geometry for one in drawn}
    if len(frames) == 1:
        return drawn[0].geometry
    together = pd.concat(frames.values(), ignore_index=True)
    return together[~together["code"].duplicated()]


def _shapes(
    shapes: Shapes, drawn: Sequence[DrawnResult | DrawnAdoption], packs: list[str]
) -> dict[str, Any]:
    with_data: set[str] = set()
    for one in drawn:
        if isinstance(one, DrawnAdoption):
            with_data.update(one.adoption.groups)
        else:
            with_data.update(
                area.code for area in one.result.areas if area.verdict is not Verdict.NO_DATA
            )
    seen = np.array([code in with_data for code in shapes.codes])
    return {
        "pack": _packed(_pack_shapes(shapes), packs),
        "steps_per_degree": STEPS_PER_DEGREE // shapes.grid,
        "grouped_by_parent": shapes.grouped_by_parent,
        "tolerance_m": shapes.tolerance_deg and round(shapes.tolerance_deg * 111_320),
        "home": home_extent(shapes.bounds[seen] if seen.any() else shapes.bounds),
        "whole": whole_extent(shapes.bounds),
    }


def _pack_shapes(shapes: Shapes) -> Pack:
    """Put codes, names, groups and arcs into a pack; places are steps from the one before."""
    parents = sorted({parent for parent in shapes.parents if parent is not None})
    place: dict[str | None, int] = {parent: index for index, parent in enumerate(parents)}
    arcs = shapes.arcs
    pack = Pack()
    pack.add_text("codes", shapes.codes)
    pack.add_text("names", shapes.names if shapes.names != shapes.codes else ())
    pack.add_text("parents", parents)
    pack.add("parent", [place.get(parent) for parent in shapes.parents], "n")
    pack.add("group", np.diff(shapes.group, prepend=0), "z")
    pack.add("arc_points", np.diff(arcs.starts))
    pack.add("lon", np.diff(arcs.points[:, 0] // shapes.grid, prepend=0), "z")
    pack.add("lat", np.diff(arcs.points[:, 1] // shapes.grid, prepend=0), "z")
    pack.add("levels", shapes.levels)
    # Most borders are met twice: first as the next new arc, forwards, then backwards.
    arc, new = arcs.refs >> 1, np.zeros(len(arcs.refs), dtype=np.int64)
    new[np.unique(arc, return_index=True)[1]] = 1
    pack.add("arcs", np.where(new, 0, np.cumsum(new) - arc))
    pack.add("backwards", (arcs.refs & 1) ^ (1 - new))
    pack.add("ring_refs", arcs.ring_refs)
    pack.add("area_rings", arcs.area_rings)
    return pack


def _result(
    result: Result, shapes_index: int, position: dict[str, int], packs: list[str], steps: int
) -> dict[str, Any]:
    measured, simulated = sample_counts(result)
    evidence = nr_counts(result)
    pack = Pack()
    packed = pack_result(result, position, pack, steps)
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
        "nr": evidence,
        "by_indication": _by_indication(result, evidence),
        **packed,
        "pack": _packed(pack, packs),
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


def _by_indication(result: Result, counts: dict[str, int]) -> bool:
    """
    Tell whether 5G rests on the phone's own icon: by the rule, or because nothing else was seen.

    The result names its rule only; a person's own rule is judged by what evidence there is.
    """
    if result.rule in list_rules():
        return load_rule(result.rule).nr_evidence is NrEvidence.NSA_INDICATED
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
