"""
Tiles that are taken from a folder or a file: which, and how a page or a site has them.

Whole zooms are taken, the coarsest first, until the next one would not fit. A zoom that is there in
part would end somewhere in the middle of the map; so the page stretches the finest whole one,
and what was left out can be said in one sentence. A picture that many places share (the sea) is
there once in a page.

What stands in a tile is not ours: it must be a PNG, JPEG or WebP picture of an ordinary size,
and a page shows it as a picture only.
"""

import base64
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ...data.errors import MapError
from ..packs import Pack
from ..views import MAX_LATITUDE, Extent

if TYPE_CHECKING:
    from ..adoption_layer import DrawnAdoption
    from ..columns import DrawnResult

PAGE_MB = 20
SITE_MB = 100
MAX_TILES = 200_000
MAX_TILE_BYTES = 2_000_000
MAX_TILE_PX = 1_024
# A screen is wider than most areas: so far around them there are tiles too.
MARGIN_PX = 768
# Each zoom has four times the tiles; maps, whose tiles get emptier, take at least twice the bytes.
_GROWTH_OF_TILES = 0.5
_KINDS = {"PNG": "png", "JPEG": "jpeg", "WEBP": "webp"}
_ENDINGS = {"png": "png", "jpeg": "jpg", "webp": "webp"}


class TileSource(Protocol):
    """Where tiles come from; `tile_px` is how wide one is on the map."""

    path: Path
    tile_px: int
    attribution: str | None

    @property
    def zooms(self) -> Sequence[int]:
        """Give the zooms that there are, the coarsest first."""

    def at(self, zoom: int, columns: range, rows: range) -> Iterator[tuple[int, int, bytes]]:
        """Give column, row (from the north) and picture of the tiles there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beneath:
    """
    What a page needs to show a basemap.

    `data` is for its script, `images` what its policy allows pictures from besides ``data:``, and
    `blocks` stands in the page as it is.
    """

    data: dict[str, Any] | None = None
    images: str = ""
    blocks: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenTiles:
    """
    Tiles of a basemap, in whole zooms.

    `places` are zoom, column and row of each, `picture_of` says which of `pictures` it shows, and
    `left_out` are the zooms that did not fit.
    """

    places: tuple[tuple[int, int, int], ...]
    picture_of: tuple[int, ...]
    pictures: tuple[bytes, ...]
    kinds: tuple[str, ...]
    tile_px: int
    attribution: str | None
    left_out: tuple[int, ...]

    @property
    def zooms(self) -> tuple[int, int]:
        """Give the coarsest and the finest zoom."""
        return self.places[0][0], self.places[-1][0]

    def for_page(self) -> Beneath:
        """Give the tiles as they stand in a page, which asks for nothing."""
        pack = self._index()
        pictures = [base64.b64encode(picture).decode("ascii") for picture in self.pictures]
        pack.add("chars", [len(picture) for picture in pictures])
        blocks = {"basemap-index": pack.text(), "basemap-pictures": "".join(pictures)}
        return Beneath(
            data=self._data("packed", pack),
            blocks="\n".join(
                f'<script type="text/plain" id="{name}">{text}</script>'
                for name, text in blocks.items()
            ),
        )

    def for_site(self, put: Callable[[str, bytes], str]) -> Beneath:
        """Write the tiles with `put`, and give what every page of the site needs."""
        pack = self._index()
        index = pack.text()
        digest = hashlib.sha256(index.encode("ascii"))
        for picture in self.pictures:
            digest.update(picture)
        # A name that changes with the content, so that caches stay true.
        folder = f"basemap-{digest.hexdigest()[:12]}"
        for (zoom, x, y), number in zip(self.places, self.picture_of, strict=True):
            ending = _ENDINGS[self.kinds[number]]
            put(f"{folder}/{zoom}/{x}/{y}.{ending}", self.pictures[number])
        arrived = f'packArrived("basemap-index", "{index}");\n'.encode("ascii")
        files = {"index": put(f"{folder}/index.js", arrived), "folder": f"{folder}/"}
        return Beneath(data=self._data("files", pack) | files, images=" 'self'")

    def _data(self, kind: str, pack: Pack) -> dict[str, Any]:
        return {
            "kind": kind,
            "attribution": self.attribution,
            "tile_px": self.tile_px,
            "zooms": self.zooms,
            "endings": list(_ENDINGS.values()),
            "types": [f"image/{each}" for each in _ENDINGS],
            "columns": pack.directory,
        }

    def _index(self) -> Pack:
        pack = Pack()
        places = np.array(self.places, dtype=np.int64)
        for name, column in zip(("zoom", "x", "y"), places.T, strict=True):
            pack.add(name, np.diff(column, prepend=0), "z")
        pack.add("picture", self.picture_of)
        kinds = list(_ENDINGS)
        pack.add("kind", [kinds.index(kind) for kind in self.kinds])
        return pack


def extent_of(results: Sequence["DrawnResult | DrawnAdoption"]) -> Extent:
    """Give the extent of all areas of some results and audits."""
    bounds = np.array([drawn.geometry.total_bounds for drawn in results])
    west, south = bounds[:, :2].min(axis=0)
    east, north = bounds[:, 2:].max(axis=0)
    return float(west), float(south), float(east), float(north)


def take_tiles(
    source: TileSource,
    extent: Extent,
    *,
    most_bytes: int,
    in_page: bool = True,
    on_progress: Callable[[int], None] | None = None,
) -> TakenTiles:
    """
    Take the tiles of an extent, and of a screen around it, as far as they fit.

    `most_bytes` holds for what a page or a site grows by: base64 takes a third more `in_page`.
    `on_progress` is told of every tile.

    Raises
    ------
    MapError
        If there is no tile, the coarsest zoom does not fit, or a tile is no picture.
    """
    taken = _Taken(source, most_bytes, in_page)
    left_out: tuple[int, ...] = ()
    for number, zoom in enumerate(source.zooms):
        if not taken.add(zoom, *tile_ranges(extent, zoom, source.tile_px), on_progress):
            left_out = tuple(source.zooms[number:])
            break
    if not taken.places:
        if left_out:
            raise MapError(
                "the basemap {source} has tiles from zoom {zoom} on, and those of the map's area"
                " alone are over {limit} MB or {most} tiles; allow more (--basemap-mb), or make"
                " tiles of coarser zooms too",
                source=source.path,
                zoom=left_out[0],
                limit=round(most_bytes / 1e6),
                most=MAX_TILES,
            )
        raise MapError(
            "no tile of the basemap {source} lies where the map does; if the rows of a folder"
            " count from the south, say so (--basemap-rows tms)",
            source=source.path,
        )
    return TakenTiles(
        places=tuple(taken.places),
        picture_of=tuple(taken.picture_of),
        pictures=tuple(taken.pictures),
        kinds=tuple(taken.kinds),
        tile_px=source.tile_px,
        attribution=source.attribution,
        left_out=left_out,
    )


class _Taken:
    """Tiles as they are taken, zoom by zoom."""

    def __init__(self, source: TileSource, most_bytes: int, in_page: bool) -> None:
        self._source = source
        self._most_bytes = most_bytes
        self._in_page = in_page
        self._bytes = 0
        # Of the last zoom: how many tiles it could have, and how many bytes they took.
        self._last = (1, 0)
        self._numbers: dict[bytes, int] = {}
        self.places: list[tuple[int, int, int]] = []
        self.picture_of: list[int] = []
        self.pictures: list[bytes] = []
        self.kinds: list[str] = []

    def add(
        self, zoom: int, columns: range, rows: range, on_progress: Callable[[int], None] | None
    ) -> bool:
        """Take a zoom as a whole, or say that it does not fit."""
        count = len(columns) * len(rows)
        before = len(self.places), len(self.pictures), self._bytes
        likely = self._last[1] * count / self._last[0] * _GROWTH_OF_TILES
        if before[0] + count > MAX_TILES or self._bytes + likely > self._most_bytes:
            return False
        for x, y, picture in self._source.at(zoom, columns, rows):
            self._keep((zoom, x, y), picture)
            if on_progress:
                on_progress(1)
            if self._bytes > self._most_bytes:
                self._forget(*before)
                return False
        self._last = count, self._bytes - before[2]
        return True

    def _keep(self, place: tuple[int, int, int], picture: bytes) -> None:
        digest = hashlib.sha256(picture).digest()
        number = self._numbers.setdefault(digest, len(self.pictures))
        is_new = number == len(self.pictures)
        if is_new:
            name = "/".join(map(str, place))
            self.kinds.append(picture_kind(picture, f"{self._source.path}, {name}"))
            self.pictures.append(picture)
        self.places.append(place)
        self.picture_of.append(number)
        if not self._in_page:
            self._bytes += len(picture)
        elif is_new:
            self._bytes += 4 * math.ceil(len(picture) / 3)

    def _forget(self, places: int, pictures: int, size: int) -> None:
        del self.places[places:], self.picture_of[places:]
        del self.pictures[pictures:], self.kinds[pictures:]
        self._bytes = size


def tile_ranges(extent: Extent, zoom: int, tile_px: int) -> tuple[range, range]:
    """Give the columns and rows of the tiles that an extent and a screen around it need."""
    west, south, east, north = extent
    across = 1 << zoom
    margin = math.ceil(MARGIN_PX / tile_px)
    columns = [math.floor((lon + 180) / 360 * across) for lon in (west, east)]
    rows = [math.floor(_row(lat) * across) for lat in (north, south)]
    return (
        range(max(0, columns[0] - margin), min(across, columns[1] + margin + 1)),
        range(max(0, rows[0] - margin), min(across, rows[1] + margin + 1)),
    )


def _row(lat: float) -> float:
    """Give how far down a latitude lies on Mercator's square world, from 0 to 1."""
    within = math.radians(max(-MAX_LATITUDE, min(MAX_LATITUDE, lat)))
    return (1 - math.asinh(math.tan(within)) / math.pi) / 2


def picture_kind(content: bytes, name: str) -> str:
    """
    Give what kind of picture a tile is, by its content.

    Raises
    ------
    MapError
        If it is neither PNG nor JPEG nor WebP, or too large.
    """
    from PIL import Image

    if len(content) > MAX_TILE_BYTES:
        raise MapError(
            "tile {name} of the basemap has over {most} bytes, which no tile has",
            name=name,
            most=MAX_TILE_BYTES,
        )
    try:
        with Image.open(BytesIO(content), formats=tuple(_KINDS)) as picture:
            kind, size = picture.format or "", picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise MapError(
            "tile {name} of the basemap is no PNG, JPEG or WebP picture: it begins with {seen}",
            name=name,
            seen=ascii(content[:12]),
        ) from None
    if max(size) > MAX_TILE_PX:
        raise MapError(
            "tile {name} of the basemap is {wide} by {high} pixels; tiles have {most} at most",
            name=name,
            wide=size[0],
            high=size[1],
            most=MAX_TILE_PX,
        )
    return _KINDS[kind]
