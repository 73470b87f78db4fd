"""
obudpst, the UDP speed test of TR-471 and RFC 9097, as its client writes JSON.

The result is the largest IP-layer capacity of one sub-interval: IP and UDP headers counted, which
the reason says, so it is some percent above what TCP would carry. Its RTTs are of a loaded link.
"""

from typing import ClassVar

from ..check import clean_text
from ..sample import Sample
from .fields import read_number
from .interface import Row
from .results import ResultImporter, family_of, speed_sample
from .units import s_to_ms


class Tr471(ResultImporter):
    """One test of the client."""

    tool = "tr471-obudpst"
    required: ClassVar[tuple[str, ...]] = ("Input.Role", "ErrorStatus")

    def to_sample(self, row: Row) -> Sample:
        """Make a speed sample of a test; its client sends where it tests the upload."""
        cells = self.require(row)
        moment = self.started_at("BOMTime", cells.get("Output.BOMTime", ""))
        server = clean_text(cells.get("Input.Host", ""))
        version = clean_text(cells.get("IPLayerCapSupported.SoftwareVersion", ""))
        if cells["ErrorStatus"] != "0":
            message = f"{cells.get('ErrorMessage', '')} {cells.get('ErrorMessage2', '')}"
            return self.failed(
                row, moment, message, engine="obudpst", engine_version=version, server=server
            )
        way = "up_mbps" if cells["Input.Role"] == "Sender" else "down_mbps"

        def number(path: str) -> float | None:
            return read_number(path, cells.get(f"Output.{path}", ""))

        return speed_sample(
            self,
            row,
            moment,
            {
                way: number("AtMax.MaxIPLayerCapacity"),
                "rtt_loaded_ms": s_to_ms(number("Summary.RTTAvg")),
                "loss_ratio": number("Summary.LossRatioSummary"),
            },
            engine="obudpst",
            reason="ip_layer_maximum",
            engine_version=version,
            server=server,
            family=family_of(cells.get("Input.HostIPAddress", "")),
            duration_s=number("TestInterval"),
        )
