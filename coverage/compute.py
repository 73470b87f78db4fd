"""Samples and areas in, results out: each chunk is read once, for every level and every rule."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from .areas import Areas
from .counting import Chunk, Counted, Job, Placed, count_chunk, merge_counted
from .interval import Spread
from .reduce import EVIDENCE, METRICS, REASONS, Estimate, Tally, count_occasions, estimates, spreads
from .rules import Rule
from .summary import ANY_OPERATOR, AreaSummary, Result, Verdict
from .verdict import judge

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOWHERE = Spread(0, 0.0, 0.0)
_BEST_FIRST = (Verdict.COVERED, Verdict.UNPROVEN, Verdict.NOT_COVERED, Verdict.NO_DATA)
Counting = Callable[[Job, Iterable[Chunk]], Iterator[Counted]]


def count_here(job: Job, chunks: Iterable[Chunk]) -> Iterator[Counted]:
    """Count chunk after chunk in this process."""
    for chunk in chunks:
        yield count_chunk(job, chunk)


def compute(
    chunks: Iterable[Chunk],
    areas: Sequence[Areas],
    rules: Sequence[Rule],
    *,
    homes: Mapping[str, str],
    software: str,
    computed_at: datetime,
    unasked: Mapping[str, frozenset[str]] | None = None,
    operators: Sequence[str] = (),
    period: tuple[datetime | None, datetime | None] = (None, None),
    count: Counting = count_here,
    on_progress: Callable[[int], None] = lambda samples: None,
) -> list[Result]:
    """
    Judge samples by rules over areas; give a result for each level and rule, in their order.

    Parameters
    ----------
    chunks
        Columns of samples as `frame.sample_frame` takes them.
    areas
        The levels; one that a finer one before it names the codes of is found by them.
    homes
        The operator of each probe, for attempts that name none (`operators.home_operators`).
    unasked
        The metrics that a probe does not measure (`asked.unasked_metrics`).
    operators
        Judge only these; all of them where none is named.
    period
        Start (included) and end (not included), as they will stand in the result.
    count
        How chunks are counted: here, by several processes (`parallel.py`), or on a cluster, which
        reads its own (`cluster.py`).
    on_progress
        Called with the number of samples of each chunk that is done.
    """
    levels: list[Areas] = []
    for each in areas:
        levels.append(each.indexed().nested_in(levels))
    job = Job(
        areas=tuple(levels),
        rules=tuple(rules),
        homes=homes,
        unasked=unasked or {},
        operators=frozenset(operators),
        period_us=(_microseconds(period[0]), _microseconds(period[1])),
    )
    counted = merge_counted(_told(count(job, chunks), on_progress))
    results = []
    for number, level in enumerate(levels):
        placed = counted.placed[number] if counted.placed else Placed()
        for rule_number, rule in enumerate(rules):
            tally = placed.tallies.get(rule_number)
            summaries = _summarise(tally, level, rule) if tally else []
            results.append(
                Result(
                    rule=rule.id,
                    rule_title_en=rule.title_en,
                    rule_title_vi=rule.title_vi,
                    rule_unverified=rule.unverified,
                    required_share=rule.required_share,
                    confidence=rule.confidence,
                    area=level.label,
                    boundary_id=level.set_id,
                    boundary_name=level.set_name,
                    boundary_vintage=level.vintage,
                    boundary_approximate=level.approximate,
                    period_start=period[0],
                    period_end=period[1],
                    software=software,
                    computed_at=computed_at,
                    inputs=_inputs(counted, placed, rule, summaries) | level.found_by(),
                    areas=tuple(_with_any(summaries, level, rule)),
                )
            )
    return results


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)


def _written(started_us: int | None) -> str | None:
    """Give a time to the whole second: exported samples have no parts of one."""
    if started_us is None:
        return None
    return f"{_EPOCH + timedelta(seconds=started_us // 1_000_000):%Y-%m-%dT%H:%M:%SZ}"


def _told(parts: Iterator[Counted], on_progress: Callable[[int], None]) -> Iterator[Counted]:
    for part in parts:
        on_progress(part.samples)
        yield part


def _summarise(tally: Tally, areas: Areas, rule: Rule) -> list[AreaSummary]:
    seen = {code for code, _ in tally.totals.index}
    cut = areas.sectors(seen, rule.place_resolution)
    spread_of, occasions_of = spreads(tally, cut), count_occasions(tally)
    estimate_of = estimates(tally, rule.confidence)
    names = areas.names(seen)
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
                sectors=int(spread.clusters.visited) if spread.clusters else 0,
                sectors_of=cut[code].count,
                uncertain=counts["uncertain"],
                **_estimated({name: estimate_of.get((code, operator, name)) for name in METRICS}),
            )
        )
    return summaries


def _estimated(found: Mapping[str, Estimate | None]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for metric, estimate in found.items():
        if estimate is not None:
            values[f"{metric}_median"] = estimate.median
            values[f"{metric}_median_low"] = estimate.low
            values[f"{metric}_median_high"] = estimate.high
            values[f"{metric}_mean"] = estimate.crowd
            values[f"{metric}_place_mean"] = estimate.equal_place
    return values


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


def _inputs(
    counted: Counted, placed: Placed, rule: Rule, summaries: list[AreaSummary]
) -> dict[str, object]:
    excluded = {
        reason: total
        for reason in REASONS
        if (total := sum(summary.excluded.get(reason, 0) for summary in summaries))
    }
    first, last = counted.span_us or (None, None)
    return {
        "samples": counted.samples,
        "first_sample": _written(first),
        "last_sample": _written(last),
        "simulated": counted.simulated,
        "without_position": counted.without_position,
        "outside": placed.outside,
        "other_operator": counted.other_operator,
        "operator_unknown": placed.operator_unknown,
        "trials": sum(summary.trials for summary in summaries),
        "successes": sum(summary.successes for summary in summaries),
        "uncertain": sum(summary.uncertain for summary in summaries),
        "excluded": excluded,
        "operators": sorted({summary.operator for summary in summaries}),
        "rule_version": rule.version,
    }
