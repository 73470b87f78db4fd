"""A boundary file can be anything: nothing is opened or fetched because it says so."""

import json
import socket
import sqlite3
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from phusong.coverage import file_formats
from phusong.coverage.boundaries import read_boundaries
from phusong.data.errors import BoundaryError


@pytest.fixture
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """Listen on loopback and note whoever calls."""
    calls: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(5)

    def listen() -> None:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            calls.append(connection.recv(100))

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield server.getsockname()[1], calls
    server.close()


def vrt(source: str) -> str:
    return (
        '<OGRVRTDataSource><OGRVRTLayer name="a">'
        f"<SrcDataSource>{source}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
    )


@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg", "a.shp", "a.vrt", "a.parquet", "a.zip"])
def test_a_vrt_under_any_name_reads_no_file_and_calls_nobody(
    tmp_path: Path, listener: tuple[int, list[bytes]], name: str
) -> None:
    port, calls = listener
    bait = tmp_path / "bait.geojson"
    square = gpd.GeoDataFrame({"code": ["1"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4326)
    square.to_file(bait)
    for source in (f"/vsicurl/http://127.0.0.1:{port}/a.geojson", str(bait)):
        path = tmp_path / name
        path.write_text(vrt(source))
        with pytest.raises(BoundaryError, match="no known boundary format"):
            read_boundaries(path)
    assert calls == []


def test_a_vrt_inside_a_zip_is_not_a_shapefile(
    tmp_path: Path, listener: tuple[int, list[bytes]]
) -> None:
    port, calls = listener
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.shp", vrt(f"/vsicurl/http://127.0.0.1:{port}/a"))
    with pytest.raises(BoundaryError, match="not a Shapefile inside"):
        read_boundaries(path)
    assert calls == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\x00" * 4096, "no known boundary format"),
        (b'{"type": "FeatureCollection", "features": [', "broken JSON"),
        (b'{"type": "FeatureCollection"\x00}', "no known boundary format"),
        (b'{"type": "FeatureCollection", "name": "\xe9"}', "not UTF-8"),
        ('{"type": "FeatureCollection"}'.encode("utf-16"), "no known boundary format"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"type": "FeatureCollection"}', "without features"),
        (b'{"type": "Feature"}', "neither a GeoJSON FeatureCollection"),
        (b"[1, 2]", "neither a GeoJSON FeatureCollection"),
        (b'{"type": "Topology", "objects": {}, "arcs": 7}', "without objects or arcs"),
        (b'{"type": "Topology", "objects": {}, "arcs": [["x"]]}', "not numbers"),
        (
            b'{"type":"Topology","arcs":[],"objects":{"a":{"type":"Polygon","arcs":[[4]]}}}',
            "no arc has the number 4",
        ),
        (b"PK\x03\x04 not a zip", "damaged zip"),
        (b"PAR1 not parquet", "not GeoParquet"),
        (b"SQLite format 3\x00" + b"\x01" * 200, "not a GeoPackage"),
        (b"\x00\x00\x27\x0a short", "not a Shapefile inside"),
        (b"\x00\x00\x27\x0a" + b"\x00" * 28 + b"\x05\x00\x00\x00" + b"\xff" * 64, "Shapefile"),
    ],
)
def test_a_broken_file_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(content)
    with pytest.raises(BoundaryError, match=message):
        read_boundaries(path)


def test_a_folder_or_nothing_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BoundaryError, match="a folder, not a boundary file"):
        read_boundaries(tmp_path)
    with pytest.raises(BoundaryError, match="there is no such file"):
        read_boundaries(tmp_path / "none.geojson")


def test_a_huge_file_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(b"{" + b" " * 5_000 + b"}")
    monkeypatch.setattr(file_formats, "MAX_JSON_BYTES", 4_000)
    with pytest.raises(BoundaryError, match="over 0 MB"):
        read_boundaries(path)


def test_a_zip_bomb_stops_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.shp", b"\x00\x00\x27\x0a" + bytes(5_000_000))
    monkeypatch.setattr(file_formats, "MAX_BYTES", 1_000_000)
    with pytest.raises(BoundaryError, match="over 0 MB"):
        read_boundaries(path)


def test_a_zip_member_cannot_leave_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../escaped.shp", b"\x00\x00\x27\x0a" + bytes(200))
    with pytest.raises(BoundaryError):
        read_boundaries(path)
    assert not list(tmp_path.parent.rglob("escaped.shp"))


def test_a_geopackages_view_is_not_a_table_and_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    square = gpd.GeoDataFrame({"code": ["1"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4326)
    square.to_file(path, layer="good", driver="GPKG")
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(
            "CREATE VIEW endless AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n)"
            " SELECT x AS fid, x AS geom FROM n"
        )
        connection.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id)"
            " VALUES ('endless', 'features', 'endless', 4326)"
        )
        connection.execute(
            "INSERT INTO gpkg_geometry_columns VALUES ('endless', 'geom', 'POLYGON', 4326, 0, 0)"
        )
    connection.close()
    loaded = read_boundaries(path)
    assert [layer["layer"] for layer in loaded.report["layers"]] == ["good"]


def test_a_damaged_geopackage_geometry_is_refused_by_feature(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    square = gpd.GeoDataFrame({"code": ["1"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4326)
    square.to_file(path, driver="GPKG", SPATIAL_INDEX="NO")
    connection = sqlite3.connect(path)
    with connection:
        for (trigger,) in connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f'DROP TRIGGER "{trigger}"')
        connection.execute("UPDATE a SET geom = x'475000'")
    connection.close()
    with pytest.raises(BoundaryError, match="feature 1: its geometry is damaged"):
        read_boundaries(path)


def test_a_repeated_key_or_a_crs_that_is_a_path_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    document = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "+init=/etc/passwd:1"}},
        "features": [],
    }
    path.write_text(json.dumps(document))
    with pytest.raises(BoundaryError, match="does not name a CRS"):
        read_boundaries(path)
