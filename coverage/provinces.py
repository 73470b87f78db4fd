"""
Which province an administrative unit lies in, by its code and never by its name.

Codes are those of the boundaries: a province's own, or a commune's below it. A spreadsheet takes
the zeros off a code's front (``1`` for ``01``, ``4`` for ``00004``); they are put back by length.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

SIMPLIFIED_DEG = 0.01
SLIT_DEG = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Provinces:
    """Provinces ready to count and to draw; `approximate` says that their shapes are guesses."""

    names: Mapping[str, str]
    province_of: Mapping[str, str]
    frame: "GeoDataFrame"
    approximate: bool

    @classmethod
    def make(
        cls, provinces: "GeoDataFrame", communes: "GeoDataFrame | None", *, approximate: bool
    ) -> Self:
        """Take a level of provinces (code, name, geometry) and the communes (code, parent_code)."""
        names = dict(zip(map(str, provinces["code"]), map(str, provinces["name"]), strict=True))
        found = {code: code for code in names}
        if communes is not None:
            rows = zip(communes["code"], communes["parent_code"], strict=True)
            found |= {str(code): str(parent) for code, parent in rows if parent in names}
        return cls(names=names, province_of=found, frame=provinces, approximate=approximate)

    @classmethod
    def vietnam(cls) -> Self:
        """Give Vietnam's 34 provinces of approximate cells."""
        from .approximate import vietnam_communes, vietnam_provinces

        communes = vietnam_communes()
        return cls.make(vietnam_provinces(communes), communes, approximate=True)

    def code_of(self, unit: str) -> str | None:
        """Give the code of the province that a unit is or lies in; None where it is unknown."""
        for code in (unit, unit.zfill(2), unit.zfill(5)):
            if code in self.province_of:
                return self.province_of[code]
        return None

    def name_of(self, unit: str) -> str | None:
        """Give the name of the province that a unit is or lies in; an unknown unit is itself."""
        code = self.code_of(unit)
        return self.names[code] if code is not None else unit or None

    def drawn(self) -> "GeoDataFrame":
        """Give code, name and an outline good enough for a page."""
        import geopandas as gpd
        import shapely

        shapes = self.frame.geometry.to_numpy()
        if self.approximate:
            # Cells around centres leave slits between them, which are nothing to be seen.
            shapes = shapely.buffer(shapely.buffer(shapes, SLIT_DEG), -SLIT_DEG)
        outlines = (
            shapely.coverage_simplify(shapes, SIMPLIFIED_DEG)
            if shapely.coverage_is_valid(shapes)
            else shapely.simplify(shapes, SIMPLIFIED_DEG)
        )
        codes = list(map(str, self.frame["code"]))
        return gpd.GeoDataFrame(
            {"code": codes, "name": [self.names[code] for code in codes]},
            geometry=outlines,
            crs=self.frame.crs,
        )
