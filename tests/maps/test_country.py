"""A whole country on one page: every commune, a few megabytes, no server needed or a plain one."""

import http.server
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import geopandas
import pytest

from phusong.coverage.summary import AreaSummary, Result, Verdict
from phusong.maps.columns import DrawnResult
from phusong.maps.page import render_page, write_page

COMMUNES = "vn-communes-2025/vn_communes_2025_asis.geojson"
PAGE_BUDGET_BYTES = 4_000_000


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Serve the test's folder as any static web server would; give its address."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.browser
def test_a_page_works_from_a_plain_web_server_too(
    open_page: Any, four_verdicts: DrawnResult, tmp_path: Path, served: str
) -> None:
    write_page(tmp_path / "map.html", render_page([four_verdicts]))
    opened = open_page.visit(f"{served}/map.html", 1280, 800)
    assert (opened.data("areasDrawn"), opened.requests, opened.console) == ("5", [], [])


@pytest.mark.browser
def test_every_commune_of_vietnam_is_drawn_within_a_few_megabytes(
    open_page: Any,
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    shared: Callable[[str], Path],
) -> None:
    frame = geopandas.read_file(shared(COMMUNES)).rename(
        columns={"commune_id": "code", "commune": "name", "province": "parent_name"}
    )
    verdicts = list(Verdict)
    result = make_result(
        *(
            make_area(code, verdicts[index % 4], name=name, operator=operator)
            for operator in ("any", "Viettel", "MobiFone")
            for index, (code, name) in enumerate(zip(frame["code"], frame["name"], strict=True))
        )
    )
    page = render_page([DrawnResult(result=result, geometry=frame)])
    assert len(page.encode()) < PAGE_BUDGET_BYTES
    opened = open_page(page)
    assert opened.data("areasDrawn") == "3321"
    assert sum(opened.legend().values()) == 3321
    opened.page.fill("#search", "truong sa")
    assert opened.page.locator("#found button").first.inner_text().startswith("Trường Sa")
    opened.page.press("#search", "Enter")
    assert opened.run("() => map.getBounds().contains([10, 114])")
    opened.screenshot("map-vietnam")


REAL = {
    "fr": (
        "fr-communes/fr_communes_2018.parquet",
        {"insee": "code", "nom": "name", "dep_nom": "parent_name"},
    ),
    "tw": (
        "tw-villages/villages-10t.json",
        {
            "VILLCODE": "code",
            "VILLNAME": "name",
            "TOWNCODE": "parent_code",
            "TOWNNAME": "parent_name",
        },
    ),
}


@pytest.mark.browser
@pytest.mark.parametrize(
    ("country", "width"), [("fr", 1280), ("fr", 360), ("tw", 1280), ("tw", 360)]
)
def test_every_area_of_a_real_country_is_drawn_at_every_zoom(
    open_page: Any,
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    shared: Callable[[str], Path],
    country: str,
    width: int,
) -> None:
    name, fields = REAL[country]
    path = shared(name)
    read = geopandas.read_parquet if path.suffix == ".parquet" else geopandas.read_file
    frame = (read(path) if country == "fr" else read(path, layer="villages")).rename(columns=fields)
    frame = frame[~frame["code"].duplicated()].set_crs(4326, allow_override=True)
    frame["name"] = frame["name"].fillna(frame["code"])
    verdicts = list(Verdict)
    result = make_result(
        *(
            make_area(code, verdicts[len(parent) % 4], name=name)
            for code, name, parent in zip(
                frame["code"], frame["name"], frame["parent_name"], strict=True
            )
        )
    )
    opened = open_page(
        render_page([DrawnResult(result=result, geometry=frame)]), width=width, height=740
    )
    assert sum(opened.legend().values()) == len(frame)
    opened.screenshot(f"map-{country}-{width}")
    for zoom in (4, 6, 9):
        opened.run("zoom => { map.setZoom(zoom, { animate: false }); }", zoom)
        opened.settle()
        assert opened.data("areasDrawn") == str(len(frame))
    assert (opened.console, opened.requests) == ([], [])
