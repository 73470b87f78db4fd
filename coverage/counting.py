"""
From chunks of samples to counts, as a job that can be cut anywhere.

`count_chunk` is a function of a chunk alone, and `Counted` adds up in any order to the same bytes:
so one loop, several processes and a cluster give the same result. A chunk is read once, whatever
the number of levels and rules. A sample is placed once where levels nest: the commune of a village
is known from its code.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .areas import Areas
from .frame import sample_frame
from .operators import UNKNOWN, name_operators
from .reduce import Tally, merge_tallies, tally_samples
from .rules import Rule
from .trials import judge_samples

Chunk = Mapping[str, Sequence[Any]]
Codes = npt.NDArray[np.object_]

_PARTS_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """
    What every chunk is counted by: the areas of each level, the rules, whose network it was.

    `unasked` are the metrics that a probe does not measure (`asked.unasked_metrics`).
    `period_us` limits samples to those that started in it, its end left out, where the chunks are
    not limited already.
    """

    areas: tuple[Areas, ...]
    rules: tuple[Rule, ...]
    homes: Mapping[str, str] = field(default_factory=dict)
    unasked: Mapping[str, frozenset[str]] = field(default_factory=dict)
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


def count_chunk(job: Job, chunk: Chunk) -> Counted:
    """Count one chunk: columns of samples as `frame.sample_frame` takes them."""
    samples = sample_frame(chunk)
    start, end = job.period_us
    if start is not None and end is not None:
        samples = samples[samples["started_us"].between(start, end, inclusive="left")]
    counted = Counted(samples=len(samples), simulated=int(samples["simulated"].sum()))
    if len(samples):
        started = samples["started_us"]
        counted.span_us = (int(started.min()), int(started.max()))
    names = name_operators(samples, job.homes)
    if job.operators:
        wanted = np.isin(names.astype(str), list(job.operators))
        counted.other_operator = int((~wanted).sum())
        samples, names = samples[wanted], names[wanted]
    placed = samples["lon"].notna().to_numpy()
    counted.without_position = int((~placed).sum())
    located: dict[str, tuple[Codes, npt.NDArray[np.bool_]]] = {}
    levels = []
    for areas in job.areas:
        codes, uncertain = _locate(areas, samples, located)
        located[areas.label] = codes, uncertain
        levels.append(_count_level(job, samples, names, placed, codes, uncertain))
    counted.placed = tuple(levels)
    return counted


def merge_counted(parts: Iterable[Counted]) -> Counted:
    """Add parts up. The order and the cut of the parts make no difference."""
    waiting: list[Counted] = []
    for part in parts:
        waiting.append(part)
        if len(waiting) >= _PARTS_AT_ONCE:
            waiting = [_merge(waiting)]
    return _merge(waiting)


def _merge(parts: Sequence[Counted]) -> Counted:
    merged = Counted()
    for name in (each.name for each in fields(Counted) if each.name not in ("placed", "span_us")):
        setattr(merged, name, sum(getattr(part, name) for part in parts))
    spans = [part.span_us for part in parts if part.span_us]
    if spans:
        merged.span_us = (min(first for first, _ in spans), max(last for _, last in spans))
    levels = []
    for same in zip(*(part.placed for part in parts), strict=True):
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


def _locate(
    areas: Areas,
    samples: pd.DataFrame,
    located: Mapping[str, tuple[Codes, npt.NDArray[np.bool_]]],
) -> tuple[Codes, npt.NDArray[np.bool_]]:
    lon, lat = samples["lon"].to_numpy(), samples["lat"].to_numpy()
    if areas.within is None:
        codes = areas.locate(lon, lat)
    else:
        codes = areas.codes_around(located[areas.within[0]][0])
    accuracy_m = samples["accuracy_m"].to_numpy()
    return codes, areas.uncertain(lon, lat, accuracy_m)


def _count_level(
    job: Job,
    samples: pd.DataFrame,
    names: Codes,
    placed: npt.NDArray[np.bool_],
    codes: Codes,
    uncertain: npt.NDArray[np.bool_],
) -> Placed:
    inside = np.array([code is not None for code in codes], dtype=np.bool_)
    level = Placed(
        outside=int((placed & ~inside).sum()),
        operator_unknown=int((names[inside] == UNKNOWN).sum()),
    )
    if not inside.any():
        return level
    here = samples[inside].assign(uncertain=uncertain[inside])
    for number, rule in enumerate(job.rules):
        judged = judge_samples(here, rule, job.unasked)
        level.tallies[number] = tally_samples(here, judged, codes[inside], names[inside], rule)
    return level
