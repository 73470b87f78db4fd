"""
How the places of each group lie: which are whose, and which stand together in a sector.

Rows of a tally are in order, so whatever belongs together, an area's places or a place's days,
stands together; H3 numbers its cells so that a sector's places do too.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .frame import Flags, Floats, Ints
from .sectors import Sectors, parents
from .sums import Whole


@dataclass(frozen=True, slots=True)
class InSectors:
    """Where each sector's places begin, whose it is, and how many sectors each group has."""

    starts: Ints
    group: Whole
    count: Ints

    def of_sectors(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Give the sum of places' values in each sector."""
        return np.asarray(np.add.reduceat(values, self.starts)) if len(self.starts) else values


@dataclass(frozen=True)
class Places:
    """Places of `groups` groups: the group of each, and their sectors where areas have some."""

    groups: int
    group: Whole
    sectors: InSectors | None = None

    @classmethod
    def of(cls, groups: int, group: Whole, place: Whole, sectors: Sectors | None) -> "Places":
        """Give places, in order, with the sectors that their groups' areas are cut into."""
        if sectors is None:
            return cls(groups, group)
        sector = parents(place.astype(np.uint64), sectors.resolution.astype(np.uint64)[group])
        starts = changes(group, sector)
        return cls(groups, group, InSectors(starts, group[starts], sectors.count))

    @cached_property
    def count(self) -> Ints:
        """How many places each group has."""
        return rows_of(self.group, self.groups)

    @cached_property
    def visited(self) -> Ints | None:
        """In how many sectors each group's places lie."""
        return None if self.sectors is None else rows_of(self.sectors.group, self.groups)

    def total(self, values: npt.NDArray[Any]) -> Floats:
        """Give the sum of each group's places' values."""
        return sums_of(self.group, self.groups, values)


def changes(*columns: npt.NDArray[np.integer]) -> Ints:
    """Give the rows at which one of the columns is another than in the row before."""
    opens: Flags = np.ones(len(columns[0]), dtype=np.bool_)
    if len(opens):
        opens[1:] = False
        for column in columns:
            opens[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(opens)


def means_of_runs(values: Floats, starts: Ints) -> Floats:
    """Give the mean of each run of values."""
    if not len(starts):
        return values
    return np.asarray(np.add.reduceat(values, starts) / np.diff(starts, append=len(values)))


def rows_of(group: Whole, groups: int) -> Ints:
    """Give how many rows each group has."""
    return np.bincount(group, minlength=groups)


def sums_of(group: Whole, groups: int, values: npt.NDArray[Any]) -> Floats:
    """Give the sum of the values that each group has."""
    return np.bincount(group, values, minlength=groups).astype(np.float64)
