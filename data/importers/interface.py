"""What an importer is: a name, the columns it needs, and a row made into a sample."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

from ..aggregate import Aggregate
from ..errors import ConfigError, RecordError
from ..sample import Position, Provenance, Sample
from .fields import read_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """
    What only the person at the keyboard knows about a file.

    `timezone` is where the clock of a log without zones stood; `operator` whose SIM card was in
    the phone, for rows that name no network; `tool` the importer, where it is not to be detected.
    `at` is when results without a time were measured. `mapping` names what the columns of any
    table hold (``down_mbps=DL_kbps/1000``), `time_format` how its times are written, and
    `decimal_comma` that its numbers have one.
    """

    tool: str | None = None
    timezone: ZoneInfo | None = None
    operator: str | None = None
    encoding: str = "utf-8"
    at: datetime | None = None
    mapping: tuple[str, ...] = ()
    time_format: str | None = None
    decimal_comma: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """One file's content: its name for people and what names it for good."""

    name: str
    sha256: str
    probe: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it stands on, its cells by column, stripped, and the line as it was."""

    line: int
    cells: Mapping[str, str]
    text: str


class Importer(ABC):
    """
    One kind of file, one object for each file read.

    A subclass is the only place that knows the file's columns, units and fillers. `documents` is
    for files of JSON, whose columns are the paths of their values; `also` names shapes that tell
    the tool where its results stand only after other lines.
    """

    tool: ClassVar[str]
    required: ClassVar[tuple[str, ...]]
    local_time: ClassVar[bool] = False
    surveys: ClassVar[bool] = False
    documents: ClassVar[bool] = False
    also: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def __init__(self, source: Source, options: Options) -> None:
        self.source = source
        self.options = options

    @classmethod
    def is_headless(cls, cells: Sequence[str]) -> bool:
        """Tell whether a table's first line is a row of this tool already, without a header."""
        return False

    @property
    def zone(self) -> ZoneInfo:
        """Give the time zone of a clock without zones, which is never guessed."""
        if self.options.timezone is None:
            raise ConfigError(
                "{file}: its times are local and name no zone; say where its clock stood with"
                " --timezone, such as --timezone Asia/Ho_Chi_Minh",
                file=self.source.name,
            )
        return self.options.timezone

    def survey(self, row: Row) -> None:  # noqa: B027
        """Look at a row before any is read, where `surveys` asks for it."""

    @abstractmethod
    def to_sample(self, row: Row) -> Sample | Aggregate:
        """
        Make a sample of a row, or an average where the file holds those.

        Raises
        ------
        RecordError
            If the row is none; its `reason` is the name under which the row is rejected.
        """

    def identity(self, row: Row) -> str | None:
        """Give what two rows share only if they are one measurement written twice, if known."""
        return None

    def provenance(self, row: Row) -> Provenance:
        """Say where a row came from, with the line as it stood there."""
        return Provenance(
            tool=self.tool,
            file=self.source.name,
            file_sha256=self.source.sha256,
            line=row.line,
            record=row.text,
        )


def read_position(lon: str, lat: str, accuracy_m: float | None = None) -> Position | None:
    """Give the position of two cells, or None where neither holds one."""
    lon_value = read_number("position.lon", lon)
    lat_value = read_number("position.lat", lat)
    if lon_value is None and lat_value is None:
        return None
    if lon_value is None or lat_value is None:
        raise RecordError(
            "position: one of longitude and latitude is missing", reason="half_position"
        )
    return Position(lon=lon_value, lat=lat_value, accuracy_m=accuracy_m)


def read_timezone(name: str | None) -> ZoneInfo | None:
    """
    Give a time zone by its name.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigError(
            "{zone} is not a time zone; name one such as Asia/Ho_Chi_Minh or Europe/Dublin",
            zone=name,
        ) from None
