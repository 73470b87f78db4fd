"""
Results, boundaries and rules in words and table rows, in the reader's language.

Names come from files of strangers and may carry a terminal's control codes: `printable` shows
those escaped. Numbers are written by the function that is handed in as `write`.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from ..data.words import language, say
from .overview import Overview, Standing, every_area, overviews
from .reduce import BIN_WIDTH
from .rules import Rule
from .summary import ANY_OPERATOR, Result
from .trials import REASON_TEXTS

Write = Callable[[float | None, int], str | None]

_FIRST_REPAIRS = 3
OVERVIEW_HEADERS = (
    *("operator", "covered", "not_covered", "unproven", "no_data"),
    *("trials", "successes", "places", "simulated"),
)


def printable(text: object) -> str:
    """Give text as one terminal line: what cannot be shown as it is, escaped."""
    shown = str(text)
    return shown if shown.isprintable() else repr(shown)[1:-1]


def title(titled: Result | Rule) -> str:
    """Give a rule's title."""
    if isinstance(titled, Rule):
        return titled.title_vi if language() == "vi" else titled.title_en
    return titled.rule_title_vi if language() == "vi" else titled.rule_title_en


def rule_rows(rule: Rule) -> list[tuple[str, str | None]]:
    """Give a rule's fields as they stand in its file, each with its value in plain words."""
    return [(say(name), _plain(value)) for name, value in rule.record().items()]


def _plain(value: object) -> str | None:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items()) or None
    if isinstance(value, list | tuple):
        return ", ".join(str(_plain(each)) for each in value) or None
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    return f"{value:g}" if isinstance(value, float) else None if value in (None, "") else str(value)


def area_name(result: Result) -> str:
    """Say what a result's areas are, and whether their shapes are approximate."""
    parts = [result.area, result.boundary_name, result.boundary_vintage]
    if result.boundary_approximate:
        parts.append(say("approximate"))
    return printable(", ".join(part for part in parts if part))


def head_lines(result: Result) -> Iterator[str]:
    """Say what was judged, and every warning that must stand beside its figures."""
    yield f"{result.rule}: {title(result)}"
    yield say("By {area}, {software}", area=area_name(result), software=result.software)
    if result.boundary_approximate:
        yield say(
            "The areas' shapes are approximate: circles cut halfway to the neighbours' centres."
        )
    yield from _time_lines(result)
    if result.rule_unverified:
        yield say(
            "Nobody has checked these numbers of the rule against their source: {names}",
            names=", ".join(result.rule_unverified),
        )
    if result.inputs["simulated"]:
        yield say("SIMULATED samples are among these: they say nothing about any real network.")


def width_line(result: Result, write: Write) -> str:
    """Say how exact medians are, which come from bins."""
    width = result.inputs.get("median_bin_width", BIN_WIDTH)
    return say(
        "Medians come from bins {width} % wide: each is within half of that.",
        width=write(100 * width if isinstance(width, float) else None, 1),
    )


def unverified_mark(titled: Result) -> str:
    """Give the mark that stands behind a rule's name where nobody has checked its numbers."""
    return " *" if titled.rule_unverified else ""


def _time_lines(result: Result) -> Iterator[str]:
    first, last = (result.inputs.get(f"{end}_sample") for end in ("first", "last"))
    if first and last:
        yield say("Samples from {first} to {last}", first=_minute(first), last=_minute(last))
    if result.period_start and result.period_end:
        yield say(
            "Judged: from {start} until {end}, UTC, the end left out",
            start=f"{result.period_start:%Y-%m-%d}",
            end=f"{result.period_end:%Y-%m-%d}",
        )


def _minute(moment: object) -> str:
    return f"{datetime.fromisoformat(str(moment)):%Y-%m-%d %H:%MZ}"


def overview_cells(line: Overview, write: Write) -> tuple[object, ...]:
    """Give one operator's overview as cells under `OVERVIEW_HEADERS`."""
    name = say("any (the best)") if line.operator == ANY_OPERATOR else printable(line.operator)
    counts = (line.covered, line.not_covered, line.unproven, line.no_data)
    return (
        name,
        *(
            write(count, 0)
            for count in (*counts, line.trials, line.successes, line.places, line.simulated)
        ),
    )


def result_lines(result: Result, write: Write) -> Iterator[str]:
    """Say what a result comes to, and account for every sample that went in."""
    best, counts = overviews(result)[0], result.inputs
    yield say(
        "Proven covered: {low} of {areas} {areas:area|areas}; not disproven: {high}. At"
        " {confidence} % confidence, at most {wrong} of the decided verdicts are expected to be"
        " wrong.",
        low=write(best.covered, 0),
        areas=write(best.areas, 0),
        high=write(best.not_disproven, 0),
        confidence=write(100 * result.confidence, 0),
        wrong=write(best.false_verdicts, 2),
    )
    yield _target_line(result, write)
    figures = {name: write(n, 0) for name, n in counts.items() if isinstance(n, int)}
    yield say(
        "{samples} {samples:sample|samples}, {simulated} of them simulated: {trials}"
        " {trials:trial|trials}; {outside} outside every area, {without_position} without"
        " position, {other_operator} of other operators",
        **figures,
    )
    extent = counts.get("areas_extent")
    if isinstance(extent, list | tuple):
        west, south, east, north = (write(degrees, 2) for degrees in extent)
        yield say(
            "Every sample lies outside these areas, which reach from {west} to {east} in longitude"
            " and from {south} to {north} in latitude: are they of the same country as the samples,"
            " and is longitude first in both? See: phusong boundaries list",
            west=west,
            south=south,
            east=east,
            north=north,
        )
    if best.trials and counts["successes"] == counts["trials"]:
        yield say(
            "Not one trial failed: make sure that the source records places without service too."
        )
    excluded = counts["excluded"]
    if isinstance(excluded, dict) and excluded:
        reasons = [f"{say(REASON_TEXTS[key])} {write(n, 0)}" for key, n in excluded.items()]
        yield say("Not trials: {reasons}", reasons=", ".join(reasons))
    astray = counts.get("not_nested")
    if isinstance(astray, dict):
        yield say(
            "Codes do not nest: {areas} of {of} {of:area|areas} of level {level} (first: {first})"
            " {areas:names|name} no area of this level, so samples were given to these areas by"
            " their shapes",
            areas=write(astray["areas"], 0),
            of=write(astray["of"], 0),
            level=printable(astray["level"]),
            first=printable(astray["first"]),
        )
    if counts["operator_unknown"]:
        yield say(
            "{operator_unknown} {operator_unknown:sample names|samples name} no operator; judged"
            " as: unknown",
            **figures,
        )


def _target_line(result: Result, write: Write) -> str:
    target = every_area(result)
    if target.standing is Standing.MET:
        return say("That every area is covered is met: each is proven.")
    if target.standing is Standing.MISSED:
        return say(
            "That every area is covered is missed: {areas} {areas:is|are} disproven.",
            areas=write(target.disproven, 0),
        )
    if target.further_places is None:
        return say(
            "That every area is covered is unproven: {areas} {areas:is|are} open, and no number of"
            " further places would settle {areas:it|all of them}.",
            areas=write(target.open_areas, 0),
        )
    return say(
        "That every area is covered is unproven: {areas} {areas:is|are} open, and {places} further"
        " {places:place|places} would prove {areas:it|them} if all pass; plan them with: phusong"
        " coverage plan",
        areas=write(target.open_areas, 0),
        places=write(target.further_places, 0),
    )


def set_cells(row: Mapping[str, Any], write: Write) -> tuple[object, ...]:
    """Give a kept set of boundaries as cells of a table."""
    return (
        row["id"],
        printable(row["name"]),
        ", ".join(f"{level} {write(count, 0)}" for level, count in row["levels"].items()),
        row["vintage"],
        say("approximate") if row["approximate"] else say("as loaded"),
    )


def loaded_lines(file: str, report: Mapping[str, Any], write: Write) -> Iterator[str]:
    """Say what each layer of a boundary file gave, and what was repaired in it."""
    for layer in report["layers"]:
        if "skipped" in layer:
            yield say(
                "{layer}: left out, no field names its features", layer=printable(layer["layer"])
            )
            continue
        yield say(
            "{file}: {count} {count:area|areas} of level {level}, codes from {code}, names from"
            " {name}",
            file=printable(file),
            count=write(layer["areas"], 0),
            level=printable(layer["level"]),
            code=printable(layer["code_field"]),
            name=printable(layer["name_field"] or layer["code_field"]),
        )
        repaired = layer["repaired"]
        if repaired:
            first = [
                f"{printable(row['code'])} ({row['reason']})" for row in repaired[:_FIRST_REPAIRS]
            ]
            yield say(
                "{count} {count:shape was|shapes were} repaired, first: {first} (all of them with"
                " --json)",
                count=write(len(repaired), 0),
                first=", ".join(first),
            )
