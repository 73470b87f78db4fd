"""
A plan of visits: which villages still need places, where they are, and how many.

The file is GeoJSON (docs/field.md): a FeatureCollection with ``"phusong_plan": 1``, made by
``phusong coverage plan`` or by hand. A feature's geometry says what lies inside the village; of a
Point, what lies within `radius_m`. Counting places here is about what judging will count: points
130 m apart, without the library of H3, which a field device does not have.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...data.errors import ConfigError
from ..interface import one_line
from .ground import Places, Point, bearing_deg, distance_m, is_inside, wind

FORMAT = 1
MAX_FILE_BYTES = 64_000_000
_DEFAULT_RADIUS_M = 1_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Village:
    """One area of a plan; `needed` places were missing when the plan was made."""

    code: str
    name: str
    point: Point
    needed: int
    rings: tuple[tuple[Point, ...], ...] = ()
    radius_m: float = _DEFAULT_RADIUS_M

    def contains(self, point: Point) -> bool:
        """Tell whether a point lies in the village."""
        if self.rings:
            return is_inside(point, self.rings)
        return distance_m(self.point, point) <= self.radius_m


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitPlan:
    """What to measure where; `every_s` and `every_m` are the plan's own pace, if it has one."""

    villages: tuple[Village, ...]
    title: str = ""
    every_s: float | None = None
    every_m: float | None = None
    made_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A village that still needs places, as seen from here; no distance without a position."""

    village: Village
    needed: int
    distance_m: float | None = None
    bearing_deg: float | None = None

    @property
    def direction(self) -> str | None:
        """Give the direction as one of eight winds; None where one stands in the village."""
        return None if self.bearing_deg is None else wind(self.bearing_deg)

    def shown(self) -> dict[str, Any]:
        """Give what a machine wants to know of it."""
        lon, lat = self.village.point
        return {
            "code": self.village.code,
            "name": self.village.name,
            "lon": lon,
            "lat": lat,
            "needed": self.needed,
            "distance_m": None if self.distance_m is None else round(self.distance_m),
            "bearing_deg": None if self.bearing_deg is None else round(self.bearing_deg),
        }


@dataclass(slots=True)
class Progress:
    """How far a plan has come: the places measured in each village since it was made."""

    plan: VisitPlan
    _done: dict[str, int] = field(default_factory=dict)
    _places: Places = field(default_factory=Places)

    def visited(self, point: Point, at_us: int) -> None:
        """Count an attempt. What the planner knew already makes no place of it new."""
        is_new = self._places.add(point)
        made_at = self.plan.made_at
        if not is_new or (made_at is not None and at_us < made_at.timestamp() * 1e6):
            return
        for village in self.plan.villages:
            if village.contains(point):
                self._done[village.code] = self._done.get(village.code, 0) + 1

    def catch_up(self, points: Iterable[tuple[float, float, int]]) -> None:
        """Count what was measured before this run."""
        for lon, lat, at_us in points:
            self.visited((lon, lat), at_us)

    def needed(self, village: Village) -> int:
        """Give how many places a village still needs."""
        return max(0, village.needed - self._done.get(village.code, 0))

    def legs(self, here: Point | None) -> list[Leg]:
        """Give the villages that still need places, the nearest first; those without in order."""
        legs = []
        for village in self.plan.villages:
            needed = self.needed(village)
            if not needed:
                continue
            if here is None:
                legs.append(Leg(village=village, needed=needed))
            elif village.contains(here):
                legs.append(Leg(village=village, needed=needed, distance_m=0.0))
            else:
                legs.append(
                    Leg(
                        village=village,
                        needed=needed,
                        distance_m=distance_m(here, village.point),
                        bearing_deg=bearing_deg(here, village.point),
                    )
                )
        return sorted(legs, key=lambda leg: leg.distance_m or 0.0)


def read_plan(path: Path) -> VisitPlan:
    """
    Read a plan.

    Raises
    ------
    ConfigError
        Naming the file and the feature that is not as it should be.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            "the plan {file} cannot be read: {error}", file=path, error=error.strerror
        ) from None
    try:
        content: Any = json.loads(data) if len(data) <= MAX_FILE_BYTES else None
        features = content["features"]
        is_plan = content["phusong_plan"] == FORMAT and isinstance(features, list)
    except (ValueError, KeyError, TypeError, RecursionError):
        is_plan = False
    if not is_plan:
        raise ConfigError(
            "{file} is no plan of visits; make one with: phusong coverage plan", file=path
        )
    villages = []
    for number, feature in enumerate(features, start=1):
        try:
            villages.append(_village(feature))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            raise ConfigError(
                "{file}: feature {number} is no village of a plan: it needs a code, a name, needed"
                " and a Point or a polygon in degrees",
                file=path,
                number=number,
            ) from None
    return VisitPlan(
        villages=tuple(villages),
        title=one_line(str(content.get("title") or "")),
        every_s=_pace(path, content, "every_s"),
        every_m=_pace(path, content, "every_m"),
        made_at=_made_at(content.get("made_at")),
    )


def _village(feature: Any) -> Village:
    said, shape = feature["properties"], feature["geometry"]
    needed = said["needed"]
    if isinstance(needed, bool) or not isinstance(needed, int) or needed < 0:
        raise ValueError
    kind, coordinates = shape["type"], shape["coordinates"]
    if kind == "Point":
        rings: tuple[tuple[Point, ...], ...] = ()
        point = _point(coordinates)
    else:
        polygons = {"Polygon": [coordinates], "MultiPolygon": coordinates}[kind]
        rings = tuple(tuple(map(_point, ring)) for polygon in polygons for ring in polygon)
        point = _point((said["lon"], said["lat"])) if "lon" in said else _middle(rings[0])
    radius_m = float(said.get("radius_m", _DEFAULT_RADIUS_M))
    if not 0 < radius_m < 1e6:
        raise ValueError
    return Village(
        code=one_line(str(said["code"])),
        name=one_line(str(said["name"])),
        point=point,
        needed=needed,
        rings=rings,
        radius_m=radius_m,
    )


def _point(pair: Sequence[Any]) -> Point:
    lon, lat = float(pair[0]), float(pair[1])
    if not (math.isfinite(lon) and abs(lon) <= 180 and abs(lat) <= 90):
        raise ValueError
    return lon, lat


def _middle(ring: Sequence[Point]) -> Point:
    lons, lats = zip(*ring, strict=True)
    return (min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2


def _pace(path: Path, content: Any, name: str) -> float | None:
    value = content.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 1e6:
        raise ConfigError("{file}: {name} is no number from 1 to 1000000", file=path, name=name)
    return float(value)


def _made_at(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
