"""
A layer for anybody's own `folium.Map`: ``CoverageLayer(drawn, operator="any").add_to(m)``.

The drawing code is the one of our pages, in a function of its own for every layer, so that layers
do not disturb each other or anything else on the map. branca renders a page and then renders the
result again as a Jinja template; so the templates here are constants, the code holds nothing that
Jinja would read, data and packs go in as base64, and the name that a layer control shows as HTML
references, one a character: letters of base64 and digits cannot begin a template or a tag.
"""

import base64
from collections.abc import Sequence
from functools import cache
from typing import Any

from branca.element import Element, Figure
from folium.map import Layer
from folium.template import Template

from ..coverage.summary import ANY_OPERATOR
from ..data.errors import MapError
from ..data.words import LANGUAGES, language
from .adoption_layer import DrawnAdoption
from .columns import DrawnResult
from .layers import page_data
from .page import catalogue, data_json, page_title, read_file

SCRIPTS = (
    "layer_data.js",
    "language.js",
    "words.js",
    "packs.js",
    "predict.js",
    "shapes.js",
    "values.js",
    "adopted.js",
    "tiles.js",
    "panel.js",
    "layer.js",
)
DEFAULT_OPACITY = 0.85


class CoverageLayer(Layer):
    """
    The areas of a result, with a legend, on a map of folium's.

    Parameters
    ----------
    drawn
        A result, or an audit of IPv6 adoption, with the shapes of its areas.
    operator
        Whose layer is shown at first; a reader can choose another in the legend.
    show
        What is shown at first: verdict, share, down, up, rtt, nr or samples; of an audit
        adopted, answering, web, dns, mail or hosts. The first of these where it is not given.
    name
        How a layer control calls the layer; the rule's title where it is not given.
    opacity
        From 0 to 1: how far a basemap shines through.
    visible
        Whether the layer is on the map at first.

    Raises
    ------
    MapError
        If the result is empty, does not fit its shapes, or does not have the operator.
    """

    _template = Template(
        """
        {% macro script(this, kwargs) %}
            var {{ this.get_name() }} = phusongCoverage("{{ this.given }}", [
                {%- for pack in this.packs %}"{{ pack }}",{% endfor -%}
            ]);
        {% endmacro %}
        """
    )

    def __init__(
        self,
        drawn: DrawnResult | DrawnAdoption,
        *,
        operator: str = ANY_OPERATOR,
        show: str | None = None,
        name: str | None = None,
        opacity: float = DEFAULT_OPACITY,
        visible: bool = True,
        control: bool = True,
    ) -> None:
        if isinstance(drawn, DrawnAdoption):
            data, packs = page_data([], adoptions=[drawn])
        else:
            _check_operator(drawn, operator)
            data, packs = page_data([drawn])
        [entry] = data["results"]
        title = page_title(name or entry["title"][language()]) or page_title(entry["rule"])
        super().__init__(
            name=character_references(title or "phusong"),
            overlay=True,
            control=control,
            show=visible,
        )
        self._name = "CoverageLayer"
        chosen = {"operator": operator, "show": show, "opacity": min(1.0, max(0.0, opacity))}
        said = data.pop("said")
        whole = data | {"words": _words(said), "language": language(), "chosen": chosen}
        self.given = base64.b64encode(data_json(whole).encode("utf-8")).decode("ascii")
        self.packs = packs

    def render(self, **kwargs: Any) -> str:
        """Put the code into the page once, whatever the number of layers, and the layer after."""
        figure = self.get_root()
        if not isinstance(figure, Figure):
            raise MapError("a coverage layer needs a folium.Map: CoverageLayer(...).add_to(map)")
        figure.header.add_child(Element(layer_code()), name="phusong_coverage")
        # folium's layers put what they have into the figure and give nothing back.
        super().render(**kwargs)  # type: ignore[no-untyped-call]
        return ""


def _check_operator(drawn: DrawnResult, operator: str) -> None:
    operators = sorted({area.operator for area in drawn.result.areas})
    if operators and operator not in operators:
        raise MapError(
            "the result of {rule} has no operator {operator}; it has {operators}",
            rule=drawn.result.rule,
            operator=operator,
            operators=", ".join(operators[:20]),
        )


@cache
def layer_code() -> str:
    """Give the script and the style of every layer: constants that no template changes."""
    script = "\n".join(map(read_file, SCRIPTS))
    return (
        f"<style>{read_file('layer.css')}</style>\n"
        "<script>window.phusongCoverage = function (given, packs) {\n"
        f"{script}\nreturn new CoverageLayer();\n}};</script>"
    )


def character_references(text: str) -> str:
    """Give a text as HTML that shows it and holds nothing but references."""
    return "".join(f"&#{ord(character)};" for character in text)


def _words(said: Sequence[str]) -> dict[str, dict[str, str]]:
    return {to: catalogue(to, said) for to in LANGUAGES if to != "en"}
