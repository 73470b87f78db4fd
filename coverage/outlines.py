"""
Outlines of areas as flat arrays: what an index keeps of them in place of polygons.

All vertices stand in one array, ring after ring. A polygon of ninety thousand is made again from
them in the rare case that the exact predicate is asked about it: so whoever has the index needs
no other shapes, neither to load nor to hold them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from .sectors import areas_km2

Complexes = npt.NDArray[np.complex128]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]
Shapes = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Outlines:
    """
    Areas by rank: `area_first` is where the polygons of each begin, and at last where all end.

    In the same way `polygon_first` counts rings, the outer one first, and `ring_first` vertices,
    which are complex numbers, longitude the real part. `km2` is the size of each area.
    """

    vertices: Complexes
    ring_first: Ints
    polygon_first: Ints
    area_first: Ints
    km2: Floats

    @classmethod
    def of(cls, shapes: Shapes) -> "Outlines":
        """
        Take polygons and multipolygons apart.

        Each step copies all there is: what was copied from is let go before the next.
        """
        polygons, of_shape = shapely.get_parts(shapes, return_index=True)
        area_first = _firsts(of_shape, len(shapes))
        rings, of_polygon = shapely.get_rings(polygons, return_index=True)
        polygon_first = _firsts(of_polygon, len(polygons))
        del polygons
        points, of_ring = shapely.get_coordinates(rings, return_index=True)
        ring_first = _firsts(of_ring, len(rings))
        del rings, of_ring
        vertices = points.view(np.complex128).ravel()
        return cls(vertices, ring_first, polygon_first, area_first, areas_km2(shapes))

    def __len__(self) -> int:
        return len(self.area_first) - 1

    def edges(self) -> tuple[Small, Small]:
        """Give each edge's first vertex, from which it runs to the next one, and its area."""
        in_ring = np.ones(len(self.vertices), dtype=np.bool_)
        in_ring[self.ring_first[1:] - 1] = False
        ends = self.ring_first[self.polygon_first[self.area_first]]
        rank = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(ends))
        edge = np.flatnonzero(in_ring).astype(np.int32)
        return edge, rank[edge]

    def shapes(self, ranks: npt.NDArray[np.integer]) -> Shapes:
        """Give the shapes of some areas, as multipolygons."""
        polygons, area_first = _taken(self.area_first, ranks)
        rings, polygon_first = _taken(self.polygon_first, polygons)
        vertices, ring_first = _taken(self.ring_first, rings)
        points = self.vertices[vertices].view(np.float64).reshape(-1, 2)
        made: Shapes = shapely.from_ragged_array(
            shapely.GeometryType.MULTIPOLYGON, points, (ring_first, polygon_first, area_first)
        )
        return made


def as_complex(x: Floats, y: Floats) -> Complexes:
    """Give points as complex numbers."""
    points = np.empty(len(x), dtype=np.complex128)
    points.real, points.imag = x, y
    return points


def ranges(first: npt.NDArray[np.integer], counts: npt.NDArray[np.integer]) -> Ints:
    """Give first, first + 1, ... of each, as many as its count, one after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.asarray(np.repeat(first - (ends - counts), counts) + np.arange(total))


def _firsts(owner: npt.NDArray[np.integer], owners: int) -> Ints:
    """Give where what belongs to each owner begins, and at last where all end."""
    return np.append(0, np.cumsum(np.bincount(owner, minlength=owners)))


def _taken(first: Ints, which: npt.NDArray[np.integer]) -> tuple[Ints, Ints]:
    """Give the numbers of what belongs to some owners, and where each one's then begin."""
    counts = first[which + 1] - first[which]
    return ranges(first[which], counts), np.append(0, np.cumsum(counts))
