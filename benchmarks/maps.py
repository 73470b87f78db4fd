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
folium draws 90,000 with --full only, which takes minutes and gigabytes. With ``--site`` it is the
first page of a site that is measured: provinces, and a page of communes for each, joined from as
many villages.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from map_pages.chromium import opened

ROUNDS = 3
FOLIUM_UP_TO = 10_000
Figures = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("counts", nargs="*", type=int, default=[1_000, 10_000])
    parser.add_argument("--full", action="store_true", help="folium with 90,000 too: minutes")
    parser.add_argument("--rounds", type=int, help="open every page so often, and give medians")
    parser.add_argument("--site", action="store_true", help="a site's first page instead")
    parser.add_argument("--build", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.build:
        from map_pages.pages import build

        build(chosen.build[0], chosen.counts[0], Path(chosen.build[1]))
        return
    for count in chosen.counts:
        both = count <= FOLIUM_UP_TO or chosen.full
        kinds = ["site"] if chosen.site else ["phusong", *(["folium"] if both else [])]
        # folium takes minutes for very many: once, unless more is asked for.
        rounds = chosen.rounds or (1 if count > FOLIUM_UP_TO and chosen.full else ROUNDS)
        with tempfile.TemporaryDirectory() as folder:
            report(count, measure(count, kinds, rounds, Path(folder)))


def measure(count: int, kinds: list[str], rounds: int, folder: Path) -> dict[str, Figures]:
    """Build each page once and open all of them in turn, so often."""
    figures: dict[str, Figures] = {}
    for kind in kinds:
        page = folder / (kind if kind == "site" else f"{kind}.html")
        command = [sys.executable, __file__, str(count), "--build", kind, str(page)]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        figures[kind] = {name: [value] for name, value in json.loads(said).items()}
    for _ in range(rounds):
        for kind in kinds:
            file = "site/index.html" if kind == "site" else f"{kind}.html"
            for name, value in opened(folder / file).items():
                figures[kind].setdefault(name, []).append(value)
    return figures


def report(count: int, figures: dict[str, Figures]) -> None:
    """Print the median of each figure, and how many times as much folium takes."""
    kinds = list(figures)
    compared = kinds == ["phusong", "folium"]
    heads = [*kinds, *(["folium / phusong"] if compared else [])]
    print(f"{count:,} villages".ljust(24) + "".join(f"{head:>18}" for head in heads))
    for name in figures[kinds[0]]:
        medians = [statistics.median(figures[k][name]) for k in kinds if name in figures[k]]
        row = "".join(f"{median:18,.2f}" for median in medians)
        if compared and len(medians) == len(kinds) and medians[0]:
            row += f"{medians[1] / medians[0]:18,.1f}"
        print(f"  {name:<22}" + row)


if __name__ == "__main__":
    main()
