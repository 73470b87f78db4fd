"""
ndt7, the client (M-Lab's protocol, v0.11): one TCP connection a direction, over ``ws`` or ``wss``.

How the bytes are counted and the rate is told from them is in `transfer` and `estimate`.
"""

from importlib import metadata
from urllib.parse import urlencode

from ..connection import Deadline, open_connection, read_head, send_all
from ..interface import Address, Limits, Target, Throughput
from . import tcp_info
from .flow import Flow
from .lane import ReadCounters
from .transfer import measure
from .websocket import check_response, new_key, upgrade_request

VERSION = metadata.version("phusong")
SUBPROTOCOL = "net.measurementlab.ndt.v7"
USER_AGENT = f"phusong/{VERSION}"


class Ndt7:
    """
    The engine; `read_counters` asks the kernel about a socket.

    Against a server of `Target.paths` (M-Lab's, found by Locate) the paths come with access
    tokens; elsewhere they are ndt7's own.
    """

    name = "ndt7"
    version = VERSION
    times_itself = False

    def __init__(self, read_counters: ReadCounters = tcp_info.read) -> None:
        self._read_counters = read_counters

    def download(self, target: Target, address: Address, limits: Limits) -> Throughput:
        """Measure towards us."""
        return self._measure("download", target, address, limits)

    def upload(self, target: Target, address: Address, limits: Limits) -> Throughput:
        """Measure away from us."""
        return self._measure("upload", target, address, limits)

    def _measure(
        self, direction: str, target: Target, address: Address, limits: Limits
    ) -> Throughput:
        return measure(
            lambda number: open_test(target, address, direction, limits),
            upload=direction == "upload",
            flows=1,
            limits=limits,
            read_counters=self._read_counters,
        )


def open_test(target: Target, address: Address, direction: str, limits: Limits) -> Flow:
    """Connect and ask for one test of ndt7."""
    path = target.paths.get(direction, f"/ndt/v7/{direction}")
    client = urlencode({"client_name": "phusong", "client_version": VERSION})
    path += f"{'&' if '?' in path else '?'}{client}"
    return open_flow(target, address, path, limits, sends=direction == "upload")


def open_flow(
    target: Target,
    address: Address,
    path: str,
    limits: Limits,
    *,
    sends: bool,
    congestion: str = "bbr",
) -> Flow:
    """
    Connect and turn a path into a WebSocket of ndt7's subprotocol.

    The side that `sends` asks for a congestion control that looks for the link's capacity:
    cubic under random loss would measure the loss.
    """
    sock = open_connection(target, address, Deadline.after(limits.connect_s))
    try:
        if sends:
            tcp_info.prefer_congestion_control(sock, congestion)
        deadline = Deadline.after(limits.handshake_s)
        key = new_key()
        send_all(
            sock, upgrade_request(path, target.authority, USER_AGENT, SUBPROTOCOL, key), deadline
        )
        head, rest = read_head(sock, deadline)
        check_response(head, key=key, subprotocol=SUBPROTOCOL)
        return Flow(sock, masks=True, rest=rest)
    except BaseException:
        sock.close()
        raise
