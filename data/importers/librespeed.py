"""
LibreSpeed: its command line client's JSON and CSV, and the results that its page reports.

The client counts bytes and writes Mbit/s (10^6, or 2^20 with ``--mebibytes``, which its output
does not tell). The page multiplies what it counted by 1.06 to guess at the headers it cannot
see: that factor is undone here, and the reason of such a sample says so.
"""

import re
from collections.abc import Sequence
from typing import ClassVar

from ..sample import Sample
from .fields import read_number, read_whole
from .interface import Importer, Row
from .results import ResultImporter, counted_sample, family_of, speed_sample
from .times import read_iso
from .units import page_to_mbps

_TIME = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9:]+)\Z")


class LibrespeedCliJson(ResultImporter):
    """One result of the client as JSON; newer clients write an array of them."""

    tool = "librespeed-cli"
    required: ClassVar[tuple[str, ...]] = (
        "timestamp",
        "server.name",
        "server.url",
        "bytes_sent",
        "bytes_received",
        "ping",
        "jitter",
        "upload",
        "download",
    )

    def to_sample(self, row: Row) -> Sample:
        """Make a speed sample of a result."""
        cells = self.require(row)
        return counted_sample(
            self,
            row,
            self.started_at("timestamp", cells["timestamp"]),
            engine="librespeed",
            down_mbps=read_number("download", cells["download"]),
            up_mbps=read_number("upload", cells["upload"]),
            ping_ms=_read_ping("ping", cells["ping"]),
            jitter_ms=read_number("jitter", cells["jitter"]),
            received=read_whole("bytes_received", cells["bytes_received"]),
            sent=read_whole("bytes_sent", cells["bytes_sent"]),
            server=cells["server.url"],
            address=cells.get("client.ip", ""),
        )


class LibrespeedCliCsv(Importer):
    """One result of the client as a line of CSV, with its header or without."""

    tool = "librespeed-cli-csv"
    required: ClassVar[tuple[str, ...]] = (
        "Timestamp",
        "Server Name",
        "Address",
        "Ping",
        "Jitter",
        "Download",
        "Upload",
        "Share",
        "IP",
    )

    @classmethod
    def is_headless(cls, cells: Sequence[str]) -> bool:
        """Tell whether a file's first line is a result already."""
        return (
            len(cells) == len(cls.required)
            and _TIME.match(cells[0]) is not None
            and "://" in cells[2]
        )

    def to_sample(self, row: Row) -> Sample:
        """Make a speed sample of a line."""
        cells = row.cells
        return counted_sample(
            self,
            row,
            read_iso("Timestamp", cells["Timestamp"], self.options.timezone),
            engine="librespeed",
            down_mbps=read_number("Download", cells["Download"]),
            up_mbps=read_number("Upload", cells["Upload"]),
            ping_ms=_read_ping("Ping", cells["Ping"]),
            jitter_ms=read_number("Jitter", cells["Jitter"]),
            server=cells["Address"],
            address=cells["IP"],
        )


class LibrespeedPage(Importer):
    """One row of the table in which a LibreSpeed server keeps what its page reports."""

    tool = "librespeed-page"
    required: ClassVar[tuple[str, ...]] = ("timestamp", "ip", "ispinfo", "dl", "ul", "ping")

    def to_sample(self, row: Row) -> Sample:
        """Make a speed sample of a row, without the page's factor."""
        cells = row.cells
        return speed_sample(
            self,
            row,
            read_iso("timestamp", cells["timestamp"], self.options.timezone),
            {
                "down_mbps": page_to_mbps(read_number("dl", cells["dl"])),
                "up_mbps": page_to_mbps(read_number("ul", cells["ul"])),
                "rtt_idle_ms": _read_ping("ping", cells["ping"]),
                "jitter_ms": read_number("jitter", cells.get("jitter", "")),
            },
            engine="librespeed",
            reason="factor_1_06_undone",
            family=family_of(cells["ip"]),
        )


def _read_ping(field: str, cell: str) -> float | None:
    # A ping that was left out is written as 0.
    return read_number(field, cell) or None
