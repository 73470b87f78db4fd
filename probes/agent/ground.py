"""
Distances and directions over the ground, good to a metre in a hundred over a village's size.

On a sphere: a field agent needs no geodesic library, and no plan depends on the difference.
"""

import math
from collections.abc import Sequence

EARTH_RADIUS_M = 6_371_008.8
# About the width of an H3 cell of resolution 10, which is what judging takes for one place.
PLACE_M = 130.0
# A little more than a place's width: its neighbours are in the cells around.
_CELL_DEG = 0.0012
_WINDS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")

Point = tuple[float, float]


def distance_m(a: Point, b: Point) -> float:
    """Give the great-circle distance of two points in degrees, longitude first (haversine)."""
    lon_a, lat_a, lon_b, lat_b = map(math.radians, (*a, *b))
    half = (
        math.sin((lat_b - lat_a) / 2) ** 2
        + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, half)))


def bearing_deg(a: Point, b: Point) -> float:
    """Give the direction from one point to another, clockwise from north, at the first."""
    lon_a, lat_a, lon_b, lat_b = map(math.radians, (*a, *b))
    east = math.sin(lon_b - lon_a) * math.cos(lat_b)
    north = math.cos(lat_a) * math.sin(lat_b) - math.sin(lat_a) * math.cos(lat_b) * math.cos(
        lon_b - lon_a
    )
    return math.degrees(math.atan2(east, north)) % 360


def wind(bearing: float) -> str:
    """Give a direction as one of the eight winds."""
    return _WINDS[round(bearing / 45) % 8]


class Places:
    """Points that lie `PLACE_M` or more from each one counted before: places, about."""

    def __init__(self) -> None:
        self._near: dict[tuple[int, int], list[Point]] = {}

    def add(self, point: Point) -> bool:
        """Count a point; tell whether it is a new place."""
        lon, lat = point
        row = math.floor(lat / _CELL_DEG)
        column = math.floor(lon * math.cos(math.radians(lat)) / _CELL_DEG)
        around = (
            other
            for y in (row - 1, row, row + 1)
            for x in (column - 2, column - 1, column, column + 1, column + 2)
            for other in self._near.get((x, y), ())
        )
        if any(distance_m(point, other) < PLACE_M for other in around):
            return False
        self._near.setdefault((column, row), []).append(point)
        return True


def is_inside(point: Point, rings: Sequence[Sequence[Point]]) -> bool:
    """Tell whether a point lies within rings, by the even-odd rule: holes are outside."""
    lon, lat = point
    inside = False
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, (*ring[1:], *ring[:1]), strict=True):
            if (y0 > lat) != (y1 > lat) and lon < x0 + (lat - y0) / (y1 - y0) * (x1 - x0):
                inside = not inside
    return inside
