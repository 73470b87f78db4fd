"""What does not fit, is extreme, or has no place to go: a message or a map, and nothing halfway."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely

from phusong.coverage.summary import AreaSummary, Result
from phusong.data.errors import MapError
from phusong.maps.columns import DrawnResult
from phusong.maps.page import render_page
from phusong.maps.site import write_site


def test_a_result_of_other_boundaries_than_its_shapes_is_a_message(
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    squares: Callable[..., geopandas.GeoDataFrame],
) -> None:
    drawn = DrawnResult(result=make_result(make_area("new")), geometry=squares("old"))
    with pytest.raises(MapError, match="was it computed with these boundaries"):
        render_page([drawn])


@pytest.mark.browser
def test_one_village_is_a_map(
    open_page: Callable[..., Any],
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    squares: Callable[..., geopandas.GeoDataFrame],
) -> None:
    result = make_result(make_area("1"), area="village")
    opened = open_page(render_page([DrawnResult(result=result, geometry=squares("1"))]))
    assert opened.data("areasDrawn") == "1"
    assert opened.legend()["Covered"] == 1
    assert opened.console == []


@pytest.mark.browser
def test_areas_on_both_sides_of_the_antimeridian_are_all_drawn(
    open_page: Callable[..., Any],
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
) -> None:
    both = shapely.union(shapely.box(179, -17, 180, -16), shapely.box(-180, -17, -179, -16))
    frame = geopandas.GeoDataFrame(
        {"code": ["1", "2"], "name": ["Cakaudrove", "Bua"]},
        geometry=[both, shapely.box(178, -17, 179, -16)],
        crs="EPSG:4326",
    )
    drawn = DrawnResult(result=make_result(make_area("1"), make_area("2")), geometry=frame)
    opened = open_page(render_page([drawn]))
    assert opened.data("areasDrawn") == "2"
    for lon in (179.5, -179.5):
        assert opened.run("lon => state.shapes.at(-16.5, lon).code", lon) == "1"
    assert opened.console == []


@pytest.mark.browser
def test_thousands_of_operators_can_be_chosen_from(
    open_page: Callable[..., Any],
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    squares: Callable[..., geopandas.GeoDataFrame],
) -> None:
    operators = [f"Operator {number:05}" for number in range(3_000)]
    areas = [make_area("1", operator=operator) for operator in ("any", *operators)]
    drawn = DrawnResult(result=make_result(*areas), geometry=squares("1"))
    opened = open_page(render_page([drawn]))
    assert opened.run("() => document.querySelectorAll('#operator option').length") == 3_001
    opened.run("() => show({ operator: 'Operator 02999' })")
    assert opened.data("areasDrawn") == "1"
    assert opened.run("() => state.layer.operator") == "Operator 02999"
    assert opened.console == []


def test_a_file_in_the_way_of_a_sites_folder_is_a_message(
    four_verdicts: DrawnResult, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(MapError, match="cannot write the site"):
        write_site(tmp_path / "file" / "site", [four_verdicts], {})
    assert (tmp_path / "file").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_takes_no_file_is_a_message(
    four_verdicts: DrawnResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root writes anywhere, so the refusal is the system's answer to the call."""

    def refuse(path: Path, *arguments: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(MapError, match=r"cannot write the site .*Permission denied"):
        write_site(tmp_path / "site", [four_verdicts], {})
    assert list(tmp_path.iterdir()) == []
