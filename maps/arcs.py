"""
Borders once: polygons cut into arcs that neighbours share.

A border between two areas is one arc, whichever of them it is drawn for; so it is simplified
once, and neighbours that touched still touch. Coordinates are whole steps of 1e-5 degrees before
anything is compared, because two files' worth of rounding is no difference between borders.

An arc runs from one vertex where three borders meet to the next. A ring that meets nothing (an
island, a hole with one area in it) is one closed arc. Arcs are told apart by their first and
last edge: between two such vertices there is only one way to go on.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

STEPS_PER_DEGREE = 100_000

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arcs:
    """
    Areas as rings of arcs.

    Arc ``i`` has the points ``points[starts[i]:starts[i + 1]]`` (lon, lat in whole steps).
    `refs` lists the arcs of each ring in order: ``2 * arc``, plus 1 where it runs backwards.
    `ring_refs` counts the references of each ring, `area_rings` the rings of each area; outer
    rings run counter-clockwise and holes clockwise. `owners` names the first two areas of each
    arc, -1 where there is no second.
    """

    points: Whole
    starts: Whole
    refs: Whole
    ring_refs: Whole
    area_rings: Whole
    owners: Whole

    def rings_of(self) -> list[list[Whole]]:
        """Give the rings of each area as points, each point once, without the one that closes."""
        rings = []
        for refs in np.split(self.refs, np.cumsum(self.ring_refs)[:-1]):
            runs = [
                self.points[self.starts[ref >> 1] : self.starts[(ref >> 1) + 1]] for ref in refs
            ]
            turned = [run[::-1] if ref & 1 else run for ref, run in zip(refs, runs, strict=True)]
            rings.append(np.concatenate([run[:-1] for run in turned]))
        firsts = np.cumsum([0, *self.area_rings])
        return [rings[first:last] for first, last in pairwise(firsts)]


def cut_arcs(geometry: NDArray[np.object_]) -> Arcs:
    """Cut polygons into arcs; every area keeps every ring it has."""
    xy, ring_area, first = _rings(geometry)
    ring = np.repeat(np.arange(len(first) - 1), np.diff(first))
    _, vertex = np.unique((xy[:, 0] << 32) + xy[:, 1], return_inverse=True)
    edge, junction = _edges(vertex, first, ring)
    order = _rotated(vertex, junction, first, ring)
    vertex, edge, xy, junction = vertex[order], edge[order], xy[order], junction[order]

    # A piece starts at every junction and at the start of a ring that has none.
    opens = junction.copy()
    opens[first[:-1]] = True
    start = np.flatnonzero(opens)
    end = np.append(start[1:], len(vertex))
    piece_ring = ring[start]
    following = np.where(
        end == first[piece_ring + 1], first[piece_ring], np.minimum(end, len(vertex) - 1)
    )
    arc, backwards, chosen = _same(vertex, edge, junction, start, end, following)

    lengths = end[chosen] - start[chosen] + 1
    starts = np.concatenate([[0], np.cumsum(lengths)])
    inside = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
    at = np.repeat(start[chosen], lengths) + inside
    at[starts[1:] - 1] = following[chosen]
    return Arcs(
        points=xy[at],
        starts=starts,
        refs=2 * arc + backwards,
        ring_refs=np.bincount(piece_ring, minlength=len(first) - 1),
        area_rings=np.bincount(ring_area, minlength=len(geometry)),
        owners=_owners(arc, ring_area[piece_ring], len(chosen)),
    )


def simplify_arcs(arcs: Arcs, tolerances_deg: NDArray[np.float64]) -> Arcs:
    """Simplify each arc by its own tolerance in degrees (Douglas-Peucker); ends stay."""
    which = np.repeat(np.arange(len(arcs.starts) - 1), np.diff(arcs.starts))
    lines = shapely.linestrings(arcs.points.astype(np.float64), indices=which)
    simpler = shapely.simplify(lines, tolerances_deg * STEPS_PER_DEGREE, preserve_topology=False)
    points = shapely.get_coordinates(simpler).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(shapely.get_num_coordinates(simpler))])
    return replace(arcs, points=points, starts=starts)


def snap_arcs(arcs: Arcs, grid: int) -> Arcs:
    """Move points to a coarser grid, the same way from either side; what became equal goes."""
    points = np.rint(arcs.points / grid).astype(np.int64) * grid
    same = np.append(False, np.all(points[1:] == points[:-1], axis=1))
    same[arcs.starts[:-1]] = same[arcs.starts[1:] - 1] = False
    kept = np.concatenate([[0], np.cumsum(~same)])
    return replace(arcs, points=points[~same], starts=kept[arcs.starts])


def _rings(geometry: NDArray[np.object_]) -> tuple[Whole, Whole, Whole]:
    """Give the rings' points without the closing one, each ring's area, and where rings start."""
    oriented = shapely.orient_polygons(geometry, exterior_cw=False)
    parts, part_area = shapely.get_parts(oriented, return_index=True)
    rings, ring_part = shapely.get_rings(parts, return_index=True)
    coordinates, ring = shapely.get_coordinates(rings, return_index=True)
    xy = np.rint(coordinates * STEPS_PER_DEGREE).astype(np.int64)
    # What rounding made equal goes, and so does the closing point; one point always stays.
    opens = np.append(True, ring[1:] != ring[:-1])
    keep = opens | np.append(True, np.any(xy[1:] != xy[:-1], axis=1))
    xy, ring = xy[keep], ring[keep]
    first = np.flatnonzero(np.append(True, ring[1:] != ring[:-1]))
    last = np.append(first[1:], len(xy)) - 1
    closing = last[(last > first) & np.all(xy[first] == xy[last], axis=1)]
    xy, ring = np.delete(xy, closing, axis=0), np.delete(ring, closing)
    first = np.flatnonzero(np.append(True, ring[1:] != ring[:-1]))
    return xy, part_area[ring_part], np.append(first, len(xy))


def _edges(vertex: Whole, first: Whole, ring: Whole) -> tuple[Whole, Flags]:
    """Give the edge that leaves each position, and whether borders meet at it."""
    after = np.arange(1, len(vertex) + 1)
    after[first[1:] - 1] = first[:-1]
    one, other = vertex, vertex[after]
    low, high = np.minimum(one, other), np.maximum(one, other)
    keys, edge = np.unique((low << 32) + high, return_inverse=True)
    count = int(vertex.max()) + 1
    degree = np.bincount(keys >> 32, minlength=count)
    degree += np.bincount(keys & 0xFFFFFFFF, minlength=count)
    return edge, (degree != 2)[vertex]


def _rotated(vertex: Whole, junction: Flags, first: Whole, ring: Whole) -> Whole:
    """Give an order in which every ring starts at a junction, or else at its least vertex."""
    lengths = np.diff(first)
    position = np.arange(len(vertex))
    key = np.where(junction, -1, vertex)
    least = np.minimum.reduceat(key, first[:-1])
    candidate = np.where(key == least[ring], position, len(vertex))
    begin = np.minimum.reduceat(candidate, first[:-1])
    inside = position - first[:-1][ring]
    return first[:-1][ring] + (inside + (begin - first[:-1])[ring]) % lengths[ring]


def _same(
    vertex: Whole, edge: Whole, junction: Flags, start: Whole, end: Whole, following: Whole
) -> tuple[Whole, Flags, Whole]:
    """Give each piece its arc, whether it runs against it, and each arc the piece it is."""
    leaving, arriving = edge[start], edge[end - 1]
    low, high = np.minimum(leaving, arriving), np.maximum(leaving, arriving)
    _, chosen, arc = np.unique((low << 32) + high, return_index=True, return_inverse=True)
    # One way along a border is whichever edge comes first; with one edge, its lower vertex.
    against = np.where(leaving == arriving, vertex[start] > vertex[following], leaving > arriving)
    order = np.argsort(chosen, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[arc], against != against[chosen][arc], chosen[order]


def _owners(arc: Whole, area: Whole, count: int) -> Whole:
    owners = np.full((count, 2), -1, dtype=np.int64)
    order = np.argsort(arc, kind="stable")
    arc, area = arc[order], area[order]
    begins = np.append(True, arc[1:] != arc[:-1])
    owners[arc[begins], 0] = area[begins]
    second = ~begins & np.append(False, begins[:-1])
    owners[arc[second], 1] = area[second]
    return owners
