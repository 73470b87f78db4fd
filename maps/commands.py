"""Commands that draw: results that are kept become a page that opens from disk."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
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
from .basemap.commands import basemap_options, open_basemap, take_basemap

if TYPE_CHECKING:
    from ..coverage.adoption import HostStatus
    from ..coverage.adoption_areas import Placed
    from ..data.store import Store
    from .adoption_layer import DrawnAdoption
    from .columns import DrawnResult, Points
    from .page import PageOptions

DEFAULT_POINTS = 5_000


MAX_AUDITS = 12


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
@click.option(
    "--adoption/--no-adoption",
    "with_adoption",
    default=True,
    help="Show IPv6 adoption by area, where audits are kept.",
)
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
    with_adoption: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """
    Draw results on a map: one HTML file for any browser, without a network.

    The page has every operator and rule, a legend with counts, a search that needs no
    diacritics, a table, and says it in English and Vietnamese. A site leads from the level with
    the fewest areas down to the one with the most.
    """
    from ..data.errors import MapError
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
    basemap = open_basemap(**asked)
    with session.store(create=False) as store:
        drawn = load_drawn(store, numbers)
        adoptions = load_adoptions(store, drawn) if with_adoption else []
        if not drawn and not adoptions:
            raise MapError(
                "there is no result to draw; compute one first: phusong coverage compute"
            )
        points = sample_points(store, most=most) if most else None
        if basemap is not None:
            shown: list[DrawnResult | DrawnAdoption] = [*drawn, *adoptions]
            taken = take_basemap(basemap, shown, asked["most_mb"], in_page=site is None)
            options = replace(options, basemap=taken)
        if site is not None:
            _build_site(store, site, drawn, adoptions, points, options, as_json=as_json)
            return
    assert out is not None
    size_bytes = write_page(out, render_page(drawn, points, options, adoptions))
    rows = [_counted(one) for one in drawn]
    audits = [{"audit": one.adoption.audit, "area": one.adoption.area} for one in adoptions]
    if as_json:
        print_json([{"file": out, "bytes": size_bytes, "results": rows, "audits": audits}])
        return
    if rows:
        print_table([list(row.values()) for row in rows], list(rows[0]))
    if adoptions:
        note(
            "IPv6 adoption is on the map, by {n} {n:audit|audits}.",
            n=len({row["audit"] for row in audits}),
        )
    note(
        "The map is {file} ({size} MB): open it in any browser.",
        file=out,
        size=number(size_bytes / 1e6),
    )


def _build_site(
    store: "Store",
    folder: Path,
    drawn: Sequence["DrawnResult"],
    adoptions: Sequence["DrawnAdoption"],
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
        written = write_site(
            folder, drawn, parents, points, options, adoptions=adoptions, on_progress=advance
        )
    if len(over) < len(drawn):
        note(
            "{count} {count:result|results} over H3 cells {count:is|are} left out.",
            count=len(drawn) - len(over),
        )
    if as_json:
        print_json([{"site": folder, **asdict(written)}])
        return
    note(
        "The site is {folder}: {pages} {pages:page|pages}, {size} MB; the first page takes {first}"
        " MB. Open its index.html, or put the folder on any web server.",
        folder=folder,
        pages=written.pages,
        size=number(written.size_bytes / 1e6),
        first=number(written.first_page_bytes / 1e6),
    )


def load_drawn(store: "Store", numbers: Sequence[int]) -> list["DrawnResult"]:
    """Give results with the shapes of their areas; shapes that several share are read once."""
    from ..coverage.boundary_rows import frame_from_rows
    from ..coverage.hexagons import hexagon_frame
    from ..coverage.record import result_from_rows
    from ..data.kept import list_results, load_boundaries, load_result
    from .columns import DrawnResult

    if not numbers:
        numbers = newest_results(list_results(store))
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
    # The page opens with what comes first: the latest period of the first rule.
    alike: dict[tuple[Any, ...], list[tuple[str, int]]] = {}
    for (*kind, _, end), row_id in sorted(newest.items(), key=lambda each: each[1]):
        alike.setdefault(tuple(kind), []).append((end or "9999", row_id))
    return [row_id for found in alike.values() for _, row_id in sorted(found, reverse=True)]


def load_adoptions(store: "Store", drawn: Sequence["DrawnResult"]) -> list["DrawnAdoption"]:
    """
    Give the audits that the store has, the newest first, over the areas that are drawn.

    Where their agencies' units are larger than all of these, the level that has the most of them
    is drawn for them.
    """
    from ..coverage.adoption_areas import choose_levels, place_hosts
    from ..data.kept import load_boundary_set, load_codes, load_parents

    audits = load_audits(store)
    if not audits:
        return []
    named = dict.fromkeys(each.result.boundary_id for each in drawn if each.result.boundary_id)
    headers = [load_boundary_set(store, set_id) for set_id in named] or [load_boundary_set(store)]
    shapes = {each.shapes_key: each.geometry for each in drawn}
    found = []
    for header in headers:
        if header is None:
            found += _over_packaged_provinces(audits)
            continue
        parents, codes = load_parents(store, header["id"]), load_codes(store, header["id"])
        for name, statuses in audits.items():
            placed = {level: place_hosts(statuses, codes[level], parents) for level in codes}
            shown = [level for level in codes if (header["id"], level) in shapes]
            for level in choose_levels(placed, shown):
                frame = _frame(store, shapes, header["id"], level)
                found.append(_drawn_audit(name, statuses, placed[level], level, frame, header))
    return found


def load_audits(store: "Store") -> dict[str, list["HostStatus"]]:
    """Give every audit's hosts by their newest check, the newest audit first."""
    from ..coverage.adoption import newest, status_of
    from ..coverage.adoption_pack import load_pack
    from ..data.ipv6 import kept_checks

    pack = load_pack()
    checked: dict[str, list[HostStatus]] = {}
    for check in kept_checks(store):
        audit = check.record.get("audit")
        if isinstance(audit, str):
            # Checks come by time: an audit moves to the end with each of its own.
            checked[audit] = checked.pop(audit, [])
            checked[audit].append(status_of(check.at, check.record, pack))
    return {name: newest(checked[name]) for name in [*checked][: -MAX_AUDITS - 1 : -1]}


def _frame(
    store: "Store", shapes: dict[tuple[str | None, str], Any], set_id: str, level: str
) -> Any:
    from ..coverage.boundary_rows import frame_from_rows
    from ..data.kept import load_boundaries

    if (set_id, level) not in shapes:
        shapes[set_id, level] = frame_from_rows(load_boundaries(store, set_id, level))
    return shapes[set_id, level]


def _over_packaged_provinces(audits: dict[str, list["HostStatus"]]) -> list["DrawnAdoption"]:
    from ..coverage.adoption_areas import place_hosts
    from ..coverage.provinces import Provinces

    provinces = Provinces.vietnam()
    codes = list(provinces.names)
    parents = {unit: code for unit, code in provinces.province_of.items() if unit != code}
    header = {"id": None, "name": None, "vintage": None, "approximate": provinces.approximate}
    frame = provinces.drawn()
    return [
        _drawn_audit(name, statuses, placed, "province", frame, header)
        for name, statuses in audits.items()
        if (placed := place_hosts(statuses, codes, parents)).hosts
    ]


def _drawn_audit(
    name: str,
    statuses: Sequence["HostStatus"],
    placed: "Placed",
    level: str,
    frame: Any,
    header: dict[str, Any],
) -> "DrawnAdoption":
    from ..coverage.adoption import group_of
    from ..coverage.adoption_areas import AreaAdoption, counts_of
    from ..probes.ipv6.findings import EXPLAINED
    from .adoption_layer import DrawnAdoption

    adoption = AreaAdoption(
        audit=name,
        first=min(status.at for status in statuses),
        last=max(status.at for status in statuses),
        area=level,
        boundary_id=header["id"],
        boundary_name=header["name"],
        boundary_vintage=header["vintage"],
        boundary_approximate=bool(header["approximate"]),
        groups=placed.groups(),
        counts=counts_of([group_of("all", statuses)]),
        outside=placed.outside,
    )
    reasons = {reason: meaning for reason, (meaning, _) in EXPLAINED.items()}
    return DrawnAdoption(adoption=adoption, geometry=frame, reasons=reasons)


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
