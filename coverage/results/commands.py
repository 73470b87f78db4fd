"""Commands that look at kept results: list them, show them area by area, explain one area."""

from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import click

from ...console import Session, json_option, note, number, pass_session, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..summary import AreaSummary, Result

_OPERATORS_BESIDE = 3
_VERDICTS = ("covered", "not_covered", "unproven", "no_data")
_COLUMNS = ("verdict", "evidence", "down", "up", "rtt")

result_option = click.option(
    "--result", "result_id", type=int, help="Which result; the newest where none is named."
)


@click.command("list")
@json_option
@pass_session
def list_kept(session: Session, as_json: bool) -> None:
    """List the results that are kept."""
    from ...data.kept import list_results
    from ..record import describe_result, result_from_rows
    from ..wording import area_name, unverified_mark

    with session.store(create=False) as store:
        headers = list_results(store)
    rows = [(header["id"], result_from_rows(header, [])) for header in headers]
    if as_json:
        print_json({"result": kept_as, **describe_result(result)} for kept_as, result in rows)
        return
    if not rows:
        note("No result is kept; make one with: phusong coverage compute")
        return
    print_table(
        [
            (
                kept_as,
                result.rule + unverified_mark(result),
                area_name(result),
                result.computed_at.isoformat(" ", "minutes"),
                result.inputs["samples"],
                result.inputs["simulated"],
            )
            for kept_as, result in rows
        ],
        ["result", "rule", "by", "computed (UTC)", "samples", "simulated"],
    )
    if any(result.rule_unverified for _, result in rows):
        note("* a rule with numbers that nobody has checked against their source")


@click.command()
@result_option
@click.option("--verdict", type=click.Choice(_VERDICTS), help="Only areas with this verdict.")
@click.option("--area", "code", help="Only the area with this code, all operators.")
@click.option(
    "--operator", default="any", show_default=True, help="An operator; any is the best of them."
)
@click.option(
    "--columns",
    type=click.Choice(_COLUMNS),
    default="verdict",
    show_default=True,
    help="What to show: the verdict, the evidence, or medians and means of one metric.",
)
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="How many rows to show."
)
@json_option
@pass_session
def show(
    session: Session,
    result_id: int | None,
    verdict: str | None,
    code: str | None,
    operator: str,
    columns: str,
    limit: int,
    as_json: bool,
) -> None:
    """
    Show a result area by area.

    Areas with the most evidence come first. Further places: how many more would prove coverage
    if all of them pass, and if the present share holds.
    """
    from ...data.kept import load_result
    from ..record import result_from_rows
    from ..wording import head_lines, width_line
    from .tables import METRICS, area_table

    with session.store(create=False) as store:
        header, kept = load_result(store, result_id)
    result = result_from_rows(header, kept)
    chosen = [
        area
        for area in sorted(result.areas, key=lambda area: (-area.trials, area.code, area.operator))
        if verdict in (None, area.verdict.value)
        and (area.code == code if code else area.operator == operator)
    ]
    if as_json:
        print_json(_record(header["id"], result, area) for area in chosen[:limit])
        return
    for line in head_lines(result):
        click.echo(line, err=True)
    if not chosen:
        note("No area fits; see the others without --verdict, --area or --operator.")
        return
    rows, headers = area_table(chosen[:limit], columns, number, get_terminal_size().columns)
    print_table(rows, headers)
    if columns in METRICS:
        click.echo(width_line(result, number), err=True)
    if len(chosen) > limit:
        note(
            "{more} more {more:area|areas}; see all with --limit",
            more=number(len(chosen) - limit, 0),
        )


@click.command()
@click.argument("code")
@result_option
@json_option
@pass_session
def explain(session: Session, code: str, result_id: int | None, as_json: bool) -> None:
    """
    Explain one area's verdict, by its code.

    Shows trials, what is no trial and why, places, every operator, and what would settle it. The
    mean of all tests stands beside the mean of places: they differ where somebody tested often.
    """
    from ...data.errors import ConfigError
    from ...data.kept import load_result
    from ..record import result_from_rows
    from .explain import reason, reasons

    with session.store(create=False) as store:
        header, kept = load_result(store, result_id)
    result = result_from_rows(header, [row for row in kept if row["code"] == code])
    areas = sorted(result.areas, key=lambda area: area.best_operator is None)
    if not areas:
        raise ConfigError(
            "result {id} has no area with the code {code}; see: phusong coverage show",
            id=header["id"],
            code=code,
        )
    if as_json:
        print_json(
            _record(header["id"], result, area) | {"reason": reason(area, result, number)}
            for area in areas
        )
        return
    _print_facts(areas, result)
    for line in reasons(areas, result, number):
        click.echo(line, err=True)


def _print_facts(areas: "Sequence[AreaSummary]", result: "Result") -> None:
    """Print what is known of an area, a few operators beside each other."""
    from ..wording import head_lines, printable
    from .explain import facts
    from .tables import operator_name

    for line in head_lines(result):
        click.echo(line, err=True)
    name = printable(areas[0].name)
    if areas[0].parent_name:
        name = f"{name}, {printable(areas[0].parent_name)}"
    for start in range(0, len(areas), _OPERATORS_BESIDE):
        beside = areas[start : start + _OPERATORS_BESIDE]
        print_table(facts(beside, number), [name, *map(operator_name, beside)])
        if start + _OPERATORS_BESIDE < len(areas):
            click.echo()


def _record(number_of_result: int, result: "Result", area: "AreaSummary") -> dict[str, Any]:
    """Give an area for JSON, with everything that must be known of its result beside it."""
    from dataclasses import asdict

    return {
        "result": number_of_result,
        "rule": result.rule,
        "rule_unverified": result.rule_unverified,
        "area": result.area,
        "boundary_id": result.boundary_id,
        "boundary_approximate": result.boundary_approximate,
        "period_start": result.period_start,
        "period_end": result.period_end,
        "software": result.software,
        "first_sample": result.inputs.get("first_sample"),
        "last_sample": result.inputs.get("last_sample"),
        "median_bin_width": result.inputs.get("median_bin_width"),
        **asdict(area),
    }
