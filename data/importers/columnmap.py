"""
Any table, by a map of its columns: what a person says that each one holds, and in what unit.

A term is ``field=column``, ``field=column/number`` or ``field=column*number``; nothing else is
computed. A column that bears the whole right side as its name is that column.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..check import ascii_safe, clean_text
from ..errors import ConfigError, RecordError
from ..sample import Kind, Outcome, Radio, Reading, Sample
from .fields import is_missing, read_identity, read_number, read_whole
from .interface import Importer, Options, Row, Source, read_position
from .results import speed_sample
from .technology import evidence_of, read_rat
from .times import read_formatted

_NUMBERS = (
    "down_mbps",
    "up_mbps",
    "rtt_idle_ms",
    "rtt_loaded_ms",
    "jitter_ms",
    "loss_ratio",
    "traffic_down_mbps",
    "traffic_up_mbps",
)
_LEVELS = (
    "level_dbm",
    "rsrp_dbm",
    "rsrq_db",
    "sinr_db",
    "nr_rsrp_dbm",
    "nr_rsrq_db",
    "nr_sinr_db",
)
_BYTES = ("bytes_down", "bytes_up")
_SCALED = frozenset({*_NUMBERS, *_LEVELS, *_BYTES, "lon", "lat", "accuracy_m", "duration_s"})
FIELDS = (
    "time",
    "lon",
    "lat",
    "accuracy_m",
    *_NUMBERS,
    *_BYTES,
    *_LEVELS,
    "operator",
    "plmn",
    "rat",
    "cell_id",
    "tac",
    "pci",
    "server",
    "engine",
    "duration_s",
)
_SCALE = re.compile(r"(?P<column>.+?)\s*(?P<sign>[*/])\s*(?P<number>[0-9]+(?:\.[0-9]+)?)\Z")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+\Z")
_SPEEDS = frozenset({"down_mbps", "up_mbps"})
_LATENCIES = frozenset({"rtt_idle_ms", "rtt_loaded_ms", "jitter_ms", "loss_ratio"})


@dataclass(frozen=True, slots=True)
class Term:
    """Which column holds a field, and by how much its numbers are multiplied and divided."""

    column: str
    times: float = 1.0
    over: float = 1.0


def read_map(texts: Sequence[str], columns: Sequence[str]) -> dict[str, Term]:
    """
    Read the terms of a map for a table with these columns.

    Raises
    ------
    ConfigError
        If a term is none, names no field or no column, or the map has no time.
    """
    terms: dict[str, Term] = {}
    for text in texts:
        field, equals, right = (part.strip() for part in text.partition("="))
        if not equals or field not in FIELDS:
            raise ConfigError(
                "--map {text}: expected FIELD=COLUMN, COLUMN/NUMBER or COLUMN*NUMBER, with FIELD"
                " one of {fields}",
                text=text,
                fields=", ".join(FIELDS),
            )
        if field in terms:
            raise ConfigError("--map: {field} is named twice", field=field)
        term = _read_term(right, columns)
        if term is None:
            raise ConfigError(
                "--map {text}: the table has no such column; it has {columns}",
                text=text,
                columns=", ".join(ascii_safe(column[:40]) for column in columns[:40]),
            )
        if field not in _SCALED and term != Term(term.column):
            raise ConfigError(
                "--map {text}: {field} is no number to be multiplied", text=text, field=field
            )
        terms[field] = term
    if "time" not in terms:
        raise ConfigError("--map: no column is named for the time (--map time=COLUMN)")
    if ("lon" in terms) != ("lat" in terms):
        raise ConfigError("--map: name both lon and lat, or neither")
    return terms


class ColumnMap(Importer):
    """One table whose columns were named; told by `--map` alone, never detected."""

    tool = "column-map"
    required: ClassVar[tuple[str, ...]] = ("a column for each --map",)

    def __init__(self, source: Source, options: Options, terms: Mapping[str, Term]) -> None:
        super().__init__(source, options)
        self._terms = terms
        self._kind = Kind.SIGNAL
        if terms.keys() & _SPEEDS:
            self._kind = Kind.SPEED
        elif terms.keys() & _LATENCIES:
            self._kind = Kind.LATENCY

    def to_sample(self, row: Row) -> Sample:
        """Make a sample of a row: of speed or latency if any is mapped, of signal otherwise."""
        cells = row.cells
        values: dict[str, float | int | None] = {
            name: self._number(cells, name) for name in _NUMBERS if name in self._terms
        }
        values |= {name: self._whole(cells, name) for name in _BYTES if name in self._terms}
        moment = read_formatted(
            "time", self._text(cells, "time"), self.options.time_format, self.options.timezone
        )
        engine = clean_text(self._text(cells, "engine"))
        server = clean_text(self._text(cells, "server"))
        position = read_position(
            self._plain(cells, "lon"), self._plain(cells, "lat"), self._number(cells, "accuracy_m")
        )
        if self._kind is Kind.SPEED:
            return speed_sample(
                self,
                row,
                moment,
                values,
                engine=engine or self.tool,
                server=server,
                duration_s=self._number(cells, "duration_s"),
                position=position,
                radio=self._radio(cells),
            )
        is_empty = all(value is None for value in values.values())
        if is_empty and self._kind is Kind.LATENCY:
            raise RecordError("the row holds no result of any test", reason="nothing_measured")
        return Sample(
            probe=self.source.probe,
            seq=row.line,
            kind=self._kind,
            started_at=moment,
            outcome=Outcome.OK,
            duration_s=self._number(cells, "duration_s"),
            engine=engine,
            server=server,
            reading=None if is_empty else Reading(**values),  # type: ignore[arg-type]
            position=position,
            radio=self._radio(cells),
            source=self.provenance(row),
        )

    def _radio(self, cells: Mapping[str, str]) -> Radio:
        rat = read_rat("rat", self._text(cells, "rat"))
        operator = self._text(cells, "operator") or self.options.operator or ""
        cell = read_identity("cell_id", self._text(cells, "cell_id"))
        area = read_identity("tac", self._text(cells, "tac"))
        return Radio(
            plmn=self._text(cells, "plmn") or None,
            operator=clean_text(operator),
            rat=rat,
            nr_evidence=evidence_of(rat),
            cell_id=None if cell is None else str(cell),
            tac=None if area is None else str(area),
            pci=read_whole("pci", self._text(cells, "pci")),
            **{name: self._number(cells, name) for name in _LEVELS if name in self._terms},
        )

    def _text(self, cells: Mapping[str, str], field: str) -> str:
        term = self._terms.get(field)
        cell = "" if term is None else cells[term.column]
        return "" if is_missing(cell) else cell

    def _number(self, cells: Mapping[str, str], field: str) -> float | None:
        term = self._terms.get(field)
        if term is None:
            return None
        cell = self._text(cells, field)
        if self.options.decimal_comma and _DECIMAL_COMMA.match(cell):
            cell = cell.replace(",", ".")
        value = read_number(field, cell)
        return None if value is None else value * term.times / term.over

    def _plain(self, cells: Mapping[str, str], field: str) -> str:
        value = self._number(cells, field)
        return "" if value is None else repr(value)

    def _whole(self, cells: Mapping[str, str], field: str) -> int | None:
        value = self._number(cells, field)
        return None if value is None else round(value)


def _read_term(right: str, columns: Sequence[str]) -> Term | None:
    if right in columns and right:
        return Term(right)
    match = _SCALE.match(right)
    if match is None or match["column"] not in columns:
        return None
    number = float(match["number"])
    if number == 0 or not math.isfinite(number):
        return None
    if match["sign"] == "*":
        return Term(match["column"], times=number)
    return Term(match["column"], over=number)
