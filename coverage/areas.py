"""The areas that are judged: drawn boundaries of one level, or the cells of an H3 resolution."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import h3
import numpy as np
import numpy.typing as npt
import pandas as pd

from ..data.errors import ConfigError
from .hexagons import cell_names, cells_of
from .join import OUTSIDE, AreaIndex, index_areas, kept_index
from .sectors import Sectors, sectors_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
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
    ``code, name, parent_code, parent_name``, and ``geometry`` as long as there is no `index`; it is
    None for H3, whose cells need no drawing. The
    other fields name the set of boundaries, for the result. `within` is a finer level and the row
    around each of its rows, where the levels nest by code; `astray` says where they do not. `kept`
    is the file that the index was taken from, if any.
    """

    label: str
    frame: pd.DataFrame | None = None
    resolution: int | None = None
    set_id: str | None = None
    set_name: str | None = None
    vintage: str | None = None
    approximate: bool = False
    index: AreaIndex | None = field(default=None, repr=False, compare=False)
    kept: Path | None = field(default=None, repr=False, compare=False)
    within: tuple[str, Ints] | None = field(default=None, repr=False, compare=False)
    astray: Astray | None = field(default=None, repr=False, compare=False)

    def indexed(self, kept: Path | None = None) -> "Areas":
        """Give the same, ready to be joined to; `kept` is where the index is or will be kept."""
        if self.frame is None or self.index is not None:
            return self
        index = index_areas(self.frame, kept=kept, key=self._key(self.frame))
        return replace(self, frame=self.frame.drop(columns="geometry"), index=index)

    def with_kept_index(self, kept: Path) -> "Areas | None":
        """Give areas without shapes ready to be joined to; None where their index is not kept."""
        if self.frame is None:
            return self
        index = kept_index(self.frame["code"], kept, self._key(self.frame))
        return None if index is None else replace(self, index=index, kept=kept)

    def without_kept_index(self) -> "Areas":
        """Give the same for another process of this machine, which takes the index by itself."""
        return self if self.kept is None else replace(self, index=None)

    def again_with_index(self) -> "Areas":
        """
        Undo `without_kept_index`.

        Raises
        ------
        ConfigError
            If the index is not where it was.
        """
        if self.kept is None or self.index is not None:
            return self
        found = self.with_kept_index(self.kept)
        if found is None:
            raise ConfigError(
                "{file}: the index of {level} was removed or replaced while it was in use; nothing"
                " was kept; do the same again",
                file=self.kept,
                level=self.label,
            )
        return found

    def _key(self, frame: pd.DataFrame) -> str:
        return f"{self.set_id} {self.label} {len(frame)}"

    def locate(self, lon: Floats, lat: Floats) -> Ints:
        """Give each point its area: the row in the frame, or the H3 cell; `OUTSIDE` in none."""
        if self.frame is not None:
            return self._indexed().locate(lon, lat)
        cells = cells_of(lon, lat, self.resolution or 0).astype(np.int64)
        return np.where(cells == 0, OUTSIDE, cells)

    def _indexed(self) -> AreaIndex:
        if self.index is None:
            raise RuntimeError(f"{self.label} is not ready to be joined to")
        return self.index

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
        here = self.locate(x, y)
        north = accuracy_m[stated] / _M_PER_DEGREE
        east = north / np.maximum(np.cos(np.radians(y)), 1e-6)
        for turn in np.arange(8) * np.pi / 4:
            there = self.locate(x + np.cos(turn) * east, np.clip(y + np.sin(turn) * north, -90, 90))
            crosses[stated] |= there != here
        return crosses

    def nested_in(self, others: Sequence["Areas"]) -> "Areas":
        """
        Give the same, found by the codes of a finer level of its set where all of them nest.

        One village that names no commune of the set is enough to find every commune by its shape:
        samples of that village would else be outside at one level and inside at the other. Of
        levels that do not nest, one with more areas is taken for a finer one, and told of.
        """
        astray = None
        for level in others:
            if self.frame is None or level.frame is None or level.set_id != self.set_id:
                continue
            around = _rows_around(level.frame, self.frame)
            lost = np.flatnonzero(around == OUTSIDE)
            if not len(lost):
                return replace(self, within=(level.label, np.append(around, OUTSIDE)))
            is_coarser = not (_rows_around(self.frame, level.frame) == OUTSIDE).any()
            if len(around) >= len(self.frame) and not is_coarser:
                first = min(level.frame["code"].iloc[lost])
                astray = astray or Astray(level.label, len(lost), len(around), first)
        return replace(self, astray=astray)

    def found_by(self) -> dict[str, object]:
        """Say how samples are given to the areas, for a result's inputs."""
        if self.frame is None:
            return {"found_by": "cells"}
        if self.within is not None:
            return {"found_by": "codes", "nested_level": self.within[0]}
        told: dict[str, object] = {"found_by": "shapes"}
        return told if self.astray is None else told | {"not_nested": asdict(self.astray)}

    def extent(self) -> tuple[float, float, float, float]:
        """Give the least longitude and latitude of any border, and the greatest."""
        vertices = self._indexed().cells.outlines.vertices
        x, y = vertices.real, vertices.imag
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())

    def around(self, finer: Ints) -> Ints:
        """Give the area around each area of the level that this one is made of."""
        if self.within is None:
            raise RuntimeError(f"{self.label} is not made of another level")
        # Outside is -1: the last entry.
        return np.asarray(self.within[1][finer])

    def sectors(self, areas: Ints, place_resolution: int) -> Sectors:
        """Give how each of some areas is cut into sectors."""
        if self.frame is not None:
            return sectors_of(self._indexed().km2, place_resolution)[areas]
        cells = cell_names(areas.tolist())
        return sectors_of([h3.cell_area(cell, unit="km^2") for cell in cells], place_resolution)

    def named(self, seen: Ints) -> tuple[Ints, list[tuple[str, str, str | None]]]:
        """
        Give every area, and its (code, name, parent's name), by code.

        Those are all of a frame's, and of H3's the cells seen.
        """
        if self.frame is None:
            cells = np.unique(seen)
            return cells, [(code, code, None) for code in cell_names(cells.tolist())]
        columns = [self.frame[name].tolist() for name in ("code", "name", "parent_name")]
        order = np.argsort(np.array(columns[0], dtype=str), kind="stable")
        every = [
            (code, name, None if parent != parent else parent)
            for code, name, parent in zip(*columns, strict=True)
        ]
        return order, [every[row] for row in order.tolist()]


def nest(areas: Sequence[Areas]) -> list[tuple[int, Areas]]:
    """
    Give levels ready to be joined to, each after the one whose codes it is found by.

    With each stands its number among those given: what comes of them must not depend on the order
    in which they were asked for.
    """
    ready = [each.indexed() for each in areas]
    waiting = [
        (number, each.nested_in([*ready[:number], *ready[number + 1 :]]))
        for number, each in enumerate(ready)
    ]
    done: list[tuple[int, Areas]] = []
    while waiting:
        labels = {None, *(each.label for _, each in done)}
        free = [n for n, (_, each) in enumerate(waiting) if (each.within or [None])[0] in labels]
        number, each = waiting.pop(free[0] if free else 0)
        # Where none is free, levels name each other's codes: the first goes by its shapes.
        done.append((number, each if free else replace(each, within=None)))
    return done


def _rows_around(finer: pd.DataFrame, coarser: pd.DataFrame) -> Ints:
    """Give for each finer area the row of the coarser one that it names, `OUTSIDE` for none."""
    row_of = {code: row for row, code in enumerate(coarser["code"].tolist())}
    return np.array([row_of.get(code, OUTSIDE) for code in finer["parent_code"].tolist()])


def frame_of_names(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    """Give (code, name, parent's code, parent's name) of kept boundaries as a frame, in order."""
    columns = ("code", "name", "parent_code", "parent_name")
    held = zip(*rows, strict=True) if rows else [()] * len(columns)
    return pd.DataFrame(dict(zip(columns, map(list, held), strict=True)))


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
