"""Sums by key: whatever the keys are, equal ones are added and all stand in order."""

from collections import Counter

import numpy as np
import pytest

from phusong.coverage.sums import Sums, add_up, join_sums, number_groups

SPANS = {
    "few bits": ((0, 3), (5, 9), (20_000, 20_003)),
    "a bit more than fit": ((0, 1 << 30), (0, 1 << 40), (0, 60)),
    "whole words": ((0, 1 << 62), (0, 1 << 62), (-(1 << 61), 1 << 61)),
    "below nought": ((-4, 2), (-7, -5), (0, 2)),
    "one value": ((7, 8), (7, 8), (7, 8)),
}


def draw(span: str, rows: int) -> tuple[np.ndarray, ...]:
    """Draw keys that repeat: a few values of each span."""
    rng = np.random.default_rng(len(span))
    return tuple(rng.choice(rng.integers(low, high, 5), rows) for low, high in SPANS[span])


@pytest.mark.parametrize("span", SPANS)
def test_sums_are_those_of_a_counter(span: str) -> None:
    keys, values = draw(span, 400), np.arange(400)
    want: Counter[tuple[int, ...]] = Counter()
    for key, value in zip(zip(*(k.tolist() for k in keys), strict=True), values, strict=True):
        want[key] += int(value)
    for cut in (400, 150, 1):
        parts = [
            add_up(tuple(k[at : at + cut] for k in keys), {"sum": values[at : at + cut]})
            for at in range(0, 400, cut)
        ]
        summed = join_sums(parts)
        found = list(zip(*(k.tolist() for k in summed.keys), strict=True))
        assert found == sorted(want)
        assert summed.values["sum"].tolist() == [want[key] for key in found]


@pytest.mark.parametrize("span", SPANS)
def test_every_row_is_told_its_group(span: str) -> None:
    keys = draw(span, 300)
    different, number = number_groups(keys)
    for column, group in zip(keys, different, strict=True):
        assert group[number].tolist() == column.tolist()


def test_noughts_are_left_out_and_come_back_where_another_part_has_more() -> None:
    key = (np.array([1, 2]),)
    nought, some = (add_up(key, {"n": np.array([0, n])}) for n in (0, 5))
    assert "n" not in nought.values
    assert join_sums([nought, some]).values["n"].tolist() == [0, 5]


def test_nothing_adds_up_to_nothing() -> None:
    nothing = add_up((np.empty(0, dtype=np.int64),), {"n": np.empty(0, dtype=np.int64)})
    assert len(nothing) == len(join_sums([nothing, nothing])) == 0
    one = Sums((np.array([3]),), {"n": np.array([4])})
    assert join_sums([nothing, one]).values["n"].tolist() == [4]
