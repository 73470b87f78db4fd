"""One request on one connection, and what a handler needs to answer it."""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address

from ...data.sample import Outcome
from ..connection import READ, Deadline, ready, receive_some, send_all
from ..engines import tcp_info
from ..interface import AttemptError
from .bodies import Body, ChunkedBody, LengthBody
from .ledger import FlowCount, Ledger
from .limits import ServerLimits
from .metrics import Metrics
from .places import Places
from .receipts import Signer
from .requests import Answer, RefusedError, Request, head_bytes
from .transfers import Watch, drain

ANSWER_S = 2.0
CONTROLS = ("bbr", "cubic", "reno")
_FAREWELL_S = 1.0
_LINGER_BYTES = 1 << 16
_KEPT_TESTS = 1000
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# What TLS adds to each of its records.
_TLS_RECORD, _TLS_RECORD_EXTRA = 16_384, 22


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedTest:
    """
    What the server saw of one flow of a test.

    `received_bytes` and `sent_bytes` are payload. `ended` is `complete`, `time`, `budget`,
    `idle`, `stopping`, how the client ended it (`close`, `eof`, `reset`), or the rule that it
    broke.
    """

    engine: str
    direction: str
    family: int
    seconds: float
    sent_bytes: int
    received_bytes: int
    ended: str


@dataclass(slots=True, kw_only=True)
class Hub:
    """What all connections share."""

    limits: ServerLimits
    places: Places
    ledger: Ledger
    metrics: Metrics
    signer: Signer
    secret: bytes
    tls: bool
    metrics_apart: bool
    stopping: threading.Event = field(default_factory=threading.Event)
    finished: deque[FinishedTest] = field(default_factory=lambda: deque(maxlen=_KEPT_TESTS))

    def utc(self) -> datetime:
        """Give the time that receipts carry."""
        return datetime.now(UTC)

    def finish(self, flow: FlowCount, *, test_ended: bool) -> None:
        """Count a flow that has ended, and its test where it was the last one."""
        test = flow.test
        down = test.direction == "download"
        labels = {"engine": test.engine, "direction": test.direction}
        self.metrics.add("phusong_flows_total", ended=flow.ended, **labels)
        self.metrics.add("phusong_test_bytes_total", flow.moved, **labels)
        self.metrics.add("phusong_flow_seconds_total", flow.seconds, **labels)
        if test_ended:
            self.metrics.add("phusong_tests_total", **labels)
        self.finished.append(
            FinishedTest(
                engine=test.engine,
                direction=test.direction,
                family=test.family,
                seconds=flow.seconds,
                sent_bytes=flow.moved if down else 0,
                received_bytes=0 if down else flow.moved,
                ended=flow.ended,
            )
        )


class Exchange:
    """A request, and the ways to answer it. `keep`: the connection stays for a next request."""

    def __init__(
        self, hub: Hub, sock: socket.socket, ip: str, request: Request, rest: bytes
    ) -> None:
        self.hub = hub
        self.sock = sock
        self.ip = ip
        self.request = request
        self.rest = rest
        self.keep = request.keeps_alive
        self.parted = False
        self._owes_continue = request.headers.get("expect", "").lower() == "100-continue"

    @property
    def family(self) -> int:
        """Give 4 or 6."""
        return 6 if ":" in self.ip else 4

    @property
    def from_this_machine(self) -> bool:
        """Tell whether the client, or a proxy in front of us, is on this machine."""
        return ip_address(self.ip.split("%")[0]).is_loopback

    @property
    def secure(self) -> bool:
        """Tell whether the client speaks TLS: to us, or to a proxy on this machine that says so."""
        told = self.request.headers.get("x-forwarded-proto", "") == "https"
        return self.hub.tls or (told and self.from_this_machine)

    def answer(self, answer: Answer) -> None:
        """Answer with something short."""
        self.keep = self.keep and answer.status in (200, 204) and not self._body_waits()
        self.hub.metrics.add("phusong_answers_total", status=str(answer.status))
        send_all(self.sock, answer.bytes(keep=self.keep), Deadline.after(ANSWER_S))

    def answer_json(self, value: Mapping[str, object]) -> None:
        """Answer with a JSON object."""
        body = json.dumps(value).encode("utf-8")
        self.answer(Answer(body=body, kind="application/json"))

    def begin_stream(
        self, kind: str, length: int | None, headers: dict[str, str] | None = None
    ) -> None:
        """Send the head of a long answer; without a length it ends with the connection."""
        self.keep = self.keep and length is not None and not self._body_waits()
        self.hub.metrics.add("phusong_answers_total", status="200")
        head = head_bytes(200, kind, length, headers or {}, keep=self.keep)
        send_all(self.sock, head, Deadline.after(ANSWER_S))

    def watch(self) -> Watch:
        """Say what ends a transfer that begins now."""
        limits = self.hub.limits
        return Watch(
            end_s=time.monotonic() + limits.max_runtime_s,
            idle_s=limits.idle_s,
            stopping=self.hub.stopping.is_set,
        )

    def body(self) -> Body:
        """Give the request's body, which has then to be drained; ask for it where that is due."""
        if self._owes_continue:
            send_all(self.sock, _CONTINUE, Deadline.after(ANSWER_S))
            self._owes_continue = False
        length = self.request.body_bytes
        return ChunkedBody() if length is None else LengthBody(length)

    def sink(self, engine: str) -> int | None:
        """Take a request's body as one test's upload; give its length, None if it was not all."""
        with self.transfer(engine, "upload") as flow:
            flow.ended, self.rest = drain(self.sock, flow, self.body(), self.watch(), self.rest)
        if flow.ended != "complete":
            self.keep = False
            return None
        self._drained = True
        return flow.moved

    _drained = False

    def _body_waits(self) -> bool:
        return self.request.body_bytes != 0 and not self._drained

    @contextlib.contextmanager
    def transfer(
        self, engine: str, direction: str, test_id: str | None = None, flows: int = 1
    ) -> Iterator[FlowCount]:
        """
        Move bytes as a flow of a test: take a place for it and account for it afterwards.

        Raises
        ------
        RefusedError
            503 if too many run already; 400 or 409 from the ledger.
        """
        hub = self.hub
        if not hub.places.begin_test():
            hub.metrics.add("phusong_refused_total", reason="tests_full")
            raise RefusedError(503, {"Retry-After": str(hub.limits.retry_after_s)})
        try:
            flow = hub.ledger.join(
                test_id, engine=engine, direction=direction, family=self.family, flows=flows
            )
        except BaseException:
            hub.places.end_test()
            raise
        before = tcp_info.read(self.sock)
        try:
            yield flow
        except AttemptError as error:
            flow.ended = error.reason
            raise
        except OSError as error:
            flow.ended = type(error).__name__
            raise
        finally:
            self._note_kernel(flow, before)
            ended = hub.ledger.leave(flow)
            hub.places.end_test()
            hub.finish(flow, test_ended=ended)

    def _note_kernel(self, flow: FlowCount, before: tcp_info.TcpInfo | None) -> None:
        """Note what our kernel says about a flow; before its socket is closed."""
        flow.congestion_control = tcp_info.congestion_control(self.sock)
        after = tcp_info.read(self.sock) if self.sock.fileno() >= 0 else None
        if before is None or after is None:
            return
        acked = after.bytes_acked - before.bytes_acked
        if self.hub.tls:
            acked -= acked * _TLS_RECORD_EXTRA // _TLS_RECORD
        # What is around the payload is acknowledged as well.
        flow.acked = max(0, min(acked, flow.moved))
        flow.retransmitted = after.bytes_retrans - before.bytes_retrans
        flow.kernel = after

    def prefer_congestion_control(self) -> str | None:
        """Try to send as the client wishes (`cc=`); give the name of what decides now."""
        wish = self.request.query.get("cc")
        # Another value may be some other client's metadata, which ndt7 lets be anything.
        if wish in CONTROLS:
            tcp_info.prefer_congestion_control(self.sock, wish)
        return tcp_info.congestion_control(self.sock)

    def say_farewell(self) -> None:
        """End our side, and wait a little for the client to have read all and to end its own."""
        self.parted = True
        linger(self.sock, Deadline.after(_FAREWELL_S))


def read_head(
    sock: socket.socket, early: bytes, deadline: Deadline, *, max_bytes: int
) -> tuple[bytes, bytes] | None:
    """
    Read a request's head.

    Returns
    -------
    head, rest
        The head without its empty line, and what came after it already; None if the client ended
        the connection between two requests.
    """
    seen = bytearray(early)
    start = 0
    while True:
        end = seen.find(b"\r\n\r\n", start)
        if end >= 0 and end <= max_bytes:
            return bytes(seen[:end]), bytes(seen[end + 4 :])
        if len(seen) > max_bytes:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "endless_head")
        start = max(0, len(seen) - 3)
        chunk = receive_some(sock, 4096, deadline)
        if not chunk:
            if not seen:
                return None
            raise AttemptError(Outcome.PROTOCOL_ERROR, "closed_in_head")
        seen += chunk


def linger(sock: socket.socket, deadline: Deadline) -> None:
    """Let the client read the answer: closing with unread bytes would reset it away."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_WR)
    taken = 0
    while taken < _LINGER_BYTES and ready(sock, READ, deadline.left()):
        try:
            chunk = sock.recv(4096)
        except (BlockingIOError, ssl.SSLWantReadError):
            continue
        except OSError:
            return
        if not chunk:
            return
        taken += len(chunk)
