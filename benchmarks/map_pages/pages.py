"""Building the pages that are measured, each in a process of its own."""

import json
import re
import resource
import time
from pathlib import Path
from typing import Any

import folium

from phusong.maps.assets import read_leaflet
from phusong.maps.page import render_page
from phusong.maps.site import write_site

from .country import levels, results, summary, villages

COLORS = {"covered": "#0b4f8a", "not_covered": "#f2a900", "unproven": "#dedad2"}
COLORS["no_data"] = "#f4f1ea"


def build_site(count: int, target: Path) -> None:
    """Write a site of provinces and communes and say what it took."""
    provinces, communes = levels(villages(count))
    drawn = results(provinces, "province") + results(communes, "commune")
    before = time.process_time()
    written = write_site(target, drawn, {})
    print(
        json.dumps(
            {
                "first page MB": written.first_page_bytes / 1e6,
                "MB": written.size_bytes / 1e6,
                "pages": written.pages,
                "build CPU s": time.process_time() - before,
                "build peak GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
            }
        )
    )


def build(kind: str, count: int, target: Path) -> None:
    """Write one page and say what it took; runs in a process of its own."""
    if kind == "site":
        build_site(count, target)
        return
    frame = villages(count)
    if kind == "phusong":
        drawn = results(frame)
        before = time.process_time()
        target.write_text(render_page(drawn), "utf-8")
    else:
        verdicts = {area.code: area.verdict for area in results_once(frame)}
        frame["verdict"] = [verdicts[code] for code in frame["code"]]
        before = time.process_time()
        shell = folium.Map(location=[15, 106], zoom_start=6, tiles=None, prefer_canvas=True)
        folium.GeoJson(
            frame,
            style_function=lambda feature: {
                "fillColor": COLORS[feature["properties"]["verdict"]],
                "weight": 0.5,
            },
            tooltip=folium.GeoJsonTooltip(["name", "verdict"]),
        ).add_to(shell)
        target.write_text(inlined(shell.get_root().render(), shell.get_name()), "utf-8")
    print(
        json.dumps(
            {
                "MB": target.stat().st_size / 1e6,
                "build CPU s": time.process_time() - before,
                "build peak GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
            }
        )
    )


def results_once(frame: Any) -> list[Any]:
    return [summary(code, code, "any") for code in frame["code"]]


def inlined(page: str, name: str) -> str:
    """Put Leaflet where folium links to it, and say when the first view is drawn."""
    leaflet = read_leaflet()
    page = re.sub(r'<(?:script|link)[^>]*(?:src|href)="http[^>]*>(?:</script>)?', "", page)
    head = f"<style>{leaflet.style}</style><script>{leaflet.script}</script></head>"
    ready = (
        "<script>requestAnimationFrame(() => requestAnimationFrame(() =>"
        " (document.documentElement.dataset.readyMs = Math.round(performance.now()))));"
        f"window.benchmarked = {name};</script></html>"
    )
    page = page.replace("</head>", head, 1)
    before, _, _ = page.rpartition("</html>")
    return before + ready
