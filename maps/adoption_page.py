"""
The IPv6 report as one HTML page that opens from disk with no network.

No template engine ever sees a name: the frame is our own file with markers, the data is JSON in
a block that no browser executes, and the script shows it with ``textContent``. The page's policy
names its script and style by hash and allows nothing else.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from typing import Any

from ..coverage.adoption import HostStatus, roll_up
from ..coverage.adoption_pack import Pack
from ..coverage.adoption_trend import Trend
from ..coverage.provinces import Provinces
from ..data.words import LANGUAGES, language, translate
from .page import content_policy as content_policy
from .page import data_json
from .scale import NO_DATA, STEPS

SCRIPTS = ("data.js", "language.js", "adoption_map.js", "adoption.js")
GROUPINGS = ("agency", "bureau", "parent", "level", "province", "unit")
_MARKER = re.compile(r"@@(\w+)@@")
_SAID = re.compile(r"\bt\(\s*\"((?:[^\"\\]|\\.)+)\"")
_MARKED = re.compile(r"data-t=\"([^\"]+)\"")


def adoption_texts() -> set[str]:
    """Give every English text that the page's own files say."""
    said = {text for name in SCRIPTS for text in _SAID.findall(_file(name))}
    return said | set(_MARKED.findall(_file("adoption.html")))


def render_adoption(
    statuses: Sequence[HostStatus],
    trend: Sequence[Trend],
    *,
    pack: Pack,
    explained: Mapping[str, tuple[str, str]],
    mine: Trend | None = None,
    provinces: Provinces | None = None,
) -> str:
    """
    Give the whole page as text.

    `explained` has the meaning and remedy of each reason, `mine` is the audit that is shown, and
    without `provinces` there is no map.
    """
    style = _file("adoption.css")
    scripts = [_file(name) for name in SCRIPTS]
    texts = {*adoption_texts(), *(text for pair in explained.values() for text in pair if text)}
    data: dict[str, Any] = {
        "language": language(),
        "words": {
            to: {text: translate(text, to) for text in sorted(texts)}
            for to in LANGUAGES
            if to != "en"
        },
        "explained": {name: list(pair) for name, pair in explained.items()},
        "scheme": {"en": pack.title_en, "vi": pack.title_vi},
        "verified": pack.verified,
        "all": roll_up(statuses)[0].record() if statuses else None,
        "groupings": _groupings(statuses, provinces),
        "trend": [_trend_row(row) for row in trend],
        "mine": _mine(mine),
        "hosts": [_host_row(status, provinces) for status in _worst_first(statuses)],
        "map": _map(provinces),
    }
    parts = {
        "language": language(),
        "policy": content_policy(scripts, [style]),
        "title": translate("IPv6 adoption", language()),
        "styles": f"<style>{style}</style>",
        "data": f'<script type="application/json" id="data">{data_json(data)}</script>',
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    # One pass, so that nothing put in is looked at again.
    return _MARKER.sub(lambda found: parts[found[1]], _file("adoption.html"))


def _groupings(
    statuses: Sequence[HostStatus], provinces: Provinces | None
) -> dict[str, list[dict[str, Any]]]:
    """Give the roll-up by everything that the list says of any host."""
    found = {}
    for by in GROUPINGS:
        of = (lambda unit: _province(unit, provinces)) if by == "province" else (lambda unit: None)
        source = "unit" if by == "province" and provinces is not None else by
        if any(status.about.get(source) for status in statuses):
            found[by] = [group.record() for group in roll_up(statuses, by, province_of=of)]
    return found or {"all": [group.record() for group in roll_up(statuses)]}


def _province(unit: str, provinces: Provinces | None) -> str | None:
    """Give the code of a unit's province; a unit that is not known stands for itself."""
    if provinces is None:
        return None
    return provinces.code_of(unit) or unit or None


def _map(provinces: Provinces | None) -> dict[str, Any] | None:
    if provinces is None:
        return None
    import numpy as np

    from .arcs import STEPS_PER_DEGREE
    from .shapes import draw_shapes, whole_extent

    shapes = draw_shapes(provinces.drawn())
    steps = STEPS["share"]
    return {
        "codes": shapes.codes,
        "names": shapes.names,
        "rings": [
            [np.diff(ring, axis=0, prepend=0).ravel().tolist() for ring in rings]
            for rings in shapes.arcs.rings_of()
        ],
        "steps_per_degree": STEPS_PER_DEGREE,
        "extent": whole_extent(shapes.bounds),
        "approximate": provinces.approximate,
        "scale": {
            "edges": steps.edges,
            "colors": steps.colors,
            "none": NO_DATA,
            "border": "#ffffff",
        },
    }


def _worst_first(statuses: Sequence[HostStatus]) -> list[HostStatus]:
    return sorted(statuses, key=lambda s: (not s.dead, 2 if s.total is None else s.total, s.host))


def _host_row(status: HostStatus, provinces: Provinces | None) -> dict[str, Any]:
    return {
        "host": status.host,
        "agency": status.about.get("agency"),
        "province": _province(status.about.get("unit", ""), provinces),
        **status.views,
        "score": status.total,
        "dead": status.dead,
        "reasons": list(status.reasons or (() if status.aaaa else (status.aaaa_reason,))),
    }


def _trend_row(row: Trend) -> dict[str, Any]:
    change = row.change
    return {
        "audit": row.audit,
        "at": row.at.isoformat(),
        "hosts": row.group.hosts,
        "with_aaaa": row.group.with_aaaa,
        "share": row.group.share,
        "dead": row.group.dead,
        "better": len(change.better) if change else None,
        "worse": len(change.worse) if change else None,
    }


def _mine(row: Trend | None) -> dict[str, Any] | None:
    if row is None:
        return None
    change = row.change
    steps = [*change.worse, *change.better] if change else []
    return {
        "audit": row.audit,
        "at": row.at.isoformat(),
        "since": change.since if change else None,
        "worse": len(change.worse) if change else 0,
        "steps": [asdict(step) for step in steps],
    }


def _file(name: str) -> str:
    return resources.files(__package__).joinpath("files", name).read_text("utf-8").strip()
