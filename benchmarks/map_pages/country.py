"""A seeded country of villages, and results over it that compress worse than real ones."""

import itertools
import math
import random
from datetime import UTC, datetime
from typing import Any

import geopandas
import numpy as np
import shapely

from phusong.coverage.interval import wilson
from phusong.coverage.summary import AreaSummary, Result
from phusong.maps.columns import DrawnResult

SEED = 5
OPERATORS = ("A", "B", "C", "D")
RULES = ("4g", "5g")
QUARTERS = 8
MEASURED = 2 / 3
FIELDS = ("code", "name", "verdict", "share", "share_low", "share_high", "samples", "trials")
FIELDS += ("successes", "places", "occasions", "further_places")


def villages(count: int) -> Any:
    """Give touching cells around the seeded points of a country 5 degrees wide and 12 high."""
    dice = np.random.default_rng(SEED)
    height = math.sqrt(count / 90_000)
    size = np.array([5.0, 12.0]) * height
    points = dice.random((count, 2)) * size
    mirrored = [points]
    for axis in (0, 1):
        for at in (0.0, size[axis]):
            other = points.copy()
            other[:, axis] = 2 * at - other[:, axis]
            near = np.abs(other[:, axis] - at) < size[axis] / 5
            mirrored.append(other[near])
    # A cell's neighbours across the frame are its mirror images, so cells end at the frame.
    every = shapely.multipoints(np.concatenate(mirrored))
    diagram = shapely.get_parts(shapely.voronoi_polygons(every, ordered=True))[:count]
    crooked: dict[Any, Any] = {}
    shapes = []
    for cell in diagram:
        corners = [tuple(corner) for corner in shapely.get_coordinates(cell).round(9)]
        ring = []
        for one, other in itertools.pairwise(corners):
            key = (min(one, other), max(one, other))
            if key not in crooked:
                crooked[key] = crook(*key, dice)
            line = crooked[key] if one < other else crooked[key][::-1]
            ring.append(line[:-1])
        shapes.append(shapely.Polygon(np.concatenate(ring)))
    cells = np.floor(points / size * np.array([5.0, 12.0]) * height * 12.9).astype(int)
    parents = [f"Commune {x}-{y}" for x, y in cells]
    codes = [f"{number:07}" for number in range(count)]
    return geopandas.GeoDataFrame(
        {"code": codes, "name": [f"Thôn {code}" for code in codes], "parent_name": parents},
        geometry=shapely.transform(np.array(shapes), lambda xy: xy + np.array([104.0, 9.0])),
        crs="EPSG:4326",
    )


def crook(one: Any, other: Any, dice: Any) -> Any:
    """Bend a border by moving the middle of each piece aside, four times."""
    line = np.array([one, other])
    for _ in range(4):
        middle = (line[1:] + line[:-1]) / 2
        across = (line[1:] - line[:-1])[:, ::-1] * (1, -1)
        middle += across * dice.uniform(-0.15, 0.15, (len(middle), 1))
        joined = np.empty((2 * len(line) - 1, 2))
        joined[::2], joined[1::2] = line, middle
        line = joined
    return line


def results(frame: Any, area: str = "village") -> list[Any]:
    """Give one result a rule and quarter; their rows repeat from one quarter to the next."""
    random.seed(SEED)
    drawn = []
    for rule in RULES:
        rows = []
        for code, name in zip(frame["code"], frame["name"], strict=True):
            own = [summary(code, name, each) for each in OPERATORS if random.random() < MEASURED]
            rows += own
            best = max(own, key=lambda area: area.share_low, default=None)
            rows.append(
                AreaSummary(code=code, name=name, verdict="no_data", further_places=73)
                if best is None
                else AreaSummary(
                    **{field: getattr(best, field) for field in FIELDS},
                    operator="any",
                    best_operator=best.operator,
                )
            )
        judged = tuple(rows)
        for quarter in range(QUARTERS):
            start, end = (
                datetime(2025 + at // 4, at % 4 * 3 + 1, 1, tzinfo=UTC)
                for at in (quarter, quarter + 1)
            )
            result = Result(
                rule=rule,
                rule_title_en=rule,
                rule_title_vi=rule,
                required_share=0.95,
                confidence=0.95,
                area=area,
                boundary_id="seeded",
                boundary_name="Seeded villages",
                period_start=start,
                period_end=end,
                software="benchmark",
                computed_at=end,
                areas=judged,
            )
            drawn.append(DrawnResult(result=result, geometry=frame))
    return drawn


def summary(code: str, name: str, operator: str) -> Any:

    places = min(250, 1 + int(random.expovariate(1 / 60)))
    good = min(places, round(places * random.betavariate(8, 1)))
    share = good / places
    # Neighbouring places are alike, so they are worth fewer than there are, as in real results.
    worth = places if share in (0.0, 1.0) else max(1.0, places * random.uniform(0.5, 1))
    low, high = wilson(share, worth, 0.95)
    return AreaSummary(
        code=code,
        name=name,
        operator=operator,
        verdict="covered" if low >= 0.95 else "not_covered" if high < 0.95 else "unproven",
        share=share,
        share_low=low,
        share_high=high,
        places=places,
        samples=places * 2,
        trials=places * 2,
        successes=good * 2,
        occasions=places,
        further_places=max(0, 73 - places),
    )


def levels(frame: Any) -> tuple[Any, Any]:
    """Join villages to communes and communes to provinces, about a hundred and thirty each."""

    def joined(inner: Any, named: Any) -> Any:
        parts: dict[str, list[Any]] = {}
        for parent, shape in zip(inner["parent_name"], inner.geometry, strict=True):
            parts.setdefault(parent, []).append(shape)
        return geopandas.GeoDataFrame(
            {
                "code": list(parts),
                "name": list(parts),
                "parent_code": list(map(named, parts)),
                "parent_name": list(map(named, parts)),
            },
            geometry=[
                shapely.union_all(shapely.make_valid(shapes), grid_size=1e-6)
                for shapes in parts.values()
            ],
            crs="EPSG:4326",
        )

    def province(commune: str) -> str:
        x, y = map(int, commune.split()[1].split("-"))
        return f"Province {x // 12}-{y // 12}"

    communes = joined(frame, province)
    return joined(communes, lambda name: None), communes
