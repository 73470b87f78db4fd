"""Sample points so many that squares say how many there are."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from phusong.maps.columns import DrawnResult
from phusong.maps.page import render_page

pytestmark = pytest.mark.browser

Open = Callable[..., Any]
ROWS = (
    "() => [...document.querySelectorAll('#points-legend li')].map((item) =>"
    " [item.querySelector('span').textContent, item.querySelector('b').textContent])"
)


@pytest.fixture
def crowd() -> SimpleNamespace:
    """40 measured points at one place, 12 simulated at another, 2 measured among 100 simulated."""
    kinds = [(105.05, False)] * 40 + [(105.25, True)] * 12 + [(105.35, False)] * 2
    kinds += [(105.35, True)] * 100
    return SimpleNamespace(
        lon=[lon for lon, _ in kinds],
        lat=[20.05] * len(kinds),
        ok=[True] * len(kinds),
        simulated=[simulated for _, simulated in kinds],
        measured_total=42,
        simulated_total=112,
    )


@pytest.fixture
def opened(open_page: Open, four_verdicts: DrawnResult, crowd: SimpleNamespace) -> Any:
    return open_page(render_page([four_verdicts], crowd))


def test_the_legend_says_how_many_points_a_colour_stands_for(opened: Any) -> None:
    assert opened.run(ROWS) == [
        ["measured, 1–2 a square", "1"],
        ["measured, 30–99 a square", "1"],
        ["only simulated, 10–29 a square", "1"],
    ]
    assert "measured: 42 of 42 shown" in opened.text("#points-count")
    opened.screenshot("heat-1280")


def test_simulated_points_never_darken_the_square_of_measured_ones(opened: Any) -> None:
    # The square with 2 measured and 100 simulated points has the colour of 2.
    color = opened.run(
        """() => {
          const square = heatAt(pointLayers.get(map), 10).find(({ counts }) => counts[0] === 2);
          const [kind, step] = heatClass(square);
          return HEAT_COLORS[kind][step];
        }"""
    )
    assert color == "#d9d9d9"


def test_every_point_is_in_one_square_at_every_zoom(opened: Any) -> None:
    totals = opened.run(
        """() => [4, 6, 8, 10, 12].map((zoom) => heatAt(pointLayers.get(map), zoom)
          .reduce((sum, { counts }) => sum + counts[0] + counts[1], 0))"""
    )
    assert totals == [154] * 5


def test_few_points_are_marks_and_not_squares(
    open_page: Open, four_verdicts: DrawnResult, make_points: Callable[..., SimpleNamespace]
) -> None:
    opened = open_page(render_page([four_verdicts], make_points(8)))
    assert ["measured, succeeded", "2"] in opened.run(ROWS)


def test_zooming_in_turns_squares_into_marks_in_the_legend_too(
    open_page: Open, four_verdicts: DrawnResult
) -> None:
    count = 400
    points = SimpleNamespace(
        lon=[105.0 + index / 1000 for index in range(count)],
        lat=[20.05] * count,
        ok=[True] * count,
        simulated=[False] * count,
        measured_total=count,
        simulated_total=0,
    )
    opened = open_page(render_page([four_verdicts], points))
    opened.run("() => map.setView([20.05, 105.2], 7, { animate: false })")
    assert any("a square" in label for label, _ in opened.run(ROWS))
    opened.run("() => map.setView([20.05, 105.2], 14, { animate: false })")
    assert opened.run(ROWS) == [["measured, succeeded", "400"]]
    assert opened.console == []
