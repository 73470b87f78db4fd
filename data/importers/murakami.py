"""
M-Lab's Murakami: one JSON document a line for each test that it ran.

Its times are UTC without saying so. The bandwidths of ookla-speedtest are bytes/s, whatever the
field beside them says: 2,005,673 "Bit/s" over 6.4 s are the 12,997,248 bytes that it moved.
"""

from collections.abc import Mapping
from typing import ClassVar

from ..check import ascii_safe, clean_text
from ..errors import RecordError
from ..sample import Radio, Rat, Sample
from .fields import read_number, read_whole
from .interface import Row
from .results import ResultImporter, family_of, read_in, speed_sample
from .times import read_utc_iso
from .units import bytes_per_s_to_mbps, percent_to_ratio

_RATS = {"wifi": Rat.WIFI, "wireless": Rat.WIFI, "wired": Rat.FIXED, "ethernet": Rat.FIXED}
_NDT = frozenset({"ndt5", "ndt5custom", "ndt7", "ndt7custom"})
_OOKLA = frozenset({"ookla-speedtest", "speedtest-cli-multi-stream", "speedtest-cli-single-stream"})


class Murakami(ResultImporter):
    """One test of any of Murakami's runners that measure speed."""

    tool = "murakami"
    required: ClassVar[tuple[str, ...]] = ("TestName", "TestStartTime")

    def to_sample(self, row: Row) -> Sample:
        """Make a speed sample of a test; one that ended with an error has no reading."""
        cells = self.require(row)
        name = cells["TestName"]
        # ndt5's server counts an upload; the summary of ndt7-client is from where it is sent.
        is_sent = name in ("ndt7", "ndt7custom")
        moment = read_utc_iso("TestStartTime", cells["TestStartTime"])
        messages = [cells.get(key, "") for key in ("TestError", "DownloadError", "UploadError")]
        if name in _NDT:
            values = _ndt_values(cells)
        elif name in _OOKLA and "DownloadBandwidth" in cells:
            values = _ookla_values(cells)
        elif any(messages):
            values = {}
        else:
            raise RecordError(
                "Murakami's test {name} holds no speed that is known here",
                reason="not_a_result",
                name=ascii_safe(name[:60]),
            )
        if any(messages) and not (values.get("down_mbps") and values.get("up_mbps")):
            return self.failed(
                row, moment, " ".join(messages), engine=clean_text(name) or "murakami"
            )
        return speed_sample(
            self,
            row,
            moment,
            values,
            engine=clean_text(name) or "murakami",
            reason="upload_counted_at_sender" if is_sent and values.get("up_mbps") else None,
            server=clean_text(cells.get("ServerHost", "") or cells.get("ServerName", "")),
            family=family_of(cells.get("ServerIP", "") or cells.get("ServerIp", "")),
            radio=_radio(cells),
        )


def _ndt_values(cells: Mapping[str, str]) -> dict[str, float | int | None]:
    return {
        f"{way.lower()}_mbps": read_in(
            f"{name}Value", cells.get(f"{name}Value", ""), cells.get(f"{name}Unit", ""), "Mbit/s"
        )
        for way, name in (("Down", "Download"), ("Up", "Upload"))
    }


def _ookla_values(cells: Mapping[str, str]) -> dict[str, float | int | None]:
    def number(key: str) -> float | None:
        return read_number(key, cells.get(key, ""))

    return {
        "down_mbps": bytes_per_s_to_mbps(number("DownloadBandwidth")),
        "up_mbps": bytes_per_s_to_mbps(number("UploadBandwidth")),
        "rtt_idle_ms": number("PingLatency"),
        "rtt_loaded_ms": number("DownloadLatencyIqm"),
        "jitter_ms": number("PingJitter"),
        "loss_ratio": percent_to_ratio(number("PacketLoss")),
        "bytes_down": read_whole("DownloadBytes", cells.get("DownloadBytes", "")),
        "bytes_up": read_whole("UploadBytes", cells.get("UploadBytes", "")),
    }


def _radio(cells: Mapping[str, str]) -> Radio | None:
    rat = _RATS.get(cells.get("MurakamiConnectionType", "").lower())
    return None if rat is None else Radio(rat=rat)
