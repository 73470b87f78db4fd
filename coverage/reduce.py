"""
From samples to counts that can be added up.

A `Tally` holds whole numbers only, in canonical order, so that a sum of parts is the whole, bit
for bit, however the samples were cut and in whatever order the parts come. Shares and medians
are worked out from it once, at the end (`measures.py`).

A place is an H3 cell of the rule's resolution, inside one area. An occasion is a place on one
day: forty samples from a parked car are one occasion. The day is the one by the sun (`solar.py`):
a UTC day would cut a morning in Vietnam in two at seven o'clock, and nobody drives much at either
midnight.

Medians come from histograms with fixed logarithmic bins 1 % wide. The edges are made by repeated
multiplication, which every IEEE machine does alike, so bins are the same everywhere.

An area and an operator are a *group*: the number of its row in the totals. Whatever is summed is
sorted by one whole number that holds its keys side by side (`sums.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from ..data.sample import NrEvidence
from .frame import Flags, Floats, Frame, Ints, Names
from .join import OUTSIDE
from .solar import DAY_US, solar_us
from .sums import Sums, add_up, join_sums, number_groups
from .trials import Judged, Reason

BIN_WIDTH = 0.01
METRICS = ("down_mbps", "up_mbps", "rtt_idle_ms")
EVIDENCE = tuple(choice.value for choice in NrEvidence)
REASONS = tuple(reason.label for reason in Reason if reason is not Reason.TRIAL)
COUNTS = ("trials", *REASONS, "samples", "simulated", "uncertain", "successes", *EVIDENCE)
PER_UNIT = 1_000

_SMALLEST, _LARGEST = 1e-3, 1e6
EDGES = np.array(
    list(
        accumulate(
            range(int(np.log(_LARGEST / _SMALLEST) / np.log(1 + BIN_WIDTH)) + 1),
            lambda edge, _: edge * (1 + BIN_WIDTH),
            initial=_SMALLEST,
        )
    )
)
# What a bin begins with: the lowest reaches down without end, and nothing lies above the highest.
_AROUND = np.concatenate([[-np.inf], EDGES, [np.nan]])
_BIN_BITS = len(EDGES).bit_length()


@dataclass(frozen=True, slots=True)
class Tally:
    """
    Counts of one rule.

    `totals`: the `COUNTS` that are not all nought, by area and number among `operators`, which are
    in order; its rows are the groups. `occasions`: trials and successes by group, place and day,
    and of each metric how many trials measured it and the sum of their readings in whole
    thousandths. `bins`: how many readings by group and metric (one number: group times three, and
    the metric's), and bin.
    """

    operators: tuple[str, ...]
    totals: Sums
    occasions: Sums
    bins: Sums

    def __len__(self) -> int:
        return len(self.totals)

    def count(self, name: str) -> Ints:
        """Give one of the `COUNTS` by group."""
        found = self.totals.values.get(name)
        return np.zeros(len(self), dtype=np.int64) if found is None else np.asarray(found)


def tally_samples(
    samples: Frame,
    judged: Judged,
    areas: Ints,
    operators: Names,
    places: Ints,
) -> Tally:
    """Count samples that lie in an area: those whose number in `areas` is not `OUTSIDE`."""
    inside = np.flatnonzero(areas != OUTSIDE)
    texts = tuple(sorted({operators.texts[code] for code in np.unique(operators.codes[inside])}))
    operator = operators[inside].numbered(lambda text: texts.index(text) if text in texts else 0, 0)
    keys, group = number_groups((areas[inside], operator))
    counts = _count(samples, judged, inside, group)
    which = judged.reason[inside] == Reason.TRIAL
    rows, tried = inside[which], group[which].astype(np.int32)
    lon = samples.lon[rows]
    readings: dict[str, npt.NDArray[np.integer]] = {}
    bins = []
    for number, metric in enumerate(METRICS):
        values = getattr(samples, metric)[rows]
        measured = ~np.isnan(values)
        if measured.any():
            readings[f"{metric}_n"] = measured.astype(np.int32)
            readings[f"{metric}_sum"] = np.rint(np.nan_to_num(values) * PER_UNIT).astype(np.int64)
            bins.append(_bins(values[measured], tried[measured] * len(METRICS) + number))
    occasions = add_up(
        (tried, places[rows], _solar_day(samples.started_us[rows], lon)),
        {
            "trials": np.ones(len(rows), dtype=np.int32),
            "successes": judged.success[rows].astype(np.int32),
            **readings,
        },
    )
    nothing = _bins(np.empty(0), np.empty(0, dtype=np.int32))
    return Tally(texts, Sums(keys, counts), occasions, join_sums([nothing, *bins]))


def merge_tallies(parts: Sequence[Tally]) -> Tally:
    """Add tallies up. The order and the cut of the parts make no difference."""
    if len(parts) == 1:
        return parts[0]
    operators = tuple(sorted({name for part in parts for name in part.operators}))
    totals = []
    for part in parts:
        place = np.array([operators.index(name) for name in part.operators], dtype=np.int32)
        area, operator = part.totals.keys
        totals.append(Sums((area, place[operator]), part.totals.values))
    keys, group = number_groups(
        tuple(np.concatenate([each.keys[side] for each in totals]) for side in (0, 1))
    )
    counts: dict[str, Ints] = {}
    occasions, bins = [], []
    start = 0
    for part in parts:
        own = group[start : start + len(part)].astype(np.int32)
        start += len(part)
        for name, values in part.totals.values.items():
            counts.setdefault(name, np.zeros(len(keys[0]), dtype=np.int64))[own] += values
        where, *rest = part.occasions.keys
        occasions.append(Sums((own[where], *rest), part.occasions.values))
        measure, bin_number = part.bins.keys
        measure = own[measure // len(METRICS)] * len(METRICS) + measure % len(METRICS)
        bins.append(Sums((measure, bin_number), part.bins.values))
    return Tally(operators, Sums(keys, counts), join_sums(occasions), join_sums(bins))


def _count(samples: Frame, judged: Judged, inside: Ints, group: Ints) -> dict[str, Ints]:
    """Give the `COUNTS` of each group, those that occur."""
    reason = judged.reason[inside]
    evidence = samples.nr_evidence[inside]
    flags: dict[str, Flags] = {
        "simulated": samples.simulated[inside] == 1,
        "uncertain": samples.uncertain[inside],
        "successes": judged.success[inside],
        **{name: reason == number for number, name in enumerate(COUNTS[: len(Reason)])},
        **{name: evidence.among({name}) for name in EVIDENCE if name in evidence.texts},
    }
    samples_of = np.bincount(group)
    return {"samples": samples_of} | {
        name: np.bincount(group[rows], minlength=len(samples_of))
        for name, rows in flags.items()
        if rows.any()
    }


def _bins(values: Floats, measure: npt.NDArray[np.int32]) -> Sums:
    key = (measure.astype(np.int64) << _BIN_BITS) + bin_numbers(values)
    key, count = np.unique(key, return_counts=True)
    bins = (key & ((1 << _BIN_BITS) - 1)).astype(np.int16)
    return Sums(((key >> _BIN_BITS).astype(np.int32), bins), {"count": count.astype(np.int64)})


def bin_numbers(values: Floats) -> Ints:
    """
    Give the bin of each reading: how many of the `EDGES` are not above it.

    Bins are equally wide in the logarithm, so that it says which one, but for its rounding, which
    machines do differently: the edges beside it decide.
    """
    bounded = np.clip(values, EDGES[0] / 2, EDGES[-1] * 2)
    near = np.log(bounded / EDGES[0]) / np.log(EDGES[1] / EDGES[0])
    bins = np.clip(near.astype(np.int64) + 1, 0, len(EDGES))
    bins += values >= _AROUND[bins + 1]
    bins -= values < _AROUND[bins]
    return np.asarray(bins)


def _solar_day(started_us: Ints, lon: Floats) -> npt.NDArray[np.int32]:
    return (solar_us(started_us, lon) // DAY_US).astype(np.int32)
