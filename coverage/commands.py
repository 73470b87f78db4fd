"""Commands that join and judge: load boundaries, compute coverage, look at results and rules."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from ..data.words import say

if TYPE_CHECKING:
    from ..data.store import Store
    from .areas import Areas
    from .rules import Rule
    from .source import Given
    from .summary import Result


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
    from ..data.kept import save_boundaries
    from .boundaries import read_boundaries, set_to_rows
    from .wording import loaded_lines

    with session.store() as store:
        for path in files:
            loaded = read_boundaries(path, **options)
            is_new = save_boundaries(store, *set_to_rows(loaded))
            if as_json:
                print_json([{"file": path, "set": loaded.id, "new": is_new, **loaded.report}])
                continue
            _tell(loaded_lines(path.name, loaded.report, number))
            note(
                "Kept as set {id}." if is_new else "Set {id} was there already; nothing changed.",
                id=loaded.id,
            )


@boundaries.command("list")
@json_option
@pass_session
def list_sets(session: Session, as_json: bool) -> None:
    """List the sets of boundaries that are kept."""
    from ..data.kept import list_boundary_sets
    from .wording import set_cells

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


@click.group(cls=Group)
def coverage() -> None:
    """Judge coverage: which areas are proven covered, and what would settle the rest."""


@coverage.command()
@click.option(
    "--rule", "rule_names", multiple=True, required=True, help="A rule's id or .toml file."
)
@click.option(
    "--by",
    multiple=True,
    default=("commune",),
    show_default=True,
    help="What to judge: a level of boundaries, or H3 cells such as h3:8; several in one pass.",
)
@click.option("--boundaries", "set_id", help="The set of boundaries, where several are loaded.")
@click.option(
    "--period", default="all", show_default=True, help="2026, 2026-Q3, 2026-07, 2026-07-15 or all."
)
@click.option("--operator", "operators", multiple=True, help="Judge only this operator.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="How many processes count; the result is the same.",
)
@click.option("--from", "source", help="A folder of exported Parquet files to judge, or its URL.")
@click.option("--scheduler", help="With --from: count on this Dask cluster, tcp://…, or local.")
@json_option
@pass_session
def compute(
    session: Session, /, rule_names: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """
    Judge every area by one rule or several, and keep the results.

    An area is covered when the interval of its share lies at or above what the rule requires,
    not covered when it lies below, and unproven otherwise. Without loaded boundaries, Vietnam's
    communes are judged by approximate cells.
    """
    from .rules import load_rule

    rules = [load_rule(name) for name in rule_names]
    with session.store(create=False) as store:
        results = compute_kept(store, rules, **options)
    for kept_as, result in results:
        _print_result(kept_as, result, as_json=as_json)
    if not any(result.inputs["trials"] for _, result in results):
        note("No sample could be judged: every area is without data.")
        raise SystemExit(EXIT_BAD_ANSWER)


def compute_kept(
    store: "Store",
    rules: "Sequence[Rule]",
    by: str | Sequence[str],
    *,
    set_id: str | None = None,
    period: str = "all",
    operators: Sequence[str] = (),
    source: str | None = None,
    **means: Any,
) -> "list[tuple[int, Result]]":
    """
    Judge a store's samples, or those of a `source`, and keep the results; give their numbers.

    `means` are how they are counted: ``workers`` and ``scheduler``.
    """
    from datetime import UTC, datetime

    from .. import __version__
    from ..data.kept import save_result
    from .compute import compute as judge_samples
    from .period import read_period
    from .record import result_to_rows
    from .source import counting, from_files
    from .trials import unasked

    span = read_period(period)
    levels = (by,) if isinstance(by, str) else by
    without = unasked(rules)
    given = _from_store(store, period, without) if source is None else from_files(source, without)
    areas = [_areas(store, level, set_id) for level in dict.fromkeys(levels)]
    with progress("Judging samples", given.total) as step, counting(given, **means) as count:
        results = judge_samples(
            given.chunks,
            areas,
            rules,
            homes=given.homes,
            software=f"phusong {__version__}",
            computed_at=datetime.now(UTC),
            operators=operators,
            period=span,
            count=count,
            on_progress=step,
        )
    return [(save_result(store, *result_to_rows(result)), result) for result in results]


def _from_store(store: "Store", period: str, without: Collection[str]) -> "Given":
    from ..data.columns import load_samples
    from ..data.errors import ConfigError
    from ..data.kept import count_samples, load_probe_operators
    from ..data.store import to_us
    from .operators import home_operators
    from .period import read_period
    from .source import Given

    start_us, end_us = (to_us(moment) if moment else None for moment in read_period(period))
    total = count_samples(store, start_us=start_us, end_us=end_us)
    if not total:
        raise ConfigError(
            "there is no sample to judge in the period {period}; measure or import some first,"
            " or choose another --period",
            period=period,
        )
    chunks = load_samples(store, start_us=start_us, end_us=end_us, without=without)
    return Given(chunks, total, home_operators(load_probe_operators(store)))


@coverage.command("list")
@json_option
@pass_session
def list_kept(session: Session, as_json: bool) -> None:
    """List the results that are kept."""
    from ..data.kept import list_results
    from .record import describe_result, result_from_rows
    from .wording import area_name

    with session.store(create=False) as store:
        headers = list_results(store)
    rows = [(header["id"], result_from_rows(header, [])) for header in headers]
    if as_json:
        print_json({"result": kept_as, **describe_result(result)} for kept_as, result in rows)
        return
    print_table(
        [
            (
                kept_as,
                result.rule,
                area_name(result),
                result.computed_at.isoformat(" ", "minutes"),
                result.inputs["samples"],
                result.inputs["simulated"],
            )
            for kept_as, result in rows
        ],
        ["result", "rule", "by", "computed (UTC)", "samples", "simulated"],
    )


@coverage.command()
@click.option(
    "--result", "result_id", type=int, help="Which result; the newest where none is named."
)
@click.option(
    "--verdict",
    type=click.Choice(("covered", "not_covered", "unproven", "no_data")),
    help="Only areas with this verdict.",
)
@click.option("--area", "code", help="Only the area with this code, all operators.")
@click.option(
    "--operator", default="any", show_default=True, help="An operator; any is the best of them."
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
    limit: int,
    as_json: bool,
) -> None:
    """
    Show a result area by area.

    Areas with the most evidence come first. Further places: how many more would prove coverage
    if all of them pass, and if the present share holds.
    """
    from dataclasses import asdict

    from ..data.kept import load_result
    from .record import result_from_rows
    from .wording import AREA_HEADERS, area_cells, head_lines

    with session.store(create=False) as store:
        result = result_from_rows(*load_result(store, result_id))
    chosen = [
        area
        for area in sorted(result.areas, key=lambda area: (-area.trials, area.code, area.operator))
        if verdict in (None, area.verdict.value)
        and (area.code == code if code else area.operator == operator)
    ]
    if as_json:
        print_json(asdict(area) for area in chosen[:limit])
        return
    _tell(head_lines(result))
    print_table([area_cells(area, number) for area in chosen[:limit]], AREA_HEADERS)
    if len(chosen) > limit:
        note("{more} more areas; see them with --limit", more=number(len(chosen) - limit, 0))


@coverage.command()
@click.argument("code")
@click.option(
    "--result", "result_id", type=int, help="Which result; the newest where none is named."
)
@json_option
@pass_session
def explain(session: Session, code: str, result_id: int | None, as_json: bool) -> None:
    """
    Explain one area's verdict, by its code.

    Shows trials, what is no trial and why, places, every operator, and what would settle it. The
    mean of all tests stands beside the mean of places: they differ where somebody tested often.
    """
    from dataclasses import asdict

    from ..data.errors import ConfigError
    from ..data.kept import load_result
    from .explain import facts, reason, reasons
    from .record import result_from_rows
    from .wording import area_cells, head_lines, printable

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
        print_json({**asdict(area), "reason": reason(area, result, number)} for area in areas)
        return
    _tell(head_lines(result))
    name = printable(areas[0].name)
    print_table(facts(areas, number), [name, *(str(area_cells(a, number)[2]) for a in areas)])
    _tell(printable(line) for line in reasons(areas, result, number))


@coverage.group(cls=Group)
def rules() -> None:
    """List, show and check rules: what counts as covered."""


@rules.command("list")
@json_option
def list_them(as_json: bool) -> None:
    """List the rules that come with phusong."""
    from .rules import list_rules, load_rule
    from .wording import title

    packaged = [load_rule(name) for name in list_rules()]
    if as_json:
        print_json(rule.record() for rule in packaged)
        return
    print_table(
        [(rule.id, title(rule), ", ".join(rule.unverified) or None) for rule in packaged],
        ["rule", "title", "unverified numbers"],
    )


@rules.command("show")
@click.argument("name")
@json_option
def show_rule(name: str, as_json: bool) -> None:
    """Show one rule with its source and every number."""
    from .rules import load_rule

    rule = load_rule(name)
    record = rule.record()
    if as_json:
        print_json([record])
        return
    print_table([(say(key), value) for key, value in record.items()], ["field", "value"])


@rules.command("check")
@click.argument("file", type=click.Path(path_type=Path))
def check_rule(file: Path) -> None:
    """Check a rule file of your own."""
    from .rules import read_rule, read_rule_file

    rule = read_rule(str(file), read_rule_file(file))
    note("{file}: rule {id} is in order.", file=file, id=rule.id)
    if rule.unverified:
        note("Unverified numbers: {names}.", names=", ".join(rule.unverified))


def _areas(store: "Store", by: str, set_id: str | None) -> "Areas":
    """Give what to judge: H3 cells, a level of a loaded set, or approximate cells."""
    from ..data.errors import BoundaryError
    from ..data.kept import (
        kept_beside,
        list_boundary_sets,
        load_boundaries,
        load_boundary_set,
        save_boundaries,
    )
    from .approximate import LEVELS, approximate_set
    from .areas import Areas, hexagon_areas
    from .boundaries import frame_from_rows, set_to_rows

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
    drawn = Areas(
        label=by,
        frame=frame_from_rows(load_boundaries(store, header["id"], by)),
        set_id=header["id"],
        set_name=header["name"],
        vintage=header["vintage"],
        approximate=bool(header["approximate"]),
    )
    return drawn.indexed(kept_beside(store, f"{header['id']}-{by}.cells"))


def _print_result(kept_as: int, result: "Result", *, as_json: bool) -> None:
    from dataclasses import asdict

    from .overview import overviews
    from .record import describe_result
    from .wording import OVERVIEW_HEADERS, head_lines, overview_cells, result_lines

    lines = overviews(result)
    if as_json:
        operators = [asdict(line) for line in lines]
        print_json([{"result": kept_as, **describe_result(result), "operators": operators}])
        return
    _tell(head_lines(result))
    print_table([overview_cells(line, number) for line in lines], OVERVIEW_HEADERS)
    _tell(result_lines(result, number))
    note("Kept as result {id}; look at it with: phusong coverage show", id=kept_as)


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line, err=True)
