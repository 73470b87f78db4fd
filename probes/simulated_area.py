"""Where a simulated campaign measures: discs, made from boundaries or from centres and sizes."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import geopandas


@dataclass(frozen=True, slots=True)
class SimulatedArea:
    """A disc to measure in; `density` from 0 (empty) to 1 (a dense city) sets its network."""

    code: str
    lon: float
    lat: float
    radius_m: float
    density: float


def areas_from_frame(frame: "geopandas.GeoDataFrame") -> list[SimulatedArea]:
    """
    Give an area for each boundary: a disc of its size around a point inside it.

    `frame` has ``code`` and ``geometry`` in EPSG:4326, and perhaps ``area_km2``; where that is
    missing, the shape's own area counts. Small areas are taken to be dense.
    """
    points = frame.geometry.representative_point()
    own_km2 = frame.geometry.to_crs(frame.estimate_utm_crs()).area / 1e6
    known_km2 = frame["area_km2"].fillna(own_km2) if "area_km2" in frame.columns else own_km2
    return [
        area_around(str(code), float(lon), float(lat), max(float(km2), 0.01))
        for code, lon, lat, km2 in zip(frame["code"], points.x, points.y, known_km2, strict=True)
    ]


def area_around(code: str, lon: float, lat: float, area_km2: float) -> SimulatedArea:
    """Give the area of a centre and a size; 1 km² is as dense as can be, 1,000 km² empty."""
    return SimulatedArea(
        code=code,
        lon=lon,
        lat=lat,
        radius_m=math.sqrt(area_km2 / math.pi) * 1000,
        density=min(1.0, max(0.0, 1 - math.log10(area_km2) / 3)),
    )
