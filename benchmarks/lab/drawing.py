"""Draw each tool's error on each link as a dot, as SVG: a row a tool and direction."""

import math
import statistics
from html import escape

from .results import WAYS, Results, name

WIDTH, LEFT, RIGHT, TOP, ROW = 900, 210, 20, 64, 34
LOWEST_PCT, HIGHEST_PCT = -70.0, 20.0
TICKS_PCT = (-50, -20, -10, -5, -2, 0, 2, 5, 10)
# Below this the axis is linear, beyond it logarithmic: 0.5 % and 50 % are both to be seen.
_LINEAR_PCT = 1.0
_FONT = 'font-family="sans-serif" font-size="13" fill="#222"'
_COLOURS = {"phusong": "#b3202c", "other": "#3b5b7a"}


def draw_errors(results: Results) -> str:
    """Give the picture."""
    rows = [
        (tool, way, points)
        for tool in results.tools()
        for way in WAYS
        if (points := results.points(tool, way))
    ]
    height = TOP + ROW * len(rows) + 46
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {_FONT}>',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        _text(
            LEFT,
            22,
            "Error against the link's TCP goodput, %: a dot is a link (median of the rounds)",
            size=15,
        ),
        _text(LEFT, 42, "green: within 2 %; a bar is the median of the links", colour="#555"),
    ]
    bottom = TOP + ROW * len(rows)
    parts.append(_rect(_x(-2), TOP, _x(2) - _x(-2), bottom - TOP, "#dff0df"))
    for tick in TICKS_PCT:
        colour = "#888" if tick == 0 else "#ddd"
        parts.append(_rect(_x(tick), TOP, 1, bottom - TOP, colour))
        parts.append(_text(_x(tick), bottom + 18, f"{tick:+d}" if tick else "0", anchor="middle"))
    for place, (tool, way, points) in enumerate(rows):
        middle = TOP + ROW * place + ROW / 2
        colour = _COLOURS["phusong" if tool.startswith("phusong") else "other"]
        parts.append(_text(LEFT - 12, middle + 5, f"{tool}, {way}", anchor="end"))
        for order, (cell, point) in enumerate(points.items()):
            y = middle + (order % 5 - 2) * 4
            label = f"{escape(name(cell))}: {point.error_pct:+.2f} %"
            parts.append(
                f'<circle cx="{_x(point.error_pct):.1f}" cy="{y:.1f}" r="3.4" fill="{colour}" '
                f'fill-opacity="0.55"><title>{label}</title></circle>'
            )
        centre = statistics.median(point.error_pct for point in points.values())
        parts.append(_rect(_x(centre) - 1.5, middle - 14, 3, 28, colour))
    parts.append(
        _text(
            LEFT,
            bottom + 38,
            "links: Mbit/s 5 to 1000, round trip 5 to 100 ms, loss 0 to 1 %",
            colour="#555",
        )
    )
    return "\n".join([*parts, "</svg>", ""])


def _x(error_pct: float) -> float:
    low, high = _scaled(LOWEST_PCT), _scaled(HIGHEST_PCT)
    at = _scaled(min(HIGHEST_PCT, max(LOWEST_PCT, error_pct)))
    return LEFT + (WIDTH - LEFT - RIGHT) * (at - low) / (high - low)


def _scaled(error_pct: float) -> float:
    return math.asinh(error_pct / _LINEAR_PCT)


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
    )


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 13, colour: str = "#222"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
        f'fill="{colour}">{escape(text)}</text>'
    )
