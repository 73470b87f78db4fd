"""Names, operators and titles that are code somewhere else are text here."""

from collections.abc import Callable
from typing import Any

import pandas
import pytest

from phusong.coverage.summary import AreaSummary, Result, Verdict
from phusong.maps.columns import DrawnResult
from phusong.maps.page import PageOptions, render_page

HOSTILE = [
    "<script>window.pwned=1</script>",
    "</script><script>window.pwned=1</script>",
    "</title></style><img src=x onerror=window.pwned=1>",
    "\"><svg onload='window.pwned=1'>",
    "' onmouseover='window.pwned=1",
    "<!--<script>",
    "{{7*7}} {% x {# x #} {{cycler.__init__.__globals__}}",
    "${window.pwned=1} `${window.pwned=1}`",
    "javascript:window.pwned=1",
    "\u202egnod\u202c \u2028 \u2029 \u200f",
    "__proto__",
    "constructor",
    "\\u003cscript\\u003e \\' \\\" \\n",
    "@@data@@ @@scripts@@ {n} {0} %s $& $1",
    "\x00\x01\x1b[31m\ud800",
    "<b>" + "Ạ" * 10_000,
]


@pytest.fixture
def hostile(
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    squares: Callable[..., Any],
) -> DrawnResult:
    """A result in which every text that a stranger can write is hostile."""
    codes = [f"{number:02}" for number in range(len(HOSTILE))]
    areas = [
        make_area(
            code,
            Verdict.UNPROVEN,
            name=name,
            parent_name=name,
            operator=operator,
            excluded={name[:200]: 1},
            best_operator=HOSTILE[0],
        )
        for operator in ("any", *HOSTILE)
        for code, name in zip(codes, HOSTILE, strict=True)
    ]
    texts = " ".join(HOSTILE[:-1])
    result = make_result(
        *areas,
        rule=texts,
        rule_title_en=texts,
        rule_title_vi=texts,
        rule_unverified=tuple(HOSTILE),
        area=texts,
        boundary_id=texts,
        boundary_name=texts,
        boundary_vintage=texts,
        software=texts,
        inputs=dict.fromkeys(HOSTILE, texts),
    )
    # pandas' own text columns hold no half surrogate pairs; a column of objects does.
    names = pandas.Series(HOSTILE, dtype=object)
    return DrawnResult(result=result, geometry=squares(*codes, name=names, parent_name=names))


@pytest.mark.browser
@pytest.mark.parametrize("title", HOSTILE)
def test_a_hostile_title_is_only_text(
    open_page: Callable[..., Any],
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    squares: Callable[..., Any],
    title: str,
) -> None:
    drawn = DrawnResult(result=make_result(make_area("1")), geometry=squares("1"))
    opened = open_page(render_page([drawn], options=PageOptions(title=title)))
    shown = opened.run("() => document.getElementById('title').textContent")
    assert shown == title[:300].replace("\ud800", "?")
    assert opened.run("() => window.pwned ?? null") is None
    assert opened.console == []


@pytest.mark.browser
def test_hostile_names_are_shown_as_they_are_and_nothing_runs(
    open_page: Callable[..., Any], hostile: DrawnResult
) -> None:
    opened = open_page(render_page([hostile], options=PageOptions(title=HOSTILE[1])))
    elements = "() => document.querySelectorAll('script, img, svg, iframe, b script').length"
    before = opened.run(elements)
    for index, name in enumerate(HOSTILE):
        opened.run("index => choose(state.shapes.areas[index], true)", index)
        shown = opened.run("() => document.querySelector('#card h2').textContent")
        assert shown == name.replace("\ud800", "?")
        opened.run("index => show({ operator: state.result.layers[index + 1].operator })", index)
        opened.run("index => search(state.shapes.areas[index].name)", index)
    opened.page.click("#open-table")
    opened.page.click("#table-dialog .close")
    opened.page.click("#open-about")
    opened.page.click("#about-dialog .close")
    opened.page.click("#language")
    assert opened.run("() => window.pwned ?? null") is None
    assert opened.run(elements) == before
    assert opened.data("areasDrawn") == str(len(HOSTILE))
    assert (opened.console, opened.requests) == ([], [])


@pytest.mark.browser
def test_long_names_do_not_push_a_phones_page_sideways(
    open_page: Callable[..., Any], hostile: DrawnResult
) -> None:
    opened = open_page(render_page([hostile]), width=360, height=740)
    opened.run(f"() => choose(state.shapes.areas[{len(HOSTILE) - 1}], true)")
    assert opened.run("() => document.documentElement.scrollWidth") <= 360
    opened.screenshot("map-360-hostile")
