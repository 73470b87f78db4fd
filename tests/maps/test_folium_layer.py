"""A layer on somebody's own folium map: drawn by our code, named by nobody's templates."""

import json
import re
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import folium
import pytest

from phusong.coverage.summary import AreaSummary, Result, Verdict
from phusong.data.errors import MapError
from phusong.maps.assets import read_leaflet
from phusong.maps.columns import DrawnResult
from phusong.maps.folium_layer import CoverageLayer, character_references, layer_code

HOSTILE = [
    "{{7*7}}",
    "{{cycler.__init__.__globals__.os.mkdir('pwned')}}",
    "{% x",
    "{# x",
    "</script><script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "`${window.pwned=1}` ' \" \\",
]
WITHIN_S = 30


@pytest.fixture
def own_map() -> Callable[..., Any]:
    """Make a folium map of a reader's own, without a basemap."""

    def make(*layers: Any, control: bool = False) -> Any:
        made = folium.Map(location=[20.05, 105.25], zoom_start=9, tiles=None)
        for layer in layers:
            layer.add_to(made)
        if control:
            folium.LayerControl(collapsed=False).add_to(made)
        return made

    return make


class OwnPage:
    """A page of folium's in the browser, with Leaflet and nothing else of what it asks for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.said: list[str] = []

    def layers(self, *names: str) -> None:
        """Wait until layers are drawn."""
        end = time.monotonic() + WITHIN_S
        drawn = (
            "names => names.map((name) => window[name].doing()).every(({ areasDrawn, busy }) =>"
            " areasDrawn > 0 && !busy)"
        )
        while not self.page.evaluate(drawn, list(names)):
            assert time.monotonic() < end, f"the layer was never drawn: {self.said}"
            time.sleep(0.05)

    def text(self, selector: str) -> str:
        return str(self.page.evaluate("s => document.querySelector(s).textContent", selector))


@pytest.fixture
def open_map(browser: Any, tmp_path: Path) -> Iterator[Callable[[Any], OwnPage]]:
    """Open a folium map from a file; only Leaflet answers, from our own copy."""
    contexts = []
    leaflet = read_leaflet()
    texts = {"leaflet.js": leaflet.script, "leaflet.css": leaflet.style}

    def open_(made: Any) -> OwnPage:
        path = tmp_path / "own.html"
        made.save(str(path))
        context = browser.new_context(viewport={"width": 1000, "height": 700})
        contexts.append(context)
        opened = OwnPage(context.new_page())

        def answer(route: Any) -> None:
            name = route.request.url.rpartition("/")[2]
            if route.request.url.startswith("file:"):
                route.continue_()
            elif name in texts:
                kind = "text/javascript" if name.endswith("js") else "text/css"
                route.fulfill(body=texts[name], content_type=kind)
            else:
                route.fulfill(body="", content_type="text/plain")

        context.route("**/*", answer)
        opened.page.on("pageerror", lambda error: opened.said.append(str(error)))
        opened.page.goto(path.as_uri())
        return opened

    yield open_
    for context in contexts:
        context.close()


def color_at(opened: OwnPage, name: str, lat: float, lng: float) -> str:
    """Give the colour that a layer painted at a place."""
    return str(
        opened.page.evaluate(
            """([name, lat, lng]) => {
              const { areas } = window[name];
              const point = areas.map.latLngToContainerPoint([lat, lng]);
              const frame = areas.map.getContainer().getBoundingClientRect();
              for (const { el } of Object.values(areas.tiles._tiles)) {
                const box = el.getBoundingClientRect();
                const [x, y] = [point.x + frame.left - box.left, point.y + frame.top - box.top];
                if (x < 0 || y < 0 || x >= box.width || y >= box.height) continue;
                const [ratio, pen] = [el.width / box.width, el.getContext("2d")];
                const seen = pen.getImageData(x * ratio, y * ratio, 1, 1).data;
                const parts = [...seen.slice(0, 3)];
                return "#" + parts.map((part) => part.toString(16).padStart(2, "0")).join("");
              }
              return "none";
            }""",
            [name, lat, lng],
        )
    )


def test_the_code_holds_nothing_that_a_template_or_a_page_would_read() -> None:
    code = layer_code()
    assert re.findall(r"\{\{|\{%|\{#|%\}|#\}", code) == []
    assert code.count("</script") == code.count("<script") == 1
    assert "<!--" not in code
    assert "innerHTML" not in code


def test_a_name_is_written_as_references_only() -> None:
    assert character_references("{{ừ}}") == "&#123;&#123;&#7915;&#125;&#125;"


def test_no_text_of_a_reader_stands_in_the_page(
    own_map: Callable[..., Any],
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    squares: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    payload = "".join(HOSTILE)
    areas = [
        make_area(str(index), name=name, operator=operator, parent_name=name)
        for operator in ("any", *HOSTILE)
        for index, name in enumerate(HOSTILE)
    ]
    changes = dict.fromkeys(
        ("rule", "rule_title_en", "rule_title_vi", "boundary_name", "boundary_vintage"), payload
    )
    frame = squares(*map(str, range(len(HOSTILE))), name=HOSTILE, parent_name=HOSTILE)
    drawn = DrawnResult(result=make_result(*areas, **changes), geometry=frame)
    layer = CoverageLayer(drawn, operator=HOSTILE[0], name=payload)
    page = own_map(layer, control=True).get_root().render()
    assert list(tmp_path.iterdir()) == []
    assert [name for name in HOSTILE if name in page] == []
    assert "pwned" not in page
    given = json.loads(b64decode(layer.given))
    assert given["results"][0]["rule"] == payload


@pytest.mark.browser
def test_hostile_names_show_as_text_on_a_readers_own_map(
    own_map: Callable[..., Any],
    open_map: Callable[[Any], OwnPage],
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    squares: Callable[..., Any],
) -> None:
    areas = [make_area(str(index), name=name) for index, name in enumerate(HOSTILE)]
    payload = " ".join(HOSTILE)
    result = make_result(*areas, rule_title_en=payload, boundary_name=payload)
    frame = squares(*map(str, range(len(HOSTILE))), name=HOSTILE)
    layer = CoverageLayer(DrawnResult(result=result, geometry=frame), name=payload)
    opened = open_map(own_map(layer, control=True))
    opened.layers(layer.get_name())
    assert opened.text(".leaflet-control-layers-overlays label").strip() == payload
    assert opened.text(".phusong-legend summary") == payload
    for index, name in enumerate(HOSTILE):
        opened.page.evaluate(
            "([name, lng]) => { const { map } = window[name].areas;"
            " const latlng = L.latLng(20.05, lng);"
            " map.fire('click', { latlng, originalEvent: new Event('click') }); }",
            [layer.get_name(), 105.05 + index / 10],
        )
        assert opened.text(".leaflet-popup:last-child h3") == name
    assert opened.page.evaluate("() => window.pwned ?? null") is None
    assert opened.page.evaluate("() => document.querySelectorAll('img').length") == 0
    assert opened.said == []


@pytest.mark.browser
def test_two_layers_on_one_map_do_not_disturb_each_other(
    own_map: Callable[..., Any],
    open_map: Callable[[Any], OwnPage],
    four_verdicts: DrawnResult,
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    squares: Callable[..., Any],
) -> None:
    other = make_result(make_area("9", Verdict.NOT_COVERED, name="Khác"), rule_title_en="Other")
    shifted = squares("9")
    shifted["geometry"] = shifted.translate(yoff=0.2)
    one = CoverageLayer(four_verdicts, name="One", opacity=1)
    two = CoverageLayer(DrawnResult(result=other, geometry=shifted), name="Two", opacity=1)
    opened = open_map(own_map(one, two, control=True))
    opened.layers(one.get_name(), two.get_name())
    drawn = "name => Number(window[name].doing().areasDrawn)"
    assert opened.page.evaluate(drawn, one.get_name()) == 5
    assert opened.page.evaluate(drawn, two.get_name()) == 1
    opened.page.screenshot(path=_artifact("folium-two-layers"))
    covered, not_covered = (
        color_at(opened, one.get_name(), 20.05, 105.05),
        color_at(opened, two.get_name(), 20.25, 105.05),
    )
    assert covered != not_covered
    legend = opened.page.locator(".phusong-legend", has_text="4G, 5 Mbit/s")
    legend.locator("select").first.select_option("Viettel")
    opened.layers(one.get_name(), two.get_name())
    assert color_at(opened, one.get_name(), 20.05, 105.05) == not_covered
    assert color_at(opened, two.get_name(), 20.25, 105.05) == not_covered
    boxes = opened.page.locator(".leaflet-control-layers-overlays input")
    boxes.nth(0).uncheck()
    assert opened.page.locator(".phusong-legend").count() == 1
    assert color_at(opened, two.get_name(), 20.25, 105.05) == not_covered
    boxes.nth(0).check()
    opened.layers(one.get_name())
    assert color_at(opened, one.get_name(), 20.05, 105.05) == not_covered
    assert opened.page.locator(".phusong-legend").count() == 2
    assert opened.said == []


@pytest.mark.browser
def test_a_click_where_layers_lie_over_each_other_tells_of_both(
    own_map: Callable[..., Any], open_map: Callable[[Any], OwnPage], four_verdicts: DrawnResult
) -> None:
    layers = [CoverageLayer(four_verdicts, name=name) for name in ("One", "Two")]
    opened = open_map(own_map(*layers))
    opened.layers(*(layer.get_name() for layer in layers))
    opened.page.mouse.click(427, 350)
    opened.page.mouse.move(428, 351)
    opened.page.screenshot(path=_artifact("folium-popup"))
    assert opened.page.locator(".leaflet-popup").count() == 1
    assert opened.page.locator(".leaflet-popup h3").count() == 2
    assert opened.page.locator(".leaflet-tooltip b").count() == 2
    assert opened.text(".phusong-simulated") == "SIMULATED"
    assert "2025-07-01" in opened.text(".phusong-legend")


def test_an_operator_that_a_result_has_not_is_named(four_verdicts: DrawnResult) -> None:
    with pytest.raises(MapError, match=r"no operator Nobody; it has Viettel, any"):
        CoverageLayer(four_verdicts, operator="Nobody")


def test_a_layer_without_a_map_is_a_message(four_verdicts: DrawnResult) -> None:
    with pytest.raises(MapError, match="add_to"):
        CoverageLayer(four_verdicts).render()


def _artifact(name: str) -> Path:
    folder = Path(__file__).resolve().parents[2] / "artifacts"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.png"
