"""Options of a basemap, and what is said of it: shared by every command that draws a map."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from ...console import note, number, progress
from ...data.words import say

if TYPE_CHECKING:
    from ..adoption_layer import DrawnAdoption
    from ..columns import DrawnResult
    from .archive import ArchiveTiles
    from .folder import FolderTiles
    from .online import OnlineTiles
    from .tiles import TakenTiles

_Command = TypeVar("_Command", bound=Callable[..., object])

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


def open_basemap(
    *,
    folder: Path | None,
    most_mb: int | None,
    rows: str | None,
    url: str | None,
    attribution: str | None,
) -> "FolderTiles | ArchiveTiles | OnlineTiles | None":
    """Open the basemap that was asked for, before anything else takes its time."""
    from .local import open_local
    from .online import read_attribution, read_online

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


def take_basemap(
    basemap: "FolderTiles | ArchiveTiles | OnlineTiles",
    shown: Sequence["DrawnResult | DrawnAdoption"],
    most_mb: int | None,
    *,
    in_page: bool,
) -> "TakenTiles | OnlineTiles":
    """Take the tiles of a basemap that fit, and say what was left out."""
    from .archive import ArchiveTiles
    from .online import OnlineTiles
    from .tiles import PAGE_MB, SITE_MB, extent_of, take_tiles

    if isinstance(basemap, OnlineTiles):
        return basemap
    limit_mb = most_mb or (PAGE_MB if in_page else SITE_MB)
    with progress("reading the basemap", None) as advance:
        taken = take_tiles(
            basemap,
            extent_of(shown),
            most_bytes=limit_mb * 1_000_000,
            in_page=in_page,
            on_progress=advance,
        )
    first, last = taken.zooms
    note(
        "Basemap: {tiles} {tiles:tile|tiles} of zooms {first} to {last}.",
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
