"""Commands that draw: results that are kept become a page that opens from disk."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..console import (
    Group,
    Session,
    json_option,
    note,
    number,
    pass_session,
    print_json,
    print_table,
    progress,
)
from ..data.words import say

if TYPE_CHECKING:
    from ..data.store import Store
    from .columns import DrawnResult, Points
    from .page import PageOptions

DEFAULT_POINTS = 5_000


@click.group("map", cls=Group)
def map_group() -> None:
    """Draw maps: one HTML file that opens without a network."""


@map_group.command()
@click.argument("out", type=click.Path(path_type=Path), required=False)
@click.option(
    "--site",
    type=click.Path(path_type=Path),
    help="Write a site into this folder, a page for each part, instead of one file.",
)
@click.option(
    "--result",
    "numbers",
    type=click.IntRange(min=1),
    multiple=True,
    help="Draw this result (again for more); the newest of each rule, kind of area and period"
    " where none is named.",
)
@click.option("--title", help="What stands at the top of the page.")
@click.option(
    "--points",
    "most",
    type=click.IntRange(0, 100_000),
    default=DEFAULT_POINTS,
    show_default=True,
    help="Draw at most so many samples as points; 0 for none.",
)
@click.option(
    "--leaflet",
    type=click.Path(path_type=Path),
    help="Take leaflet.js and leaflet.css from this folder.",
)
@json_option
@pass_session
def build(
    session: Session,
    out: Path | None,
    site: Path | None,
    numbers: tuple[int, ...],
    title: str | None,
    most: int,
    leaflet: Path | None,
    as_json: bool,
) -> None:
    """
    Draw results on a map: one HTML file for any browser, without a network.

    The page has every operator and rule, a legend with counts, a search that needs no
    diacritics, a table, and says it in English and Vietnamese. A site leads from the level with
    the fewest areas down to the one with the most.
    """
    from ..data.sample_points import sample_points
    from .page import PageOptions, render_page, write_page

    if (out is None) == (site is None):
        raise click.UsageError(say("Name one file to write, or a folder with --site."))
    options = PageOptions(title=title, leaflet_folder=leaflet)
    with session.store(create=False) as store:
        drawn = load_drawn(store, numbers)
        points = sample_points(store, most=most) if most else None
        if site is not None:
            _build_site(store, site, drawn, points, options, as_json=as_json)
            return
    assert out is not None
    size_bytes = write_page(out, render_page(drawn, points, options))
    rows = [_counted(one) for one in drawn]
    if as_json:
        print_json([{"file": out, "bytes": size_bytes, "results": rows}])
        return
    print_table([list(row.values()) for row in rows], list(rows[0]))
    note(
        "The map is {file} ({size} MB): open it in any browser.",
        file=out,
        size=number(size_bytes / 1e6),
    )


def _build_site(
    store: "Store",
    folder: Path,
    drawn: Sequence["DrawnResult"],
    points: "Points | None",
    options: "PageOptions",
    *,
    as_json: bool,
) -> None:
    from ..data.kept import load_parents
    from .site import count_pages, write_site

    over = [one for one in drawn if one.result.boundary_id is not None]
    parents = load_parents(store, over[0].result.boundary_id or "") if over else {}
    with progress("drawing pages", count_pages(drawn, parents)) as advance:
        written = write_site(folder, drawn, parents, points, options, on_progress=advance)
    if len(over) < len(drawn):
        note("{count} results over H3 cells are left out.", count=len(drawn) - len(over))
    if as_json:
        print_json([{"site": folder, **asdict(written)}])
        return
    note(
        "The site is {folder}: {pages} pages, {size} MB; the first page takes {first} MB. Open its"
        " index.html, or put the folder on any web server.",
        folder=folder,
        pages=written.pages,
        size=number(written.size_bytes / 1e6),
        first=number(written.first_page_bytes / 1e6),
    )


def load_drawn(store: "Store", numbers: Sequence[int]) -> list["DrawnResult"]:
    """Give results with the shapes of their areas; shapes that several share are read once."""
    from ..coverage.boundaries import frame_from_rows
    from ..coverage.hexagons import hexagon_frame
    from ..coverage.record import result_from_rows
    from ..data.errors import MapError
    from ..data.kept import list_results, load_boundaries, load_result
    from .columns import DrawnResult

    if not numbers:
        numbers = newest_results(list_results(store))
    if not numbers:
        raise MapError("there is no result to draw; compute one first: phusong coverage compute")
    drawn = []
    frames: dict[tuple[str, str], Any] = {}
    for each in dict.fromkeys(numbers):
        result = result_from_rows(*load_result(store, each))
        if result.boundary_id is None:
            frame = hexagon_frame(sorted({area.code for area in result.areas}))
        else:
            key = (result.boundary_id, result.area)
            if key not in frames:
                frames[key] = frame_from_rows(load_boundaries(store, *key))
            frame = frames[key]
        drawn.append(DrawnResult(result=result, geometry=frame))
    return drawn


def newest_results(rows: Sequence[dict[str, Any]]) -> list[int]:
    """Give the newest result of each rule, kind of area and period; rows come oldest first."""
    newest = {}
    for row in rows:
        inputs = json.loads(row["inputs"])
        period = (inputs.get("period_start"), inputs.get("period_end"))
        newest[row["rule"], row["area"], row["boundary_set_id"], *period] = row["id"]
    return sorted(newest.values())


def _counted(drawn: "DrawnResult") -> dict[str, object]:
    from ..coverage.summary import ANY_OPERATOR, Verdict
    from .columns import sample_counts

    result = drawn.result
    counts = Counter(area.verdict for area in result.areas if area.operator == ANY_OPERATOR)
    return {
        "rule": result.rule,
        "area": result.area,
        "areas": len(drawn.geometry),
        **{verdict.value: counts[verdict] for verdict in Verdict},
        "simulated": sample_counts(result)[1],
    }
