"""
A folder of raster tiles, ``zoom/column/row.png``, as gdal2tiles and many others write it.

Rows count from the north (XYZ) or from the south (TMS). gdal2tiles writes ``tilemapresource.xml``
beside tiles of the second kind only; a person can say it too.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...data.errors import MapError
from .tiles import MAX_TILE_BYTES

ROWS = ("xyz", "tms")
DESCRIPTION = "tilemapresource.xml"
MAX_ZOOM = 24
_MAX_DESCRIPTION_BYTES = 1_000_000
_TILE = re.compile(r"(\d{1,8})\.(png|jpe?g|webp)", re.IGNORECASE)
_SYSTEM = re.compile(r"<SRS>\s*([^<]{0,40}?)\s*</SRS>", re.IGNORECASE)
_MERCATOR = {"EPSG:3857", "EPSG:900913", "EPSG:3785", "OSGEO:41001"}


class FolderTiles:
    """Tiles in a folder; `rows` says how they count, and is found out where it is None."""

    tile_px = 256

    def __init__(
        self, path: Path, *, rows: str | None = None, attribution: str | None = None
    ) -> None:
        self.path = path
        self.attribution = attribution
        try:
            self._from_south = _from_south(path) if rows is None else rows == "tms"
            names = [each.name for each in path.iterdir() if re.fullmatch(r"\d{1,2}", each.name)]
        except OSError as error:
            raise _unreadable(path, error) from error
        self._zooms = sorted({int(name) for name in names if int(name) <= MAX_ZOOM})
        if not self._zooms:
            raise MapError(
                "{folder} holds no tiles: they would be files such as 7/101/56.png in it",
                folder=path,
            )

    @property
    def zooms(self) -> Sequence[int]:
        """Give the zooms that have a folder."""
        return self._zooms

    def at(self, zoom: int, columns: range, rows: range) -> Iterator[tuple[int, int, bytes]]:
        """Give column, row from the north and content of the tiles that are there."""
        last = (1 << zoom) - 1
        for x in columns:
            column = self.path / str(zoom) / str(x)
            try:
                found = {
                    int(match[1]): entry
                    for entry in os.scandir(column)
                    if (match := _TILE.fullmatch(entry.name)) and entry.is_file()
                }
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise _unreadable(column, error) from error
            for y in rows:
                entry = found.get(last - y if self._from_south else y)
                if entry is not None:
                    yield x, y, _content(Path(entry.path))


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_TILE_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error) from error


def _from_south(folder: Path) -> bool:
    """Tell whether a folder says that its rows count from the south."""
    path = folder / DESCRIPTION
    if not path.is_file():
        return False
    with path.open("rb") as file:
        text = file.read(_MAX_DESCRIPTION_BYTES).decode("utf-8", errors="replace")
    system = _SYSTEM.search(text)
    if system and system[1].upper() not in _MERCATOR:
        raise MapError(
            "{file} says that its tiles are in {system}; a map needs Web Mercator (EPSG:3857):"
            " make them with gdal2tiles --profile mercator",
            file=path,
            system=system[1],
        )
    return True


def _unreadable(path: Path, error: OSError) -> MapError:
    return MapError(
        "cannot read the basemap {path}: {error}", path=path, error=error.strerror or error
    )
