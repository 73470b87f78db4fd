"""The areas that are judged: drawn boundaries of one level, or the cells of an H3 resolution."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import h3
import numpy as np
import numpy.typing as npt

from ..data.errors import ConfigError
from .hexagons import cell_names, cells_of
from .join import OUTSIDE, AreaIndex, index_areas
from .sectors import Sectors, areas_km2, sectors_of

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.object_]
Flags = npt.NDArray[np.bool_]

_M_PER_DEGREE = 111_195.0


@dataclass(frozen=True, slots=True)
class Astray:
    """How many areas of a finer level name none around them, of how many, and the first code."""

    level: str
    areas: int
    of: int
    first: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Areas:
    """
    What samples are joined to.

    `label` is the level (``commune``) or the H3 resolution (``h3:8``). `frame` has the columns
    ``code, name, parent_name, geometry`` and is None for H3, whose cells need no drawing. The
    other fields name the set of boundaries, for the result. `within` is a finer level and the
    code around each of its codes, where the levels nest; `astray` says where they do not.
    """

    label: str
    frame: gpd.GeoDataFrame | None = None
    resolution: int | None = None
    set_id: str | None = None
    set_name: str | None = None
    vintage: str | None = None
    approximate: bool = False
    index: AreaIndex | None = field(default=None, repr=False, compare=False)
    within: tuple[str, Mapping[str, str]] | None = field(default=None, repr=False, compare=False)
    astray: Astray | None = field(default=None, repr=False, compare=False)

    def indexed(self, kept: Path | None = None) -> "Areas":
        """Give the same, ready to be joined to; `kept` is where the index is or will be kept."""
        if self.frame is None or self.index is not None:
            return self
        key = f"{self.set_id} {self.label} {len(self.frame)}"
        return replace(self, index=index_areas(self.frame, kept=kept, key=key))

    def locate(self, lon: Floats, lat: Floats) -> Codes:
        """Give each point the code of its area, None where it lies in none."""
        codes = np.full(len(lon), None, dtype=object)
        found, inside = self._found(lon, lat)
        if self.frame is not None:
            codes[inside] = self.frame["code"].to_numpy(dtype=object)[found[inside]]
            return codes
        unique, which = np.unique(found[inside], return_inverse=True)
        codes[inside] = np.array(cell_names(unique.tolist()), dtype=object)[which]
        return codes

    def _found(self, lon: Floats, lat: Floats) -> tuple[npt.NDArray[Any], Flags]:
        """Give each point its area's row in the frame, or its cell, and whether it has one."""
        if self.frame is not None:
            rows = (self.index or index_areas(self.frame)).locate(lon, lat)
            return rows, rows != OUTSIDE
        cells = cells_of(lon, lat, self.resolution or 0)
        return cells, cells != 0

    def uncertain(self, lon: Floats, lat: Floats, accuracy_m: Floats) -> Flags:
        """
        Whether a point's stated error reaches over the border of its area.

        Asked at eight points of the circle of that radius: an area that enters the circle only
        between two of them is not noticed. A point that states no error is taken at its word.
        """
        crosses = np.zeros(len(lon), dtype=np.bool_)
        stated = np.flatnonzero((accuracy_m > 0) & ~np.isnan(lon))
        if not len(stated):
            return crosses
        x, y = lon[stated], lat[stated]
        here, _ = self._found(x, y)
        north = accuracy_m[stated] / _M_PER_DEGREE
        east = north / np.maximum(np.cos(np.radians(y)), 1e-6)
        for turn in np.arange(8) * np.pi / 4:
            there, _ = self._found(
                x + np.cos(turn) * east, np.clip(y + np.sin(turn) * north, -90, 90)
            )
            crosses[stated] |= there != here
        return crosses

    def nested_in(self, finer: Sequence["Areas"]) -> "Areas":
        """
        Give the same, found by the codes of a finer level of its set where all of them nest.

        One village that names no commune of the set is enough to find every commune by its shape:
        samples of that village would else be outside at one level and inside at the other.
        """
        astray = None
        for level in finer:
            if self.frame is None or level.frame is None or level.set_id != self.set_id:
                continue
            named = level.frame["parent_code"].isin(set(self.frame["code"])).to_numpy()
            if named.all():
                around = dict(zip(level.frame["code"], level.frame["parent_code"], strict=True))
                return replace(self, within=(level.label, around))
            lost = sorted(level.frame["code"][~named])
            astray = astray or Astray(level.label, len(lost), len(named), lost[0])
        return replace(self, astray=astray)

    def found_by(self) -> dict[str, object]:
        """Say how samples are given to the areas, for a result's inputs."""
        if self.frame is None:
            return {"found_by": "cells"}
        if self.within is not None:
            return {"found_by": "codes", "nested_level": self.within[0]}
        told: dict[str, object] = {"found_by": "shapes"}
        return told if self.astray is None else told | {"not_nested": asdict(self.astray)}

    def codes_around(self, codes: Codes) -> Codes:
        """Give the code of the area around each code of the level that this one is made of."""
        around = self.within[1] if self.within else {}
        return np.array([around.get(code) for code in codes] + [None], dtype=object)[:-1]

    def sectors(self, seen: Iterable[str], place_resolution: int) -> dict[str, Sectors]:
        """Give how every area seen is cut into sectors."""
        if self.frame is None:
            return {
                code: sectors_of(float(h3.cell_area(code, unit="km^2")), place_resolution)
                for code in seen
            }
        rows = self.frame[self.frame["code"].isin(set(seen))]
        sizes = zip(rows["code"], areas_km2(rows).tolist(), strict=True)
        return {code: sectors_of(size, place_resolution) for code, size in sizes}

    def names(self, seen: Iterable[str]) -> dict[str, tuple[str, str | None]]:
        """Give (name, parent's name) of every area by code; of the cells seen, for H3."""
        if self.frame is None:
            return {code: (code, None) for code in sorted(seen)}
        parents = [None if parent != parent else parent for parent in self.frame["parent_name"]]
        return {
            code: (name, parent)
            for code, name, parent in zip(
                self.frame["code"], self.frame["name"], parents, strict=True
            )
        }


def hexagon_areas(name: str) -> Areas:
    """
    Give the cells of an H3 resolution as areas, from a name such as ``h3:8``.

    Raises
    ------
    ConfigError
        If it is not h3:0 to h3:9.
    """
    digit = name.removeprefix("h3:")
    if len(digit) != 1 or digit not in "0123456789":
        raise ConfigError("{name} is not a resolution of H3; say h3:0 to h3:9", name=name)
    return Areas(label=name, resolution=int(digit))
