"""A store's overview as tables for a person, in the reader's language."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from .overview import Count, Overview
from .words import say

Write = Callable[[float | None, int], str | None]
Row = Sequence[str | None]

_SHOWN_AREAS = 20
# Counts whose values are words of the field, which have a translation; the others are names.
_WORDS = frozenset({"kind", "outcome", "evidence of 5G"})
_STORE_HEADERS = ("the store", "figure")
_COUNT_HEADERS = ("counted by", "value", "measured", "simulated")
_AREA_HEADERS = ("longitudes", "latitudes", "measured", "simulated")
_PATTERN_HEADERS = ("look at this", "source", "file", "samples", "of")
_AGGREGATE_HEADERS = (
    *("averages of others", "period", "access", "rows", "tests"),
    *("down Mbps", "up Mbps"),
)
_REJECTED_HEADERS = ("rejected rows by reason", "rows")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headers; `cut_off` says so where rows were left out."""

    headers: tuple[str, ...]
    rows: list[Row]
    cut_off: str | None = None


def overview_tables(seen: Overview, write: Write) -> Iterator[Table]:
    """Give the tables that have something to say; `write` writes a number for the reader."""
    yield Table(_STORE_HEADERS, _store_rows(seen, write))
    yield Table(_COUNT_HEADERS, [_count_row(count, write) for count in seen.counts])
    if seen.areas:
        yield _area_table(seen, write)
    if seen.patterns:
        yield Table(
            _PATTERN_HEADERS,
            [
                (say(p.name), p.source, p.file, write(p.samples, 0), write(p.of, 0))
                for p in seen.patterns
            ],
        )
    if seen.aggregates:
        yield Table(_AGGREGATE_HEADERS, _aggregate_rows(seen, write))
    if seen.rejected:
        yield Table(
            _REJECTED_HEADERS,
            [(reason, write(count, 0)) for reason, count in seen.rejected.items()],
        )


def _store_rows(seen: Overview, write: Write) -> list[Row]:
    west, south, east, north = seen.bounds or (None,) * 4
    return [
        (say("samples"), write(seen.samples, 0)),
        (say("of them simulated"), write(seen.simulated, 0)),
        (say("with a position"), write(seen.placed, 0)),
        *(
            (say("placed by {track}", track=track), write(count, 0))
            for track, count in seen.located.items()
        ),
        (say("first"), _second(seen.first_at)),
        (say("last"), _second(seen.last_at)),
        (say("longitudes"), seen.bounds and f"{west:.5f} … {east:.5f}"),
        (say("latitudes"), seen.bounds and f"{south:.5f} … {north:.5f}"),
        (say("imported files"), write(seen.files, 0)),
    ]


def _second(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z" if moment else None


def _count_row(count: Count, write: Write) -> Row:
    value = say(count.value) if count.value and count.by in _WORDS else count.value
    return (say(count.by), value, write(count.measured, 0), write(count.simulated, 0))


def _area_table(seen: Overview, write: Write) -> Table:
    shown = seen.areas[:_SHOWN_AREAS]
    rows: list[Row] = [
        (
            f"{area.lon} … {area.lon + 1}",
            f"{area.lat} … {area.lat + 1}",
            write(area.measured, 0),
            write(area.simulated, 0),
        )
        for area in shown
    ]
    if len(seen.areas) == len(shown):
        return Table(_AREA_HEADERS, rows)
    found = say("{shown} of {found} square degrees.", shown=len(shown), found=len(seen.areas))
    return Table(_AREA_HEADERS, rows, found)


def _aggregate_rows(seen: Overview, write: Write) -> list[Row]:
    return [
        (
            each.source,
            each.period,
            each.access and say(each.access),
            write(each.rows, 0),
            write(each.tests, 0),
            write(each.down_mbps, 1),
            write(each.up_mbps, 1),
        )
        for each in seen.aggregates
    ]
