"""The command that brings other tools' records in."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...console import (
    EXIT_BAD_ANSWER,
    Command,
    Session,
    json_option,
    note,
    number,
    pass_session,
    print_json,
    print_table,
    progress,
)
from ..words import say

if TYPE_CHECKING:
    from .run import ImportReport


@click.command("import", cls=Command)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--tool", help="What wrote the files, where their columns do not tell.")
@click.option("--timezone", help="Where the clock of a log without zones stood: Asia/Ho_Chi_Minh.")
@click.option("--operator", help="Whose SIM card it was, for rows that name no network.")
@click.option(
    "--encoding",
    type=click.Choice(("utf-8", "utf-16", "latin-1")),
    default="utf-8",
    show_default=True,
    help="How the files write their letters.",
)
@click.option("--at", help="When results without a time were measured: 2026-07-01T08:30+07:00.")
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="FIELD=COLUMN[/N|*N]",
    help="What a column of any table holds: down_mbps=DL_kbps/1000. Once for each field.",
)
@click.option("--time-format", help="How a mapped time is written: iso, unix-s, %d/%m/%Y %H:%M:%S.")
@click.option("--decimal-comma", is_flag=True, help="Mapped numbers have a decimal comma.")
@json_option
@pass_session
def import_(
    session: Session,
    files: tuple[Path, ...],
    tool: str | None,
    timezone: str | None,
    operator: str | None,
    encoding: str,
    at: str | None,
    mapping: tuple[str, ...],
    time_format: str | None,
    decimal_comma: bool,
    as_json: bool,
) -> None:
    """
    Import logs of other tools: files, gzip and xz files, zip files of them.

    Every row becomes a sample, or a duplicate of one that is kept already, or is rejected by a
    reason with a name; look at those with: phusong data rejected. Importing twice changes nothing.
    """
    from .interface import Options, read_timezone
    from .openers import size_hint
    from .run import check_files, import_file
    from .times import check_time_format, read_moment

    options = Options(
        tool=tool,
        timezone=read_timezone(timezone),
        operator=operator,
        encoding=encoding,
        at=read_moment(at, timezone),
        mapping=mapping,
        time_format=check_time_format(time_format),
        decimal_comma=decimal_comma,
    )
    check_files(files, options)
    sizes = [size_hint(path) for path in files]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    with session.store() as store, progress("Importing", total) as step, store.in_bulk():
        reports = [import_file(store, path, options, step) for path in files]
    _print_import(reports, as_json=as_json)
    kept = sum(file.accepted + file.duplicate for report in reports for file in report.files)
    if kept == 0:
        raise SystemExit(EXIT_BAD_ANSWER)


def _print_import(reports: "list[ImportReport]", *, as_json: bool) -> None:
    files = [file for report in reports for file in report.files]
    skipped = [skip for report in reports for skip in report.skipped]
    if as_json:
        print_json(file.as_record() for file in files)
        print_json({"file": skip.name, "skipped": skip.error.reason} for skip in skipped)
        return
    reasons = sorted({reason for file in files for reason in file.rejected})
    rows: list[list[object]] = [
        [
            file.name,
            file.tool,
            *(
                number(value, 0)
                for value in (
                    file.rows,
                    file.accepted,
                    file.duplicate,
                    *(file.rejected[reason] for reason in reasons),
                )
            ),
        ]
        for file in files
    ]
    totals = [
        sum(file.rows for file in files),
        sum(file.accepted for file in files),
        sum(file.duplicate for file in files),
        *(sum(file.rejected[reason] for file in files) for reason in reasons),
    ]
    rows.append([say("total"), None, *(number(value, 0) for value in totals)])
    headers = ["file", "tool", "rows", "accepted", "duplicate"]
    print_table(rows, [*headers, *(f"rejected: {reason}" for reason in reasons)])
    for skip in skipped:
        note("Set aside: {message}", message=say(skip.error.template, **skip.error.values))
    ignored = sum(report.ignored.total() for report in reports)
    if ignored:
        note(
            "Members of archives that are folders, junk or parts of a shapefile: {count}.",
            count=ignored,
        )
