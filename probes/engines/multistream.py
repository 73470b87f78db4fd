"""
multistream: 1 to 16 connections to our own server, added up at one instant (docs/multistream.md).

Several connections fill links that one cannot: where a window is small, or one loss halves the
only flow. The sum follows RMBT's rule (`estimate.common_points`): at each time, what all flows
had received by then, up to the earliest of their last readings.
"""

import secrets
from dataclasses import replace
from itertools import repeat
from urllib.parse import urlencode

from ...data.errors import ConfigError
from ..connection import Deadline
from ..interface import Address, Limits, Target, Throughput, one_line
from . import tcp_info
from .http_flow import HttpFlow, open_http_flow
from .lane import ReadCounters, Stream
from .ndt7 import VERSION
from .transfer import measure

DOWNLOAD_PATH = "/phusong/v1/download"
UPLOAD_PATH = "/phusong/v1/upload"
MAX_FLOWS = 16
CONTROL_HEADER = "phusong-congestion-control"
_MAX_NAME = 16
# BBR fills a link alone, and several of its flows get in each other's way; a control that takes
# every loss for a full queue needs company.
_BBR_FLOWS, _OTHER_FLOWS = 1, 4
# Over a long round trip with losses one flow of BBR leaves some of the link idle: it sends at 0.99
# of what it has seen, less what gets lost.
_FAR_FLOWS, _FAR_RTT_S = 3, 0.06
# Longer than any test: the client ends an upload early.
_UPLOAD_BYTES = 1 << 50


class Multistream:
    """
    The engine. `congestion` is what both ends are asked to send with.

    Without `flows` it opens one where the sender has BBR, and four where it has not.

    Raises
    ------
    ConfigError
        If `flows` is not 1 to 16.
    """

    name = "multistream"
    version = VERSION
    times_itself = False

    def __init__(
        self,
        flows: int | None = None,
        *,
        most: int = MAX_FLOWS,
        congestion: str = "bbr",
        read_counters: ReadCounters = tcp_info.read,
    ) -> None:
        if flows is not None and not 1 <= flows <= MAX_FLOWS:
            raise ConfigError("{flows} flows are too many or too few; take 1 to 16", flows=flows)
        self.flows = flows
        self._most = most
        self._congestion = congestion
        self._read_counters = read_counters

    def download(self, target: Target, address: Address, limits: Limits) -> Throughput:
        """Measure towards us."""
        return self._measure(target, address, limits, upload=False)

    def upload(self, target: Target, address: Address, limits: Limits) -> Throughput:
        """Measure away from us."""
        return self._measure(target, address, limits, upload=True)

    def _measure(
        self, target: Target, address: Address, limits: Limits, *, upload: bool
    ) -> Throughput:
        opened: list[HttpFlow] = []
        asked = {
            "test": secrets.token_urlsafe(18),
            "flows": self.flows or _OTHER_FLOWS,
            "cc": self._congestion,
        }
        path = f"{UPLOAD_PATH if upload else DOWNLOAD_PATH}?{urlencode(asked)}"

        def open_number(number: int) -> HttpFlow:
            sizes = repeat(_UPLOAD_BYTES) if upload else None
            flow = open_http_flow(
                target, address, path, limits, sizes, counts=upload, congestion=self._congestion
            )
            opened.append(flow)
            if number == 0 and self.flows is None:
                flow.await_answer(Deadline.after(limits.handshake_s))
            return flow

        def choose(first: Stream) -> int:
            named = first.headers if isinstance(first, HttpFlow) else {}
            control = tcp_info.congestion_control(first.sock) if upload else None
            info = self._read_counters(first.sock)
            far = info is not None and info.min_rtt_us >= _FAR_RTT_S * 1e6
            bbr_flows = _FAR_FLOWS if far else _BBR_FLOWS
            control = control or named.get(CONTROL_HEADER)
            return min(self._most, bbr_flows if control == "bbr" else _OTHER_FLOWS)

        moved = measure(
            open_number,
            upload=upload,
            flows=self.flows or choose,
            limits=limits,
            read_counters=self._read_counters,
        )
        named = {
            one_line(flow.headers.get(CONTROL_HEADER, "unknown"))[:_MAX_NAME] for flow in opened
        }
        record = moved.record | {"server_congestion_control": ",".join(sorted(named))}
        return replace(moved, test_id=str(asked["test"]), record=record)
