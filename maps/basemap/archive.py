"""
A PMTiles file (version 3): tiles of a whole map in one file, found by directories inside it.

The package ``pmtiles`` knows the format. It takes a file at its word, so what the file says of
itself is held against the file first: nothing is read past its end, and nothing is unpacked past
a bound. Tiles with shapes instead of pictures are drawn (`vector.py`).
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from pmtiles.tile import (
    Compression,
    Entry,
    HeaderDict,
    SpecVersionUnsupported,
    TileType,
    deserialize_directory,
    deserialize_header,
    find_tile,
    zxy_to_tileid,
)

from ...data.errors import MapError
from ...data.words import say
from .online import MAX_ATTRIBUTION_CHARS
from .tiles import MAX_TILE_BYTES
from .vector import VECTOR_TILE_PX, draw_tile, layers_drawn

HEADER_BYTES = 127
MAX_DIRECTORY_BYTES = 2_000_000
MAX_METADATA_BYTES = 4_000_000
MAX_VECTOR_BYTES = 8_000_000
MAX_ZOOM = 24
_MAGIC = b"PMTiles"
_MAX_DEPTH = 4
_PICTURES = {TileType.PNG, TileType.JPEG, TileType.WEBP}
_UNPACKED = {Compression.UNKNOWN, Compression.NONE}


class ArchiveTiles:
    """
    Tiles in a PMTiles file.

    `layers` are those drawn of a vector file, `layers_left_out` those that are not; both are empty
    where the tiles are pictures.
    """

    def __init__(self, path: Path, *, attribution: str | None = None) -> None:
        self.path = path
        try:
            self._size = path.stat().st_size
            with path.open("rb") as file:
                head = file.read(HEADER_BYTES)
        except OSError as error:
            raise MapError(
                "cannot read the basemap {path}: {error}", path=path, error=error.strerror or error
            ) from error
        self._header = self._header_in(head)
        self._check()
        # Each holds thousands of places, and tiles beside each other lie in the same ones.
        self._entries: Callable[[int, int], list[Entry]] = lru_cache(maxsize=8)(self._directory)
        metadata = self._metadata()
        self.attribution = attribution or _plain_text(metadata.get("attribution"))
        self.is_vector = self._header["tile_type"] is TileType.MVT
        self.tile_px = VECTOR_TILE_PX if self.is_vector else 256
        self.layers: tuple[str, ...] = ()
        self.layers_left_out: tuple[str, ...] = ()
        if self.is_vector:
            self.layers, self.layers_left_out = layers_drawn(metadata.get("vector_layers"), path)

    @property
    def zooms(self) -> Sequence[int]:
        """Give the zooms that the file says it has."""
        return range(self._header["min_zoom"], self._header["max_zoom"] + 1)

    def at(self, zoom: int, columns: range, rows: range) -> Iterator[tuple[int, int, bytes]]:
        """Give column, row and picture of the tiles that are there."""
        for x in columns:
            for y in rows:
                entry = self._find(zxy_to_tileid(zoom, x, y))
                if entry is None:
                    continue
                packed = self._read(self._header["tile_data_offset"] + entry.offset, entry.length)
                name = f"{zoom}/{x}/{y}"
                if self.is_vector:
                    shapes = self._unpacked(packed, MAX_VECTOR_BYTES, name)
                    yield x, y, draw_tile(shapes, zoom, self.layers, f"{self.path}, {name}")
                else:
                    yield x, y, self._unpacked(packed, MAX_TILE_BYTES, name)

    def _header_in(self, head: bytes) -> HeaderDict:
        if not _MAGIC.startswith(head[: len(_MAGIC)]):
            raise MapError(
                "{file} is not a PMTiles file of version 3: it begins with {seen}; a basemap is"
                " such a file (pmtiles convert makes one of MBTiles or of an older version), or a"
                " folder of tiles",
                file=self.path,
                seen=ascii(head[:12]),
            )
        if len(head) < HEADER_BYTES:
            raise self._damaged(say("its header"))
        try:
            return deserialize_header(head)
        except SpecVersionUnsupported:
            raise MapError(
                "{file} is a PMTiles file of version {seen}; phusong reads version 3: get the map"
                " in that version",
                file=self.path,
                seen=head[len(_MAGIC)],
            ) from None
        except ValueError as error:
            raise self._damaged(say("its header")) from error

    def _check(self) -> None:
        header = self._header
        if header["tile_type"] not in {*_PICTURES, TileType.MVT}:
            raise MapError(
                "the tiles of {file} are of the kind {kind}, which this phusong does not draw; it"
                " takes PNG, JPEG, WebP and MVT",
                file=self.path,
                kind=header["tile_type"].name,
            )
        for part in ("internal_compression", "tile_compression"):
            if header[part] not in {*_UNPACKED, Compression.GZIP}:
                raise MapError(
                    "{file} is compressed with {kind}; phusong reads gzip: convert it with the"
                    " pmtiles program",
                    file=self.path,
                    kind=header[part].name,
                )
        if not header["min_zoom"] <= header["max_zoom"] <= MAX_ZOOM:
            raise MapError(
                "{file} says that its zooms go from {low} to {high}, which cannot be",
                file=self.path,
                low=header["min_zoom"],
                high=header["max_zoom"],
            )

    def _find(self, tile: int) -> Entry | None:
        header = self._header
        offset, length = header["root_offset"], header["root_length"]
        for _ in range(_MAX_DEPTH):
            entry = find_tile(self._entries(offset, length), tile)
            if entry is None or entry.run_length:
                return entry
            offset, length = header["leaf_directory_offset"] + entry.offset, entry.length
        raise self._damaged(say("its directories"))

    def _directory(self, offset: int, length: int) -> list[Entry]:
        what = say("its directories")
        packed = self._read(offset, length)
        plain = packed
        if self._header["internal_compression"] is Compression.GZIP:
            plain = self._gunzip(packed, MAX_DIRECTORY_BYTES, what)
        elif len(packed) > MAX_DIRECTORY_BYTES:
            raise self._damaged(what)
        try:
            # The package unpacks without a bound: give it only what is known to be small.
            return deserialize_directory(gzip.compress(plain, compresslevel=0))
        except (EOFError, OverflowError, MemoryError) as error:
            raise self._damaged(what) from error

    def _metadata(self) -> dict[str, Any]:
        what = say("its metadata")
        header = self._header
        text = self._read(header["metadata_offset"], header["metadata_length"])
        if header["internal_compression"] is Compression.GZIP and text:
            text = self._gunzip(text, MAX_METADATA_BYTES, what)
        try:
            found = json.loads(text) if text else {}
        except (ValueError, RecursionError) as error:
            raise self._damaged(what) from error
        return found if isinstance(found, dict) else {}

    def _unpacked(self, packed: bytes, most: int, name: str) -> bytes:
        if packed[:2] != b"\x1f\x8b":
            return packed
        return self._gunzip(packed, most, name)

    def _gunzip(self, packed: bytes, most: int, what: str) -> bytes:
        try:
            plain = zlib.decompressobj(wbits=31).decompress(packed, most + 1)
        except zlib.error as error:
            raise self._damaged(what) from error
        if len(plain) > most:
            raise MapError(
                "{file}: {what} unpack to over {most} bytes, which is more than a basemap needs",
                file=self.path,
                what=what,
                most=most,
            )
        return plain

    def _read(self, offset: int, length: int) -> bytes:
        if offset + length > self._size or length > MAX_METADATA_BYTES:
            raise self._damaged(say("what it points to"))
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def _damaged(self, what: str) -> MapError:
        return MapError(
            "{file} is cut off or damaged: {what} cannot be read; get the file again",
            file=self.path,
            what=what,
        )


class _TextReader(HTMLParser):
    """Keeps the text of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def handle_data(self, data: str) -> None:
        self.text += data


def _plain_text(markup: object) -> str | None:
    """Give the text of an attribution, which most files write as HTML."""
    if not isinstance(markup, str):
        return None
    reader = _TextReader()
    reader.feed(markup[: 10 * MAX_ATTRIBUTION_CHARS])
    reader.close()
    return " ".join(reader.text.split())[:MAX_ATTRIBUTION_CHARS] or None
