"""
From chunks of samples to counts, as a job that can be cut anywhere.

`count_chunk` is a function of a chunk alone, and `Counted` adds up in any order to the same bytes:
so one loop, several processes and a cluster give the same result. A chunk is read once, whatever
the number of levels and rules. A sample is placed once where levels nest: the commune of a village
is known from its code.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache

import numpy as np

from .areas import Areas
from .asked import Tested
from .frame import Chunk, Flags, Frame, Ints, Names, sample_frame
from .hexagons import cells_of
from .join import OUTSIDE
from .operators import UNKNOWN, name_operators
from .reduce import Tally, merge_tallies, tally_samples
from .rules import Rule
from .trials import judge_samples

ROWS_AT_ONCE = 1 << 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """
    What every chunk is counted by: the areas of each level, the rules, whose network it was.

    `unasked` are the metrics that a probe does not measure (`asked.unasked_metrics`), `tested` the
    engines that it uses (`asked.misfit_probes`).
    `period_us` limits samples to those that started in it, its end left out, where the chunks are
    not limited already.
    """

    areas: tuple[Areas, ...]
    rules: tuple[Rule, ...]
    homes: Mapping[str, str] = field(default_factory=dict)
    unasked: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tested: tuple[Tested, ...] = ()
    operators: frozenset[str] = frozenset()
    period_us: tuple[int | None, int | None] = (None, None)


@dataclass(slots=True)
class Placed:
    """What was seen over one level's areas; `tallies` by the number of the rule."""

    outside: int = 0
    operator_unknown: int = 0
    tallies: dict[int, Tally] = field(default_factory=dict)


@dataclass(slots=True)
class Counted:
    """What was seen in some chunks; `span_us` is when the first and the last sample started."""

    samples: int = 0
    simulated: int = 0
    without_position: int = 0
    other_operator: int = 0
    span_us: tuple[int, int] | None = None
    placed: tuple[Placed, ...] = ()

    def __len__(self) -> int:
        """How many rows the tables have."""
        tallies = [tally for level in self.placed for tally in level.tallies.values()]
        return sum(len(t.totals) + len(t.occasions) + len(t.bins) for t in tallies)


def count_chunk(job: Job, chunk: Chunk) -> Counted:
    """Count one chunk: columns of samples as `frame.sample_frame` takes them."""
    samples = sample_frame(chunk)
    start, end = job.period_us
    if start is not None and end is not None:
        samples = samples[(samples.started_us >= start) & (samples.started_us < end)]
    counted = Counted(samples=len(samples), simulated=int(samples.simulated.sum()))
    if len(samples):
        counted.span_us = (int(samples.started_us.min()), int(samples.started_us.max()))
    names = name_operators(samples, job.homes)
    if job.operators:
        wanted = names.among(job.operators)
        counted.other_operator = int((~wanted).sum())
        samples, names = samples[wanted], names[wanted]
    placed = ~np.isnan(samples.lon)
    counted.without_position = int((~placed).sum())

    @cache
    def places(resolution: int) -> Ints:
        return cells_of(samples.lon, samples.lat, resolution).astype(np.int64)

    located: dict[str, Ints] = {}
    levels = []
    for areas in job.areas:
        if areas.within is None:
            where = areas.locate(samples.lon, samples.lat)
        else:
            where = areas.around(located[areas.within[0]])
        located[areas.label] = where
        uncertain = areas.uncertain(samples.lon, samples.lat, samples.accuracy_m)
        here = replace(samples, uncertain=uncertain)
        levels.append(_count_level(job, here, names, placed, where, places))
    counted.placed = tuple(levels)
    return counted


def merge_counted(parts: Iterable[Counted]) -> Counted:
    """Add parts up. The order and the cut of the parts make no difference."""
    large: list[Counted] = []
    rest = merge_in_steps(parts, large.append)
    return _merge([*large, rest])


def merge_in_steps(
    parts: Iterable[Counted], put_away: Callable[[Counted], None], rows_at_once: int = ROWS_AT_ONCE
) -> Counted:
    """
    Add parts up, put the sum away whenever it is large, and give what is left.

    Parts wait until they have come to so many rows with the sum: so each row is sorted a few
    times, however many parts there are. A sum is large at half as many.
    """
    waiting: list[Counted] = []
    rows = 0
    for part in parts:
        waiting.append(part)
        rows += len(part)
        if rows > rows_at_once:
            waiting = [_merge(waiting)]
            rows = len(waiting[0])
        if rows > rows_at_once // 2 and len(waiting) == 1:
            put_away(waiting.pop())
            rows = 0
    return _merge(waiting)


def _merge(parts: Sequence[Counted]) -> Counted:
    if len(parts) == 1:
        return parts[0]
    merged = Counted()
    for name in (each.name for each in fields(Counted) if each.name not in ("placed", "span_us")):
        setattr(merged, name, sum(getattr(part, name) for part in parts))
    spans = [part.span_us for part in parts if part.span_us]
    if spans:
        merged.span_us = (min(first for first, _ in spans), max(last for _, last in spans))
    levels = []
    for same in zip(*(part.placed for part in parts if part.placed), strict=True):
        numbers = sorted({number for level in same for number in level.tallies})
        levels.append(
            Placed(
                sum(level.outside for level in same),
                sum(level.operator_unknown for level in same),
                {
                    number: merge_tallies(
                        [level.tallies[number] for level in same if number in level.tallies]
                    )
                    for number in numbers
                },
            )
        )
    merged.placed = tuple(levels)
    return merged


def _count_level(
    job: Job,
    samples: Frame,
    names: Names,
    placed: Flags,
    where: Ints,
    places: Callable[[int], Ints],
) -> Placed:
    inside = where != OUTSIDE
    level = Placed(
        outside=int((placed & ~inside).sum()),
        operator_unknown=int((inside & names.among({UNKNOWN})).sum()),
    )
    if not inside.any():
        return level
    for number, rule in enumerate(job.rules):
        judged = judge_samples(samples, rule, job.unasked, job.tested)
        cells = places(rule.place_resolution)
        level.tallies[number] = tally_samples(samples, judged, where, names, cells)
    return level
