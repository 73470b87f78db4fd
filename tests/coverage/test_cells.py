"""The cell index gives what the exact predicate gives, point by point."""

import os
import pickle
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from phusong.coverage import cell_builder, join
from phusong.coverage.boundaries import read_boundaries
from phusong.coverage.cell_builder import build_index
from phusong.coverage.cell_file import load_index, save_index
from phusong.coverage.join import OUTSIDE, index_areas, join_points

Floats = npt.NDArray[np.float64]
Shapes = npt.NDArray[np.object_]
SEED = 20261121
FEW = 5_000


def by_predicate(shapes: Shapes, lon: Floats, lat: Floats) -> npt.NDArray[np.int64]:
    """Ask GEOS about every point: the first polygon that intersects it."""
    found = np.full(len(lon), len(shapes))
    points = shapely.points(lon, lat)
    point, area = shapely.STRtree(shapes).query(points, predicate="intersects")
    np.minimum.at(found, point, area)
    return found


def by_geopandas(frame: gpd.GeoDataFrame, lon: Floats, lat: Floats) -> list[str | None]:
    """Ask geopandas.sjoin about the first `FEW` points: the lowest code that intersects."""
    points = gpd.GeoDataFrame(geometry=shapely.points(lon[:FEW], lat[:FEW]), crs="EPSG:4326")
    joined = gpd.sjoin(points, frame[["code", "geometry"]], predicate="intersects")
    lowest = joined.groupby(level=0)["code"].min().to_dict()
    return [lowest.get(n) for n in range(FEW)]


def differing(shapes: Shapes, lon: Floats, lat: Floats) -> int:
    return int((build_index(shapes).locate(lon, lat) != by_predicate(shapes, lon, lat)).sum())


def adversarial(shapes: Shapes, most: int = 20_000) -> tuple[Floats, Floats]:
    """Give vertices, middles of edges, one step off them, corners and sides of cells."""
    rng = np.random.default_rng(SEED)
    vertices = shapely.get_coordinates(shapes)
    if len(vertices) > most:
        start = rng.integers(len(vertices) - most)
        vertices = vertices[start : start + most]
    middles = (vertices[1:] + vertices[:-1]) / 2
    thirds = vertices[1:] / 3 + vertices[:-1] * (2 / 3)
    grid = build_index(shapes).grid
    steps = rng.integers(0, 1 << (grid.top + grid.depth), (most // 4, 2))
    corners = steps / (grid.per_x, grid.per_y) + (grid.x, grid.y)
    mixed = np.column_stack([corners[:, 0], np.resize(vertices[:, 1], len(corners))])
    known = np.concatenate([vertices, middles, thirds, corners, mixed])
    off = [np.nextafter(known, known + sign) for sign in (np.array([1, -1]), np.array([-1, 1]))]
    lon, lat = np.concatenate([known, *off]).T
    return lon.copy(), lat.copy()


def scattered(shapes: Shapes, count: int = 50_000) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(SEED)
    west, south, east, north = shapely.total_bounds(shapes)
    margin = 0.02 * max(east - west, north - south)
    return (
        rng.uniform(west - margin, east + margin, count),
        rng.uniform(south - margin, north + margin, count),
    )


def star(x: float, y: float, points: int, outer: float, inner: float) -> shapely.Polygon:
    angle = np.arange(2 * points) * np.pi / points
    radius = np.where(np.arange(2 * points) % 2, inner, outer)
    return shapely.Polygon(
        np.column_stack([x + radius * np.cos(angle), y + radius * np.sin(angle)])
    )


def squares(n: int) -> list[shapely.Polygon]:
    return [shapely.box(x, y, x + 1, y + 1) for x in range(n) for y in range(n)]


RING = shapely.box(0, 0, 8, 8).difference(shapely.box(2, 2, 6, 6))
SHAPES = {
    "squares whose sides are straight lines of the grid": squares(8),
    "stars that overlap": [star(x, y, 7, 2.5, 1.0) for x in range(0, 8, 2) for y in range(0, 8, 2)],
    "a hole with an island in it": [RING, shapely.box(3, 3, 5, 5)],
    "one inside the other": [shapely.box(-n, -n, n, n) for n in (1, 2, 3, 4, 5)],
    "one around the other, the outer first": [shapely.box(-n, -n, n, n) for n in (5, 4, 3, 2, 1)],
    "the same polygon thrice": [star(0, 0, 9, 3, 2)] * 3,
    "islands of one area": [
        shapely.MultiPolygon([shapely.box(n, 0, n + 0.5, 9) for n in range(9)])
    ],
    "parts that meet in a point": [
        shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(1, 1, 2, 2)])
    ],
    "a sliver": [shapely.Polygon([(0, 0), (10, 1e-9), (10, 2e-9)]), shapely.box(0, 0, 10, 1)],
    "all in a millimetre": [shapely.box(105.1, 21.2, 105.1 + 1e-8, 21.2 + 1e-8)],
    "many edges at one point": [
        shapely.Polygon([(0, 0), (np.cos(a), np.sin(a)), (np.cos(a + 0.1), np.sin(a + 0.1))])
        for a in np.arange(0, 6.2, 0.1)
    ],
    "the whole globe and a village": [
        shapely.box(105, 21, 105.01, 21.01),
        shapely.box(-180, -90, 180, 90),
    ],
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_answer_is_the_predicates_for_every_point(name: str) -> None:
    shapes = np.array(SHAPES[name], dtype=object)
    assert differing(shapes, *scattered(shapes, 10_000)) == 0
    assert differing(shapes, *adversarial(shapes, 5_000)) == 0


@pytest.mark.parametrize(
    ("few", "depth"), [(0, 8), (1, 3), (50, 0)], ids=["finest", "shallow", "coarsest"]
)
def test_the_answer_does_not_depend_on_how_far_cells_are_cut(
    monkeypatch: pytest.MonkeyPatch, few: int, depth: int
) -> None:
    monkeypatch.setattr(cell_builder, "FEW_EDGES", few)
    monkeypatch.setattr(cell_builder, "DEEPEST", depth)
    monkeypatch.setattr(cell_builder, "EDGES_AT_ONCE", 64)
    shapes = np.array(SHAPES["stars that overlap"], dtype=object)
    assert differing(shapes, *scattered(shapes, 5_000)) == 0
    assert differing(shapes, *adversarial(shapes, 2_000)) == 0


whole = st.integers(0, 12)
corner = st.tuples(whole, whole)


@settings(max_examples=150, deadline=None)
@given(
    rings=st.lists(st.lists(corner, min_size=3, max_size=8), min_size=1, max_size=8),
    points=st.lists(st.tuples(st.integers(-2, 28), st.integers(-2, 28)), min_size=1, max_size=60),
)
def test_polygons_and_points_on_a_lattice_meet_as_the_predicate_says(
    rings: list[list[tuple[int, int]]], points: list[tuple[int, int]]
) -> None:
    repaired = [shapely.make_valid(shapely.Polygon(ring)) for ring in rings]
    shapes = np.array([s for s in repaired if s.geom_type in ("Polygon", "MultiPolygon")])
    if not len(shapes):
        return
    lon, lat = np.array(points, dtype=np.float64).T / 2
    assert differing(shapes, lon, lat) == 0


@pytest.mark.parametrize(
    ("file", "areas"),
    [
        ("fr-communes/fr_communes_2018.parquet", 35_357),
        ("vn-communes-2025/vn_communes_2025_asis.geojson", 3_321),
        ("vn-communes-2009/vn2009_communes.geojson", 11_000),
        ("tw-villages/villages-10t.json", 7_000),
    ],
)
def test_every_point_of_real_boundaries_gets_the_predicates_answer(
    shared: Callable[[str], Path], file: str, areas: int
) -> None:
    path = shared(file)
    frame = read_boundaries(path).frame
    frame = frame[frame["level"] == frame["level"].value_counts().index[0]]
    assert len(frame) >= 0.9 * areas
    frame = frame.sort_values("code", kind="stable").reset_index(drop=True)
    shapes = frame.geometry.to_numpy()
    index = index_areas(frame)
    for lon, lat in (scattered(shapes), adversarial(shapes)):
        rows = index.locate(lon, lat)
        want = by_predicate(shapes, lon, lat)
        assert np.array_equal(np.where(rows == OUTSIDE, len(shapes), rows), want)
        assert by_geopandas(frame, lon, lat) == [
            None if row == OUTSIDE else frame["code"].iloc[row] for row in rows[:FEW]
        ]


def test_no_area_and_no_point_are_no_error() -> None:
    nowhere = gpd.GeoDataFrame({"code": []}, geometry=[], crs="EPSG:4326")
    assert join_points(np.array([1.0]), np.array([2.0]), nowhere).tolist() == [OUTSIDE]
    one = gpd.GeoDataFrame({"code": ["A"]}, geometry=[shapely.box(0, 0, 1, 1)], crs="EPSG:4326")
    assert join_points(np.array([]), np.array([]), one).tolist() == []


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e300, -1e300, 5e-324])
def test_positions_that_are_none_are_outside(odd: float) -> None:
    one = gpd.GeoDataFrame({"code": ["A"]}, geometry=[shapely.box(1, 1, 2, 2)], crs="EPSG:4326")
    lon, lat = np.array([odd, 1.5, odd, 1.5]), np.array([1.5, odd, odd, 1.5])
    assert join_points(lon, lat, one).tolist() == [OUTSIDE, OUTSIDE, OUTSIDE, 0]


@pytest.fixture
def frame() -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"code": [f"{n:02d}" for n in range(64)]}, geometry=squares(8), crs="EPSG:4326"
    )


def test_an_index_is_kept_and_taken_from_where_it_was_kept(
    frame: gpd.GeoDataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kept" / "a.cells"
    lon, lat = adversarial(frame.geometry.to_numpy(), 500)
    first = index_areas(frame, kept=file, key="set 1").locate(lon, lat)
    assert [each.name for each in file.parent.iterdir()] == ["a.cells"]
    monkeypatch.setattr(join, "build_index", lambda shapes: pytest.fail("it was built again"))
    again = index_areas(frame, kept=file, key="set 1").locate(lon, lat)
    assert np.array_equal(first, again)


def test_an_index_of_other_areas_or_another_version_is_not_used(
    frame: gpd.GeoDataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, shapes = tmp_path / "a.cells", frame.geometry.to_numpy()
    save_index(file, "set 1", build_index(shapes))
    assert load_index(file, "set 1") is not None
    assert load_index(file, "set 2") is None
    monkeypatch.setattr("phusong.coverage.cell_file.FORMAT", 0)
    assert load_index(file, "set 1") is None


def test_a_damaged_index_is_made_anew(frame: gpd.GeoDataFrame, tmp_path: Path) -> None:
    file, shapes = tmp_path / "a.cells", frame.geometry.to_numpy()
    save_index(file, "set 1", build_index(shapes))
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (b"", b"P", b"PK\x03\x04", whole[: len(whole) // 2], whole[:-1], bytes(flipped)):
        file.write_bytes(damaged)
        assert load_index(file, "set 1") is None
        assert index_areas(frame, kept=file, key="set 1").locate(*np.array([[0.5], [0.5]]))[0] == 0
        assert load_index(file, "set 1") is not None


def test_no_byte_of_an_index_can_differ_unnoticed(tmp_path: Path) -> None:
    file = tmp_path / "a.cells"
    save_index(file, "set 1", build_index(np.array(squares(1), dtype=object)))
    whole = file.read_bytes()
    # Names and checksum are at the ends.
    ends = [*range(500), *range(len(whole) - 50, len(whole))]
    for place in (*ends, *range(500, len(whole), 97)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        file.write_bytes(flipped)
        assert load_index(file, "set 1") is None, place
    file.write_bytes(whole)
    assert load_index(file, "set 1") is not None


def test_an_index_of_the_format_before_is_made_anew(
    frame: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    file = tmp_path / "a.cells"
    with file.open("wb") as opened:
        np.savez(opened, name=np.frombuffer(b"phusong cells 2: set 1", dtype=np.uint8))
    assert load_index(file, "set 1") is None
    index_areas(frame, kept=file, key="set 1")
    assert load_index(file, "set 1") is not None


@pytest.mark.parametrize("count", [0, 1, 8])
def test_a_kept_index_is_the_one_that_was_built(count: int, tmp_path: Path) -> None:
    built = build_index(np.array(squares(count), dtype=object))
    save_index(tmp_path / "a.cells", "set 1", built)
    kept = load_index(tmp_path / "a.cells", "set 1")
    assert kept is not None
    assert kept.grid == built.grid
    for part in ("border", "outlines"):
        for each in fields(getattr(built, part)):
            array, mapped = (getattr(getattr(index, part), each.name) for index in (built, kept))
            assert (array.dtype, array.tolist()) == (mapped.dtype, mapped.tolist())
            assert mapped.flags.aligned
    assert (built.table.dtype, built.table.tolist()) == (kept.table.dtype, kept.table.tolist())
    assert kept.nbytes == built.nbytes


def test_a_kept_index_is_not_copied_and_cannot_be_written_to(
    frame: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    file, shapes = tmp_path / "a.cells", frame.geometry.to_numpy()
    save_index(file, "set 1", build_index(shapes))
    kept = load_index(file, "set 1")
    assert kept is not None
    with pytest.raises(ValueError, match="read-only"):
        kept.table[0] = 1
    # Whoever keeps the index anew leaves alone what is in use.
    save_index(file, "set 2", build_index(shapes[:1]))
    assert kept.locate(np.array([7.5]), np.array([7.5])).tolist() == [63]
    sent = pickle.loads(pickle.dumps(kept))
    assert sent.locate(np.array([7.5]), np.array([7.5])).tolist() == [63]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_an_index_for_which_there_is_no_room_is_not_kept_in_part(
    frame: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    (tmp_path / f".a.cells.{os.getpid()}.part").symlink_to("/dev/full")
    index = index_areas(frame, kept=tmp_path / "a.cells", key="set 1")
    assert index.locate(np.array([0.5]), np.array([0.5])).tolist() == [0]
    assert list(tmp_path.iterdir()) == []


def test_an_index_that_cannot_be_kept_is_used_all_the_same(
    frame: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    index = index_areas(frame, kept=tmp_path / "file" / "a.cells", key="set 1")
    assert index.locate(np.array([0.5]), np.array([0.5])).tolist() == [0]
