"""
What a map costs to build, to open and to use, beside plain folium on the same areas.

Villages are seeded Voronoi cells with crooked borders, about 100 vertices each, in communes of
nine. A page carries 4 operators x 2 technologies x 8 quarters, each with a verdict, a share and its
interval, places and samples for two villages in three; folium's carries one verdict. The values are
random, so they compress worse than real ones, and repeat from quarter to quarter (every quarter is
packed by itself all the same). Every page is built in a process of its own (CPU seconds, peak
memory) and opened in a Chromium of its own, from disk: seconds until the first view is drawn, CPU
seconds of the whole process tree up to then, memory of the renderer (PSS), the longest task on the
page's thread while loading, and while panning, zooming and switching afterwards.

``python benchmarks/maps.py [1000 10000 90000] [--full]``: 1,000 and 10,000 where nothing is named;
folium draws 90,000 with --full only, which takes minutes and gigabytes.
"""

import argparse
import itertools
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SEED = 5
OPERATORS = ("A", "B", "C", "D")
RULES = ("4g", "5g")
QUARTERS = 8
MEASURED = 2 / 3
ROUNDS = 3
WAIT_S = 400
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


def villages(count: int) -> Any:
    """Give touching cells around the seeded points of a country 5 degrees wide and 12 high."""
    import geopandas
    import numpy as np
    import shapely

    random = np.random.default_rng(SEED)
    height = math.sqrt(count / 90_000)
    size = np.array([5.0, 12.0]) * height
    points = random.random((count, 2)) * size
    mirrored = [points]
    for axis in (0, 1):
        for at in (0.0, size[axis]):
            other = points.copy()
            other[:, axis] = 2 * at - other[:, axis]
            near = np.abs(other[:, axis] - at) < size[axis] / 5
            mirrored.append(other[near])
    # A cell's neighbours across the frame are its mirror images, so cells end at the frame.
    every = shapely.multipoints(np.concatenate(mirrored))
    diagram = shapely.get_parts(shapely.voronoi_polygons(every, ordered=True))[:count]
    crooked: dict[Any, Any] = {}
    shapes = []
    for cell in diagram:
        corners = [tuple(corner) for corner in shapely.get_coordinates(cell).round(9)]
        ring = []
        for one, other in itertools.pairwise(corners):
            key = (min(one, other), max(one, other))
            if key not in crooked:
                crooked[key] = crook(*key, random)
            line = crooked[key] if one < other else crooked[key][::-1]
            ring.append(line[:-1])
        shapes.append(shapely.Polygon(np.concatenate(ring)))
    cells = np.floor(points / size * np.array([5.0, 12.0]) * height * 12.9).astype(int)
    parents = [f"Commune {x}-{y}" for x, y in cells]
    codes = [f"{number:07}" for number in range(count)]
    return geopandas.GeoDataFrame(
        {"code": codes, "name": [f"Thôn {code}" for code in codes], "parent_name": parents},
        geometry=shapely.transform(np.array(shapes), lambda xy: xy + np.array([104.0, 9.0])),
        crs="EPSG:4326",
    )


def crook(one: Any, other: Any, random: Any) -> Any:
    """Bend a border by moving the middle of each piece aside, four times."""
    import numpy as np

    line = np.array([one, other])
    for _ in range(4):
        middle = (line[1:] + line[:-1]) / 2
        across = (line[1:] - line[:-1])[:, ::-1] * (1, -1)
        middle += across * random.uniform(-0.15, 0.15, (len(middle), 1))
        joined = np.empty((2 * len(line) - 1, 2))
        joined[::2], joined[1::2] = line, middle
        line = joined
    return line


def results(frame: Any) -> list[Any]:
    """Give one result a rule and quarter; their rows repeat from one quarter to the next."""
    import random

    from phusong.coverage.summary import AreaSummary, Result
    from phusong.maps.columns import DrawnResult

    random.seed(SEED)
    drawn = []
    for rule in RULES:
        rows = []
        for code, name in zip(frame["code"], frame["name"], strict=True):
            own = [summary(code, name, each) for each in OPERATORS if random.random() < MEASURED]
            rows += own
            best = max(own, key=lambda area: area.share_low, default=None)
            rows.append(
                AreaSummary(code=code, name=name, verdict="no_data", further_places=73)
                if best is None
                else AreaSummary(
                    **{field: getattr(best, field) for field in FIELDS},
                    operator="any",
                    best_operator=best.operator,
                )
            )
        areas = tuple(rows)
        for quarter in range(QUARTERS):
            start, end = (
                datetime(2025 + at // 4, at % 4 * 3 + 1, 1, tzinfo=UTC)
                for at in (quarter, quarter + 1)
            )
            result = Result(
                rule=rule,
                rule_title_en=rule,
                rule_title_vi=rule,
                required_share=0.95,
                confidence=0.95,
                area="village",
                boundary_id="seeded",
                boundary_name="Seeded villages",
                period_start=start,
                period_end=end,
                software="benchmark",
                computed_at=end,
                areas=areas,
            )
            drawn.append(DrawnResult(result=result, geometry=frame))
    return drawn


FIELDS = ("code", "name", "verdict", "share", "share_low", "share_high", "samples", "trials")
FIELDS += ("successes", "places", "occasions", "further_places")


def summary(code: str, name: str, operator: str) -> Any:
    import random

    from phusong.coverage.interval import wilson
    from phusong.coverage.summary import AreaSummary

    places = min(250, 1 + int(random.expovariate(1 / 60)))
    good = min(places, round(places * random.betavariate(8, 1)))
    share = good / places
    # Neighbouring places are alike, so they are worth fewer than there are, as in real results.
    worth = places if share in (0.0, 1.0) else max(1.0, places * random.uniform(0.5, 1))
    low, high = wilson(share, worth, 0.95)
    return AreaSummary(
        code=code,
        name=name,
        operator=operator,
        verdict="covered" if low >= 0.95 else "not_covered" if high < 0.95 else "unproven",
        share=share,
        share_low=low,
        share_high=high,
        places=places,
        samples=places * 2,
        trials=places * 2,
        successes=good * 2,
        occasions=places,
        further_places=max(0, 73 - places),
    )


def build(kind: str, count: int, target: Path) -> None:
    """Write one page and say what it took; runs in a process of its own."""
    frame = villages(count)
    if kind == "phusong":
        from phusong.maps.page import render_page

        drawn = results(frame)
        before = time.process_time()
        target.write_text(render_page(drawn), "utf-8")
    else:
        import folium

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


COLORS = {"covered": "#0b4f8a", "not_covered": "#f2a900", "unproven": "#dedad2"}
COLORS["no_data"] = "#f4f1ea"


def results_once(frame: Any) -> list[Any]:
    return [summary(code, code, "any") for code in frame["code"]]


def inlined(page: str, name: str) -> str:
    """Put Leaflet where folium links to it, and say when the first view is drawn."""
    import re

    from phusong.maps.assets import read_leaflet

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


WATCH = """
window.tasks = [];
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.tasks.push([task.startTime, task.duration]);
}).observe({ type: "longtask", buffered: true });
"""
LONGEST = "() => Math.max(0, ...window.tasks.splice(0).map(([, duration]) => duration))"


def opened(path: Path) -> dict[str, float]:
    """Open a page in a browser of its own and use it; give what it took."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions"],
        )
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(WAIT_S * 1000)
            page.add_init_script(WATCH)
            tree = children(os.getpid())
            before = cpu_s(tree)
            page.goto(path.as_uri(), wait_until="commit")
            end = time.monotonic() + WAIT_S
            while not page.evaluate("() => document.documentElement?.dataset.readyMs ?? null"):
                if time.monotonic() > end:
                    raise TimeoutError(f"{path} was not drawn within {WAIT_S} s")
                time.sleep(0.05)
            tree = children(os.getpid())
            answer = {
                "ready s": page.evaluate("() => +document.documentElement.dataset.readyMs") / 1000,
                "CPU s": cpu_s(tree) - before,
                "longest task ms": page.evaluate(LONGEST),
            }
            answer["renderer MB"] = max(map(memory_mb, tree))
            answer |= used(page)
            return answer
        finally:
            browser.close()


def used(page: Any) -> dict[str, float]:
    """Pan, zoom and switch; give the longest task and the median time of a switch."""
    settled = "() => !('busy' in document.documentElement.dataset)"
    ours = page.evaluate("() => typeof state !== 'undefined'")
    the_map = "map" if ours else "window.benchmarked"
    for move in (
        "panBy([300, 120])",
        "setZoom(8)",
        "panBy([-250, 200])",
        "setZoom(10)",
        "setZoom(6)",
    ):
        page.evaluate(f"() => void {the_map}.{move}")
        page.evaluate("() => new Promise((done) => setTimeout(done, 500))")
        wait_for(page, settled)
    pause = page.evaluate(LONGEST)
    if not ours:
        return {"longest pause ms": pause}
    quantities = ("share", "samples", "verdict")
    times = [switch(page, f"show({{ quantity: '{quantity}' }})") for quantity in quantities]
    period = [switch(page, f"show({{ result: data.results[{each}] }})") for each in (1, 9, 4)]
    return {
        "longest pause ms": pause,
        "layer switch ms": statistics.median(times),
        "period switch ms": statistics.median(period),
        "longest in switches ms": page.evaluate(LONGEST),
    }


def switch(page: Any, call: str) -> float:
    return float(
        page.evaluate(
            f"""async () => {{
              const before = performance.now();
              await {call};
              while ("busy" in document.documentElement.dataset)
                await new Promise((done) => setTimeout(done, 1));
              return performance.now() - before;
            }}"""
        )
    )


def wait_for(page: Any, condition: str) -> None:
    end = time.monotonic() + WAIT_S
    while not page.evaluate(condition):
        if time.monotonic() > end:
            raise TimeoutError(condition)
        time.sleep(0.02)


def children(parent: int) -> list[int]:
    """Give the ids of all processes below one."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except OSError:
                continue
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found: list[int] = []
    wave = [parent]
    while wave:
        wave = [child for child, above in parents.items() if above in wave]
        found += wave
    return found


def cpu_s(processes: list[int]) -> float:
    total = 0
    for process in processes:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def memory_mb(process: int) -> float:
    """Give a renderer's proportional share of memory; 0 for every other process."""
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes()
        if b"--type=renderer" not in command:
            return 0.0
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1000
    except OSError:
        pass
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("counts", nargs="*", type=int, default=[1_000, 10_000])
    parser.add_argument("--full", action="store_true", help="folium with 90,000 too: minutes")
    parser.add_argument("--build", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.build:
        build(chosen.build[0], chosen.counts[0], Path(chosen.build[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        for count in chosen.counts:
            kinds = ["phusong"] + (["folium"] if count <= 10_000 or chosen.full else [])
            rows: dict[str, dict[str, list[float]]] = {}
            for kind in kinds:
                page = Path(folder) / f"{kind}.html"
                command = [sys.executable, __file__, str(count), "--build", kind, str(page)]
                said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                rows[kind] = {name: [value] for name, value in json.loads(said).items()}
            for _ in range(1 if chosen.full and count > 10_000 else ROUNDS):
                for kind in kinds:
                    for name, value in opened(Path(folder) / f"{kind}.html").items():
                        rows[kind].setdefault(name, []).append(value)
            print(f"{count:,} villages" + "".join(f"{kind:>12}" for kind in kinds))
            for name in rows["phusong"]:
                cells = [
                    f"{statistics.median(rows[kind][name]):12,.2f}" if name in rows[kind] else ""
                    for kind in kinds
                ]
                print(f"  {name:<22}" + "".join(cells))


if __name__ == "__main__":
    main()
