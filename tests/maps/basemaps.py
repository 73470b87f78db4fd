"""Basemaps of coloured squares: a tile, a folder of tiles, a PMTiles file."""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from itertools import product
from pathlib import Path

import pytest

from phusong.maps.basemap.tiles import tile_ranges

SQUARES = (105.0, 20.0, 105.5, 20.1)


@pytest.fixture(scope="session")
def make_tile() -> Callable[..., bytes]:
    """Make a tile's picture: a chequered one whose colour and size can be named."""
    from PIL import Image, ImageDraw

    def make(
        color: str = "#7aa35a", *, kind: str = "PNG", px: int = 256, border: str | None = "#333333"
    ) -> bytes:
        picture = Image.new("RGB", (px, px), color)
        if border:
            ImageDraw.Draw(picture).rectangle((0, 0, px - 1, px - 1), outline=border)
        out = BytesIO()
        picture.save(out, kind)
        return out.getvalue()

    return make


@pytest.fixture
def tile_folder(tmp_path: Path, make_tile: Callable[..., bytes]) -> Callable[..., Path]:
    """Write a folder of tiles over the squares that tests draw, by zoom, column and row."""

    def write(name: str = "tiles", *, zooms: Sequence[int] = range(9), ending: str = "png") -> Path:
        kind = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}[ending]
        colors = ["#7aa35a", "#3d6fa8", "#c9a24b"]
        pictures = [make_tile(color, kind=kind) for color in colors]
        for zoom in zooms:
            for x, y in product(*tile_ranges(SQUARES, zoom, 256)):
                path = tmp_path / name / str(zoom) / str(x) / f"{y}.{ending}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(pictures[(x + y) % len(pictures)])
        return tmp_path / name

    return write


@pytest.fixture
def write_pmtiles(tmp_path: Path) -> Callable[..., Path]:
    """Write tiles (by zoom, column and row) as a PMTiles file; name what its header should say."""
    from pmtiles.tile import Compression, TileType, zxy_to_tileid
    from pmtiles.writer import Writer

    def write(
        tiles: Mapping[tuple[int, int, int], bytes],
        *,
        kind: TileType = TileType.PNG,
        metadata: Mapping[str, object] | None = None,
        **changes: object,
    ) -> Path:
        path = tmp_path / "map.pmtiles"
        header = {
            "tile_type": kind,
            "tile_compression": Compression.NONE,
            "min_lon_e7": -1_800_000_000,
            "min_lat_e7": -850_000_000,
            "max_lon_e7": 1_800_000_000,
            "max_lat_e7": 850_000_000,
            "center_zoom": 0,
            "center_lon_e7": 0,
            "center_lat_e7": 0,
        }
        with path.open("wb") as file:
            writer = Writer(file)
            for place in sorted(tiles, key=lambda each: zxy_to_tileid(*each)):
                writer.write_tile(zxy_to_tileid(*place), tiles[place])
            writer.finalize(header | changes, dict(metadata or {}))
        return path

    return write
