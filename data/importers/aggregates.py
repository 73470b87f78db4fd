"""
Open data that holds averages of many tests: Ookla's tiles, and OpenCelliD's table of cells.

They become rows of the table `aggregate` with the number of tests behind them, never samples. Of
Ookla's tiles neither the quarter nor the network is in the table; its publisher writes both into
the file's name (``2024-04-01_performance_mobile_tiles``), and where the name was changed they are
missing.
"""

import math
import re
from datetime import UTC, datetime
from typing import ClassVar

from ..aggregate import Aggregate
from ..check import ascii_safe
from ..errors import RecordError
from ..levels import RSCP_DBM, RSRP_DBM, RXLEV_DBM
from ..sample import Rat
from .fields import read_identity, read_level, read_number, read_plmn, read_whole
from .interface import Importer, Options, Row, Source, read_position
from .technology import read_rat
from .units import kbps_to_mbps

_QUADKEY = re.compile(r"[0-3]{1,23}\Z")
_NAMED = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})_performance_(fixed|mobile)_tiles")
_LEVELS = {Rat.GSM: RXLEV_DBM, Rat.UMTS: RSCP_DBM}


class OoklaTiles(Importer):
    """One quarter of Ookla's tiles, as CSV: github.com/teamookla/ookla-open-data."""

    tool = "ookla-tiles"
    required: ClassVar[tuple[str, ...]] = (
        "quadkey",
        "avg_d_kbps",
        "avg_u_kbps",
        "avg_lat_ms",
        "tests",
        "devices",
    )

    def __init__(self, source: Source, options: Options) -> None:
        super().__init__(source, options)
        named = _NAMED.search(source.name)
        self._period = named[1] if named else None
        self._access = named[2] if named else None

    def to_sample(self, row: Row) -> Aggregate:
        """Make an average of a row; kbit/s become Mbit/s."""
        cells = row.cells
        west, south, east, north = tile_bounds(cells["quadkey"])
        return Aggregate(
            tool=self.tool,
            file_sha256=self.source.sha256,
            line=row.line,
            place=f"quadkey {cells['quadkey']}",
            west=west,
            south=south,
            east=east,
            north=north,
            period=self._period,
            access=self._access,
            tests=_count("tests", cells["tests"]),
            devices=_count("devices", cells["devices"]),
            down_mbps=kbps_to_mbps(read_number("avg_d_kbps", cells["avg_d_kbps"])),
            up_mbps=kbps_to_mbps(read_number("avg_u_kbps", cells["avg_u_kbps"])),
            rtt_idle_ms=read_number("avg_lat_ms", cells["avg_lat_ms"]),
            rtt_loaded_down_ms=read_number("avg_lat_down_ms", cells.get("avg_lat_down_ms", "")),
            rtt_loaded_up_ms=read_number("avg_lat_up_ms", cells.get("avg_lat_up_ms", "")),
            record=row.text,
        )


class OpenCellIdCells(Importer):
    """OpenCelliD's table of cells: where it reckons each, from how many measurements."""

    tool = "opencellid-cells"
    required: ClassVar[tuple[str, ...]] = (
        "radio",
        "mcc",
        "net",
        "area",
        "cell",
        "lon",
        "lat",
        "samples",
    )

    def to_sample(self, row: Row) -> Aggregate:
        """Make an average of a row; an average signal of 0 is how the table writes none."""
        cells = row.cells
        position = read_position(cells["lon"], cells["lat"])
        cell = read_identity("cell", cells["cell"])
        if position is None or cell is None:
            raise RecordError("the row names no cell at no place", reason="nothing_measured")
        rat = read_rat("radio", cells["radio"])
        plmn = read_plmn(cells["mcc"], cells["net"])
        created = read_whole("created", cells.get("created", ""))
        signal = cells.get("averageSignal", "")
        reportable = _LEVELS.get(rat, RSRP_DBM) if rat else RSRP_DBM
        return Aggregate(
            tool=self.tool,
            file_sha256=self.source.sha256,
            line=row.line,
            place=f"cell {plmn}-{cells['area']}-{cell}",
            west=position.lon,
            south=position.lat,
            east=position.lon,
            north=position.lat,
            period=_day(created),
            access="mobile",
            plmn=plmn,
            rat=rat,
            tests=_count("samples", cells["samples"]),
            level_dbm=read_level("averageSignal", signal, reportable),
            record=row.text,
        )


def tile_bounds(quadkey: str) -> tuple[float, float, float, float]:
    """
    Give west, south, east and north of a Web Mercator tile, in degrees.

    Each digit halves the square above it: its lower bit east, its upper bit south.

    Raises
    ------
    RecordError
        If it is no quadkey.
    """
    if not _QUADKEY.match(quadkey):
        raise RecordError(
            "quadkey: {seen} is no quadkey", reason="bad_quadkey", seen=ascii_safe(quadkey[:60])
        )
    column = row = 0
    for digit in map(int, quadkey):
        column, row = column * 2 + (digit & 1), row * 2 + (digit >> 1)
    tiles = 1 << len(quadkey)

    def latitude(line: int) -> float:
        return math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * line / tiles))))

    return (
        column / tiles * 360 - 180,
        latitude(row + 1),
        (column + 1) / tiles * 360 - 180,
        latitude(row),
    )


def _count(name: str, cell: str) -> int:
    value = read_whole(name, cell)
    if value is None or value <= 0:
        raise RecordError(
            "{field}: {seen} is no number of tests; an average says of how many it is",
            reason="no_count",
            field=name,
            seen=ascii_safe(cell[:60]) or "-",
        )
    return value


def _day(epoch_s: int | None) -> str | None:
    if epoch_s is None or not 0 < epoch_s < 1 << 32:
        return None
    return datetime.fromtimestamp(epoch_s, UTC).date().isoformat()
