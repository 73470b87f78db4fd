"""Commands that keep: bring records in, look at what there is, hand it over."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..console import (
    EXIT_BAD_ANSWER,
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
from .importers.commands import import_
from .words import say

if TYPE_CHECKING:
    from .overview import Overview

_SHOWN_CHARS = 60


@click.group(cls=Group)
def data() -> None:
    """Keep samples: import records, count them, export them, check them."""


data.add_command(import_)


@data.command()
@click.option("--file", "file", help="Only rows of this file.")
@click.option("--reason", help="Only rows rejected for this reason.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Show at most so many rows.",
)
@json_option
@pass_session
def rejected(
    session: Session, file: str | None, reason: str | None, limit: int, as_json: bool
) -> None:
    """Show rows of imported files that became no sample, and why."""
    from .check import ascii_safe
    from .overview import rejected_rows

    with session.store(create=False) as store:
        rows, found = rejected_rows(store, file=file, reason=reason, limit=limit)
    if as_json:
        print_json(rows)
        return
    print_table(
        [
            [
                *(row[name] for name in ("file", "line", "reason", "message")),
                ascii_safe(row["record"][:_SHOWN_CHARS]),
            ]
            for row in rows
        ],
        ["file", "line", "reason", "message", "record"],
    )
    note("{shown} of {found} rejected {found:row|rows}.", shown=len(rows), found=found)


@data.command()
@json_option
@pass_session
def info(session: Session, as_json: bool) -> None:
    """Count what the store holds, measured and simulated apart."""
    from dataclasses import asdict

    from .overview import overview

    with session.store(create=False) as store:
        seen = overview(store)
    if as_json:
        print_json([asdict(seen)])
    else:
        _print_overview(seen)


@data.command()
@click.argument("file", type=click.Path())
@click.option(
    "--format",
    "form",
    type=click.Choice(("csv", "jsonl", "parquet", "gpkg", "db")),
    help="What to write, where the file's ending does not tell.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it is there.")
@click.option(
    "--partition",
    is_flag=True,
    help="Write a folder of GeoParquet files, here or at an address such as s3://…",
)
@click.option(
    "--rows-per-file",
    type=click.IntRange(1),
    default=1_000_000,
    show_default=True,
    help="With --partition: at most so many samples in a file.",
)
@json_option
@pass_session
def export(
    session: Session,
    file: str,
    form: str | None,
    overwrite: bool,
    partition: bool,
    rows_per_file: int,
    as_json: bool,
) -> None:
    """
    Write every sample to a file: CSV, JSON lines, GeoParquet, GeoPackage or a whole store.

    Failed attempts and simulated samples are in it, told apart by the columns outcome and origin.
    JSON lines are the evidence byte for byte: the SHA-256 of a line is the sample's id. What left
    as JSON lines or as a store counts as handed over, and is no longer unsent in probe drive.
    """
    from .dataset import export_partitions
    from .export import Format, format_of
    from .export import export as write
    from .handed_over import newest, note_handed_over

    if partition and form not in (None, Format.PARQUET):
        raise click.UsageError(say("--partition writes Parquet: leave --format out"))
    chosen = Format.PARQUET if partition else Format(form) if form else format_of(Path(file))
    files = 1
    with session.store(create=False) as store:
        total, up_to = int(store.tables["sample"].count), newest(store)
        with progress("Exporting", total) as step:
            if partition:
                count, files = export_partitions(
                    store, file, rows_a_file=rows_per_file, overwrite=overwrite, on_progress=step
                )
            else:
                count = write(store, Path(file), chosen, overwrite=overwrite, on_progress=step)
        if store.is_writable:
            note_handed_over(store, up_to, chosen, file)
    if as_json:
        print_json([{"file": file, "format": chosen.value, "samples": count, "files": files}])
    elif partition:
        shown = (number(count, 0), number(files, 0))
        note(
            "{file}: {count} {count:sample|samples} in {files} {files:file|files}.",
            file=file,
            count=shown[0],
            files=shown[1],
        )
    else:
        note("{file}: {count} {count:sample|samples}.", file=file, count=number(count, 0))


@data.command()
@click.argument("track", type=click.Path(path_type=Path))
@click.option(
    "--max-gap",
    "max_gap_s",
    type=click.FloatRange(1, 3600),
    default=30.0,
    show_default=True,
    help="Join nothing between two points of the track that are more seconds apart.",
)
@click.option(
    "--shift",
    "shift_s",
    type=float,
    default=0.0,
    show_default=True,
    help="Seconds to add to the samples' times, where the device's clock was slow.",
)
@click.option("--replace", is_flag=True, help="Join again what another track was joined to.")
@json_option
@pass_session
def locate(
    session: Session, track: Path, max_gap_s: float, shift_s: float, replace: bool, as_json: bool
) -> None:
    """
    Give samples without a position the place of a GPX track or NMEA log at their time.

    The evidence stays as it is; the place is kept beside it with its source, and every count, map
    and export uses it. A sample's own position is never replaced.
    """
    from dataclasses import asdict

    from ..probes.position.track import points_of, read_track
    from .located import count_unplaced
    from .located import locate as join

    read = read_track(track)
    with (
        session.store(create=False) as store,
        progress("Locating", count_unplaced(store)) as step,
    ):
        done = join(
            store,
            points_of(read),
            source=read.source,
            sha256=read.sha256,
            max_gap_s=max_gap_s,
            shift_s=shift_s,
            replace=replace,
            on_progress=step,
        )
    if as_json:
        print_json([{"track": read.source, "points": len(read.points), **asdict(done)}])
    else:
        print_table(
            [[say(name), number(count, 0)] for name, count in asdict(done).items()],
            ["samples without a position", "count"],
        )
    if done.located + done.known == 0:
        raise SystemExit(EXIT_BAD_ANSWER)


@data.command()
@json_option
@pass_session
def verify(session: Session, as_json: bool) -> None:
    """Hash every sample's evidence again and name each that was changed."""
    with session.store(create=False) as store:
        total = int(store.tables["sample"].count)
        problems = list(store.verify())
    if as_json:
        print_json([{"samples": total, "problems": problems}])
    else:
        for problem in problems:
            click.echo(problem)
        note(
            "{count} {count:sample|samples} checked, {bad} with changed evidence.",
            count=number(total, 0),
            bad=number(len(problems), 0),
        )
    if problems:
        raise SystemExit(EXIT_BAD_ANSWER)


def _print_overview(seen: "Overview") -> None:
    from .overview_tables import overview_tables

    for place, table in enumerate(overview_tables(seen, number)):
        if place:
            click.echo()
        print_table(table.rows, table.headers)
        if table.cut_off:
            click.echo(table.cut_off, err=True)
