"""Several plain HTTP connections as one test: `docs/multistream.md` has the wire."""

import json
import socket
import time
from contextlib import suppress

from ..connection import Deadline, send_all
from ..engines.flow import keep_little_unsent, open_wide
from .exchange import ANSWER_S, Exchange
from .ledger import FlowCount
from .limits import MAX_FLOWS
from .requests import RefusedError
from .transfers import drain, pour

CONTROL_HEADER = "Phusong-Congestion-Control"
_REPORT_S = 0.25


def download(exchange: Exchange) -> None:
    """Send until the client has enough."""
    with exchange.transfer("multistream", "download", *_named(exchange)) as flow:
        keep_little_unsent(exchange.sock)
        exchange.begin_stream("application/octet-stream", None, _control(exchange))
        flow.ended = pour(exchange.sock, flow, exchange.watch())
        flow.stop()
        if flow.ended != "reset":
            # What is under way still counts: the receipt is of acknowledged bytes.
            exchange.say_farewell()


def upload(exchange: Exchange) -> None:
    """Take what comes, and tell the client how much it was while it comes."""
    with exchange.transfer("multistream", "upload", *_named(exchange)) as flow:
        body = exchange.body()
        exchange.keep = False
        open_wide(exchange.sock)
        exchange.begin_stream("application/x-ndjson", None, _control(exchange))
        lines = _Lines(exchange.sock, flow)
        flow.ended, _ = drain(
            exchange.sock, flow, body, exchange.watch(), exchange.rest, lines.tell_sometimes
        )
        flow.stop()
        if flow.ended != "reset":
            with suppress(OSError):
                lines.tell_end()
                exchange.say_farewell()


class _Lines:
    """The counts that go back during an upload; a client that does not read them gets fewer."""

    def __init__(self, sock: socket.socket, flow: FlowCount) -> None:
        self._sock = sock
        self._flow = flow
        self._started_s = time.monotonic()
        self._due_s = self._started_s + _REPORT_S
        self._unsent = b""

    def tell_sometimes(self) -> None:
        if time.monotonic() < self._due_s:
            return
        self._due_s = time.monotonic() + _REPORT_S
        line = self._unsent or self._line(None)
        try:
            self._unsent = line[self._sock.send(line) :]
        except OSError:
            # Full for now, or broken: the receiving side finds that out.
            self._unsent = line

    def tell_end(self) -> None:
        last = self._unsent + self._line(self._flow.ended)
        send_all(self._sock, last, Deadline.after(ANSWER_S))

    def _line(self, end: str | None) -> bytes:
        elapsed_us = round((time.monotonic() - self._started_s) * 1e6)
        line = {"elapsed_us": elapsed_us, "bytes": self._flow.moved, "end": end}
        return json.dumps(line).encode("ascii") + b"\n"


def _named(exchange: Exchange) -> tuple[str | None, int]:
    query = exchange.request.query
    flows = query.get("flows", "1")
    if flows not in map(str, range(1, MAX_FLOWS + 1)):
        raise RefusedError(400)
    return query.get("test"), int(flows)


def _control(exchange: Exchange) -> dict[str, str]:
    return {CONTROL_HEADER: exchange.prefer_congestion_control() or "unknown"}
