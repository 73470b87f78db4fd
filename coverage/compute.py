"""Samples and areas in, results out: each chunk is read once, for every level and every rule."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .areas import Areas, nest
from .asked import Tested
from .counting import Counted, Job, Placed, count_chunk
from .frame import Chunk
from .gathering import Gathered, LongTally, gather
from .reduce import BIN_WIDTH, REASONS
from .rules import Rule
from .summary import Result
from .summing_up import summarise

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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
    tested: Sequence[Tested] = (),
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
        The levels; one that a finer one among them names the codes of is found by those.
    homes
        The operator of each probe, for attempts that name none (`operators.home_operators`).
    unasked
        The metrics that a probe does not measure (`asked.unasked_metrics`).
    tested
        The engines that a probe uses (`asked.misfit_probes`).
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
    levels = nest(areas)
    job = Job(
        areas=tuple(level for _, level in levels),
        rules=tuple(rules),
        homes=homes,
        unasked=unasked or {},
        tested=tuple(tested),
        operators=frozenset(operators),
        period_us=(_microseconds(period[0]), _microseconds(period[1])),
    )
    with gather(_told(count(job, chunks), on_progress)) as gathered:
        judging = _Judging(
            gathered=gathered, period=period, software=software, computed_at=computed_at
        )
        in_order = sorted(enumerate(levels), key=lambda pair: pair[1][0])
        return [
            judging.result(number, level, rule_number, rule)
            for number, (_, level) in in_order
            for rule_number, rule in enumerate(rules)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judging:
    """What was counted once, and stands in the result of every level and every rule."""

    gathered: Gathered
    period: tuple[datetime | None, datetime | None]
    software: str
    computed_at: datetime

    def result(self, level_number: int, level: Areas, rule_number: int, rule: Rule) -> Result:
        """Judge what lies in a level's areas by a rule; both have a number in the counts."""
        counted, placed = self.gathered.counted, self.gathered.placed(level_number)
        tally = self.gathered.tally(level_number, rule_number)
        return Result(
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
            period_start=self.period[0],
            period_end=self.period[1],
            software=self.software,
            computed_at=self.computed_at,
            inputs=_inputs(counted, placed, rule, tally)
            | level.found_by()
            | _elsewhere(counted, placed, level),
            areas=summarise(tally, level, rule),
        )


def _elsewhere(counted: Counted, placed: Placed, level: Areas) -> dict[str, object]:
    """Say where areas lie if not one sample is in any: in another country, or swapped."""
    located = counted.samples - counted.other_operator - counted.without_position
    if not located or placed.outside < located:
        return {}
    return {"areas_extent": level.extent()}


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


def _inputs(counted: Counted, placed: Placed, rule: Rule, tally: LongTally) -> dict[str, object]:
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
        "trials": tally.counts["trials"],
        "successes": tally.counts["successes"],
        "uncertain": tally.counts["uncertain"],
        "excluded": {name: tally.counts[name] for name in REASONS if tally.counts[name]},
        "operators": sorted(tally.operators),
        "rule_version": rule.version,
        "median_bin_width": BIN_WIDTH,
    }
