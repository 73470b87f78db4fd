"""
M-Lab's ndt7-client, ``-format=json``: its summary, and the events before it.

The summary does not say when the test ran, so `--at` must. Older clients count the upload where
it is sent; that is said in the reason. A summary's latency is the smallest RTT that the server
saw while data flowed: it is neither idle nor loaded latency, and stays in the raw record.
"""

from collections.abc import Mapping
from typing import ClassVar

from ..check import ascii_safe, clean_text
from ..errors import RecordError
from ..sample import Sample
from .interface import Row
from .results import ResultImporter, family_of, read_in, speed_sample


class Ndt7Client(ResultImporter):
    """One summary of a test, or an event on the way to it."""

    tool = "ndt7-client"
    required: ClassVar[tuple[str, ...]] = ("ServerFQDN", "ServerIP", "ClientIP")
    also: ClassVar[tuple[tuple[str, ...], ...]] = (("Key", "Value.Test"), ("Key", "Value.Failure"))

    def to_sample(self, row: Row) -> Sample:
        """Make a speed sample of a summary; an event is no result of its own."""
        if "Key" in row.cells:
            raise RecordError(
                "the line tells how the test went ({event}); its result is the summary",
                reason="progress_line",
                event=ascii_safe(row.cells["Key"][:60]),
            )
        cells = self.require(row)
        is_old = "Upload.Value" in cells
        down = _throughput(cells, "Download")
        up = _throughput(cells, "Upload")
        return speed_sample(
            self,
            row,
            self.named_time(),
            {"down_mbps": down, "up_mbps": up},
            engine="ndt7",
            reason="upload_counted_at_sender" if is_old and up else None,
            server=clean_text(cells["ServerFQDN"]),
            family=family_of(cells["ServerIP"]),
        )


def _throughput(cells: Mapping[str, str], direction: str) -> float | None:
    path = f"{direction}.Throughput" if f"{direction}.Throughput.Value" in cells else direction
    return read_in(path, cells.get(f"{path}.Value", ""), cells.get(f"{path}.Unit", ""), "Mbit/s")
