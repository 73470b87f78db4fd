"""PMTiles files: pictures are taken, shapes are drawn, and no file is taken at its word."""

import gzip
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import mapbox_vector_tile
import pytest
from mapbox_vector_tile.Mapbox import vector_tile_pb2
from PIL import Image
from pmtiles.tile import Compression, TileType, deserialize_header, serialize_header

from phusong.data.errors import MapError
from phusong.data.words import say, use_language
from phusong.maps.basemap.archive import ArchiveTiles
from phusong.maps.basemap.tiles import take_tiles
from phusong.maps.basemap.vector import BUILT, GREEN, LAND, WATER, draw_tile

SQUARES = (105.0, 20.0, 105.5, 20.1)
PLENTY = 10_000_000
WORLD = "POLYGON ((0 0, 4096 0, 4096 4096, 0 4096, 0 0))"
HOLE = "(1024 1024, 1024 3072, 3072 3072, 3072 1024, 1024 1024)"
ISLAND = f"POLYGON ((0 0, 4096 0, 4096 4096, 0 4096, 0 0), {HOLE})"


@pytest.fixture
def pictures(make_tile: Callable[..., bytes]) -> dict[tuple[int, int, int], bytes]:
    """The tiles of zooms 0 to 3 of the whole world."""
    return {
        (zoom, x, y): make_tile(f"#00{zoom:02x}{(x + y) % 2:02x}")
        for zoom in range(4)
        for x in range(1 << zoom)
        for y in range(1 << zoom)
    }


def shapes(**layers: list[tuple[str, dict[str, Any]]]) -> bytes:
    """Encode a vector tile: each layer as shapes (WKT, y downwards) with what is known of them."""
    return bytes(
        mapbox_vector_tile.encode(
            [
                {
                    "name": name,
                    "features": [{"geometry": wkt, "properties": known} for wkt, known in rows],
                }
                for name, rows in layers.items()
            ],
            default_options={"y_coord_down": True},
        )
    )


def greys(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content)).convert("L")


def listed(*names: str) -> dict[str, object]:
    return {"vector_layers": [{"id": name, "fields": {}} for name in names]}


def test_pictures_are_found_by_zoom_column_and_row(write_pmtiles: Any, pictures: Any) -> None:
    source = ArchiveTiles(write_pmtiles(pictures))
    taken = take_tiles(source, SQUARES, most_bytes=PLENTY)
    assert taken.zooms == (0, 3)
    found = dict(zip(taken.places, taken.picture_of, strict=True))
    assert all(taken.pictures[number] == pictures[place] for place, number in found.items())
    assert (3, 6, 3) in found


def test_a_file_with_directories_inside_directories_is_read(
    write_pmtiles: Any, make_tile: Any
) -> None:
    # So many different tiles do not fit into the root directory.
    picture = make_tile()
    tiles = {
        (8, x, y): picture + bytes([x, y % 256, 0])[: 1 + (x + y) % 3]
        for x in range(160, 256)
        for y in range(256)
    }
    source = ArchiveTiles(write_pmtiles(tiles))
    header = deserialize_header(source.path.read_bytes()[:127])
    assert header["leaf_directory_length"] > 0
    found = {(8, x, y): content for x, y, content in source.at(8, range(200, 206), range(110, 116))}
    assert found == {place: tiles[place] for place in found}
    assert len(found) == 36


def test_the_attribution_is_read_as_text(write_pmtiles: Any, pictures: Any) -> None:
    markup = '<a href="https://x.example" onclick="alert(1)">&copy; OpenStreetMap</a>  &lt;b&gt;'
    path = write_pmtiles(pictures, metadata={"attribution": markup})
    assert ArchiveTiles(path).attribution == "© OpenStreetMap <b>"
    assert ArchiveTiles(path, attribution="Ours").attribution == "Ours"


def test_land_water_woods_and_towns_have_their_greys() -> None:
    tile = shapes(
        earth=[(WORLD, {"kind": "earth"})],
        landcover=[("POLYGON ((0 0, 1024 0, 1024 1024, 0 1024, 0 0))", {"kind": "forest"})],
        landuse=[
            ("POLYGON ((3072 0, 4096 0, 4096 1024, 3072 1024, 3072 0))", {"class": "residential"})
        ],
        water=[(ISLAND, {"kind": "sea"})],
    )
    drawn = greys(draw_tile(tile, 8, ["earth", "landcover", "landuse", "water"], "x"))
    assert drawn.size == (512, 512)
    # The island in the water is a hole, through which the land is seen.
    assert drawn.getpixel((256, 256)) == LAND
    assert drawn.getpixel((256, 60)) == WATER
    without = greys(draw_tile(shapes(earth=[], landcover=[], water=[]), 8, ["earth"], "x"))
    assert without.getpixel((256, 256)) == WATER, "where a file has land, the rest is sea"
    no_water = tile.replace(b"water", b"wader")
    dry = greys(draw_tile(no_water, 8, ["earth"], "x"))
    assert [dry.getpixel(at) for at in ((60, 60), (450, 60), (256, 256))] == [GREEN, BUILT, LAND]


def test_roads_are_lines_and_come_with_the_zoom() -> None:
    tile = shapes(
        roads=[
            ("LINESTRING (0 2048, 4096 2048)", {"kind": "highway"}),
            ("LINESTRING (2048 0, 2048 1800)", {"kind": "minor_road"}),
            ("LINESTRING (0 3072, 4096 3072)", {"kind": "rail"}),
        ]
    )
    for zoom, minor in ((8, False), (13, True)):
        drawn = greys(draw_tile(tile, zoom, ["roads"], "x"))
        assert drawn.getpixel((100, 256)) < 150
        assert (drawn.getpixel((256, 100)) < 230) is minor
        assert drawn.getpixel((100, 384)) == LAND


def test_borders_and_names_of_others_are_not_drawn() -> None:
    tile = shapes(
        boundaries=[("LINESTRING (0 2048, 4096 2048)", {"kind": "country"})],
        boundary=[("LINESTRING (2048 0, 2048 4096)", {"admin_level": 2})],
        countries=[(ISLAND, {"name": "X"})],
        places=[("POINT (2048 2048)", {"name": "X"})],
    )
    drawn = greys(draw_tile(tile, 5, ["water"], "x"))
    assert drawn.getextrema() == (LAND, LAND)


def test_a_vector_file_is_drawn_and_says_which_layers(write_pmtiles: Any) -> None:
    packed = gzip.compress(shapes(earth=[(WORLD, {})], water=[], boundaries=[], places=[]))
    path = write_pmtiles(
        {(0, 0, 0): packed, (1, 1, 0): packed},
        kind=TileType.MVT,
        tile_compression=Compression.GZIP,
        metadata=listed("earth", "boundaries", "places"),
    )
    source = ArchiveTiles(path)
    assert (source.layers, source.layers_left_out) == (("earth",), ("boundaries", "places"))
    taken = take_tiles(source, SQUARES, most_bytes=PLENTY)
    assert (taken.tile_px, taken.kinds) == (512, ("png",))
    assert taken.places == ((0, 0, 0), (1, 1, 0))


def test_a_vector_file_of_unknown_layers_is_a_message(write_pmtiles: Any) -> None:
    path = write_pmtiles({(0, 0, 0): b""}, kind=TileType.MVT, metadata=listed("my_borders"))
    with pytest.raises(MapError, match=r"my_borders.*XYZ tiles"):
        ArchiveTiles(path)


@pytest.mark.parametrize("content", [b"\xff" * 40, b"\x1a\x7f", bytes(range(256))])
def test_a_vector_tile_that_cannot_be_read_is_a_message(content: bytes) -> None:
    with pytest.raises(MapError, match="7/1/2 of the basemap is not a vector tile"):
        draw_tile(content, 7, ["water"], "7/1/2")


def test_a_line_to_the_end_of_the_world_is_drawn_at_once() -> None:
    tile = vector_tile_pb2.tile()
    layer = tile.layers.add(name="water", version=2, extent=1)
    # Move to 0, 0; line to 2^30 - 1, 2^30 - 1 a hundred times over.
    far = [2**31 - 2] * 200
    layer.features.add(type=2).geometry.extend([9, 0, 0, 100 << 3 | 2, *far])
    drawn = greys(draw_tile(tile.SerializeToString(), 9, ["water"], "x"))
    assert drawn.getpixel((400, 400)) < LAND


@pytest.mark.parametrize("kept", [3, 60, 126, 200, 400])
def test_a_file_that_is_cut_off_is_a_message(kept: int, write_pmtiles: Any, pictures: Any) -> None:
    path = write_pmtiles(pictures)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(MapError, match="cut off or damaged"):
        take_tiles(ArchiveTiles(path), SQUARES, most_bytes=PLENTY)


def test_a_file_whose_tiles_are_cut_off_is_a_message(write_pmtiles: Any, pictures: Any) -> None:
    path = write_pmtiles(pictures)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(MapError, match="cut off or damaged"):
        take_tiles(ArchiveTiles(path), (-180, -85, 180, 85), most_bytes=PLENTY)


def with_header(path: Path, changes: dict[str, Any]) -> Path:
    """Have an archive say something else of itself."""
    content = path.read_bytes()
    header = deserialize_header(content[:127]) | changes
    path.write_bytes(serialize_header(header) + content[127:])
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"root_length": 1 << 62}, "cut off or damaged"),
        ({"root_offset": 1 << 63}, "cut off or damaged"),
        ({"metadata_length": 1 << 40}, "cut off or damaged"),
        ({"root_offset": 0, "root_length": 100}, "cut off or damaged"),
        ({"tile_type": TileType.AVIF}, "of the kind AVIF"),
        ({"tile_type": TileType.UNKNOWN}, "of the kind UNKNOWN"),
        ({"internal_compression": Compression.BROTLI}, "compressed with BROTLI"),
        ({"tile_compression": Compression.ZSTD}, "compressed with ZSTD"),
        ({"min_zoom": 9, "max_zoom": 3}, "from 9 to 3"),
        ({"max_zoom": 200}, "from 0 to 200"),
    ],
)
def test_a_header_that_cannot_be_true_is_a_message(
    changes: dict[str, Any], message: str, write_pmtiles: Any, pictures: Any
) -> None:
    path = with_header(write_pmtiles(pictures), changes)
    with pytest.raises(MapError, match=message):
        take_tiles(ArchiveTiles(path), SQUARES, most_bytes=PLENTY)


@pytest.mark.parametrize(
    ("part", "before", "message"),
    [
        ("root", b"", "unpack to over"),
        # Only the first of two packed texts is unpacked: what follows it is never looked at.
        ("root", gzip.compress(b""), "cut off or damaged"),
        ("metadata", b"", "unpack to over"),
    ],
)
def test_a_part_that_unpacks_to_very_much_is_refused(
    part: str, before: bytes, message: str, write_pmtiles: Any, pictures: Any
) -> None:
    path = write_pmtiles(pictures)
    content = path.read_bytes()
    bomb = before + gzip.compress(bytes(50_000_000))
    assert len(bomb) < 100_000
    header = deserialize_header(content[:127]) | {
        f"{part}_offset": len(content),
        f"{part}_length": len(bomb),
    }
    path.write_bytes(serialize_header(header) + content[127:] + bomb)
    with pytest.raises(MapError, match=message):
        take_tiles(ArchiveTiles(path), SQUARES, most_bytes=PLENTY)


def test_hostile_pictures_in_a_file_are_refused(write_pmtiles: Any) -> None:
    path = write_pmtiles({(0, 0, 0): b"<svg onload=alert(1)>"})
    with pytest.raises(MapError, match="no PNG, JPEG or WebP"):
        take_tiles(ArchiveTiles(path), SQUARES, most_bytes=PLENTY)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x" * 500, "is not a PMTiles file of version 3: it begins with b'xxxxxxxxxxxx'; a basem"),
        (b"a map", "is not a PMTiles file of version 3: it begins with b'a map'; a basemap"),
        (b"SQLite format 3\0" + bytes(500), "begins with b'SQLite forma'; .* makes one of MBTiles"),
        # The versions before 3 began so.
        (b"PM\x02\x00" + bytes(500), "is not a PMTiles file of version 3"),
        (b"PMTiles\x04" + bytes(500), "is a PMTiles file of version 4; phusong reads version 3"),
        (b"PMTiles\x03" + bytes([255] * 500), "cut off or damaged: its header"),
        (b"", "cut off or damaged: its header"),
    ],
)
def test_what_is_no_pmtiles_file_is_a_message(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "own.pmtiles"
    path.write_bytes(content)
    with pytest.raises(MapError, match=message):
        ArchiveTiles(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"root_length": 1 << 62}, "không đọc được phần mà nó trỏ tới;"),
        ({"root_offset": 0, "root_length": 100}, "không đọc được các bảng chỉ mục của nó;"),
        ({"metadata_offset": 0, "metadata_length": 100}, "không đọc được siêu dữ liệu của nó;"),
    ],
)
def test_what_is_damaged_is_said_in_the_readers_language(
    changes: dict[str, Any], said: str, write_pmtiles: Any, pictures: Any
) -> None:
    path = with_header(write_pmtiles(pictures), changes)
    use_language("vi")
    try:
        with pytest.raises(MapError) as raised:
            take_tiles(ArchiveTiles(path), SQUARES, most_bytes=PLENTY)
        assert said in say(raised.value.template, **raised.value.values)
    finally:
        use_language("en")
