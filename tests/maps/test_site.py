"""A site: which pages it has, what a folder must hold, and a reader who walks through it."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas
import pytest
import shapely

from phusong.coverage.summary import AreaSummary, Result, Verdict
from phusong.data.errors import MapError
from phusong.maps import site_plan
from phusong.maps.columns import DrawnResult
from phusong.maps.page import PageOptions
from phusong.maps.site import write_site
from phusong.maps.site_plan import Cut, levels_of, plan_site

HOSTILE = '</script><img src=x onerror="alert(1)">{{7*7}}'


@pytest.fixture
def make_level(
    make_area: Callable[..., AreaSummary], make_result: Callable[..., Result]
) -> Callable[..., DrawnResult]:
    """Make a result of one level: codes with what each lies in, on a grid of squares."""

    def make(area: str, within: dict[str, str | None], /, **changes: Any) -> DrawnResult:
        shapes = [
            shapely.box(
                105 + at % 20 / 10, 20 + at // 20 / 10, 105.1 + at % 20 / 10, 20.1 + at // 20 / 10
            )
            for at in range(len(within))
        ]
        names = changes.pop("names", {})
        frame = geopandas.GeoDataFrame(
            {
                "code": list(within),
                "name": [names.get(code, f"Area {code}") for code in within],
                "parent_code": list(within.values()),
                "parent_name": [above and f"In {above}" for above in within.values()],
            },
            geometry=shapes,
            crs="EPSG:4326",
        )
        areas = [make_area(code, name=names.get(code, f"Area {code}")) for code in within]
        values = {"area": area} | changes
        return DrawnResult(result=make_result(*areas, **values), geometry=frame)

    return make


@pytest.fixture
def country(make_level: Callable[..., DrawnResult]) -> list[DrawnResult]:
    """Two provinces, three communes (one in a province nobody knows), six villages."""
    provinces = make_level("province", {"P1": None, "P2": None}, names={"P1": HOSTILE})
    communes = make_level("commune", {"C1": "P1", "C2": "P1", "C3": "P9"})
    villages = make_level(
        "village",
        {"V1": "C1", "V2": "C1", "V3": "C2", "V4": "C3", "V5": "C8", "V6": None},
        names={"V4": "Đồng Liên"},
    )
    return [villages, provinces, communes]


def parents_of(results: Sequence[DrawnResult]) -> dict[str, str | None]:
    return {
        code: above
        for drawn in results
        for code, above in zip(drawn.geometry["code"], drawn.geometry["parent_code"], strict=True)
    }


def test_every_area_is_on_the_page_of_what_it_lies_in(country: list[DrawnResult]) -> None:
    sections = plan_site(levels_of(country), parents_of(country))
    shown = {
        (section.title, section.codes, tuple(title for title, _ in section.place))
        for section in sections
    }
    assert shown == {
        (None, ("P1", "P2"), ()),
        (HOSTILE, ("C1", "C2"), ()),
        ("", ("C3",), ()),
        ("Area C1", ("V1", "V2"), (HOSTILE,)),
        ("Area C2", ("V3",), (HOSTILE,)),
        ("Area C3", ("V4",), ("",)),
        ("", ("V5", "V6"), ()),
    }


def test_an_area_leads_to_the_page_of_what_lies_in_it(country: list[DrawnResult]) -> None:
    sections = plan_site(levels_of(country), parents_of(country))
    first = sections[0]
    assert {sections[number].title for number in first.inside.values()} == {HOSTILE}
    assert set(first.inside) == {"P1"}, "nothing was judged inside P2"
    assert [sections[number].codes for number in first.beside] == [("C3",), ("V5", "V6")]


def test_a_level_without_a_result_is_passed_over(country: list[DrawnResult]) -> None:
    villages, provinces, _ = country
    sections = plan_site(levels_of([villages, provinces]), parents_of(country))
    assert [(section.title, section.codes) for section in sections] == [
        (None, ("P1", "P2")),
        ("", ("V4", "V5", "V6")),
        (HOSTILE, ("V1", "V2", "V3")),
    ]


def test_areas_that_lie_in_each_other_in_a_circle_are_still_shown(
    make_level: Callable[..., DrawnResult],
) -> None:
    results = [make_level("commune", {"A": "B", "B": "A"}), make_level("province", {"P": None})]
    sections = plan_site(levels_of(results), {"A": "B", "B": "A"})
    assert [section.codes for section in sections] == [("P",), ("A", "B")]


def test_one_level_is_shown_whole_and_again_for_each_parent(
    make_level: Callable[..., DrawnResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_plan, "LEAST_AREAS_TO_PART", 4)
    result = make_level("commune", {"1": "A", "2": "A", "3": "B", "4": "B"})
    sections = plan_site(levels_of([result]), {})
    assert [(section.title, section.codes) for section in sections] == [
        (None, ("1", "2", "3", "4")),
        ("In A", ("1", "2")),
        ("In B", ("3", "4")),
    ]
    assert sections[0].inside == {"1": 1, "2": 1, "3": 2, "4": 2}


def test_a_cut_keeps_the_rows_of_its_areas_only(
    make_area: Callable[..., AreaSummary], make_result: Callable[..., Result], squares: Any
) -> None:
    rows = [make_area("1"), make_area("1", operator="A"), make_area("2", Verdict.NO_DATA)]
    drawn = DrawnResult(result=make_result(*rows), geometry=squares("1", "2"))
    (cut,) = Cut(levels_of([drawn])[0]).to(("1",))
    assert [area.operator for area in cut.result.areas] == ["any", "A"]
    assert list(cut.geometry["code"]) == ["1"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"boundary_id": None, "area": "h3:8"}, "there is none"),
        ({"boundary_id": "set-2"}, "2 sets of boundaries"),
    ],
)
def test_what_a_site_cannot_show_is_said(
    changes: dict[str, Any], said: str, make_level: Callable[..., DrawnResult]
) -> None:
    results = [make_level("commune", {"1": None}, **changes)]
    if "set" in said:
        results.append(make_level("commune", {"1": None}))
    with pytest.raises(MapError, match=said):
        levels_of(results)


def test_too_many_areas_for_a_first_page_ask_for_the_level_above(
    make_level: Callable[..., DrawnResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_plan, "MAX_FIRST_PAGE_AREAS", 2)
    with pytest.raises(MapError, match=r"3 areas are too many.*--by province"):
        levels_of([make_level("village", {"1": None, "2": None, "3": None})])


def test_a_folder_with_something_of_somebody_elses_is_left_as_it_is(
    tmp_path: Path, country: list[DrawnResult]
) -> None:
    folder = tmp_path / "site"
    write_site(folder, country, parents_of(country))
    (folder / "areas" / "notes.txt").write_text("mine")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(MapError, match=r"holds areas/notes\.txt"):
        write_site(folder, country[1:2], {})
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_site_of_ours_is_replaced_and_old_pages_go(
    tmp_path: Path, country: list[DrawnResult]
) -> None:
    folder = tmp_path / "site"
    first = write_site(folder, country, parents_of(country))
    again = write_site(folder, country[1:2], {})
    assert (first.pages, again.pages) == (7, 1)
    assert not (folder / "areas").exists()
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {
        *json.loads((folder / "phusong-site.json").read_text())["files"],
        "phusong-site.json",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_list_that_is_no_list_makes_nothing_ours(
    tmp_path: Path, country: list[DrawnResult]
) -> None:
    (tmp_path / "phusong-site.json").write_text('["index.html"]')
    with pytest.raises(MapError, match=r"holds phusong-site\.json"):
        write_site(tmp_path, country, parents_of(country))


def test_a_site_that_fails_midway_leaves_the_old_one(
    tmp_path: Path, country: list[DrawnResult]
) -> None:
    folder = tmp_path / "site"
    write_site(folder, country, parents_of(country))
    before = (folder / "index.html").read_bytes()

    def interrupted(pages: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_site(folder, country[1:2], {}, on_progress=interrupted)
    assert (folder / "index.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_folder_is_refused(
    kind: str, tmp_path: Path, country: list[DrawnResult]
) -> None:
    place = tmp_path / "site"
    place.write_text("mine") if kind == "file" else place.symlink_to(tmp_path)
    with pytest.raises(MapError, match="is not a folder"):
        write_site(place, country, parents_of(country))


def test_the_same_results_give_the_same_site(tmp_path: Path, country: list[DrawnResult]) -> None:
    for name in ("one", "two"):
        write_site(tmp_path / name, country, parents_of(country))
    files = [
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("one", "two")
    ]
    assert files[0] == files[1]


def test_a_page_has_only_the_points_that_lie_in_its_areas(
    tmp_path: Path, country: list[DrawnResult]
) -> None:
    points = SimpleNamespace(
        lon=[105.05, 105.15, 107.5],
        lat=[20.05] * 3,
        ok=[True, False, True],
        simulated=[False] * 3,
        measured_total=3,
        simulated_total=0,
    )
    write_site(tmp_path / "site", country, parents_of(country), points)
    kinds = {}
    for page in (tmp_path / "site").rglob("*.html"):
        text = page.read_text().split('id="data">')[1].split("</script>")[0]
        data = json.loads(text)
        kinds[data["site"]["here"]] = data["points"] and data["points"]["kind"]
    assert kinds[None] == [1, 0]
    assert kinds["Area C2"] is None or kinds["Area C2"] == []


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Serve the test's own folder as a static web server does."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.browser
@pytest.mark.parametrize("way", ["file", "http"])
def test_a_reader_walks_down_and_finds_an_area_of_another_page(
    way: str, tmp_path: Path, served: str, open_site: Any, country: list[DrawnResult]
) -> None:
    write_site(
        tmp_path / "site", country, parents_of(country), options=PageOptions(title="Cả nước")
    )
    root = served if way == "http" else f"{tmp_path.as_uri()}/"
    opened = open_site(f"{root}site/")
    assert opened.text("h1") == "Cả nước"
    opened.page.focus("#search")
    opened.page.fill("#search", "area p1")
    opened.page.fill("#search", "onerror")
    opened.page.locator("#found button").first.click()
    assert opened.text(".into") == f"Open {HOSTILE} in detail"
    opened.page.focus(".into")
    opened.arrive(lambda: opened.page.keyboard.press("Enter"))
    assert opened.text("h1") == f"{HOSTILE} – Cả nước"
    assert opened.text("#place").startswith("Whole map")
    assert sum(opened.legend().values()) == 2
    opened.page.focus("#search")
    opened.page.fill("#search", "dong l")
    opened.page.locator("#found a").first.wait_for()
    opened.arrive(lambda: opened.page.keyboard.press("Enter"))
    assert opened.text("#card h2") == "Đồng Liên"
    opened.screenshot(f"site-{way}")
    assert opened.console == []
    assert opened.outside == []


@pytest.mark.browser
def test_a_result_that_is_not_shown_first_is_fetched_when_asked_for(
    tmp_path: Path, open_site: Any, make_level: Callable[..., DrawnResult]
) -> None:
    first = make_level("commune", {"1": None, "2": None})
    second = make_level("commune", {"1": None, "2": None}, rule="other", rule_title_en="Other")
    write_site(tmp_path / "site", [first, second], {})
    opened = open_site(f"{tmp_path.as_uri()}/site/")
    assert not any("pack-2" in address for address in opened.requests)
    opened.page.select_option("#result", label="Other – communes")
    assert opened.text("#sentence").startswith("Of 2 communes, 2 are shown to be covered")
    assert sum("pack-2" in address for address in opened.requests) == 1
    assert opened.console == []


@pytest.mark.browser
def test_a_file_that_is_gone_is_said(
    tmp_path: Path, open_site: Any, make_level: Callable[..., DrawnResult]
) -> None:
    first = make_level("commune", {"1": None})
    second = make_level("commune", {"1": None}, rule="other", rule_title_en="Other")
    write_site(tmp_path / "site", [first, second], {})
    (tmp_path / "site" / "data" / "0-pack-2.js").unlink()
    opened = open_site(f"{tmp_path.as_uri()}/site/")
    opened.page.select_option("#result", label="Other – communes")
    opened.page.locator(
        "#trouble", has_text="0-pack-2.js of this site could not be read"
    ).wait_for()
    assert opened.text("#result option:checked") == "4G, 5 Mbit/s – communes"
