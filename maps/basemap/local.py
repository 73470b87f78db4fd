"""A basemap on this machine: a folder of tiles, or a PMTiles file."""

from pathlib import Path

from ...data.errors import MapError
from .archive import ArchiveTiles
from .folder import FolderTiles


def open_local(
    path: Path, *, rows: str | None = None, attribution: str | None = None
) -> FolderTiles | ArchiveTiles:
    """
    Open a folder of tiles or a PMTiles file.

    `rows` says how the rows of a folder count; an attribution replaces the file's own.

    Raises
    ------
    MapError
        If it is neither, or cannot be read.
    """
    if path.is_dir():
        return FolderTiles(path, rows=rows, attribution=attribution)
    if not path.exists():
        raise MapError("the basemap {path} is not there", path=path)
    if not path.is_file():
        raise MapError("{path} is neither a folder of tiles nor a PMTiles file", path=path)
    return ArchiveTiles(path, attribution=attribution)
