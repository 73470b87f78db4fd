"""
iperf3, ``--json``: what the receiver counted, in the direction that the test says.

A test that was told how fast to send (``-b``) and could do so shows what it was told, a floor of
what the link carries: it is kept as traffic, never as a speed.
"""

from collections.abc import Mapping
from typing import ClassVar

from ..check import clean_text
from ..errors import RecordError
from ..sample import Sample
from .fields import read_number, read_whole
from .interface import Row
from .results import ResultImporter, speed_sample
from .times import read_epoch
from .units import bps_to_mbps, percent_to_ratio

# A sender paced to a rate comes out a little below or above it.
_AS_TOLD = 0.9


class Iperf3(ResultImporter):
    """One run of the client."""

    tool = "iperf3"
    required: ClassVar[tuple[str, ...]] = ("start.version", "start.system_info")

    def to_sample(self, row: Row) -> Sample:
        """Make a speed sample of a run, or a failed one of a run that ended with an error."""
        cells = self.require(row)
        seconds = cells.get("start.timestamp.timesecs", "")
        moment = read_epoch("timesecs", seconds, 1) if seconds else self.named_time()
        server = clean_text(cells.get("start.connecting_to.host", ""))
        version = clean_text(cells["start.version"])
        if cells.get("error"):
            return self.failed(
                row, moment, cells["error"], engine="iperf3", engine_version=version, server=server
            )
        if "end.sum_received.bits_per_second" not in cells:
            raise RecordError("the row holds no result of any test", reason="nothing_measured")
        values, is_limited = _values(cells)
        return speed_sample(
            self,
            row,
            moment,
            values,
            engine="iperf3",
            reason="rate_was_limited" if is_limited else None,
            engine_version=version,
            server=server,
            duration_s=read_number("seconds", cells.get("end.sum_received.seconds", "")),
        )


def _values(cells: Mapping[str, str]) -> tuple[dict[str, float | int | None], bool]:
    is_reverse = cells.get("start.test_start.reverse", "0") not in ("", "0")
    target = bps_to_mbps(read_number("target_bitrate", cells.get(_TARGET, "")))
    streams = read_whole("num_streams", cells.get("start.test_start.num_streams", "")) or 1
    values: dict[str, float | int | None] = {}
    is_limited = False
    for name, is_down in (("sum_received", is_reverse), ("sum_received_bidir_reverse", True)):
        rate = bps_to_mbps(read_number(name, cells.get(f"end.{name}.bits_per_second", "")))
        if rate is None:
            continue
        as_told = bool(target) and rate >= _AS_TOLD * (target or 0) * streams
        is_limited = is_limited or as_told
        way = "down" if is_down else "up"
        values[f"traffic_{way}_mbps" if as_told else f"{way}_mbps"] = rate
        values[f"bytes_{way}"] = read_whole("bytes", cells.get(f"end.{name}.bytes", ""))
    if cells.get("start.test_start.protocol") == "UDP":
        jitter = cells.get("end.sum_received.jitter_ms", "")
        lost = cells.get("end.sum_received.lost_percent", "")
        values["jitter_ms"] = read_number("jitter_ms", jitter)
        values["loss_ratio"] = percent_to_ratio(read_number("lost_percent", lost))
    return values, is_limited


_TARGET = "start.test_start.target_bitrate"
