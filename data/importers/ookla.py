"""
Ookla's own command line client, ``--format=json``, ``json-pretty`` or ``jsonl``.

``bandwidth`` is bytes/s. A log line of level error is an attempt that failed: the client prints
no result then. The loaded latency is the interquartile mean of the download's.
"""

from typing import ClassVar

from ..check import ascii_safe, clean_text
from ..errors import RecordError
from ..sample import Sample
from .fields import read_number, read_whole
from .interface import Row
from .results import ResultImporter, family_of, speed_sample
from .units import bytes_per_s_to_mbps, ms_to_s, percent_to_ratio


class OoklaCli(ResultImporter):
    """One result, or one line of the log before it."""

    tool = "ookla-cli"
    required: ClassVar[tuple[str, ...]] = ("type", "timestamp", "download.bandwidth")
    also: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("type", "timestamp", "level", "message"),
        ("type", "timestamp", "isp", "server.host"),
        ("type", "timestamp", "ping.latency"),
        ("type", "timestamp", "upload.bandwidth"),
    )

    def to_sample(self, row: Row) -> Sample:
        """Make a speed sample of a result, or a failed one of an error."""
        cells = row.cells
        kind = cells.get("type", "")
        if kind == "log" and cells.get("level") == "error":
            moment = self.started_at("timestamp", cells.get("timestamp", ""))
            return self.failed(row, moment, cells.get("message", ""), engine="ookla")
        if kind != "result":
            raise RecordError(
                "the line tells how the test went ({event}); its result is the summary",
                reason="progress_line",
                event=ascii_safe(kind[:60]),
            )
        cells = self.require(row)

        def number(path: str) -> float | None:
            return read_number(path, cells.get(path, ""))

        elapsed = [number(f"{way}.elapsed") for way in ("download", "upload")]
        return speed_sample(
            self,
            row,
            self.started_at("timestamp", cells["timestamp"]),
            {
                "down_mbps": bytes_per_s_to_mbps(number("download.bandwidth")),
                "up_mbps": bytes_per_s_to_mbps(number("upload.bandwidth")),
                "rtt_idle_ms": number("ping.latency"),
                "rtt_loaded_ms": number("download.latency.iqm"),
                "jitter_ms": number("ping.jitter"),
                "loss_ratio": percent_to_ratio(number("packetLoss")),
                "bytes_down": read_whole("download.bytes", cells.get("download.bytes", "")),
                "bytes_up": read_whole("upload.bytes", cells.get("upload.bytes", "")),
            },
            engine="ookla",
            server=clean_text(cells.get("server.host", "")),
            family=family_of(cells.get("server.ip", "")),
            duration_s=ms_to_s(sum(one for one in elapsed if one is not None)) or None,
        )
