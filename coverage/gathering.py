"""
What parts come to together: in memory up to a limit, in files beyond it, area by area at the end.

Places, days and the bins of speeds are as many as were visited, and a country's do not fit every
machine's memory. So what has been added up goes into files once it is large, in the order of its
keys, and is taken out again a stretch of areas at a time: every file gives its rows of those
areas, and they are added up as parts always are. What is said of an area comes from its own rows
alone, so a result has the same bytes whether none of it or all of it was in files.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from ..data.errors import DiskFullError
from .counting import ROWS_AT_ONCE, Counted, Placed, merge_counted, merge_in_steps
from .places import rows_of
from .reduce import METRICS, Tally, merge_tallies
from .sums import Sums, add_up, join_sums

_TABLES = ("totals", "occasions", "bins")


@dataclass(frozen=True, slots=True)
class _TallyFile:
    """A tally in a folder: each of its tables a file of Arrow's, every key and sum a column."""

    folder: Path
    operators: tuple[str, ...]

    @classmethod
    def write(cls, folder: Path, tally: Tally) -> "_TallyFile":
        try:
            folder.mkdir()
            for name in _TABLES:
                _write(folder / name, getattr(tally, name))
        except OSError as error:
            raise DiskFullError(
                "{folder}: what was counted so far is too large for memory and cannot be put here:"
                " {error}; make room, or name another folder in TMPDIR",
                folder=folder.parent,
                error=str(error)[:200],
            ) from error
        return cls(folder, tally.operators)

    def between(self, first: int, end: int) -> Tally:
        """Give the rows of areas from one number up to another, which is left out."""
        totals, occasions, bins = (_read(self.folder / name) for name in _TABLES)
        low, high = np.searchsorted(totals.keys[0], (first, end)).tolist()
        return Tally(
            self.operators,
            _cut(totals, slice(low, high)),
            _of_groups(occasions, low, high),
            _of_groups(bins, low * len(METRICS), high * len(METRICS)),
        )


@dataclass(slots=True)
class LongTally:
    """
    One rule's tally over one level, of any length: gives tallies of stretches of areas.

    Those are in the order of areas, and no area is in two. `operators` and `counts` are of all.
    """

    rows_at_once: int
    operators: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    held: Tally | None = None
    files: list[_TallyFile] = field(default_factory=list)
    rows: Sums | None = None

    def take(self, tally: Tally, folder: Path | None) -> None:
        """Take a sum in: into a new folder, or as the only one."""
        self.operators.update(tally.operators)
        for name in tally.totals.values:
            self.counts[name] += int(tally.count(name).sum())
        if folder is None:
            self.held = tally
            return
        self.files.append(_TallyFile.write(folder, tally))
        here = _rows_of_areas(tally)
        self.rows = here if self.rows is None else join_sums([self.rows, here])

    def __iter__(self) -> Iterator[Tally]:
        if self.held is not None:
            yield self.held
        for first, end in pairwise(self._cuts()):
            parts = [file.between(first, end) for file in self.files]
            yield merge_tallies([part for part in parts if len(part)])

    def _cuts(self) -> list[int]:
        """Give where stretches of areas begin, each with about as many rows as fit, and the end."""
        if self.rows is None:
            return []
        (area,) = self.rows.keys
        before = np.cumsum(self.rows.values["rows"]) - 1
        starts = np.flatnonzero(np.diff(before // self.rows_at_once, prepend=-1))
        return [*area[starts].tolist(), int(area[-1]) + 1]


@dataclass(slots=True)
class Gathered:
    """What all parts came to: `counted` without its tallies, those by number of level and rule."""

    rows_at_once: int
    counted: Counted = field(default_factory=Counted)
    tallies: dict[tuple[int, int], LongTally] = field(default_factory=dict)
    steps: int = 0

    def tally(self, level: int, rule: int) -> LongTally:
        """Give what a rule's samples over a level came to."""
        return self.tallies.get((level, rule), LongTally(self.rows_at_once))

    def placed(self, level: int) -> Placed:
        """Give what else was seen over a level."""
        return self.counted.placed[level] if self.counted.placed else Placed()

    def take(self, counted: Counted, folder: Path | None) -> None:
        """Take a sum in: into files of a folder, or as the only one."""
        for level, placed in enumerate(counted.placed):
            for rule, tally in placed.tallies.items():
                long = self.tallies.setdefault((level, rule), LongTally(self.rows_at_once))
                long.take(tally, folder and folder / f"{self.steps}-{level}-{rule}")
        head = replace(counted, placed=tuple(replace(p, tallies={}) for p in counted.placed))
        self.counted = merge_counted([self.counted, head]) if self.steps else head
        self.steps += 1


@contextmanager
def gather(parts: Iterable[Counted], rows_at_once: int = ROWS_AT_ONCE) -> Iterator[Gathered]:
    """
    Add parts up, holding at most about so many of their rows in memory.

    The order and the cut of the parts make no difference. Files are gone when this is left.

    Raises
    ------
    DiskFullError
        If what is too large for memory finds no room in files.
    """
    gathered = Gathered(rows_at_once)
    with ExitStack() as stack:

        @cache
        def folder() -> Path:
            return Path(stack.enter_context(TemporaryDirectory(prefix="phusong-")))

        rest = merge_in_steps(parts, lambda large: gathered.take(large, folder()), rows_at_once)
        gathered.take(rest, folder() if gathered.steps else None)
        del rest
        yield gathered


def _rows_of_areas(tally: Tally) -> Sums:
    """Give how many rows of places, days and bins each area has."""
    measure = tally.bins.keys[0]
    rows = rows_of(tally.occasions.keys[0], len(tally))
    rows += rows_of(measure // len(METRICS), len(tally))
    return add_up((tally.totals.keys[0],), {"rows": rows + 1})


def _write(path: Path, sums: Sums) -> None:
    keys = {str(number): column for number, column in enumerate(sums.keys)}
    batch = pa.record_batch({**keys, **sums.values})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as file:
        file.write(batch)


def _read(path: Path) -> Sums:
    """Give a table as it stands in its file: nothing is in memory before it is looked at."""
    with pa.memory_map(str(path)) as source:
        batch = pa.ipc.open_file(source).get_batch(0)
    columns = {name: batch.column(name).to_numpy() for name in batch.schema.names}
    keys = tuple(columns.pop(name) for name in batch.schema.names if name.isdigit())
    return Sums(keys, columns)


def _cut(sums: Sums, rows: slice) -> Sums:
    """Give some rows, copied: what refers to a file keeps all that was read of it in memory."""
    values = {name: column[rows].copy() for name, column in sums.values.items()}
    return Sums(tuple(column[rows].copy() for column in sums.keys), values)


def _of_groups(sums: Sums, low: int, high: int) -> Sums:
    """Give the rows of some groups, which go by their numbers from the first of them on."""
    first, end = np.searchsorted(sums.keys[0], (low, high)).tolist()
    cut = _cut(sums, slice(first, end))
    group, *rest = cut.keys
    return Sums((group - group.dtype.type(low), *rest), cut.values)
