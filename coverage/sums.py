"""
Sums by key, by sorting one whole number.

A key is several whole numbers: an area and an operator, or a group, a place and a day. Only the
bits in which their values differ are taken, side by side, into one number of 63 bits; where they
are too many, a column's values go by their rank instead. That one number is sorted, and equal
neighbours are added: several times faster than grouping by each column in turn, and in an order
that depends on the keys alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .frame import Flags, Ints

Whole = npt.NDArray[np.integer]
_BITS = 63


@dataclass(frozen=True, slots=True)
class Sums:
    """
    Whole numbers by key: the keys' columns, in order, each key once, and the sums beside them.

    A column of sums that would hold nothing but noughts is left out.
    """

    keys: tuple[Whole, ...]
    values: Mapping[str, Whole]

    def __len__(self) -> int:
        return len(self.keys[0])


def add_up(keys: tuple[Whole, ...], values: Mapping[str, Whole]) -> Sums:
    """Add up values that have the same key."""
    return _add_up([Sums(keys, values)])


def join_sums(parts: Sequence[Sums]) -> Sums:
    """Add sums up; their keys' columns are the same."""
    parts = [part for part in parts if len(part)] or parts[:1]
    return parts[0] if len(parts) == 1 else _add_up(parts)


def _add_up(parts: Sequence[Sums]) -> Sums:
    """Add up rows whose keys may repeat; a column at a time, so that little is held twice."""
    sides = range(len(parts[0].keys))
    order, opens = _sorted(_joined([part.keys[side] for part in parts]) for side in sides)
    starts = np.flatnonzero(opens)
    first = order[starts]
    summed = {}
    for name in sorted({name for part in parts for name in part.values}):
        column = _joined([_of(part, name) for part in parts])
        if column.any():
            summed[name] = np.add.reduceat(column[order], starts, dtype=column.dtype)
    keys = tuple(_joined([part.keys[side] for part in parts])[first] for side in sides)
    return Sums(keys, summed)


def _joined(pieces: Sequence[Whole]) -> Whole:
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def number_groups(keys: tuple[Whole, ...]) -> tuple[tuple[Whole, ...], Ints]:
    """Give the different keys in order, and of each row which of them it has."""
    order, opens = _sorted(keys)
    first = order[np.flatnonzero(opens)]
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(opens) - 1
    return tuple(column[first] for column in keys), number


def _of(part: Sums, name: str) -> Whole:
    found = part.values.get(name)
    return np.zeros(len(part), dtype=np.int32) if found is None else found


def _sorted(keys: Iterable[Whole]) -> tuple[Ints, Flags]:
    """Give the order of rows by key, and where in it a new key opens."""
    packed = _packed(keys)
    order = np.argsort(packed)
    packed = packed[order]
    opens = np.ones(len(order), dtype=np.bool_)
    np.not_equal(packed[1:], packed[:-1], out=opens[1:])
    return order, opens


def _packed(keys: Iterable[Whole]) -> Ints:
    """Give one number for each row, in the order of the keys and equal where they are."""
    packed, width = np.empty(0, dtype=np.int64), 0
    for column in keys:
        if not len(packed):
            packed = np.zeros(len(column), dtype=np.int64)
        if not len(column):
            continue
        values, bits = _varying(column.astype(np.int64))
        if width + bits > _BITS:
            packed, width = _ranks(packed)
        if width + bits > _BITS:
            values, bits = _ranks(values)
        packed <<= bits
        packed |= values
        width += bits
    return packed


def _varying(column: Ints) -> tuple[Ints, int]:
    """Give the bits in which values differ, and how many those are."""
    low, high = int(column.min()), int(column.max())
    varying = int(np.bitwise_or.reduce(column ^ column[0]))
    if not varying:
        return np.zeros_like(column), 0
    if low < 0:
        return column - low, (high - low).bit_length()
    shift = (varying & -varying).bit_length() - 1
    bits = varying.bit_length() - shift
    return (column >> shift) & ((1 << bits) - 1), bits


def _ranks(column: Ints) -> tuple[Ints, int]:
    different, rank = np.unique(column, return_inverse=True)
    return rank.astype(np.int64), (len(different) - 1).bit_length()
