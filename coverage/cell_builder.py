"""
Building a `cells.CellIndex`: enter the edges in a grid, then cut cells with many edges in four.

A level at a time, a batch of cells at a time, so that what is held beside the finished index
stays small. Only the references of the coarsest cells are looked up in the areas themselves.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from .cells import (
    DEEPEST,
    EDGES_AT_ONCE,
    FEW_EDGES,
    FINEST_DEGREES,
    FLATTENED,
    MARGIN,
    MOST_CUTS,
    UNCERTAIN,
    Border,
    CellIndex,
    Flags,
    Grid,
    count_crossings,
    first_of_four,
)
from .outlines import Complexes, Floats, Ints, Outlines, Shapes, Small, ranges


@dataclass(frozen=True, slots=True)
class _Cells:
    """Cells of one level with edges in them, as in `Border`; `slot` is their place in the table."""

    slot: Ints
    column: Ints
    row: Ints
    cover: Small
    first: Ints
    candidate: Small
    inside: Flags
    edge_first: Ints
    edge: Small

    def __len__(self) -> int:
        return len(self.slot)

    def edge_counts(self) -> Ints:
        """Give how many edges each cell has."""
        return np.asarray(np.diff(self.edge_first[self.first]))

    def where(self, kept: Flags) -> "_Cells":
        """Give the cells that are marked."""
        counts, edge_counts = np.diff(self.first), np.diff(self.edge_first)
        candidates = np.repeat(kept, counts)
        return _Cells(
            self.slot[kept],
            self.column[kept],
            self.row[kept],
            self.cover[kept],
            _starts(counts[kept]),
            self.candidate[candidates],
            self.inside[candidates],
            _starts(edge_counts[candidates]),
            self.edge[np.repeat(candidates, edge_counts)],
        )

    def between(self, start: int, end: int) -> "_Cells":
        """Give the cells from one up to another, which is left out."""
        cells = slice(start, end)
        first, last = self.first[start], self.first[end]
        edge_first = self.edge_first[first : last + 1]
        return _Cells(
            self.slot[cells],
            self.column[cells],
            self.row[cells],
            self.cover[cells],
            self.first[start : end + 1] - first,
            self.candidate[first:last],
            self.inside[first:last],
            edge_first - edge_first[0],
            self.edge[edge_first[0] : edge_first[-1]],
        )


def build_index(shapes: Shapes) -> CellIndex:
    """Index valid polygons in EPSG:4326; the first of those that hold a point is its answer."""
    outlines = Outlines.of(shapes)
    vertices, (edge, rank) = outlines.vertices, outlines.edges()
    grid = _grid(vertices, len(shapes))
    tables = [np.full(1 << (2 * grid.top), len(shapes), dtype=np.int32)]
    cells = _coarsest(grid, shapes, vertices, edge, rank, tables[0])
    del edge, rank
    borders: list[_Cells] = []
    references: list[Complexes] = []
    cuts = kept = 0
    for level in range(grid.depth + 1):
        counts = cells.edge_counts()
        fits = level < grid.depth and (cuts + np.count_nonzero(counts > FEW_EDGES)) <= MOST_CUTS
        busy = counts > FEW_EDGES if fits else counts < 0
        kept_now = cells.where(~busy)
        # From here on `cells` are those to cut: nothing else of the level is held any longer.
        cells = cells.where(busy)
        tables[-1][kept_now.slot] = len(shapes) + 1 + kept + np.arange(len(kept_now))
        tables[-1][cells.slot] = -1 - (cuts + np.arange(len(cells)))
        borders.append(kept_now)
        references.append(grid.reference(kept_now.column, kept_now.row, level))
        kept, cuts = kept + len(kept_now), cuts + len(cells)
        if not len(cells):
            break
        tables.append(np.empty(4 * len(cells), dtype=np.int32))
        finer, start = [], 0
        for batch in _batches(cells):
            finer.append(_cut(grid, level, batch, start, vertices, shapes, tables[-1]))
            start += 4 * len(batch)
        cells = _joined(finer)
        del finer
    held = _joined(borders)
    del borders, cells, kept_now
    border = Border(
        reference=np.concatenate(references),
        cover=held.cover,
        first=held.first,
        candidate=held.candidate,
        inside=held.inside,
        edge_first=held.edge_first,
        edge=held.edge,
    )
    del held, references
    table = np.concatenate(tables)
    for _ in range(min(FLATTENED, grid.depth)):
        grid, table = _flattened(grid, table)
    return CellIndex(grid, table, border, outlines)


def _flattened(grid: Grid, table: Small) -> tuple[Grid, Small]:
    """
    Give a table whose coarsest cells are half as wide, so that a point needs one look less.

    Where cells of the first table were cut, their parts stand in both: a few of many.
    """
    coarsest, side = 1 << (2 * grid.top), 1 << grid.top
    parts = table[:coarsest].reshape(side, side).repeat(2, axis=0).repeat(2, axis=1)
    row, column = np.nonzero(parts < 0)
    number = first_of_four(grid, -1 - parts[row, column])
    parts[row, column] = table[number + row % 2 * 2 + column % 2]
    finer = replace(grid, top=grid.top + 1, depth=grid.depth - 1)
    return finer, np.concatenate([parts.ravel(), table[coarsest:]])


def _grid(vertices: Complexes, areas: int) -> Grid:
    """Lay a grid over the vertices, a little larger, so that margins stay on it."""
    if not len(vertices):
        return Grid(0.0, 0.0, 1.0, 1.0, 0, 0)
    sides = (vertices.real, vertices.imag)
    low = np.array([side.min() for side in sides])
    extent = np.maximum([side.max() for side in sides] - low, FINEST_DEGREES)
    low, extent = low - extent / 1000, extent * 1.002
    top = max(1, math.ceil(math.log2(1.5 * math.sqrt(areas))))
    finest = math.floor(math.log2(float(extent.min()) / FINEST_DEGREES))
    top = max(0, min(top, finest))
    depth = max(0, min(DEEPEST, finest - top))
    per = (1 << (top + depth)) / extent
    return Grid(float(low[0]), float(low[1]), float(per[0]), float(per[1]), top, depth)


def _coarsest(
    grid: Grid, shapes: Shapes, vertices: Complexes, edge: Small, rank: Small, table: Small
) -> _Cells:
    """Enter every edge in the coarsest cells; answer in `table` for cells without one."""
    starts = range(0, max(len(edge), 1), EDGES_AT_ONCE)
    entered = zip(*(_entered(grid, vertices, edge, start) for start in starts), strict=True)
    cell, which = map(np.concatenate, entered)
    order = np.argsort(cell, kind="stable")
    cell, which = cell[order], which[order]
    del order
    areas = len(shapes) + 1
    # A candidate is a cell and an area with an edge in it, as one number.
    keys = cell.astype(np.int64) * areas + rank[which]
    changes = np.ones(len(keys), dtype=np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=changes[1:])
    opens = np.flatnonzero(changes)
    candidates = keys[opens]
    del cell, keys, changes
    owner = candidates // areas
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    slot = owner[first]

    side = 1 << grid.top
    everywhere = np.arange(side * side)
    middle = grid.reference(everywhere % side, everywhere // side, 0)
    points = shapely.points(middle.real, middle.imag)
    at, found = shapely.STRtree(shapes).query(points, predicate="intersects")
    holding = at.astype(np.int64) * areas + found
    whole = holding[~np.isin(holding, candidates, assume_unique=True)]
    np.minimum.at(table, whole // areas, (whole % areas).astype(np.int32))
    return _pruned(
        _Cells(
            slot,
            slot % side,
            slot // side,
            table[slot],
            np.append(first, len(candidates)),
            (candidates % areas).astype(np.int32),
            np.isin(candidates, holding, assume_unique=True),
            np.append(opens, len(which)),
            edge[which],
        )
    )


def _entered(grid: Grid, vertices: Complexes, edge: Small, start: int) -> tuple[Small, Small]:
    """Give (coarsest cell, number of the edge) for a batch of edges: row by row, then across."""
    side, finest = 1 << grid.top, 1 << grid.depth
    batch = edge[start : start + EDGES_AT_ONCE]
    ax, bx = (grid.columns(vertices[end].real) / finest for end in (batch, batch + 1))
    ay, by = (grid.rows(vertices[end].imag) / finest for end in (batch, batch + 1))
    low = np.floor(np.minimum(ay, by) - MARGIN).astype(np.int64)
    counts = np.floor(np.maximum(ay, by) + MARGIN).astype(np.int64) - low + 1
    each = np.repeat(np.arange(len(batch)), counts)
    row = ranges(low, counts)
    ax, ay, bx, by = ax[each], ay[each], bx[each], by[each]
    rise = np.where(by == ay, 1.0, by - ay)
    ends = []
    for limit in (row - MARGIN, row + 1 + MARGIN):
        along = np.clip((limit - ay) / rise, 0, 1)
        ends.append(ax + along * (bx - ax))
    level = by == ay
    left = np.where(level, np.minimum(ax, bx), np.minimum(*ends))
    right = np.where(level, np.maximum(ax, bx), np.maximum(*ends))
    from_column = np.floor(left - MARGIN).astype(np.int64)
    across = np.floor(right + MARGIN).astype(np.int64) - from_column + 1
    column = ranges(from_column, across)
    cell = np.repeat(row, across) * side + column
    return cell.astype(np.int32), (start + np.repeat(each, across)).astype(np.int32)


def _cut(
    grid: Grid,
    level: int,
    cells: _Cells,
    start: int,
    vertices: Complexes,
    shapes: Shapes,
    table: Small,
) -> _Cells:
    """Cut cells in four, from `start` on in `table`; answer there for parts without an edge."""
    of_candidate = np.repeat(np.arange(len(cells)), np.diff(cells.first))
    edge_counts = np.diff(cells.edge_first)
    of_edge = np.repeat(of_candidate, edge_counts)
    here = grid.reference(cells.column, cells.row, level)
    finest = 1 << (grid.depth - level - 1)
    ax, bx = (grid.columns(vertices[end].real) / finest for end in (cells.edge, cells.edge + 1))
    ay, by = (grid.rows(vertices[end].imag) / finest for end in (cells.edge, cells.edge + 1))
    parts = []
    for quarter in range(4):
        column, row = 2 * cells.column + quarter % 2, 2 * cells.row + quarter // 2
        slot = start + 4 * np.arange(len(cells)) + quarter
        there = grid.reference(column, row, level + 1)
        crossings = count_crossings(
            vertices, cells.edge, edge_counts, of_edge, here, there, grid.error
        )
        inside = cells.inside ^ (crossings & 1).astype(np.bool_)
        unsure = np.flatnonzero(crossings >= UNCERTAIN)
        asked = there[of_candidate[unsure]]
        inside[unsure] = shapely.intersects_xy(
            shapes[cells.candidate[unsure]], asked.real, asked.imag
        )
        kept = _meets(ax, ay, bx, by, column[of_edge], row[of_edge])
        counts = np.add.reduceat(kept, cells.edge_first[:-1], dtype=np.int64)
        cover = cells.cover.copy()
        whole = inside & (counts == 0)
        np.minimum.at(cover, of_candidate[whole], cells.candidate[whole])
        table[slot] = cover
        with_edges = np.flatnonzero(counts)
        held = np.bincount(of_candidate[with_edges], minlength=len(cells))
        part = _Cells(
            slot,
            column,
            row,
            cover,
            _starts(held),
            cells.candidate[with_edges],
            inside[with_edges],
            _starts(counts[with_edges]),
            cells.edge[kept],
        )
        parts.append(_pruned(part))
    return _joined(parts)


def _meets(ax: Floats, ay: Floats, bx: Floats, by: Floats, column: Ints, row: Ints) -> Flags:
    """Whether edges come within a margin of the cells beside them, in units of a cell."""
    reach = 0.5 + MARGIN
    x, y = column + 0.5, row + 0.5
    dx, dy = bx - ax, by - ay
    near = (np.minimum(ax, bx) <= x + reach) & (np.maximum(ax, bx) >= x - reach)
    near &= (np.minimum(ay, by) <= y + reach) & (np.maximum(ay, by) >= y - reach)
    # The line through the edge passes the cell where the corners lie on both sides of it.
    near &= np.abs(dx * (y - ay) - dy * (x - ax)) <= reach * (np.abs(dx) + np.abs(dy))
    return np.asarray(near)


def _pruned(cells: _Cells) -> _Cells:
    """Drop candidates above a cell's cover, and cells that are left without one."""
    of_candidate = np.repeat(np.arange(len(cells)), np.diff(cells.first))
    kept = cells.candidate < cells.cover[of_candidate]
    counts = np.bincount(of_candidate[kept], minlength=len(cells))
    edge_counts = np.diff(cells.edge_first)
    left = _Cells(
        cells.slot,
        cells.column,
        cells.row,
        cells.cover,
        _starts(counts),
        cells.candidate[kept],
        cells.inside[kept],
        _starts(edge_counts[kept]),
        cells.edge[np.repeat(kept, edge_counts)],
    )
    return left.where(counts > 0)


def _batches(cells: _Cells) -> Iterator[_Cells]:
    """Give the cells in batches of about `EDGES_AT_ONCE` edges."""
    reached = cells.edge_first[cells.first[1:]] // EDGES_AT_ONCE
    changes = np.flatnonzero(np.diff(reached)) + 1
    for start, end in pairwise([0, *changes.tolist(), len(cells)]):
        yield cells.between(start, end)


def _joined(parts: Sequence[_Cells]) -> _Cells:
    def all_of(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    return _Cells(
        all_of("slot"),
        all_of("column"),
        all_of("row"),
        all_of("cover"),
        _starts(np.concatenate([np.diff(part.first) for part in parts])),
        all_of("candidate"),
        all_of("inside"),
        _starts(np.concatenate([np.diff(part.edge_first) for part in parts])),
        all_of("edge"),
    )


def _starts(counts: Ints) -> Ints:
    """Give where each of some groups begins, and at last where all end."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
