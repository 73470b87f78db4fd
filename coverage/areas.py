"""The areas that are judged: drawn boundaries of one level, or the cells of an H3 resolution."""

from collections.abc import Iterable
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt

from ..data.errors import ConfigError
from .hexagons import cell_names, cells_of
from .join import OUTSIDE, join_points


@dataclass(frozen=True, slots=True, kw_only=True)
class Areas:
    """
    What samples are joined to.

    `label` is the level (``commune``) or the H3 resolution (``h3:8``). `frame` has the columns
    ``code, name, parent_name, geometry`` and is None for H3, whose cells need no drawing. The
    other fields name the set of boundaries, for the result.
    """

    label: str
    frame: gpd.GeoDataFrame | None = None
    resolution: int | None = None
    set_id: str | None = None
    set_name: str | None = None
    vintage: str | None = None
    approximate: bool = False

    def locate(
        self, lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.object_]:
        """Give each point the code of its area, None where it lies in none."""
        codes = np.full(len(lon), None, dtype=object)
        if self.frame is not None:
            rows = join_points(lon, lat, self.frame)
            inside = rows != OUTSIDE
            codes[inside] = self.frame["code"].to_numpy(dtype=object)[rows[inside]]
            return codes
        placed = np.flatnonzero(~np.isnan(lon))
        cells = cells_of(lon[placed], lat[placed], self.resolution or 0)
        unique, which = np.unique(cells, return_inverse=True)
        codes[placed] = np.array(cell_names(unique.tolist()), dtype=object)[which]
        return codes

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
