"""
The IPv6 report as one HTML page that opens from disk with no network.

No template engine ever sees a name: the frame is our own file with markers, the data is JSON in
a block that no browser executes, and the script shows it with ``textContent``. The page's policy
names its script and style by hash and allows nothing else.
"""

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from ..coverage.adoption import Group, HostStatus, Pack, Trend, roll_up
from ..data.words import LANGUAGES, language, translate
from .page import content_policy as content_policy
from .page import data_json

_MARKER = re.compile(r"@@(\w+)@@")
_SAID = re.compile(r"\bt\(\s*\"((?:[^\"\\]|\\.)+)\"")
_MARKED = re.compile(r"data-t=\"([^\"]+)\"")


def adoption_texts() -> set[str]:
    """Give every English text that the page's own files say."""
    return {*_MARKED.findall(_file("adoption.html")), *_SAID.findall(_file("adoption.js"))}


def render_adoption(
    statuses: Sequence[HostStatus],
    groups: Sequence[Group],
    trend: Sequence[Trend],
    *,
    pack: Pack,
    explained: Mapping[str, tuple[str, str]],
) -> str:
    """Give the whole page as text; `explained` has the meaning and remedy of each reason."""
    style, script = _file("adoption.css"), _file("adoption.js")
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
        "groups": [group.record() for group in groups],
        "trend": [_trend_row(row) for row in trend],
        "hosts": [_host_row(status) for status in _worst_first(statuses)],
    }
    parts = {
        "language": language(),
        "policy": content_policy([script], [style]),
        "title": translate("IPv6 adoption", language()),
        "styles": f"<style>{style}</style>",
        "data": f'<script type="application/json" id="data">{data_json(data)}</script>',
        "scripts": f"<script>{script}</script>",
    }
    # One pass, so that nothing put in is looked at again.
    return _MARKER.sub(lambda found: parts[found[1]], _file("adoption.html"))


def _worst_first(statuses: Sequence[HostStatus]) -> list[HostStatus]:
    return sorted(statuses, key=lambda s: (not s.dead, 2 if s.total is None else s.total, s.host))


def _host_row(status: HostStatus) -> dict[str, Any]:
    return {
        "host": status.host,
        "agency": status.about.get("agency"),
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


def _file(name: str) -> str:
    return resources.files(__package__).joinpath("files", name).read_text("utf-8").strip()
