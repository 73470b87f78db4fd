"""
sivel's speedtest-cli, ``--json`` and ``--csv`` (with its header or, as it is by default, without).

Throughput is bit/s. A ping that fails is counted as 3600 s, and the sum of three is divided by
six: from 600,000 ms on the number says that one failed, and is missing. The coordinates are those
that an address was looked up by, or the server's, never where the test was made.
"""

import re
from collections.abc import Sequence
from typing import ClassVar

from ..sample import Sample
from .fields import read_number, read_whole
from .interface import Importer, Row
from .results import ResultImporter, counted_sample
from .times import read_iso
from .units import bps_to_mbps

_FAILED_PING_MS = 600_000
_UTC_TIME = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z\Z")


class SpeedtestCliJson(ResultImporter):
    """One result as JSON."""

    tool = "speedtest-cli"
    required: ClassVar[tuple[str, ...]] = (
        "timestamp",
        "download",
        "upload",
        "ping",
        "bytes_sent",
        "bytes_received",
        "server.sponsor",
    )

    def to_sample(self, row: Row) -> Sample:
        """Make a speed sample of a result."""
        cells = self.require(row)
        return counted_sample(
            self,
            row,
            self.started_at("timestamp", cells["timestamp"]),
            engine="speedtest-cli",
            down_mbps=bps_to_mbps(read_number("download", cells["download"])),
            up_mbps=bps_to_mbps(read_number("upload", cells["upload"])),
            ping_ms=_read_ping("ping", cells["ping"]),
            received=read_whole("bytes_received", cells["bytes_received"]),
            sent=read_whole("bytes_sent", cells["bytes_sent"]),
            server=cells.get("server.host", ""),
            address=cells.get("client.ip", ""),
        )


class SpeedtestCliCsv(Importer):
    """One result as a line of CSV."""

    tool = "speedtest-cli-csv"
    required: ClassVar[tuple[str, ...]] = (
        "Server ID",
        "Sponsor",
        "Server Name",
        "Timestamp",
        "Distance",
        "Ping",
        "Download",
        "Upload",
        "Share",
        "IP Address",
    )

    @classmethod
    def is_headless(cls, cells: Sequence[str]) -> bool:
        """Tell whether a file's first line is a result already."""
        return len(cells) == len(cls.required) and _UTC_TIME.match(cells[3]) is not None

    def to_sample(self, row: Row) -> Sample:
        """Make a speed sample of a line."""
        cells = row.cells
        return counted_sample(
            self,
            row,
            read_iso("Timestamp", cells["Timestamp"], self.options.timezone),
            engine="speedtest-cli",
            down_mbps=bps_to_mbps(read_number("Download", cells["Download"])),
            up_mbps=bps_to_mbps(read_number("Upload", cells["Upload"])),
            ping_ms=_read_ping("Ping", cells["Ping"]),
            server=cells["Sponsor"],
            address=cells["IP Address"],
        )


def _read_ping(field: str, cell: str) -> float | None:
    value = read_number(field, cell)
    return value if value is not None and value < _FAILED_PING_MS else None
