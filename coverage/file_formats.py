"""
Which format a boundary file is, by its content, and its layers.

A name decides nothing: the first bytes do. GeoPackage is a SQLite file and is read as one, read
only and without trusting its schema; GeoParquet is read by pyarrow. GDAL sees nothing but a
Shapefile: one whose first bytes were recognised, copied with its companions, and only those,
into a folder of its own. A file in another format is never handed to it.
"""

import os
import shutil
import sqlite3
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from ..data.errors import BoundaryError
from .json_formats import read_json
from .layers import Layer

MAX_BYTES = 1 << 30
MAX_JSON_BYTES = 512 << 20
_COMPANIONS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
_SHAPEFILE = b"\x00\x00\x27\x0a"


def read_layers(path: Path) -> tuple[str, list[Layer]]:
    """
    Give a boundary file's format and layers.

    Raises
    ------
    BoundaryError
        If it cannot be read or is in none of the formats.
    """
    head = _read_head(path)
    if head.startswith(b"SQLite format 3\x00"):
        return "GeoPackage", _read_geopackage(path)
    if head.startswith(b"PAR1"):
        return "GeoParquet", [_read_geoparquet(path)]
    if head.startswith(_SHAPEFILE):
        return "Shapefile", [_read_shapefile(path)]
    if head.startswith(b"PK\x03\x04"):
        return "zipped Shapefile", _read_zip(path)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"{", b"[")) and b"\x00" not in head:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise _too_large(path, MAX_JSON_BYTES)
        return read_json(path, path.read_bytes(), path.stem)
    raise BoundaryError(
        "{file}: no known boundary format (it starts with {head}); known are GeoJSON, TopoJSON,"
        " GeoPackage, Shapefile (also zipped) and GeoParquet",
        file=path,
        head=repr(head[:16])[2:-1],
    )


def _read_head(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise BoundaryError("{file}: a folder, not a boundary file", file=path)
        if not path.is_file():
            raise BoundaryError("{file}: there is no such file", file=path)
        if path.stat().st_size > MAX_BYTES:
            raise _too_large(path, MAX_BYTES)
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise BoundaryError("{file}: cannot be read: {error}", file=path, error=error) from None
    if not head:
        raise BoundaryError("{file}: the file is empty", file=path)
    return head


def _too_large(path: Path, limit: int) -> BoundaryError:
    return BoundaryError(
        "{file}: over {limit} MB; split it, or convert it to GeoPackage or GeoParquet",
        file=path,
        limit=limit >> 20,
    )


def _read_geoparquet(path: Path) -> Layer:
    import geopandas as gpd

    try:
        frame = gpd.read_parquet(path)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise BoundaryError(
            "{file}: Parquet, but not GeoParquet: {error}", file=path, error=str(error)[:150]
        ) from None
    fields = {
        str(name): frame[name].tolist() for name in frame.columns if name != frame.geometry.name
    }
    return Layer(
        name=path.stem,
        shapes=shapely.force_2d(frame.geometry.to_numpy()),
        fields=fields,
        crs=frame.crs.to_wkt() if frame.crs is not None else None,
    )


def _read_geopackage(path: Path) -> list[Layer]:
    address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            tables = connection.execute(
                "SELECT g.table_name, g.column_name, g.srs_id FROM gpkg_geometry_columns AS g"
                " JOIN gpkg_contents AS c ON c.table_name = g.table_name"
                " JOIN sqlite_schema AS s ON s.name = g.table_name AND s.type = 'table'"
                " WHERE c.data_type = 'features' ORDER BY g.table_name"
            ).fetchall()
            return [_read_table(path, connection, *table) for table in tables]
    except sqlite3.Error as error:
        raise BoundaryError(
            "{file}: SQLite, but not a GeoPackage: {error}", file=path, error=str(error)[:150]
        ) from None


def _read_table(
    path: Path, connection: sqlite3.Connection, table: str, column: str, srs: int
) -> Layer:
    rows = connection.execute(f"SELECT * FROM {_quoted(table)}")
    names = [item[0] for item in rows.description]
    values = rows.fetchall()
    position = names.index(column)
    shapes = np.full(len(values), None, dtype=object)
    for number, row in enumerate(values):
        if row[position] is not None:
            shapes[number] = _from_geopackage(path, number + 1, row[position])
    found = connection.execute(
        "SELECT organization, organization_coordsys_id, definition FROM gpkg_spatial_ref_sys"
        " WHERE srs_id = ?",
        (srs,),
    ).fetchone()
    crs = None
    if found is not None and srs > 0:
        crs = f"EPSG:{found[1]}" if str(found[0]).upper() == "EPSG" else found[2]
    fields = {name: [row[i] for row in values] for i, name in enumerate(names) if i != position}
    return Layer(name=table, shapes=shapes, fields=fields, crs=crs)


def _from_geopackage(path: Path, number: int, blob: Any) -> shapely.Geometry | None:
    """Read a GeoPackage geometry: a header (clause 2.1.3), an envelope, then plain WKB."""
    try:
        magic, flags = blob[:2], blob[3]
        envelope_bytes = (0, 32, 48, 48, 64)[(flags >> 1) & 0b111]
        if magic != b"GP":
            raise ValueError
        shape: shapely.Geometry = shapely.force_2d(shapely.from_wkb(blob[8 + envelope_bytes :]))
        return shape
    except (TypeError, ValueError, IndexError, shapely.errors.ShapelyError):
        raise BoundaryError(
            "{file}: feature {feature}: its geometry is damaged", file=path, feature=number
        ) from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _read_shapefile(path: Path) -> Layer:
    with _folder() as folder:
        for suffix in _COMPANIONS:
            for beside in (path.with_suffix(suffix), path.with_suffix(suffix.upper())):
                if beside.is_file():
                    shutil.copyfile(beside, folder / f"boundaries{suffix}")
                    break
        shutil.copyfile(path, folder / "boundaries.shp")
        return _read_copied(path, folder, path.stem)


def _read_zip(path: Path) -> list[Layer]:
    try:
        with zipfile.ZipFile(path) as archive, _folder() as folder:
            members = {info.filename: info for info in archive.infolist() if not info.is_dir()}
            stems = sorted(
                name[:-4]
                for name in members
                if name.lower().endswith(".shp") and not name.startswith("__MACOSX/")
            )
            if not stems:
                raise BoundaryError("{file}: a zip file without a Shapefile in it", file=path)
            layers = []
            for stem in stems:
                _extract(path, archive, members, stem, folder)
                layers.append(_read_copied(path, folder, Path(stem).name))
            return layers
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise BoundaryError(
            "{file}: a damaged zip file: {error}", file=path, error=str(error)[:150]
        ) from None


def _extract(
    path: Path,
    archive: zipfile.ZipFile,
    members: dict[str, zipfile.ZipInfo],
    stem: str,
    folder: Path,
) -> None:
    """Copy a Shapefile's members under names of our own, and no more bytes than allowed."""
    budget = MAX_BYTES
    for suffix in _COMPANIONS:
        target = folder / f"boundaries{suffix}"
        target.unlink(missing_ok=True)
        for name in (f"{stem}{suffix}", f"{stem}{suffix.upper()}"):
            if name in members:
                with archive.open(members[name]) as source, target.open("wb") as copy:
                    while block := source.read(1 << 20):
                        budget -= len(block)
                        if budget < 0:
                            raise _too_large(path, MAX_BYTES)
                        copy.write(block)
                break


def _read_copied(path: Path, folder: Path, name: str) -> Layer:
    copied = folder / "boundaries.shp"
    head = copied.read_bytes()[:100]
    if not head.startswith(_SHAPEFILE) or len(head) < 100:
        raise BoundaryError("{file}: {layer}: not a Shapefile inside", file=path, layer=name)
    if struct.unpack("<i", head[32:36])[0] not in (5, 15, 25):
        raise BoundaryError("{file}: {layer}: its shapes are not polygons", file=path, layer=name)
    import pyogrio.errors
    import pyogrio.raw

    try:
        meta, _, shapes, columns = pyogrio.raw.read(copied, force_2d=True)
        geometries = shapely.from_wkb(shapes)
    except (pyogrio.errors.DataSourceError, ValueError, shapely.errors.ShapelyError) as error:
        raise BoundaryError(
            "{file}: {layer}: a damaged Shapefile: {error}",
            file=path,
            layer=name,
            error=str(error).replace(os.fspath(folder), "")[:150],
        ) from None
    fields = {
        str(field): [None if value != value else value for value in column.tolist()]
        for field, column in zip(meta["fields"], columns, strict=True)
    }
    return Layer(name=name, shapes=geometries, fields=fields, crs=meta["crs"])


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="phusong-") as folder:
        yield Path(folder)
