"""
ndt7, the server: one test on one connection, and what it counted.

Sends random messages (download) or takes them (upload) until the time, the client or a limit
ends it, and tells the client several times a second what it has counted. The intervals are
drawn from an exponential distribution, mean 250 ms, clamped to 100 to 625 ms: never more than
the ten messages a second that the protocol allows.
"""

import base64
import binascii
import json
import random
import secrets
import time

from ..connection import Deadline, send_all
from ..engines import tcp_info
from ..engines.flow import Flow
from ..engines.ndt7 import SUBPROTOCOL
from ..engines.websocket import asks_upgrade, upgrade_response
from ..interface import AttemptError
from .exchange import ANSWER_S, Exchange
from .ledger import FlowCount
from .requests import RefusedError, Request

EARLY_EXIT_MB = 250
_MEAN_S, _SHORTEST_S, _LONGEST_S = 0.25, 0.1, 0.625
_STOP_CHECK_S = 0.2
# At 20 Gbit/s this is 2.5 MB beyond a limit.
_MOMENT_S = 0.001
_GOODBYE_S = 1.0
# Headers and texts beyond this, and beyond the payload, are work for nothing.
_FREE_OVERHEAD_BYTES = 1 << 20


def download(exchange: Exchange) -> None:
    """Serve a test towards the client."""
    _serve(exchange, "download")


def upload(exchange: Exchange) -> None:
    """Serve a test from the client."""
    _serve(exchange, "upload")


def _serve(exchange: Exchange, direction: str) -> None:
    key = _websocket_key(exchange.request)
    early_exit = _early_exit(exchange.request)
    exchange.keep = False
    # A client reads this id in every measurement: it is what it may ask for a receipt with.
    test_id = secrets.token_hex(16)
    with exchange.transfer("ndt7", direction, test_id) as count:
        exchange.prefer_congestion_control()
        answer = upgrade_response(key, SUBPROTOCOL)
        exchange.hub.metrics.add("phusong_answers_total", status="101")
        send_all(exchange.sock, answer, Deadline.after(ANSWER_S))
        flow = Flow(exchange.sock, masks=False, rest=exchange.rest)
        test = _Test(flow, direction, _identity(exchange, test_id), count)
        limits = exchange.hub.limits
        try:
            runtime_s = min(limits.runtime_s, limits.max_runtime_s)
            count.ended = test.run(exchange, runtime_s, limits.idle_s, early_exit)
        finally:
            count.stop()
            # What is under way still counts: the client counts it as well.
            exchange.parted = True
            test.leave()
            count.moved = test.moved()


def _websocket_key(request: Request) -> str:
    headers = request.headers
    if headers.get("sec-websocket-version") != "13" or not asks_upgrade(headers):
        raise RefusedError(426, {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"})
    offered = [word.strip() for word in headers.get("sec-websocket-protocol", "").split(",")]
    key = headers.get("sec-websocket-key", "")
    try:
        usable = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        usable = False
    if SUBPROTOCOL not in offered or not usable or request.body_bytes != 0:
        raise RefusedError(400)
    return key


def _early_exit(request: Request) -> int | None:
    wanted = request.query.get("early_exit")
    if wanted is None:
        return None
    if wanted != str(EARLY_EXIT_MB):
        raise RefusedError(400)
    return EARLY_EXIT_MB * 1_000_000


def _identity(exchange: Exchange, test_id: str) -> dict[str, str]:
    """Give the ConnectionInfo section."""
    return {
        "Client": _endpoint(exchange.sock.getpeername()),
        "Server": _endpoint(exchange.sock.getsockname()),
        "UUID": test_id,
    }


def _endpoint(name: tuple[object, ...]) -> str:
    host = str(name[0])
    return f"[{host}]:{name[1]}" if ":" in host else f"{host}:{name[1]}"


class _Test:
    def __init__(
        self, flow: Flow, direction: str, identity: dict[str, str], count: FlowCount
    ) -> None:
        self.flow = flow
        self.direction = direction
        self.identity = identity
        self.count = count
        self.started = time.monotonic()

    def moved(self) -> int:
        return (
            self.flow.sent_bytes if self.direction == "download" else self.flow.decoder.binary_bytes
        )

    def run(
        self, exchange: Exchange, runtime_s: float, idle_s: float, early_exit: int | None
    ) -> str:
        """Move bytes until something ends it, and say what."""
        end = self.started + runtime_s
        report_at = self.started + _SHORTEST_S
        moved, moved_at = 0, self.started
        while True:
            now = time.monotonic()
            if self.flow.closed:
                return self.flow.closed
            if now >= end:
                return "time"
            if exchange.hub.stopping.is_set():
                return "stopping"
            if self.moved() > moved:
                moved, moved_at = self.moved(), now
                self.count.moved = moved
            elif now - moved_at >= idle_s:
                return "idle"
            if self.count.test.spent() or (early_exit is not None and moved >= early_exit):
                return "budget"
            if self.flow.decoder.other_bytes > max(_FREE_OVERHEAD_BYTES, moved):
                return "overhead"
            if now >= report_at:
                self.flow.send_text(self.report(now))
                wait_s = random.expovariate(1 / _MEAN_S)
                report_at = now + min(max(wait_s, _SHORTEST_S), _LONGEST_S)
            pause = Deadline(min(end, report_at, now + _STOP_CHECK_S))
            self.turns(pause)

    def turns(self, pause: Deadline) -> None:
        """Move bytes for a moment before the rules are looked at again, or wait until some can."""
        moment = Deadline(min(pause.at, time.monotonic() + _MOMENT_S))
        fill = self.direction == "download"
        self.flow.turn(pause, fill=fill)
        while not self.flow.closed and not moment.passed():
            self.flow.turn(moment, fill=fill)

    def leave(self) -> None:
        """Say goodbye; half a message cannot be followed by a close frame, then the end says it."""
        deadline = Deadline.after(_GOODBYE_S)
        try:
            self.flow.send_close()
            while not self.flow.closed and not deadline.passed():
                self.flow.turn(deadline, fill=False)
            self.flow.flush(deadline)
        except (AttemptError, OSError):
            return

    def report(self, now: float) -> str:
        """Give a measurement as ndt7 writes it: microseconds and bytes."""
        elapsed_us = round((now - self.started) * 1e6)
        measurement: dict[str, object] = {
            "AppInfo": {"ElapsedTime": elapsed_us, "NumBytes": self.moved()},
            "ConnectionInfo": self.identity,
            "Origin": "server",
            "Test": self.direction,
        }
        info = tcp_info.read(self.flow.sock)
        if info is not None:
            measurement["TCPInfo"] = {
                "BusyTime": info.busy_us,
                "BytesAcked": info.bytes_acked,
                "BytesReceived": info.bytes_received,
                "BytesSent": info.bytes_sent,
                "BytesRetrans": info.bytes_retrans,
                "ElapsedTime": elapsed_us,
                "MinRTT": info.min_rtt_us,
                "RTT": info.rtt_us,
                "RTTVar": info.rttvar_us,
                "RWndLimited": info.rwnd_limited_us,
                "SndBufLimited": info.sndbuf_limited_us,
            }
        return json.dumps(measurement)
