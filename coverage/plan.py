"""
A plan of visits from a result: which areas are not settled yet, and how many places each needs.

The file is GeoJSON for `phusong probe plan` and `phusong probe drive --plan` (docs/field.md), and
for any map program. `needed` is the fewest further places that would prove coverage if all of
them pass; `needed_at_share` if the present share holds, null where no number would.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from ..data.errors import ConfigError
from .summary import ANY_OPERATOR, AreaSummary, Result, Verdict

FORMAT = 1
# A border is simplified to this: who measures stands well inside.
_SIMPLIFIED_DEG = 0.0005
_DECIMALS = 5
_OPEN = (Verdict.UNPROVEN, Verdict.NO_DATA)


def plan_visits(
    result: Result,
    shapes: gpd.GeoDataFrame,
    *,
    made_at: datetime,
    operator: str = ANY_OPERATOR,
    every_s: float | None = None,
    every_m: float | None = None,
    limit: int | None = None,
) -> dict[str, Any]:
    """
    Give the plan as GeoJSON, the areas that need fewest places first.

    Parameters
    ----------
    shapes
        Columns ``code, geometry`` in EPSG:4326; an area without a shape is left out.
    limit
        At most so many areas.

    Raises
    ------
    ConfigError
        If nothing is left to settle.
    """
    geometry: Mapping[str, shapely.Geometry] = dict(
        zip(shapes["code"], shapes.geometry, strict=True)
    )
    open_areas = [
        area
        for area in result.areas
        if area.operator == operator
        and area.verdict in _OPEN
        and area.further_places
        and area.code in geometry
    ]
    if not open_areas:
        raise ConfigError(
            "result has no area of operator {operator} that further places would settle",
            operator=operator,
        )
    open_areas.sort(key=lambda area: (area.further_places or 0, area.code))
    return {
        "type": "FeatureCollection",
        "phusong_plan": FORMAT,
        "title": f"{result.rule}, {result.area}, {operator}",
        "made_at": made_at.isoformat(),
        "every_s": every_s,
        "every_m": every_m,
        "features": [_feature(area, geometry[area.code]) for area in open_areas[:limit]],
    }


def _feature(area: AreaSummary, shape: shapely.Geometry) -> dict[str, Any]:
    inside = shapely.point_on_surface(shape)
    drawn = shapely.simplify(shape, _SIMPLIFIED_DEG)
    kept = shape if shapely.is_empty(drawn) else drawn
    rounded = shapely.transform(kept, lambda points: np.round(points, _DECIMALS))
    return {
        "type": "Feature",
        "properties": {
            "code": area.code,
            "name": area.name or area.code,
            "parent_name": area.parent_name,
            "verdict": area.verdict.value,
            "places": area.places,
            "needed": area.further_places,
            "needed_at_share": area.further_places_at_share,
            "lon": round(float(shapely.get_x(inside)), _DECIMALS),
            "lat": round(float(shapely.get_y(inside)), _DECIMALS),
        },
        "geometry": json.loads(shapely.to_geojson(rounded)),
    }
