"""Samples and areas in, results out: each chunk is joined once and judged by every rule."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from .areas import Areas
from .frame import sample_frame
from .interval import Spread
from .operators import UNKNOWN, name_operators
from .reduce import (
    EVIDENCE,
    REASONS,
    Tally,
    count_occasions,
    medians,
    merge_tallies,
    spreads,
    tally_samples,
)
from .rules import Rule
from .summary import ANY_OPERATOR, AreaSummary, Result, Verdict
from .trials import judge_samples
from .verdict import judge

_PARTS_AT_ONCE = 16
_NOWHERE = Spread(0, 0.0, 0.0)
_BEST_FIRST = (Verdict.COVERED, Verdict.UNPROVEN, Verdict.NOT_COVERED, Verdict.NO_DATA)


@dataclass(slots=True)
class _Counted:
    """What has been seen so far: the input's counts, and a growing tally for each rule."""

    rules: Sequence[Rule]
    samples: int = 0
    simulated: int = 0
    without_position: int = 0
    outside: int = 0
    other_operator: int = 0
    operator_unknown: int = 0
    parts: list[list[Tally]] = field(default_factory=list)

    def add(self, number: int, part: Tally) -> None:
        parts = self.parts[number]
        parts.append(part)
        if len(parts) >= _PARTS_AT_ONCE:
            self.parts[number] = [merge_tallies(parts)]


def compute(
    chunks: Iterable[Mapping[str, Sequence[Any]]],
    areas: Areas,
    rules: Sequence[Rule],
    *,
    homes: Mapping[str, str],
    software: str,
    computed_at: datetime,
    operators: Sequence[str] = (),
    period: tuple[datetime | None, datetime | None] = (None, None),
    on_progress: Callable[[int], None] = lambda samples: None,
) -> list[Result]:
    """
    Judge samples by rules over areas; give one result a rule, in the rules' order.

    Parameters
    ----------
    chunks
        Columns of samples as `frame.sample_frame` takes them, already limited to the period.
    homes
        The operator of each probe, for attempts that name none (`operators.home_operators`).
    operators
        Judge only these; all of them where none is named.
    period
        Start (included) and end (not included), as they will stand in the result.
    on_progress
        Called with the number of samples of each chunk that is done.
    """
    counted = _Counted(rules, parts=[[] for _ in rules])
    for chunk in chunks:
        _count_chunk(counted, chunk, areas, homes, frozenset(operators))
        on_progress(len(chunk["kind"]))
    results = []
    for rule, parts in zip(rules, counted.parts, strict=True):
        summaries = _summarise(merge_tallies(parts), areas, rule) if parts else []
        every = _with_any(summaries, areas, rule)
        results.append(
            Result(
                rule=rule.id,
                rule_title_en=rule.title_en,
                rule_title_vi=rule.title_vi,
                rule_unverified=rule.unverified,
                required_share=rule.required_share,
                confidence=rule.confidence,
                area=areas.label,
                boundary_id=areas.set_id,
                boundary_name=areas.set_name,
                boundary_vintage=areas.vintage,
                boundary_approximate=areas.approximate,
                period_start=period[0],
                period_end=period[1],
                software=software,
                computed_at=computed_at,
                inputs=_inputs(counted, rule, summaries),
                areas=tuple(every),
            )
        )
    return results


def _count_chunk(
    counted: _Counted,
    chunk: Mapping[str, Sequence[Any]],
    areas: Areas,
    homes: Mapping[str, str],
    operators: frozenset[str],
) -> None:
    samples = sample_frame(chunk)
    counted.samples += len(samples)
    counted.simulated += int(samples["simulated"].sum())
    names = name_operators(samples, homes)
    if operators:
        wanted = np.isin(names.astype(str), list(operators))
        counted.other_operator += int((~wanted).sum())
        samples, names = samples[wanted], names[wanted]
    lon, lat = samples["lon"].to_numpy(), samples["lat"].to_numpy()
    placed = ~np.isnan(lon)
    codes = areas.locate(lon, lat)
    inside = np.array([code is not None for code in codes], dtype=np.bool_)
    counted.without_position += int((~placed).sum())
    counted.outside += int((placed & ~inside).sum())
    counted.operator_unknown += int((names[inside] == UNKNOWN).sum())
    samples, codes, names = samples[inside], codes[inside], names[inside]
    if len(samples):
        for number, rule in enumerate(counted.rules):
            judged = judge_samples(samples, rule)
            counted.add(number, tally_samples(samples, judged, codes, names, rule))


def _summarise(tally: Tally, areas: Areas, rule: Rule) -> list[AreaSummary]:
    spread_of, occasions_of, median_of = spreads(tally), count_occasions(tally), medians(tally)
    names = areas.names({code for code, _ in tally.totals.index})
    summaries = []
    for (code, operator), counts in zip(
        tally.totals.index, tally.totals.to_dict("records"), strict=True
    ):
        spread = spread_of.get((code, operator), _NOWHERE)
        judgement = judge(spread, rule)
        name, parent = names[code]
        summaries.append(
            AreaSummary(
                code=code,
                name=name,
                parent_name=parent,
                operator=operator,
                verdict=judgement.verdict,
                share=judgement.share,
                share_low=judgement.low,
                share_high=judgement.high,
                samples=counts["samples"],
                trials=counts["trials"],
                successes=counts["successes"],
                places=spread.places,
                occasions=occasions_of.get((code, operator), 0),
                simulated=counts["simulated"],
                excluded={reason: counts[reason] for reason in REASONS if counts[reason]},
                nr_evidence={name: counts[name] for name in EVIDENCE if counts[name]},
                further_places=judgement.further_places,
                further_places_at_share=judgement.further_places_at_share,
                down_mbps_median=median_of.get((code, operator, "down_mbps")),
                up_mbps_median=median_of.get((code, operator, "up_mbps")),
                rtt_idle_ms_median=median_of.get((code, operator, "rtt_idle_ms")),
            )
        )
    return summaries


def _with_any(summaries: list[AreaSummary], areas: Areas, rule: Rule) -> list[AreaSummary]:
    """
    Add to every area the row of its best operator, named as such.

    An operator with too few places for a verdict is passed over where another has enough: one
    roaming phone must not hold the whole area's verdict open. Then the best verdict counts, the
    highest lower end, more places, the first name. Areas without a sample say no data.
    """
    by_area: dict[str, list[AreaSummary]] = {}
    for summary in summaries:
        by_area.setdefault(summary.code, []).append(summary)
    nothing = judge(_NOWHERE, rule)
    rows = []
    for code, (name, parent) in sorted(areas.names(by_area).items()):
        if code in by_area:
            best = min(by_area[code], key=lambda summary: _rank(summary, rule))
            rows.append(replace(best, operator=ANY_OPERATOR, best_operator=best.operator))
            rows.extend(by_area[code])
        else:
            rows.append(
                AreaSummary(
                    code=code,
                    name=name,
                    parent_name=parent,
                    verdict=nothing.verdict,
                    further_places=nothing.further_places,
                )
            )
    return rows


def _rank(summary: AreaSummary, rule: Rule) -> tuple[bool, int, float, int, str]:
    low = -1.0 if summary.share_low is None else summary.share_low
    too_few = summary.places < rule.min_places
    order = _BEST_FIRST.index(summary.verdict)
    return (too_few, order, -low, -summary.places, summary.operator)


def _inputs(counted: _Counted, rule: Rule, summaries: list[AreaSummary]) -> dict[str, object]:
    excluded = {
        reason: total
        for reason in REASONS
        if (total := sum(summary.excluded.get(reason, 0) for summary in summaries))
    }
    return {
        "samples": counted.samples,
        "simulated": counted.simulated,
        "without_position": counted.without_position,
        "outside": counted.outside,
        "other_operator": counted.other_operator,
        "operator_unknown": counted.operator_unknown,
        "trials": sum(summary.trials for summary in summaries),
        "successes": sum(summary.successes for summary in summaries),
        "excluded": excluded,
        "operators": sorted({summary.operator for summary in summaries}),
        "rule_version": rule.version,
    }
