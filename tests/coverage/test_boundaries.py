"""Boundaries: every format, the fields found, what is repaired and what is refused."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely

from phusong.coverage.boundaries import read_boundaries
from phusong.coverage.boundary_rows import BoundarySet, frame_from_rows, set_to_rows
from phusong.data.errors import BoundaryError

Shared = Callable[[str], Path]
SQUARE = [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]


def feature(code: object = "1", rings: object = SQUARE, **properties: object) -> dict[str, Any]:
    geometry = {"type": "Polygon", "coordinates": rings}
    return {
        "type": "Feature",
        "properties": {"code": code, "name": f"Area {code}", **properties},
        "geometry": geometry,
    }


def write(path: Path, *features: dict[str, Any], **members: object) -> Path:
    document = {"type": "FeatureCollection", **members, "features": list(features)}
    path.write_text(json.dumps(document), "utf-8")
    return path


@pytest.fixture
def villages() -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {
            "village_id": ["01", "02"],
            "village": ["Thôn Đoài", "Thôn Đông"],
            "commune_id": ["9", "9"],
            "commune": ["Xã Bình An", "Xã Bình An"],
        },
        geometry=[shapely.box(105, 21, 105.01, 21.01), shapely.box(105.01, 21, 105.02, 21.01)],
        crs="EPSG:4326",
    )


def assert_are_the_villages(loaded: BoundarySet) -> None:
    frame = loaded.frame
    assert frame["code"].tolist() == ["01", "02"]
    assert frame["name"].tolist() == ["Thôn Đoài", "Thôn Đông"]
    assert frame["level"].tolist() == ["village"] * 2
    assert frame["parent_code"].tolist() == ["9", "9"]
    assert frame["parent_name"].tolist() == ["Xã Bình An"] * 2
    assert frame.total_bounds == pytest.approx([105, 21, 105.02, 21.01], abs=1e-6)


def test_one_set_reads_the_same_from_every_format(
    villages: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    villages.to_file(tmp_path / "a.geojson", driver="GeoJSON")
    villages.to_file(tmp_path / "a.gpkg", driver="GPKG")
    villages.to_file(tmp_path / "a.shp", encoding="utf-8")
    villages.to_parquet(tmp_path / "a.parquet")
    villages.to_file(tmp_path / "a.shp.zip", driver="ESRI Shapefile")
    formats = {}
    for name in ("a.geojson", "a.gpkg", "a.shp", "a.parquet", "a.shp.zip"):
        # A name decides nothing: the content does.
        disguised = tmp_path / name
        loaded = read_boundaries(disguised)
        assert_are_the_villages(loaded)
        formats[name] = loaded.report["format"]
    assert list(formats.values()) == [
        *("GeoJSON", "GeoPackage", "Shapefile", "GeoParquet", "zipped Shapefile")
    ]


def test_a_format_is_told_by_content_and_not_by_name(
    villages: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    villages.to_file(tmp_path / "a.gpkg", driver="GPKG")
    disguised = (tmp_path / "a.gpkg").rename(tmp_path / "a.geojson")
    assert_are_the_villages(read_boundaries(disguised))


@pytest.mark.parametrize("name", ["a.shp", "a.gpkg", "a.parquet"])
def test_coordinates_are_transformed_to_degrees(
    villages: gpd.GeoDataFrame, tmp_path: Path, name: str
) -> None:
    metres = villages.to_crs("EPSG:3405")
    path = tmp_path / name
    metres.to_parquet(path) if name.endswith("parquet") else metres.to_file(path)
    assert_are_the_villages(read_boundaries(path))


@pytest.mark.parametrize("name", ["a.shp", "a.gpkg", "a.parquet"])
def test_a_file_without_crs_is_refused_until_it_is_named(
    villages: gpd.GeoDataFrame, tmp_path: Path, name: str
) -> None:
    unknown = villages.to_crs("EPSG:3405").set_crs(None, allow_override=True)
    path = tmp_path / name
    if name.endswith("parquet"):
        unknown.to_parquet(path)
    else:
        unknown.to_file(path)
    with pytest.raises(BoundaryError, match=r"no CRS is given.*--crs"):
        read_boundaries(path)
    assert_are_the_villages(read_boundaries(path, crs="EPSG:3405"))


def test_an_old_crs_member_is_obeyed_or_refused(villages: gpd.GeoDataFrame, tmp_path: Path) -> None:
    metres = json.loads(villages.to_crs("EPSG:3405").to_json(drop_id=True))
    metres["crs"] = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3405"}}
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(metres), "utf-8")
    assert_are_the_villages(read_boundaries(path))
    metres["crs"] = {"type": "link", "properties": {"href": "http://127.0.0.1:9/crs"}}
    path.write_text(json.dumps(metres), "utf-8")
    with pytest.raises(BoundaryError, match="does not name a CRS"):
        read_boundaries(path)


def test_fields_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.geojson", feature("1", kennung="X7", label="Ở đây", over="P"))
    loaded = read_boundaries(
        path, code_field="kennung", name_field="label", parent_field="over", level="hamlet"
    )
    row = loaded.frame.iloc[0]
    assert (row["code"], row["name"], row["parent_code"]) == ("X7", "Ở đây", "P")
    assert row["level"] == "hamlet"
    with pytest.raises(BoundaryError, match="there is no field nothing; it has: code, name"):
        read_boundaries(path, code_field="nothing")


def test_the_same_content_has_the_same_id_and_other_content_another(tmp_path: Path) -> None:
    one = write(tmp_path / "a.geojson", feature("1"))
    spaced = tmp_path / "b.geojson"
    spaced.write_text(json.dumps(json.loads(one.read_text()), indent=3))
    renamed = write(tmp_path / "c.geojson", feature("1", name="Another"))
    assert read_boundaries(one).id == read_boundaries(spaced).id
    assert read_boundaries(one).id != read_boundaries(renamed).id


def test_a_set_survives_the_way_through_rows(villages: gpd.GeoDataFrame, tmp_path: Path) -> None:
    villages.to_file(tmp_path / "a.geojson", driver="GeoJSON")
    loaded = read_boundaries(tmp_path / "a.geojson", vintage="2025-07-01")
    header, rows = set_to_rows(loaded)
    assert header["vintage"] == "2025-07-01"
    again = frame_from_rows(rows)
    assert again.geometry.geom_equals(loaded.frame.geometry).all()
    assert again["name"].tolist() == loaded.frame["name"].tolist()


def test_a_bow_tie_is_repaired_and_reported(tmp_path: Path) -> None:
    bow_tie = [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]
    loaded = read_boundaries(write(tmp_path / "a.geojson", feature("1", bow_tie)))
    assert loaded.frame.geometry.is_valid.all()
    assert loaded.frame.geometry.iloc[0].area == pytest.approx(2.0)
    repaired = loaded.report["layers"][0]["repaired"]
    assert [(row["code"], row["reason"]) for row in repaired] == [("1", "Self-intersection")]


def test_an_area_that_a_grid_turned_into_a_line_is_kept_as_a_sliver(tmp_path: Path) -> None:
    topology = {
        "type": "Topology",
        "arcs": [[[0, 0], [5, 5]], [[5, 5], [-5, -5]], [[0, 0], [9, 0], [0, 9], [-9, -9]]],
        "transform": {"scale": [0.1, 0.1], "translate": [10, 20]},
        "objects": {
            "towns": {
                "type": "GeometryCollection",
                "geometries": [
                    {"type": "Polygon", "arcs": [[0, 1]], "properties": {"code": "thin"}},
                    {"type": "Polygon", "arcs": [[2]], "properties": {"code": "wide"}},
                ],
            }
        },
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps(topology))
    loaded = read_boundaries(path)
    assert loaded.report["format"] == "TopoJSON"
    assert loaded.frame["code"].tolist() == ["thin", "wide"]
    assert 0 < loaded.frame.geometry.iloc[0].area < 1e-5
    assert [row["reason"] for row in loaded.report["layers"][0]["repaired"]] == [
        "Collapsed to a line"
    ]


def test_layers_of_one_level_ask_for_a_choice(tmp_path: Path) -> None:
    square = {"type": "Polygon", "arcs": [[0]], "properties": {"code": "1"}}
    arc = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]
    nameless = {"type": "Polygon", "arcs": [[0]]}
    path = tmp_path / "a.json"
    for objects, message in (
        ({"this": square, "that": square}, "2 layers are of level area; choose one with --layer"),
        ({"this": nameless, "that": nameless}, "this: no field is known to hold codes"),
    ):
        path.write_text(json.dumps({"type": "Topology", "arcs": [arc], "objects": objects}))
        with pytest.raises(BoundaryError, match=message):
            read_boundaries(path)


def test_hostile_names_are_kept_as_data_in_nfc(tmp_path: Path) -> None:
    names = ["'; DROP TABLE boundary; --", "{{7*7}}", "<img src=x onerror=1>", "Đo\u0300n\x1b[2J"]
    features = [feature(str(n), name=name) for n, name in enumerate(names)]
    loaded = read_boundaries(write(tmp_path / "a.geojson", *features))
    assert loaded.frame["name"].tolist() == [*names[:3], "Đ\u00f2n\x1b[2J"]


def test_numbers_are_codes_without_a_fraction(tmp_path: Path) -> None:
    path = write(tmp_path / "a.geojson", feature(7), feature(8.0))
    assert read_boundaries(path).frame["code"].tolist() == ["7", "8"]


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([feature("10045"), feature("10045")], "2 features share code 10045"),
        ([feature("1"), feature(None)], "feature 2 has no code"),
        ([feature("1"), {"type": "Feature", "properties": {"code": "2"}, "geometry": None}],
         r"feature 2 \(code 2\) has no geometry"),
        ([feature("1", [])], r"feature 1 \(code 1\) has no geometry"),
        ([feature("1", [[[21, 105], [22, 105], [22, 106], [21, 105]]])], "swapped"),
        ([feature("1", [[[5e5, 2e6], [6e5, 2e6], [6e5, 3e6], [5e5, 2e6]]])], "not degrees"),
        ([feature("1", [[[179, 0], [-179, 0], [-179, 1], [179, 1], [179, 0]]])], "antimeridian"),
        ([feature("1", [[[0, 0], [1, "x"], [1, 1], [0, 0]]])], "feature 1: a ring is not"),
        ([feature("1", [[[0, 0], [1], [1, 1], [0, 0]]])], "feature 1: a ring is not"),
        ([feature("1", [[[0, 0], [1, 1e999], [1, 1], [0, 0]]])], "feature 1: a ring is not"),
        ([feature("1", "ring")], "feature 1: a ring is not"),
        ([feature("1"), feature("2") | {"geometry": {"type": "Point", "coordinates": [0, 0]}}],
         "feature 2 is a Point"),
        ([feature("1", name="\ud800")], "feature 1: name is not a text"),
        ([{"type": "Feature", "properties": {"a": 1}, "geometry": feature()["geometry"]}],
         r"no field is known to hold codes.*\(fields: a\)"),
        ([], "no feature in it"),
        ([7], "no field is known"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_the_feature_named(
    tmp_path: Path, features: list[Any], message: str
) -> None:
    with pytest.raises(BoundaryError, match=message):
        read_boundaries(write(tmp_path / "a.geojson", *features))


def test_an_area_cut_at_the_antimeridian_is_taken(tmp_path: Path) -> None:
    halves = [
        [[[179, 0], [180, 0], [180, 1], [179, 1], [179, 0]]],
        [[[-180, 0], [-179, 0], [-179, 1], [-180, 1], [-180, 0]]],
    ]
    cut = feature("1") | {"geometry": {"type": "MultiPolygon", "coordinates": halves}}
    assert len(read_boundaries(write(tmp_path / "a.geojson", cut)).frame) == 1


@pytest.mark.parametrize(
    ("name", "count", "repaired"),
    [("vn_communes_2025_asis.geojson", 3321, 0), ("vn_communes_2025_clean.geojson", 3321, 42)],
)
def test_both_files_of_vietnams_communes_load(
    shared: Shared, name: str, count: int, repaired: int
) -> None:
    loaded = read_boundaries(shared(f"vn-communes-2025/{name}"))
    assert len(loaded.frame) == count
    assert loaded.frame["parent_code"].nunique() == 34
    assert set(loaded.frame["level"]) == {"commune"}
    assert len(loaded.report["layers"][0]["repaired"]) == repaired
    assert loaded.frame.geometry.is_valid.all()
    an_khanh = loaded.frame.set_index("code").loc["09877"]
    assert (an_khanh["name"], an_khanh["parent_name"]) == ("An Khánh", "Hà Nội")


def test_topojson_of_vietnam_has_both_levels(shared: Shared) -> None:
    loaded = read_boundaries(shared("vn-communes-2025/vn_2025_default.topojson"))
    assert Counter(loaded.frame["level"]) == {"commune": 3321, "province": 34}
    only = read_boundaries(shared("vn-communes-2025/vn_2025_default.topojson"), layer="provinces")
    assert Counter(only.frame["level"]) == {"province": 34}


def test_us_counties_load_with_a_town_too_small_for_the_files_grid(shared: Shared) -> None:
    loaded = read_boundaries(shared("us-counties/counties-10m.json"))
    assert Counter(loaded.frame["level"]) == {"county": 3231, "state": 56}
    reasons = Counter(row["reason"] for row in loaded.report["layers"][0]["repaired"])
    assert reasons == {
        "Self-intersection": 15, "Ring Self-intersection": 7, "Collapsed to a line": 1
    }  # fmt: skip
    assert loaded.report["layers"][2] == {
        "layer": "nation", "skipped": "no field names its features"
    }  # fmt: skip


def test_taiwans_villages_nest(shared: Shared) -> None:
    frame = read_boundaries(shared("tw-villages/villages-10t.json")).frame
    assert Counter(frame["level"]) == {"village": 7701, "town": 368, "county": 22, "nation": 1}
    by_level = {level: rows.set_index("code") for level, rows in frame.groupby("level")}
    villages = by_level["village"]
    assert set(villages["parent_code"]) <= set(by_level["town"].index)
    assert set(by_level["town"]["parent_code"]) <= set(by_level["county"].index)


def test_french_communes_load_from_geoparquet(shared: Shared) -> None:
    loaded = read_boundaries(shared("fr-communes/fr_communes_2018.parquet"))
    assert Counter(loaded.frame["level"]) == {"commune": 35357}
    assert loaded.frame["parent_code"].nunique() == 101
    assert len(loaded.report["layers"][0]["repaired"]) == 1


def test_indian_villages_load_or_are_refused_by_feature(shared: Shared) -> None:
    for name, count in (("ga.geojson", 402), ("sk.geojson", 394)):
        assert len(read_boundaries(shared(f"in-villages/{name}")).frame) == count
    with pytest.raises(BoundaryError, match="feature 265 has no CEN_2001"):
        read_boundaries(shared("in-villages/kl_simplified.json"))
