"""The page as text: constants through folium, data after it, nothing from anywhere else."""

import base64
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phusong.coverage.summary import AreaSummary, Result, Verdict
from phusong.data.errors import MapError
from phusong.data.words import translate
from phusong.maps.columns import DrawnResult
from phusong.maps.page import (
    PageOptions,
    data_json,
    folium_frame,
    page_texts,
    render_page,
    write_page,
)


def unpacked(page: str, pack: dict[str, Any], name: str) -> list[Any]:
    """Read a column back as the page does."""
    found = re.search(rf'<script type="text/plain" id="{pack["id"]}">(.*?)</script>', page, re.S)
    assert found is not None
    content = zlib.decompress(base64.b64decode(found[1]))
    kind, width, offset, length, count, *_ = pack["columns"][name]
    if kind == "t":
        return list(json.loads(content[offset : offset + length]))
    assert (width, length) == (1, count), "small numbers take a byte each"
    return list(content[offset : offset + length])


def data_of(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found[1])


@given(st.text())
def test_data_comes_back_and_can_end_no_element(text: str) -> None:
    written = data_json({"name": text})
    assert not set("<>&\u2028\u2029") & set(written)
    kept = text.encode("utf-8", errors="replace").decode("utf-8")
    assert json.loads(written) == {"name": kept}


def test_numbers_that_json_has_not_are_an_error() -> None:
    with pytest.raises(ValueError, match="JSON"):
        data_json({"share": float("nan")})


def test_a_page_names_no_address_outside_itself(four_verdicts: DrawnResult) -> None:
    page = render_page([four_verdicts])
    assert (
        re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"(?!data:,)[^\"]*", page) == []
    )


def test_the_policy_allows_named_scripts_only(four_verdicts: DrawnResult) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', render_page([four_verdicts]))
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy[1]


def test_the_same_results_give_the_same_page(four_verdicts: DrawnResult) -> None:
    assert render_page([four_verdicts]) == render_page([four_verdicts])


def test_foliums_own_lists_of_scripts_are_left_as_they_were(four_verdicts: DrawnResult) -> None:
    import folium

    before = (list(folium.Map.default_js), list(folium.Map.default_css))
    folium_frame.cache_clear()
    render_page([four_verdicts])
    assert (folium.Map.default_js, folium.Map.default_css) == before


def test_a_name_is_never_run_as_a_template(
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    squares: Callable[..., geopandas.GeoDataFrame],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    payload = "{{cycler.__init__.__globals__.os.mkdir('pwned')}}{% x {# y #} {{7*7}} @@data@@"
    result = make_result(make_area("1", name=payload, operator=payload), rule_title_en=payload)
    frame = squares("1", name=[payload])
    page = render_page(
        [DrawnResult(result=result, geometry=frame)], options=PageOptions(title=payload)
    )
    data = data_of(page)
    assert list(tmp_path.iterdir()) == []
    assert data["title"] == payload
    assert unpacked(page, data["shapes"][0]["pack"], "names") == [payload]  # type: ignore[index]
    assert page.count('id="data"') == 1


def test_every_area_of_the_shapes_is_in_the_page(four_verdicts: DrawnResult) -> None:
    page = render_page([four_verdicts])
    (shapes,) = data_of(page)["shapes"]  # type: ignore[misc]
    assert unpacked(page, shapes["pack"], "codes") == ["1", "2", "3", "4", "5"]
    assert unpacked(page, shapes["pack"], "area_rings") == [1] * 5


def test_results_over_the_same_boundaries_share_their_shapes(four_verdicts: DrawnResult) -> None:
    data = data_of(render_page([four_verdicts, four_verdicts]))
    assert len(data["shapes"]) == 1  # type: ignore[arg-type]
    assert [each["shapes"] for each in data["results"]] == [0, 0]  # type: ignore[attr-defined]


def test_results_over_h3_cells_share_the_union_of_their_cells(
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    squares: Callable[..., geopandas.GeoDataFrame],
) -> None:
    three = squares("a", "b", "c")[["code", "geometry"]]
    drawn = [
        DrawnResult(
            result=make_result(*map(make_area, codes), area="h3:8", boundary_id=None),
            geometry=three[three["code"].isin(list(codes))],
        )
        for codes in ("ab", "bc")
    ]
    page = render_page(drawn)
    (shapes,) = data_of(page)["shapes"]  # type: ignore[misc]
    assert unpacked(page, shapes["pack"], "codes") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("rule", "evidence", "expected"),
    [
        ("signal-5g-indicated", {}, True),
        ("vn-5g", {"nsa_indicated": 5}, False),
        ("my-own-rule", {"nsa_indicated": 5}, True),
        ("my-own-rule", {"nsa_indicated": 5, "nsa_measured": 1}, False),
        ("my-own-rule", {"none": 5}, False),
    ],
)
def test_a_result_that_rests_on_the_phones_icon_is_known(
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    squares: Callable[..., geopandas.GeoDataFrame],
    rule: str,
    evidence: dict[str, int],
    expected: bool,
) -> None:
    result = make_result(make_area("1", nr_evidence=evidence), rule=rule)
    data = data_of(render_page([DrawnResult(result=result, geometry=squares("1"))]))
    assert data["results"][0]["by_indication"] is expected  # type: ignore[index]


def test_no_result_and_an_empty_result_are_messages(
    make_result: Callable[..., Result], squares: Callable[..., geopandas.GeoDataFrame]
) -> None:
    with pytest.raises(MapError, match="no result to draw"):
        render_page([])
    with pytest.raises(MapError, match="has no areas"):
        render_page([DrawnResult(result=make_result(), geometry=squares("1"))])


def test_a_result_without_geometry_is_a_message(
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    squares: Callable[..., geopandas.GeoDataFrame],
) -> None:
    drawn = DrawnResult(result=make_result(make_area("1")), geometry=squares("1").iloc[:0])
    with pytest.raises(MapError, match="no geometry"):
        render_page([drawn])


def test_a_result_of_no_data_only_is_drawn(
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    squares: Callable[..., geopandas.GeoDataFrame],
) -> None:
    result = make_result(make_area("1", Verdict.NO_DATA), make_area("2", Verdict.NO_DATA))
    page = render_page([DrawnResult(result=result, geometry=squares("1", "2"))])
    (drawn,) = data_of(page)["results"]  # type: ignore[misc]
    assert unpacked(page, drawn["pack"], "0.area") == []


def test_every_text_of_the_page_has_its_vietnamese() -> None:
    assert sorted(text for text in page_texts() if translate(text, "vi") == text) == []


def test_a_page_replaces_the_old_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "map.html"
    target.write_text("old")
    assert write_page(target, "mới") == 5
    assert target.read_text("utf-8") == "mới"
    assert list(tmp_path.iterdir()) == [target]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(MapError, match="nowhere is not a folder"):
        write_page(tmp_path / "nowhere" / "map.html", "page")


def test_a_folder_in_the_files_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(MapError, match="is a folder"):
        write_page(tmp_path, "page")


def test_a_failed_write_leaves_the_old_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "map.html"
    target.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(MapError, match="No space left"):
        write_page(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
