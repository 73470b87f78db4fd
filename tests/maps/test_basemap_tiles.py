"""Tiles of a folder: which are taken, as far as they fit, and what is no tile."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from phusong.data.errors import MapError
from phusong.maps.basemap import tiles as tiles_module
from phusong.maps.basemap.folder import FolderTiles
from phusong.maps.basemap.local import open_local
from phusong.maps.basemap.tiles import picture_kind, take_tiles, tile_ranges

SQUARES = (105.0, 20.0, 105.5, 20.1)
PLENTY = 10_000_000
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def test_a_tile_is_found_where_the_published_numbering_has_it() -> None:
    # OpenStreetMap's own example: 35.6590699, 139.7006793 lies in tile 232798, 103246 of zoom 18.
    here = (139.7006793, 35.6590699)
    columns, rows = tile_ranges((*here, *here), 18, 256)
    assert (columns, rows) == (range(232798 - 3, 232798 + 4), range(103246 - 3, 103246 + 4))


def test_no_tile_lies_outside_the_world() -> None:
    assert tile_ranges((-180, -90, 180, 90), 3, 256) == (range(8), range(8))


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_tiles_of_every_kind_of_picture_are_taken(ending: str, tile_folder: Any) -> None:
    taken = take_tiles(FolderTiles(tile_folder(ending=ending)), SQUARES, most_bytes=PLENTY)
    assert taken.zooms == (0, 8)
    assert set(taken.kinds) == {{"jpg": "jpeg"}.get(ending, ending)}
    assert len(taken.pictures) == 3, "what many places share is there once"


def test_only_tiles_around_the_areas_are_taken(tile_folder: Any, make_tile: Any) -> None:
    folder = tile_folder(zooms=[7])
    far = folder / "7" / "3" / "3.png"
    far.parent.mkdir()
    far.write_bytes(make_tile())
    taken = take_tiles(FolderTiles(folder), SQUARES, most_bytes=PLENTY)
    assert (7, 3, 3) not in taken.places
    assert (7, 101, 56) in taken.places


def test_rows_from_the_south_are_turned(tmp_path: Path, make_tile: Any) -> None:
    # Tile 7/101/56 from the north is row 127 - 56 = 71 from the south.
    path = tmp_path / "7" / "101" / "71.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(make_tile())
    said = FolderTiles(tmp_path, rows="tms")
    assert [each[:2] for each in said.at(7, range(98, 104), range(53, 60))] == [(101, 56)]
    (tmp_path / "tilemapresource.xml").write_text("<TileMap><SRS>EPSG:3857</SRS></TileMap>")
    assert take_tiles(FolderTiles(tmp_path), SQUARES, most_bytes=PLENTY).places == ((7, 101, 56),)
    with pytest.raises(MapError, match="no tile of the basemap"):
        take_tiles(FolderTiles(tmp_path, rows="xyz"), SQUARES, most_bytes=PLENTY)


def test_tiles_in_degrees_are_refused(tile_folder: Any) -> None:
    folder = tile_folder()
    (folder / "tilemapresource.xml").write_text("<TileMap><SRS>EPSG:4326</SRS></TileMap>")
    with pytest.raises(MapError, match="EPSG:4326"):
        FolderTiles(folder)


class Counted:
    """Tiles of one colour each, of a size that is known, everywhere."""

    path = Path("counted")
    tile_px = 256
    attribution = None
    zooms = range(20)

    def __init__(self, make_tile: Callable[..., bytes]) -> None:
        self._make = make_tile
        self.asked: list[int] = []

    def at(self, zoom: int, columns: range, rows: range) -> Iterator[tuple[int, int, bytes]]:
        self.asked.append(zoom)
        for x in columns:
            for y in rows:
                yield x, y, self._make(f"#{zoom:02x}{x % 256:02x}{y % 256:02x}")


def test_whole_zooms_are_taken_until_the_next_does_not_fit(make_tile: Any) -> None:
    source = Counted(make_tile)
    size = len(make_tile("#010203"))
    taken = take_tiles(source, SQUARES, most_bytes=40 * size * 4 // 3)
    # Zooms 0 to 2 are the world: 1 + 4 + 16 tiles; zoom 3 has 7 columns and 6 rows around.
    assert [sum(place[0] == zoom for place in taken.places) for zoom in range(3)] == [1, 4, 16]
    assert taken.zooms == (0, 2)
    assert taken.left_out == tuple(range(3, 20))
    assert source.asked[-1] <= 3


def test_more_fits_into_a_site_than_into_a_page(make_tile: Any) -> None:
    size = len(make_tile("#010203"))
    fits = 22 * size
    assert take_tiles(Counted(make_tile), SQUARES, most_bytes=fits).zooms == (0, 1)
    site = take_tiles(Counted(make_tile), SQUARES, most_bytes=fits, in_page=False)
    assert site.zooms == (0, 2)


def test_a_gigantic_number_of_tiles_is_not_even_asked_for(
    make_tile: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles_module, "MAX_TILES", 1_000)
    source = Counted(lambda _: make_tile())
    taken = take_tiles(source, (-180, -85, 180, 85), most_bytes=PLENTY)
    assert taken.zooms == (0, 4)
    assert max(source.asked) == 4


def test_a_coarsest_zoom_that_does_not_fit_is_a_message(make_tile: Any) -> None:
    with pytest.raises(MapError, match="--basemap-mb"):
        take_tiles(Counted(make_tile), SQUARES, most_bytes=10)


@pytest.mark.parametrize(
    "content", [b"", SVG, b"GIF89a" + bytes(20), b"\x89PNG\r\n\x1a\n", b"<!doctype html>{{7*7}}"]
)
def test_what_is_no_picture_is_refused_by_its_content(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "0" / "0" / "0.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(MapError, match="0/0/0 of the basemap is no PNG, JPEG or WebP"):
        take_tiles(FolderTiles(tmp_path), SQUARES, most_bytes=PLENTY)


def test_a_tile_that_is_too_large_is_refused(make_tile: Any) -> None:
    with pytest.raises(MapError, match="2048 by 2048 pixels"):
        picture_kind(make_tile(px=2048), "x")
    with pytest.raises(MapError, match="over 2000000 bytes"):
        picture_kind(make_tile() + bytes(2_000_000), "x")


@pytest.mark.parametrize("made", [[], ["readme.txt"], ["7.png"], ["77777/1/1.png"], ["99/1/1.png"]])
def test_a_folder_without_tiles_is_a_message(made: list[str], tmp_path: Path) -> None:
    for name in made:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with pytest.raises(MapError, match="holds no tiles"):
        open_local(tmp_path)


def test_a_pipe_among_the_tiles_is_passed_over(tile_folder: Any) -> None:
    folder = tile_folder(zooms=[0])
    (folder / "0" / "0" / "0.png").unlink()
    os.mkfifo(folder / "0" / "0" / "0.png")
    with pytest.raises(MapError, match="no tile of the basemap"):
        take_tiles(FolderTiles(folder), SQUARES, most_bytes=PLENTY)


def test_a_folder_that_cannot_be_read_is_a_message(
    tile_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FolderTiles(tile_folder(zooms=[0]))

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(MapError, match=r"cannot read the basemap .* Permission denied"):
        take_tiles(source, SQUARES, most_bytes=PLENTY)


def test_what_is_not_there_or_neither_folder_nor_file_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(MapError, match="is not there"):
        open_local(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MapError, match="neither a folder"):
        open_local(tmp_path / "pipe")
