"""
A test's payload over plain HTTP/1.1: one request after another on one connection.

A download's body is dropped as it arrives, inside the kernel where it can be. An upload's body is
random bytes, so that nothing on the way makes it shorter. Whatever is not the promised answer
(another status, a page, a compressed body, a redirect) ends the flow with its reason; a body is
never decompressed.
"""

import json
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping

from ...data.sample import Outcome
from ..connection import MAX_HEAD_BYTES, READ, WRITE, Deadline, open_connection, ready
from ..interface import Address, AttemptError, Limits, Target
from . import tcp_info
from .flow import (
    COPY_READ_BYTES,
    HEAD_READ_BYTES,
    LARGEST_MESSAGE_BYTES,
    RANDOM,
    TLS_RECORD_BYTES,
    burst,
    keep_little_unsent,
    open_wide,
)
from .ndt7 import USER_AGENT
from .websocket import Message, Opcode, is_page, parse_head, refuse_other_answers, status_of

_ENDLESS = 1 << 62
_MAX_CHUNK_LINE_BYTES = 256
_MAX_LINE_BYTES = 1024


class HttpFlow:
    """
    A connection on which a path is asked for over and over.

    `sizes` are the lengths of the bodies to upload, None for a download. With `counts`, the
    answer to an upload comes while it goes on, as lines of JSON that say how much arrived
    (docs/multistream.md); they come out of `turn` as ndt7's measurements would.
    """

    def __init__(
        self,
        sock: socket.socket,
        authority: str,
        path: str,
        sizes: Iterator[int] | None,
        *,
        counts: bool = False,
    ) -> None:
        self.sock = sock
        self.tls = isinstance(sock, ssl.SSLSocket)
        self.closed: str | None = None
        self.sent_bytes = 0
        self.received_bytes = 0
        self.other_bytes = 0
        self.answered = False
        self.headers: dict[str, str] = {}
        self._authority = authority
        self._path = path
        self._sizes = sizes
        self._counts = counts
        self._drop = 0 if self.tls or sys.platform != "linux" else socket.MSG_TRUNC
        self._sink = bytearray(LARGEST_MESSAGE_BYTES if self._drop else COPY_READ_BYTES)
        self._buffer = bytearray()
        self._messages: list[Message] = []
        self._unsent = memoryview(b"")
        self._body_left = 0
        self._answer = _Answer()
        self._ask()
        sock.settimeout(0)
        keep_little_unsent(sock)
        open_wide(sock)

    def turn(self, until: Deadline, *, fill: bool) -> list[Message]:
        """Move what can be moved, or wait until something can; give the counts that came."""
        try:
            received = burst(self._receive, tls=self.tls)
            sent = burst(self._send, tls=self.tls)
        except (ConnectionResetError, BrokenPipeError):
            self.closed = self.closed or "reset"
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self.closed = self.closed or "eof"
        else:
            if not (received or sent or self.closed):
                unsent = self._unsent or self._body_left
                ready(self.sock, READ | WRITE if unsent else READ, until.left())
        messages, self._messages = self._messages, []
        return messages

    def await_answer(self, deadline: Deadline) -> None:
        """
        Go on until the answer's head is there.

        Raises
        ------
        AttemptError
            `no_answer`, at the deadline.
        """
        while not self.answered and not self.closed:
            if deadline.passed():
                raise AttemptError(Outcome.TIMEOUT, "no_answer")
            self._messages += self.turn(deadline, fill=True)

    def leave(self) -> None:
        """Close; what is under way is of no more use."""
        self.sock.close()

    def _send(self) -> bool:
        if self._unsent:
            part, payload = self._unsent, False
        elif self._body_left:
            part, payload = RANDOM[: min(self._body_left, LARGEST_MESSAGE_BYTES)], True
        else:
            return False
        try:
            count = self.sock.send(part[:TLS_RECORD_BYTES] if self.tls else part)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        if payload:
            self._body_left -= count
            self.sent_bytes += count
        else:
            self._unsent = self._unsent[count:]
        return count > 0

    def _receive(self) -> bool:
        left = self._answer.left
        try:
            if left and not self._counts:
                count = self.sock.recv_into(self._sink, min(left, len(self._sink)), self._drop)
                self._pay(count)
            else:
                data = self.sock.recv(HEAD_READ_BYTES)
                count = len(data)
                self._buffer += data
                self._take()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        if count == 0:
            self.closed = self.closed or "eof"
        return count > 0 and not self.closed

    def _take(self) -> None:
        """Read what is in the buffer: heads, the framing of chunks, the beginnings of bodies."""
        while self._buffer:
            answer = self._answer
            if not answer.headed:
                head, end, rest = self._buffer.partition(b"\r\n\r\n")
                if not end and len(head) > MAX_HEAD_BYTES:
                    raise AttemptError(Outcome.PROTOCOL_ERROR, "endless_head")
                if not end:
                    return
                self.other_bytes += len(head) + len(end)
                self._buffer = rest
                answer.read_head(
                    bytes(head), page_may_be=self._sizes is not None and not self._counts
                )
                self.answered |= answer.headed
                self.headers = answer.headers
            elif answer.left and self._counts:
                self._read_counts()
                return
            elif answer.left:
                taken = min(answer.left, len(self._buffer))
                del self._buffer[:taken]
                self._pay(taken)
            elif not answer.ended:
                line, end, rest = self._buffer.partition(b"\n")
                if not end and len(line) > _MAX_CHUNK_LINE_BYTES:
                    raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_chunk")
                if not end:
                    return
                self.other_bytes += len(line) + 1
                self._buffer = rest
                answer.read_chunk_line(bytes(line).strip())
            else:
                raise AttemptError(Outcome.PROTOCOL_ERROR, "more_than_asked")
            self._go_on()

    def _pay(self, count: int) -> None:
        self.received_bytes += count
        self._answer.left -= count
        if self._sizes is not None:
            self._answer.refuse_page()
        self._go_on()

    def _go_on(self) -> None:
        """Ask again when a request and its answer are through."""
        answer = self._answer
        if not (answer.headed and answer.ended and not answer.left):
            return
        if self._unsent or self._body_left:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "answered_early")
        if answer.closes:
            self.closed = self.closed or "close"
            return
        self._ask()

    def _ask(self) -> None:
        self._answer = _Answer()
        self._body_left = 0 if self._sizes is None else next(self._sizes)
        lines = [
            f"{'GET' if self._sizes is None else 'POST'} {self._path} HTTP/1.1",
            f"Host: {self._authority}",
            f"User-Agent: {USER_AGENT}",
            "Accept-Encoding: identity",
        ]
        if self._sizes is not None:
            lines.append("Content-Type: application/octet-stream")
            lines.append(f"Content-Length: {self._body_left}")
        self._unsent = memoryview("\r\n".join([*lines, "", ""]).encode("ascii"))

    def _read_counts(self) -> None:
        while b"\n" in self._buffer:
            line, _, rest = self._buffer.partition(b"\n")
            self._buffer = rest
            self._messages.append(Message(Opcode.TEXT, _as_measurement(bytes(line))))
        if len(self._buffer) > _MAX_LINE_BYTES:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_json")


class _Answer:
    """One answer while it is read: `left` bytes of its body, or of a chunk of it, are to come."""

    def __init__(self) -> None:
        self.headed = False
        self.headers: dict[str, str] = {}
        self.left = 0
        self.ended = False
        self.closes = False
        self._page = False

    def read_head(self, head: bytes, *, page_may_be: bool) -> None:
        status = status_of(head)
        if status == 100:
            return
        _, headers = parse_head(head)
        refuse_other_answers(status, headers, promised=200)
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise AttemptError(Outcome.PROTOCOL_ERROR, "compressed")
        self.headed, self.headers = True, headers
        self.closes = headers.get("connection", "").lower() == "close"
        self._page = is_page(headers)
        self._measure_body(headers)
        if self._page and not page_may_be:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "captive_portal")

    def _measure_body(self, headers: Mapping[str, str]) -> None:
        length = headers.get("content-length")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return
        self.ended = True
        if length is None:
            self.left, self.closes = _ENDLESS, True
        elif length.isascii() and length.isdigit() and int(length[:19]) < _ENDLESS:
            self.left = int(length[:19])
        else:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_head")

    def read_chunk_line(self, line: bytes) -> None:
        """Read the size of the next chunk; after a chunk, its empty line."""
        if not line:
            return
        size = line.split(b";")[0].strip()
        if not size or len(size) > 12 or size.translate(None, b"0123456789abcdefABCDEF"):
            raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_chunk")
        self.left = int(size, 16)
        self.ended = self.left == 0

    def refuse_page(self) -> None:
        """Refuse words of an upload's sink, which has none; a sign-in page's server has."""
        if self._page:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "captive_portal")


def _as_measurement(line: bytes) -> bytes:
    """Write a line of an upload's counts as ndt7 would."""
    try:
        said = json.loads(line)
        counts = {"NumBytes": said["bytes"], "ElapsedTime": said["elapsed_us"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_json") from None
    return json.dumps({"AppInfo": counts}).encode("ascii")


def open_http_flow(
    target: Target,
    address: Address,
    path: str,
    limits: Limits,
    sizes: Iterator[int] | None,
    *,
    counts: bool = False,
    congestion: str = "bbr",
) -> HttpFlow:
    """Connect for a test over plain HTTP: a download, or an upload of bodies of some sizes."""
    sock = open_connection(target, address, Deadline.after(limits.connect_s))
    try:
        if sizes is not None:
            tcp_info.prefer_congestion_control(sock, congestion)
        return HttpFlow(sock, target.authority, path, sizes, counts=counts)
    except BaseException:
        sock.close()
        raise
