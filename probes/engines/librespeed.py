"""
LibreSpeed, the client: other people's servers, their files, our way of counting.

Downloads ``garbage.php``, uploads to ``empty.php``, over as many connections as LibreSpeed's own
pages use. LibreSpeed multiplies what it measures by 1.06 for headers; that is not copied here.
"""

import secrets
from collections.abc import Iterator

from ..interface import Address, Limits, Target, Throughput
from . import tcp_info
from .http_flow import HttpFlow, open_http_flow
from .lane import ReadCounters
from .ndt7 import VERSION
from .transfer import measure

DOWNLOAD_FLOWS, UPLOAD_FLOWS = 6, 3
_MIB_PER_REQUEST = 100
# A slow link has to get its first answer within the test; a fast one must not wait for answers.
_FIRST_UPLOAD_BYTES, _LARGEST_UPLOAD_BYTES = 1 << 15, 20_000_000


class LibreSpeed:
    """The engine; without `flows`, as many as LibreSpeed's own pages open."""

    name = "librespeed"
    version = VERSION
    times_itself = False

    def __init__(
        self, flows: int | None = None, *, read_counters: ReadCounters = tcp_info.read
    ) -> None:
        self._flows = flows
        self._read_counters = read_counters

    def download(self, target: Target, address: Address, limits: Limits) -> Throughput:
        """Measure towards us."""
        path = f"{target.base}/garbage.php?ckSize={_MIB_PER_REQUEST}&r={secrets.token_hex(8)}"

        def open_number(number: int) -> HttpFlow:
            return open_http_flow(target, address, path, limits, None)

        return measure(
            open_number,
            upload=False,
            flows=self._flows or DOWNLOAD_FLOWS,
            limits=limits,
            read_counters=self._read_counters,
        )

    def upload(self, target: Target, address: Address, limits: Limits) -> Throughput:
        """Measure away from us."""
        path = f"{target.base}/empty.php?r={secrets.token_hex(8)}"

        def open_number(number: int) -> HttpFlow:
            return open_http_flow(target, address, path, limits, _sizes())

        return measure(
            open_number,
            upload=True,
            flows=self._flows or UPLOAD_FLOWS,
            limits=limits,
            read_counters=self._read_counters,
        )


def _sizes() -> Iterator[int]:
    """Give the lengths of the bodies to upload, each twice the last."""
    size = _FIRST_UPLOAD_BYTES
    while True:
        yield size
        size = min(2 * size, _LARGEST_UPLOAD_BYTES)
