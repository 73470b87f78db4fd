"""Commands that judge: compute coverage, look at rules; what is kept is shown by `results`."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
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
from .boundary_sets.commands import find_areas
from .results.commands import explain, list_kept, show

if TYPE_CHECKING:
    import geopandas as gpd

    from ..data.store import Store
    from .rules import Rule
    from .source import Given
    from .summary import Result


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

    span = read_period(period)
    levels = (by,) if isinstance(by, str) else by
    with _samples(store, rules, period, source, **means) as given:
        areas = [find_areas(store, level, set_id) for level in dict.fromkeys(levels)]
        with progress("Judging samples", given.total) as step:
            results = judge_samples(
                given.chunks,
                areas,
                rules,
                homes=given.homes,
                unasked=given.unasked,
                tested=given.tested,
                software=f"phusong {__version__}",
                computed_at=datetime.now(UTC),
                operators=operators,
                period=span,
                count=given.count,
                on_progress=step,
            )
    if not results[0].inputs["samples"]:
        raise _nothing_to_judge(period)
    return [(save_result(store, *result_to_rows(result)), result) for result in results]


def _samples(
    store: "Store",
    rules: "Sequence[Rule]",
    period: str,
    source: str | None,
    *,
    workers: int = 1,
    scheduler: str | None = None,
) -> "AbstractContextManager[Given]":
    from ..data.errors import ConfigError
    from .source import from_files

    if source is not None:
        return from_files(source, rules, workers=workers, scheduler=scheduler)
    if scheduler is not None:
        raise ConfigError("--scheduler needs --from: a cluster reads exported Parquet files")
    return _from_store(store, rules, period, workers)


@contextmanager
def _from_store(
    store: "Store", rules: "Sequence[Rule]", period: str, workers: int
) -> "Iterator[Given]":
    from ..data.columns import load_samples
    from ..data.kept import (
        count_samples,
        load_probe_engines,
        load_probe_metrics,
        load_probe_operators,
    )
    from ..data.store import to_us
    from .asked import need_more_than_download, unasked_metrics
    from .operators import home_operators
    from .period import read_period
    from .source import Given, count_with
    from .trials import unread_columns

    start_us, end_us = (to_us(moment) if moment else None for moment in read_period(period))
    total = count_samples(store, start_us=start_us, end_us=end_us)
    if not total:
        raise _nothing_to_judge(period)
    chunks = load_samples(store, start_us=start_us, end_us=end_us, without=unread_columns(rules))
    homes = home_operators(load_probe_operators(store))
    # One more pass over the samples, and an idle one where a rule asks for the download alone.
    unasked = unasked_metrics(load_probe_metrics(store)) if need_more_than_download(rules) else {}
    tested = load_probe_engines(store) if any(rule.engines for rule in rules) else []
    # The store is closed while samples are read: this opens it again, however the counting ends.
    with closing(chunks):
        yield Given(chunks, total, homes, unasked, count_with(workers), tested)


def _nothing_to_judge(period: str) -> Exception:
    from ..data.errors import ConfigError

    return ConfigError(
        "there is no sample to judge in the period {period}; measure or import some first,"
        " or choose another --period",
        period=period,
    )


@coverage.command("plan")
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--result", "result_id", type=int, help="Which result; the newest where none is named."
)
@click.option(
    "--operator", default="any", show_default=True, help="An operator; any is the best of them."
)
@click.option("--every-s", type=click.FloatRange(1), help="Have the agent measure so often.")
@click.option(
    "--every-m", type=click.FloatRange(10), help="Have the agent measure after so many metres."
)
@click.option("--limit", type=click.IntRange(1), help="At most so many areas.")
@pass_session
def write_plan(session: Session, /, target: Path, result_id: int | None, **options: Any) -> None:
    """
    Write a plan of visits: the unsettled areas, and how many places each still needs.

    The field agent follows it: phusong probe plan, and phusong probe drive --plan. The file is
    GeoJSON, and never replaces another.
    """
    import json
    from datetime import UTC, datetime

    from ..data.kept import load_result
    from .plan import plan_visits
    from .record import result_from_rows

    with session.store(create=False) as store:
        result = result_from_rows(*load_result(store, result_id))
        shapes = _shapes(store, result)
    plan = plan_visits(result, shapes, made_at=datetime.now(UTC), **options)
    _write_new(target, json.dumps(plan, ensure_ascii=False))
    note(
        "{areas} {areas:area needs|areas need} {places} {places:place|places} at the least; the"
        " plan is {file}",
        areas=number(len(plan["features"]), 0),
        places=number(sum(each["properties"]["needed"] for each in plan["features"]), 0),
        file=target,
    )


def _write_new(target: Path, text: str) -> None:
    """Write a file that was not there before: whole, or not at all."""
    with target.open("x", encoding="utf-8") as file:
        try:
            file.write(text)
            file.flush()
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _shapes(store: "Store", result: "Result") -> "gpd.GeoDataFrame":
    from ..data.kept import load_boundaries
    from .boundary_rows import frame_from_rows
    from .hexagons import hexagon_frame

    if result.boundary_id is None:
        return hexagon_frame(sorted({area.code for area in result.areas}))
    return frame_from_rows(load_boundaries(store, result.boundary_id, result.area))


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
    from .wording import rule_rows

    rule = load_rule(name)
    if as_json:
        print_json([rule.record()])
        return
    print_table(rule_rows(rule), ["field", "value"])


@rules.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def check_rule(file: Path, as_json: bool) -> None:
    """Check a rule file of your own."""
    from .rules import read_rule, read_rule_file

    rule = read_rule(str(file), read_rule_file(file))
    if as_json:
        print_json([rule.record()])
        return
    note("{file}: rule {id} is in order.", file=file, id=rule.id)
    if rule.unverified:
        note("Unverified numbers: {names}.", names=", ".join(rule.unverified))


def _print_result(kept_as: int, result: "Result", *, as_json: bool) -> None:
    from dataclasses import asdict

    from .overview import every_area, overviews
    from .record import describe_result
    from .wording import OVERVIEW_HEADERS, head_lines, overview_cells, result_lines

    lines = overviews(result)
    if as_json:
        record = {"result": kept_as, **describe_result(result)}
        counted = {"operators": [asdict(each) for each in lines]}
        print_json([record | counted | {"every_area": asdict(every_area(result))}])
        return
    for line in head_lines(result):
        click.echo(line, err=True)
    print_table([overview_cells(each, number) for each in lines], OVERVIEW_HEADERS)
    for line in result_lines(result, number):
        click.echo(line, err=True)
    note("Kept as result {id}; look at it with: phusong coverage show", id=kept_as)


for command in (list_kept, show, explain):
    coverage.add_command(command)
