"""What stands on the canvas: every area at every zoom, periods, pictures, paper."""

import io
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas
import numpy
import pytest
import shapely

from phusong.coverage.summary import AreaSummary, Result, Verdict
from phusong.maps.columns import DrawnResult
from phusong.maps.page import render_page

pytestmark = pytest.mark.browser

Open = Callable[..., Any]
PIXELS = """() => {
  const frame = map.getContainer().getBoundingClientRect();
  const seen = {};
  for (const tile of document.querySelectorAll(".leaflet-tile-pane canvas")) {
    const { data } = tile.getContext("2d").getImageData(0, 0, tile.width, tile.height);
    for (let i = 0; i < data.length; i += 4) {
      const color = data.slice(i, i + 4).join();
      seen[color] = (seen[color] ?? 0) + 1;
    }
  }
  return seen;
}"""


@pytest.fixture
def grid(make_area: Callable[..., AreaSummary], make_result: Callable[..., Result]) -> DrawnResult:
    """3,600 villages of a hundredth of a degree in 36 communes; every ninth is not covered."""
    rows, areas = [], []
    for number in range(3_600):
        x, y = divmod(number, 60)
        code, parent = f"{number:04}", f"Xã {x // 10}-{y // 10}"
        rows.append((code, f"Thôn {code}", parent, shapely.box(x, y, x + 1, y + 1)))
        verdict = Verdict.NOT_COVERED if number % 9 == 0 else Verdict.COVERED
        areas.append(make_area(code, verdict, name=f"Thôn {code}", parent_name=parent))
    columns = dict(
        zip(["code", "name", "parent_name", "geometry"], zip(*rows, strict=True), strict=True)
    )
    shapes = shapely.transform(numpy.array(columns.pop("geometry")), lambda xy: xy / 100 + 105)
    frame = geopandas.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4326")
    frame["geometry"] = frame.geometry.translate(yoff=-85)
    return DrawnResult(result=make_result(*areas), geometry=frame)


def zoomed(opened: Any, zoom: float) -> None:
    opened.run(
        "zoom => { const [w, s, e, n] = state.shapes.whole;"
        " map.setView([(s + n) / 2, (w + e) / 2], zoom, { animate: false }); }",
        zoom,
    )
    time.sleep(0.05)
    opened.settle()


def test_every_area_is_drawn_at_every_zoom_by_itself_or_with_what_it_lies_in(
    open_page: Open, grid: DrawnResult
) -> None:
    opened = open_page(render_page([grid]))
    ways = []
    for zoom in range(3, 13):
        zoomed(opened, zoom)
        assert opened.data("areasDrawn") == "3600"
        ways.append(opened.data("drawnAs"))
    assert ways == sorted(ways, reverse=True)
    assert set(ways) == {"groups", "areas"}


def test_drawn_together_areas_show_the_class_that_most_of_them_have_and_the_page_says_so(
    open_page: Open, grid: DrawnResult
) -> None:
    opened = open_page(render_page([grid]))
    zoomed(opened, 6)
    pixels = opened.run(PIXELS)
    assert pixels.get("11,79,138,255", 0) > 50
    assert "242,169,0,255" not in pixels
    assert "drawn together" in opened.text("#legend-note")
    assert opened.legend()["Not covered"] == 400
    zoomed(opened, 10)
    assert "242,169,0,255" in opened.run(PIXELS)
    assert not opened.page.locator("#legend-note").is_visible()


def test_no_gap_opens_between_neighbours_and_none_between_borders_that_do_not_match(
    open_page: Open, make_area: Any, make_result: Any
) -> None:
    lat = numpy.linspace(20, 21, 300)
    one = numpy.column_stack([105.5 + 0.02 * numpy.sin(lat * 50), lat])
    other = one + numpy.column_stack([numpy.zeros(300), numpy.sin(lat * 90) * 1e-4])
    shapes = [
        shapely.Polygon([(105, 20), *one, (105, 21)]),
        shapely.Polygon([(106, 20), *other, (106, 21)]),
    ]
    frame = geopandas.GeoDataFrame({"code": ["1", "2"]}, geometry=shapes, crs="EPSG:4326")
    result = make_result(make_area("1"), make_area("2"))
    opened = open_page(render_page([DrawnResult(result=result, geometry=frame)]))
    holes = """() => {
      const tiles = [...document.querySelectorAll(".leaflet-tile-pane canvas")];
      let seen = 0;
      for (const tile of tiles) {
        const box = tile.getBoundingClientRect();
        const frame = map.getContainer().getBoundingClientRect();
        const pen = tile.getContext("2d");
        for (let lat = 20.02; lat < 20.98; lat += 0.002) {
          const middle = map.latLngToContainerPoint([lat, 105.5 + 0.02 * Math.sin(lat * 50)]);
          const x = (middle.x + frame.x - box.x) * (tile.width / box.width);
          const y = (middle.y + frame.y - box.y) * (tile.width / box.width);
          if (x < 4 || y < 4 || x > tile.width - 4 || y > tile.height - 4) continue;
          const { data } = pen.getImageData(x - 3, y, 7, 1);
          for (let i = 3; i < data.length; i += 4) seen += data[i] < 250 ? 1 : 0;
        }
      }
      return seen;
    }"""
    assert opened.run(holes) == 0


def test_periods_of_a_rule_are_switched_over_the_same_shapes(
    open_page: Open, make_area: Any, make_result: Any, squares: Any
) -> None:
    frame = squares("1", "2")
    quarters = [datetime(2026, month, 1, tzinfo=UTC) for month in (1, 4, 7)]
    drawn = [
        DrawnResult(
            result=make_result(
                make_area("1", verdict), rule=rule, period_start=start, period_end=end
            ),
            geometry=frame,
        )
        for rule in ("a", "b")
        for start, end, verdict in (
            (quarters[0], quarters[1], Verdict.NOT_COVERED),
            (quarters[1], quarters[2], Verdict.COVERED),
        )
    ]
    page = render_page(drawn)
    assert len(re.findall('id="pack-', page)) == 5, "shapes once, four results"
    opened = open_page(page)
    assert opened.page.locator("#result option").count() == 2
    assert opened.page.locator("#period option").all_inner_texts() == [
        "2026-01-01 to 2026-03-31 (UTC)",
        "2026-04-01 to 2026-06-30 (UTC)",
    ]
    assert opened.legend()["Not covered"] == 1
    opened.page.select_option("#period", "1")
    assert opened.legend()["Covered"] == 1
    opened.page.select_option("#result", "2")
    assert "2026-04-01 to 2026-06-30" in opened.text("#subtitle")
    kept = opened.run("() => location.hash")
    assert "rule=b&" in kept
    assert "period=2026-04-01%2F2026-07-01&boundary=2025-07-01" in kept
    again = open_page(render_page(drawn[::-1]), address=kept)
    assert "2026-04-01 to 2026-06-30" in again.text("#subtitle")
    assert again.run("() => state.result.rule") == "b"


def test_hatching_goes_on_from_tile_to_tile(
    open_page: Open, make_area: Any, make_result: Any, squares: Any
) -> None:
    frame = squares("1")
    frame["geometry"] = [shapely.box(90, 0, 130, 40)]
    opened = open_page(
        render_page(
            [DrawnResult(result=make_result(make_area("1", Verdict.UNPROVEN)), geometry=frame)]
        )
    )
    zoomed(opened, 6)
    compared, differing = opened.run(
        """() => {
          const tiles = Object.values(areas.tiles._tiles);
          let [compared, differing] = [0, 0];
          for (const { el, coords } of tiles) {
            const { x, y } = coords;
            const right = tiles.find((each) => each.coords.x === x + 1 && each.coords.y === y);
            if (!right || compared > 2000) continue;
            // Ten pixels are two periods of the pattern.
            const one = el.getContext("2d").getImageData(506, 0, 5, 512).data;
            const other = right.el.getContext("2d").getImageData(4, 0, 5, 512).data;
            for (let i = 0; i < one.length; i += 4) {
              if (one[i + 3] < 255 || other[i + 3] < 255) continue;
              compared++;
              differing += Math.abs(one[i] - other[i]) > 12;
            }
          }
          return [compared, differing];
        }"""
    )
    assert compared > 1_000
    assert differing < compared / 50


def test_the_picture_has_the_map_its_title_and_the_word_simulated(
    open_page: Open, four_verdicts: DrawnResult
) -> None:
    opened = open_page(render_page([four_verdicts]))
    opened.settle()
    with opened.page.expect_download() as caught:
        opened.page.click("#save-picture")
    content = Path(caught.value.path()).read_bytes()
    assert caught.value.suggested_filename == "phusong.png"
    assert content.startswith(b"\x89PNG")
    lines = opened.run(
        "() => pictureLines(document.createElement('canvas').getContext('2d'), 800)"
        ".map(({ text }) => text)"
    )
    assert any("SIMULATED" in line for line in lines)
    colors = opened.run(
        """() => {
          const made = picture(map.getContainer());
          const { data } = made.getContext("2d").getImageData(0, 0, made.width, made.height);
          const seen = new Set();
          for (let i = 0; i < data.length; i += 4) seen.add(data.slice(i, i + 3).join());
          return [...seen];
        }"""
    )
    assert {"11,79,138", "242,169,0", "181,23,158"} <= set(colors)
    (Path(__file__).resolve().parents[2] / "artifacts" / "map-picture.png").write_bytes(content)


def test_paper_carries_the_map_the_legend_and_the_band(
    open_page: Open, four_verdicts: DrawnResult
) -> None:
    opened = open_page(render_page([four_verdicts]))
    opened.settle()
    opened.page.emulate_media(media="print")
    for wanted in ("#map_phusong", "#legend", "#simulated-band", "#title"):
        assert opened.page.locator(wanted).is_visible()
    for control in ("#result", "#search", "#save-picture", "#zoom-in"):
        assert not opened.page.locator(control).is_visible()
    paper = opened.page.pdf(format="A4")
    assert paper.startswith(b"%PDF-")
    assert io.BytesIO(paper).getbuffer().nbytes > 10_000


def test_a_reader_who_wants_no_motion_gets_none(
    browser: Any, four_verdicts: DrawnResult, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    path.write_text(render_page([four_verdicts]), "utf-8")
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(path.as_uri())
    end = time.monotonic() + 30
    while page.evaluate("() => state.result") is None and time.monotonic() < end:
        time.sleep(0.05)
    assert page.evaluate("() => [map.options.inertia, map._zoomAnimated]") == [False, False]
    context.close()
