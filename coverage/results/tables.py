"""
Results as table rows, a few columns at a time, so that each table fits a terminal.

What a summary says does not fit 80 columns at once: `COLUMNS` names the choices. Numbers are
written by the function that is handed in as `write`.
"""

from collections.abc import Callable, Iterator, Sequence
from textwrap import wrap

from ...data.words import say
from ..summary import ANY_OPERATOR, AreaSummary
from ..wording import printable

Write = Callable[[float | None, int], str | None]
Cell = str | None

_AREA_HEADERS = ("code", "name", "operator")
_VERDICT_HEADERS = ("verdict", "share % (interval)", "places", "further places")
_EVIDENCE_HEADERS = ("samples", "trials", "successes", "days", "not trials")
_SPEED_HEADERS = ("median (interval)", "mean of all tests (±)", "mean of places (±)")
METRICS = {"down": "down_mbps", "up": "up_mbps", "rtt": "rtt_idle_ms"}
COLUMNS = ("verdict", "evidence", *METRICS)
_NAME, _OPERATOR = 1, 2
_LEAST_NAME = 8
_VERDICT_WIDTH = 11 + 2
_MEAN_WIDTH = 12
_GAP = 2
# What tabulate leaves beside a header, beyond the gap between columns.
_HEADER_PADDING = 2


def area_table(
    areas: Sequence[AreaSummary], columns: str, write: Write, width: int
) -> tuple[list[list[Cell]], list[str]]:
    """
    Give rows and headers of a choice of `COLUMNS`, names cut to what `width` leaves for them.

    Headers are said already, and folded over what stands under them. An area without a name of
    its own, as an H3 cell is, has none in the table.
    """
    titles = [*_AREA_HEADERS, *_headers(columns)]
    best_only = all(area.operator == ANY_OPERATOR for area in areas)
    if best_only:
        titles[_OPERATOR] = "best operator"
    rows = [[*_named(area, best_only=best_only), *_cells(area, columns, write)] for area in areas]
    if all(area.name == area.code for area in areas):
        titles, rows = [titles[0], *titles[2:]], [[row[0], *row[2:]] for row in rows]
        return rows, [_folded(say(title), _widest(rows, n)) for n, title in enumerate(titles)]
    headers = [_folded(say(title), _widest(rows, n)) for n, title in enumerate(titles)]
    taken = sum(
        max(_widest(rows, n), *(len(line) + _HEADER_PADDING for line in header.split("\n"))) + _GAP
        for n, header in enumerate(headers)
        if n != _NAME
    )
    for row in rows:
        row[_NAME] = _cut(row[_NAME] or "", max(_LEAST_NAME, width - taken))
    return rows, headers


def share(area: AreaSummary, write: Write) -> Cell:
    """Give a share in per cent."""
    return None if area.share is None else write(100 * area.share, 1)


def interval(area: AreaSummary, write: Write) -> Cell:
    """Give the interval of a share in per cent."""
    if area.share_low is None or area.share_high is None:
        return None
    return f"{write(100 * area.share_low, 1)}–{write(100 * area.share_high, 1)}"


def speed_interval(area: AreaSummary, name: str, write: Write) -> Cell:
    """Give the interval of a metric's median or mean, where the places allow for one."""
    low, high = (getattr(area, f"{name}_{end}") for end in ("low", "high"))
    return None if low is None or high is None else f"{write(low, 1)}–{write(high, 1)}"


def further(area: AreaSummary, write: Write) -> Cell:
    """Give the further places if all pass, and if the present share holds."""
    if area.further_places is None and area.further_places_at_share is None:
        return None
    both = (area.further_places, area.further_places_at_share)
    return " / ".join(write(places, 0) or "–" for places in both)


def operator_name(area: AreaSummary) -> str:
    """Give an operator's name; of the best one, with the word that says so."""
    name = area.operator
    if area.best_operator is not None:
        name = say("any: {name}", name=area.best_operator)
    return printable(name)


def _named(area: AreaSummary, *, best_only: bool) -> list[Cell]:
    operator = operator_name(area)
    if best_only:
        operator = printable(area.best_operator or "–")
    return [printable(area.code), printable(area.name), operator]


def _headers(columns: str) -> tuple[str, ...]:
    if columns in METRICS:
        return _SPEED_HEADERS
    return _EVIDENCE_HEADERS if columns == "evidence" else _VERDICT_HEADERS


def _cells(area: AreaSummary, columns: str, write: Write) -> Iterator[Cell]:
    if columns in METRICS:
        metric = METRICS[columns]
        median = f"{metric}_median"
        yield _with(write(getattr(area, median), 1), speed_interval(area, median, write))
        yield _give_or_take(area, f"{metric}_mean", write)
        yield _give_or_take(area, f"{metric}_place_mean", write)
    elif columns == "evidence":
        counts = (area.samples, area.trials, area.successes, area.occasions)
        for count in (*counts, sum(area.excluded.values())):
            yield write(count, 0)
    else:
        yield _folded(say(area.verdict.value), _VERDICT_WIDTH)
        yield _with(share(area, write), interval(area, write))
        yield write(area.places, 0)
        yield further(area, write)


def _with(value: Cell, spread: Cell) -> Cell:
    return value if value is None or spread is None else f"{value} ({spread})"


def _give_or_take(area: AreaSummary, name: str, write: Write) -> Cell:
    """Give a mean and half its interval's width; of the upper half, as the lower ends at nought."""
    mean, high = getattr(area, name), getattr(area, f"{name}_high")
    if high is None:
        return write(mean, 1)
    cell = f"{write(mean, 1)} ± {write(high - mean, 1)}"
    return cell if len(cell) <= _MEAN_WIDTH else cell.replace(" ±", "\n±")


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _widest(rows: Sequence[Sequence[Cell]], column: int) -> int:
    return max((len(line) for row in rows for line in (row[column] or "").split("\n")), default=0)


def _folded(header: str, width: int) -> str:
    return (
        "\n".join(wrap(header, max(width - _HEADER_PADDING, 1), break_long_words=False)) or header
    )
