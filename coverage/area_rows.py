"""
The rows of a result as columns: hundreds of thousands of them, each an object only when asked for.

What is said of a group (an area and an operator) stands in a column once. A row is a group's, or
repeats the best one of its area under the name `ANY_OPERATOR`; an area that nobody saw has a row of
`nothing`. So a row is an area and the number of a group.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol, Self, overload

import numpy as np
import numpy.typing as npt

from .frame import Flags, Ints
from .summary import ANY_OPERATOR, AreaSummary

_AT_ONCE = 4_096


class Column(Protocol):
    """What a field of `AreaSummary` is in every group, and after the last where there is none."""

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Give the columns of stretches of groups as one."""

    def at(self, groups: Ints) -> list[Any]:
        """Give it in some groups."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers, with None where one is missing."""

    values: npt.NDArray[Any]
    missing: Flags

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Give the columns of stretches of groups as one."""
        return cls(_joined([p.values for p in parts]), _joined([p.missing for p in parts]))

    def at(self, groups: Ints) -> list[Any]:
        """Give the numbers of some groups, as Python's own."""
        found: list[Any] = self.values[groups].tolist()
        for row in np.flatnonzero(self.missing[groups]).tolist():
            found[row] = None
        return found


@dataclass(frozen=True, slots=True)
class Choices:
    """Each group has one of a few things: its number among them."""

    numbers: Ints
    things: Sequence[Any]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Give the columns of stretches of groups as one."""
        before = accumulate((len(part.things) for part in parts), initial=0)
        numbers = [part.numbers + start for part, start in zip(parts, before, strict=False)]
        return cls(_joined(numbers), [thing for part in parts for thing in part.things])

    def at(self, groups: Ints) -> list[Any]:
        """Give what some groups have."""
        return [self.things[number] for number in self.numbers[groups].tolist()]


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts by name, of which only those that are not nought are told."""

    names: Sequence[str]
    table: Ints

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Give the columns of stretches of groups as one."""
        return cls(parts[0].names, _joined([part.table for part in parts]))

    def at(self, groups: Ints) -> list[Any]:
        """Give the counts of some groups by name."""
        table = self.table[groups]
        found: list[dict[str, int]] = [{} for _ in range(len(table))]
        rows, columns = np.nonzero(table)
        counts = table[rows, columns].tolist()
        for row, column, count in zip(rows.tolist(), columns.tolist(), counts, strict=True):
            found[row][self.names[column]] = count
        return found


def _joined(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Join arrays that each end with what is said where there is no group: the last one's stays."""
    return np.concatenate([*(part[:-1] for part in parts[:-1]), parts[-1]])


@dataclass(frozen=True, slots=True, eq=False)
class AreaRows(Sequence[AreaSummary]):
    """
    Rows by area, the best operator's first: `area` is a row's number among `named`.

    `named` has (code, name, parent's name); `columns` the other fields, among them the operator
    that is a row's own.
    """

    named: Sequence[tuple[str, str, str | None]]
    area: Ints
    group: Ints
    is_best: Flags
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.area)

    def __iter__(self) -> Iterator[AreaSummary]:
        return (AreaSummary(**record) for record in self.records())

    @overload
    def __getitem__(self, which: int) -> AreaSummary: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[AreaSummary]: ...
    def __getitem__(self, which: int | slice) -> AreaSummary | Sequence[AreaSummary]:
        if isinstance(which, slice):
            return tuple(self._made(which))
        row = range(len(self))[which]
        return next(self._made(slice(row, row + 1)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(other) != len(self):
            return False
        return all(own == its for own, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def column(self, name: str) -> list[Any]:
        """Give a field of all rows that is not about the area's or the operator's name."""
        return self.columns[name].at(self.group)

    def records(self) -> Iterator[dict[str, Any]]:
        """Give the fields of all rows by name."""
        for start in range(0, len(self), _AT_ONCE):
            yield from self._records(slice(start, start + _AT_ONCE))

    def _made(self, which: slice) -> Iterator[AreaSummary]:
        return (AreaSummary(**record) for record in self._records(which))

    def _records(self, which: slice) -> Iterator[dict[str, Any]]:
        groups = self.group[which]
        fields = {name: column.at(groups) for name, column in self.columns.items()}
        owners = [self.named[area] for area in self.area[which].tolist()]
        for name, side in (("code", 0), ("name", 1), ("parent_name", 2)):
            fields[name] = [owner[side] for owner in owners]
        operator, is_best = fields["operator"], self.is_best[which].tolist()
        pairs = list(zip(is_best, operator, strict=True))
        fields["best_operator"] = [name if best else None for best, name in pairs]
        fields["operator"] = [ANY_OPERATOR if best else name for best, name in pairs]
        names = tuple(fields)
        for values in zip(*fields.values(), strict=True):
            yield dict(zip(names, values, strict=True))
