"""
An index of areas in which almost no point touches a polygon.

**Cells.** A square grid lies over all areas, and each of its cells is cut in four, again and
again, while many edges run through it. A cell that no edge meets lies wholly inside an area or
wholly outside: one answer, found once, holds for every point in it. A cell with edges at the
bottom is a *border cell*. It keeps a reference point, and for each area with an edge in it (a
*candidate*) those edges and whether the reference lies inside.

**A point in a border cell** lies inside a candidate just if the reference does and the way from
the reference to the point crosses its edges an even number of times, or neither: a cell is convex,
so every edge in the way is kept with the cell. This holds for holes, islands and overlaps alike,
because each candidate is asked for itself. The lowest of the candidates that hold the point, and
of the areas that cover the whole cell, is the answer; candidates above such a cover are dropped.
The same question, put from a cell's reference to those of its four parts, builds the index.

**Exactness.** Which side of an edge a point lies on is certain when its determinant exceeds what
rounding can add (Shewchuk, Discrete Comput. Geom. 18 (1997) 305, the first filter of orient2d,
with the grid's extent for every difference). A
point for which some side is not certain, as one on an edge or a vertex, is asked of GEOS with the
exact predicate (`shapely.intersects_xy`). From coordinate to cell is a subtraction, a product and
a cut to whole numbers: each rises with the coordinate, so a cell is a rectangle even in floating
point. Edges are entered in every cell they come within `MARGIN` of, which is a thousand times
what rounding can move them.

Shapes must be valid, as `boundaries.py` leaves them; what is kept of them is their `outlines.py`.
"""

from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt
import shapely

from .outlines import Complexes, Floats, Ints, Outlines, Small, as_complex, ranges

Flags = npt.NDArray[np.bool_]

FEW_EDGES = 4
DEEPEST = 8
MOST_CUTS = 2_500_000
FINEST_DEGREES = 1e-8
MARGIN = 1e-6
_POINTS_AT_ONCE = 1 << 16
_SETTLED_AT_ONCE = 1 << 13
EDGES_AT_ONCE = 1 << 16
FLATTENED = 2
# A reference off the middle and off every simple fraction, where borders like to run.
_REFERENCE_X, _REFERENCE_Y = 0.4519284370, 0.5436172890
UNCERTAIN = 1 << 40
# A difference of products, each of two differences of doubles, is off by at most (3 + 16e)e times
# the sum of the products, e = 2**-53. Two products, three such differences, and their own sums.
_ORIENT_ERROR = 9 * 3.3306690738754716e-16


@dataclass(frozen=True, slots=True)
class Grid:
    """Where cells lie: `2**(top + depth)` finest cells along each side of the extent."""

    x: float
    y: float
    per_x: float
    per_y: float
    top: int
    depth: int

    def columns(self, lon: Floats) -> Floats:
        """Give longitudes in finest cells."""
        return np.asarray((lon - self.x) * self.per_x)

    def rows(self, lat: Floats) -> Floats:
        """Give latitudes in finest cells."""
        return np.asarray((lat - self.y) * self.per_y)

    @property
    def error(self) -> float:
        """Give what rounding adds, at the most, to a determinant of differences on the grid."""
        side = 1 << (self.top + self.depth)
        return _ORIENT_ERROR * side / self.per_x * side / self.per_y

    def reference(self, column: Ints, row: Ints, level: int) -> Complexes:
        """Give the reference points of cells of a level."""
        finest = float(1 << (self.depth - level))
        x = self.x + (column + _REFERENCE_X) * finest / self.per_x
        y = self.y + (row + _REFERENCE_Y) * finest / self.per_y
        return as_complex(np.asarray(x, np.float64), np.asarray(y, np.float64))


@dataclass(frozen=True, slots=True)
class Border:
    """
    Border cells: `first` is where a cell's candidates begin, `edge_first` where theirs do.

    `edge` is the number of a vertex, from which the edge runs to the next one.
    """

    reference: Complexes
    cover: Small
    first: Ints
    candidate: Small
    inside: Flags
    edge_first: Ints
    edge: Small


@dataclass(frozen=True, slots=True)
class CellIndex:
    """
    Areas by cell. Areas go by their rank: 0 is the first in order, `len(outlines)` is outside.

    `table` has an entry a cell: a rank; or, negative, minus one less the number of the four
    cells that it is cut into; or, above all ranks, the number of a border cell.
    """

    grid: Grid
    table: Small
    border: Border
    outlines: Outlines = field(repr=False)

    @property
    def nbytes(self) -> int:
        """How much memory the index takes."""
        held = [
            getattr(part, each.name)
            for part in (self.border, self.outlines)
            for each in fields(part)
        ]
        return sum(array.nbytes for array in (*held, self.table))

    def locate(self, lon: Floats, lat: Floats) -> Small:
        """Give each point the rank of its area, `len(outlines)` in none."""
        found = np.empty(len(lon), dtype=np.int32)
        for start in range(0, len(lon), _POINTS_AT_ONCE):
            part = slice(start, start + _POINTS_AT_ONCE)
            found[part] = self._look_up(lon[part], lat[part])
        outside = len(self.outlines)
        near = np.flatnonzero(found > outside)
        # Cell by cell: points of one cell read the same edges, and those of the next lie near.
        near = near[np.argsort(found[near])]
        for start in range(0, len(near), _SETTLED_AT_ONCE):
            some = near[start : start + _SETTLED_AT_ONCE]
            found[some] = self._settle(found[some] - (outside + 1), lon[some], lat[some])
        return found

    def _look_up(self, lon: Floats, lat: Floats) -> Small:
        """Give what the table says of each point: a rank, or a border cell."""
        grid, outside = self.grid, len(self.outlines)
        side = 1 << (grid.top + grid.depth)
        column, row = grid.columns(lon), grid.rows(lat)
        # A comparison with NaN is false: a point without position is outside.
        on_grid = (column >= 0) & (column < side) & (row >= 0) & (row < side)
        if not on_grid.all():
            found = np.full(len(lon), outside, dtype=np.int32)
            if on_grid.any():
                found[on_grid] = self._look_up(lon[on_grid], lat[on_grid])
            return found
        x, y = column.astype(np.int32), row.astype(np.int32)
        level = grid.depth
        entry = self.table[((y >> level) << grid.top) + (x >> level)]
        cut = np.flatnonzero(entry < 0)
        while len(cut):
            level -= 1
            quarter = ((y[cut] >> level) & 1) * 2 + ((x[cut] >> level) & 1)
            part = self.table[first_of_four(grid, -1 - entry[cut]) + quarter]
            entry[cut] = part
            cut = cut[part < 0]
        return entry

    def _settle(self, cell: Small, lon: Floats, lat: Floats) -> Small:
        """Answer for points in border cells."""
        border, outside = self.border, len(self.outlines)
        first = border.first[cell]
        counts = border.first[cell + 1] - first
        point = np.repeat(np.arange(len(cell)), counts)
        candidate = ranges(first, counts)
        edge_first = border.edge_first[candidate]
        edge_counts = border.edge_first[candidate + 1] - edge_first
        of = np.repeat(point, edge_counts)
        crossings = count_crossings(
            self.outlines.vertices,
            border.edge[ranges(edge_first, edge_counts)],
            edge_counts,
            of,
            border.reference[cell],
            as_complex(lon, lat),
            self.grid.error,
        )
        inside = border.inside[candidate] ^ (crossings & 1).astype(np.bool_)
        rank = border.candidate[candidate]
        unsure = np.flatnonzero(crossings >= UNCERTAIN)
        if len(unsure):
            asked, number = np.unique(rank[unsure], return_inverse=True)
            shapes, which = self.outlines.shapes(asked)[number], point[unsure]
            inside[unsure] = shapely.intersects_xy(shapes, lon[which], lat[which])
        holding = np.where(inside, rank, outside)
        starts = np.concatenate([[0], np.cumsum(counts[:-1])])
        return np.minimum(np.minimum.reduceat(holding, starts), border.cover[cell])


def first_of_four(grid: Grid, number: Small) -> Ints:
    """Give where in the table the parts of cut cells begin."""
    return (1 << (2 * grid.top)) + 4 * number.astype(np.int64)


def count_crossings(
    vertices: Complexes,
    edge: npt.NDArray[np.integer],
    counts: npt.NDArray[np.integer],
    of: npt.NDArray[np.integer],
    start: Complexes,
    end: Complexes,
    error: float,
) -> Ints:
    """
    Count how many edges the way from `start` to `end` crosses, group by group.

    Points are complex numbers, longitude the real part: the side of b on which a lies is then
    the sign of Im(conj(a) b). `of` says whose way each edge is asked about. Where a side is not
    farther than `error` from nought, `UNCERTAIN` is added to the group's count.
    """
    here = end[of]
    a, b = vertices[edge], vertices[edge + 1]
    a -= here
    b -= here
    way = np.conj(start - end)[of]
    a_side, b_side = (a * way).imag, (b * way).imag
    b *= np.conj(a)
    end_side = b.imag
    start_side = end_side + a_side - b_side
    crossed = ((a_side > 0) != (b_side > 0)) & ((end_side > 0) != (start_side > 0))
    least = np.minimum(np.abs(a_side), np.abs(b_side))
    np.minimum(least, np.abs(end_side), out=least)
    np.minimum(least, np.abs(start_side), out=least)
    score = crossed.astype(np.int64)
    score[least <= error] += UNCERTAIN
    starts = np.concatenate([[0], np.cumsum(counts[:-1])])
    return np.asarray(np.add.reduceat(score, starts))
