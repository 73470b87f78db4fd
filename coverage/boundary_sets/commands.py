"""Sets of boundaries: load them, list them, find the areas that are to be judged."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...console import (
    Group,
    Session,
    json_option,
    note,
    number,
    pass_session,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from ...data.store import Store
    from ..areas import Areas


@click.group(cls=Group)
def boundaries() -> None:
    """Keep boundaries: load files of villages, communes, counties."""


@boundaries.command("load")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--code-field", help="The field with each area's code, where it is not found.")
@click.option("--name-field", help="The field with each area's name, where it is not found.")
@click.option("--parent-field", help="The field with the code of the area around it.")
@click.option("--level", help="What the areas are: village, commune, county.")
@click.option("--layer", help="The layer to load; all of them where none is named.")
@click.option("--crs", help="The CRS of a file that names none, for example EPSG:4326.")
@click.option("--vintage", help="Since when the boundaries are valid, for example 2025-07-01.")
@json_option
@pass_session
def load(session: Session, /, files: tuple[Path, ...], as_json: bool, **options: Any) -> None:
    """
    Load GeoJSON, TopoJSON, GeoPackage, Shapefile (also zipped) or GeoParquet.

    The format is told by the content. Broken rings are repaired and listed; a file whose codes
    repeat, or whose areas have no place on the globe, is refused as it is.
    """
    from ...data.kept import save_boundaries
    from ..boundaries import read_boundaries
    from ..boundary_rows import set_to_rows
    from ..wording import loaded_lines

    with session.store() as store:
        for path in files:
            loaded = read_boundaries(path, **options)
            is_new = save_boundaries(store, *set_to_rows(loaded))
            if as_json:
                print_json([{"file": path, "set": loaded.id, "new": is_new, **loaded.report}])
                continue
            for line in loaded_lines(path.name, loaded.report, number):
                click.echo(line, err=True)
            note(
                "Kept as set {id}." if is_new else "Set {id} was there already; nothing changed.",
                id=loaded.id,
            )


@boundaries.command("list")
@json_option
@pass_session
def list_sets(session: Session, as_json: bool) -> None:
    """List the sets of boundaries that are kept."""
    from ...data.kept import list_boundary_sets
    from ..wording import set_cells

    with session.store(create=False) as store:
        sets = list_boundary_sets(store)
    if as_json:
        print_json({key: row[key] for key in row if key != "report"} for row in sets)
        return
    if not sets:
        note("No boundaries are loaded; Vietnam's communes can be used as approximate cells.")
        return
    rows = [set_cells(row, number) for row in sets]
    print_table(rows, ["set", "name", "levels", "vintage", "shapes"])


def find_areas(store: "Store", by: str, set_id: str | None) -> "Areas":
    """Give what to judge: H3 cells, a level of a loaded set, or approximate cells."""
    from dataclasses import replace

    from ...data.errors import BoundaryError
    from ...data.kept import (
        kept_beside,
        list_boundary_sets,
        load_boundaries,
        load_boundary_names,
        load_boundary_set,
        save_boundaries,
    )
    from ..approximate import LEVELS, approximate_set
    from ..areas import Areas, frame_of_names, hexagon_areas
    from ..boundary_rows import frame_from_rows, set_to_rows
    from ..cell_file import is_there

    if by.startswith("h3:"):
        return hexagon_areas(by)
    header = load_boundary_set(store, set_id, level=by)
    if header is None and set_id is None and by in LEVELS:
        save_boundaries(store, *set_to_rows(approximate_set()))
        header = load_boundary_set(store, level=by)
    if header is None:
        known = {level for row in list_boundary_sets(store) for level in row["levels"]}
        raise BoundaryError(
            "there are no boundaries of level {level}; there are: {known}, and h3:0 to h3:9",
            level=by,
            known=", ".join(sorted(known | set(LEVELS))),
        )
    named = Areas(
        label=by,
        frame=frame_of_names(load_boundary_names(store, header["id"], by)),
        set_id=header["id"],
        set_name=header["name"],
        vintage=header["vintage"],
        approximate=bool(header["approximate"]),
    )
    # The index holds what is needed of the shapes: they are loaded where there is none yet.
    kept = kept_beside(store, f"{header['id']}-{by}.cells")
    if found := named.with_kept_index(kept):
        return found
    if is_there(kept):
        note(
            "{file} is cut or damaged, of other boundaries or another version: the index is made"
            " anew.",
            file=kept,
        )
    drawn = frame_from_rows(load_boundaries(store, header["id"], by))
    made = replace(named, frame=drawn).indexed(kept)
    if not is_there(kept):
        note("The index cannot be kept as {file}, so that every run makes it anew.", file=kept)
    return made
