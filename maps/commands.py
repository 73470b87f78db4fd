"""Commands that draw: results that are kept become a page that opens from disk."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

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
    from .basemap.archive import ArchiveTiles
    from .basemap.folder import FolderTiles
    from .basemap.online import OnlineTiles
    from .basemap.tiles import TakenTiles
    from .columns import DrawnResult, Points
    from .page import PageOptions

_Command = TypeVar("_Command", bound=Callable[..., object])

DEFAULT_POINTS = 5_000
BASEMAP_OPTIONS = (
    click.option(
        "--basemap",
        "folder",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="Lay this beneath the areas: a folder of tiles (7/101/56.png, .jpg or .webp) or a"
        " PMTiles file. None by default.",
    ),
    click.option(
        "--basemap-mb",
        "most_mb",
        type=click.IntRange(1, 1000),
        help="Take zooms of the basemap while a page grows by no more than so many megabytes (20)"
        " or a site (100).",
    ),
    click.option(
        "--basemap-rows",
        "rows",
        type=click.Choice(["xyz", "tms"]),
        help="How the rows of a tile folder count: from the north (xyz) or from the south (tms);"
        " by its tilemapresource.xml where this is not said.",
    ),
    click.option(
        "--tiles",
        "url",
        metavar="URL",
        help="Let the page fetch a basemap from this server, as in"
        " https://tiles.example/{z}/{x}/{y}.png; needs --attribution.",
    ),
    click.option("--attribution", help="Whose the basemap is; stands on the map."),
)


def basemap_options(command: _Command) -> _Command:
    """Add the options of a basemap to a command."""
    for option in reversed(BASEMAP_OPTIONS):
        command = option(command)
    return command


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
@click.option("--home", metavar="W,S,E,N", help="Open the map at this extent, in degrees.")
@click.option(
    "--inset",
    "insets",
    metavar="NAME:W,S,E,N",
    multiple=True,
    help="Draw this far part small beside the map, as a way there (again for more).",
)
@basemap_options
@json_option
@pass_session
def build(
    session: Session,
    /,
    out: Path | None,
    site: Path | None,
    numbers: tuple[int, ...],
    title: str | None,
    most: int,
    leaflet: Path | None,
    home: str | None,
    insets: tuple[str, ...],
    as_json: bool,
    **asked: Any,
) -> None:
    """
    Draw results on a map: one HTML file for any browser, without a network.

    The page has every operator and rule, a legend with counts, a search that needs no
    diacritics, a table, and says it in English and Vietnamese. A site leads from the level with
    the fewest areas down to the one with the most.
    """
    from ..data.sample_points import sample_points
    from .page import PageOptions, render_page, write_page
    from .views import read_extent, read_insets

    if (out is None) == (site is None):
        raise click.UsageError(say("Name one file to write, or a folder with --site."))
    options = PageOptions(
        title=title,
        leaflet_folder=leaflet,
        home=read_extent(home) if home else None,
        insets=read_insets(insets),
    )
    basemap = _open_basemap(**asked)
    with session.store(create=False) as store:
        drawn = load_drawn(store, numbers)
        points = sample_points(store, most=most) if most else None
        if basemap is not None:
            taken = _take_basemap(basemap, drawn, asked["most_mb"], in_page=site is None)
            options = replace(options, basemap=taken)
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


def _open_basemap(
    *,
    folder: Path | None,
    most_mb: int | None,
    rows: str | None,
    url: str | None,
    attribution: str | None,
) -> "FolderTiles | ArchiveTiles | OnlineTiles | None":
    """Open the basemap that was asked for, before anything else takes its time."""
    from .basemap.local import open_local
    from .basemap.online import read_attribution, read_online

    if folder and url:
        raise click.UsageError(say("A map has one basemap: --basemap or --tiles."))
    if not folder and (most_mb or rows):
        raise click.UsageError(say("--basemap-mb and --basemap-rows go with --basemap."))
    if url:
        if not attribution:
            raise click.UsageError(
                say("--tiles needs --attribution: whose tiles they are stands on the map.")
            )
        online = read_online(url, attribution)
        note(
            "Whoever opens this map fetches tiles from {host}, which so learns what they look at.",
            host=online.host,
        )
        _warn_of_borders()
        if online.is_plain:
            note("http: anyone on the way can read and change the tiles; prefer https.")
        return online
    if attribution and not folder:
        raise click.UsageError(say("--attribution goes with --basemap or --tiles."))
    credit = read_attribution(attribution) if attribution else None
    return open_local(folder, rows=rows, attribution=credit) if folder else None


def _take_basemap(
    basemap: "FolderTiles | ArchiveTiles | OnlineTiles",
    drawn: Sequence["DrawnResult"],
    most_mb: int | None,
    *,
    in_page: bool,
) -> "TakenTiles | OnlineTiles":
    """Take the tiles of a basemap that fit, and say what was left out."""
    from .basemap.archive import ArchiveTiles
    from .basemap.online import OnlineTiles
    from .basemap.tiles import PAGE_MB, SITE_MB, extent_of, take_tiles

    if isinstance(basemap, OnlineTiles):
        return basemap
    limit_mb = most_mb or (PAGE_MB if in_page else SITE_MB)
    with progress("reading the basemap", None) as advance:
        taken = take_tiles(
            basemap,
            extent_of(drawn),
            most_bytes=limit_mb * 1_000_000,
            in_page=in_page,
            on_progress=advance,
        )
    first, last = taken.zooms
    note(
        "Basemap: {tiles} tiles of zooms {first} to {last}.",
        tiles=number(len(taken.places), 0),
        first=first,
        last=last,
    )
    if taken.left_out:
        note(
            "Its finer zooms ({first} to {last}) would take over {limit} MB and are left out:"
            " zoom {kept} is stretched there (--basemap-mb).",
            first=taken.left_out[0],
            last=taken.left_out[-1],
            limit=limit_mb,
            kept=last,
        )
    if isinstance(basemap, ArchiveTiles) and basemap.is_vector:
        note(
            "Drawn of its layers: {drawn}. Left out, borders and names among them: {others}.",
            drawn=", ".join(basemap.layers),
            others=", ".join(basemap.layers_left_out) or "–",
        )
    else:
        _warn_of_borders()
    if not taken.attribution:
        note("The basemap does not say whose it is: name its owner with --attribution.")
    return taken


def _warn_of_borders() -> None:
    note(
        "Look at the basemap before you publish: tiles of others may draw or name Hoàng Sa and"
        " Trường Sa in ways that a Vietnamese authority must not publish."
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
