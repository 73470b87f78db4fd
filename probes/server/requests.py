"""Read what a client asks for, and refuse what cannot be understood."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from ..engines.websocket import parse_head
from ..interface import AttemptError

MAX_QUERY_BYTES = 4096
MAX_BODY_BYTES = 1 << 62
_HOST = re.compile(r"[A-Za-z0-9._~\-:\[\]]{1,255}")
_REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    426: "Upgrade Required",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """
    A request's head.

    `body_bytes` is None for a body in chunks, 0 where there is none.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body_bytes: int | None

    @property
    def host(self) -> str:
        """Give the name under which the client knows us."""
        return self.headers["host"]

    @property
    def keeps_alive(self) -> bool:
        """Tell whether the client may ask again on this connection."""
        words = self.headers.get("connection", "").lower().split(",")
        return "close" not in (word.strip() for word in words)


class RefusedError(Exception):
    """A request that gets an HTTP status instead of what it asked for."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A short answer, whole in memory."""

    status: int = 200
    body: bytes = b""
    kind: str = "text/plain"
    headers: dict[str, str] = field(default_factory=dict)

    def bytes(self, *, keep: bool) -> bytes:
        """Give it as it goes out; without `keep` the connection closes after it."""
        body = self.body
        if self.status not in (200, 204) and not body:
            body = f"{self.status} {_REASONS[self.status]}\n".encode()
        return head_bytes(self.status, self.kind, len(body), self.headers, keep=keep) + body


def head_bytes(
    status: int, kind: str, length: int | None, headers: dict[str, str], *, keep: bool
) -> bytes:
    """Give an answer's head; a body without a length ends with the connection."""
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", f"Content-Type: {kind}"]
    if length is not None and status != 204:
        lines.append(f"Content-Length: {length}")
    lines += [
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        f"Connection: {'keep-alive' if keep else 'close'}",
    ]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def read_request(head: bytes) -> Request:
    """
    Understand a request's head.

    Raises
    ------
    RefusedError
        With the status to answer.
    """
    try:
        first, headers = parse_head(head)
    except AttemptError:
        raise RefusedError(400) from None
    words = first.split(" ")
    if len(words) != 3 or words[2] != "HTTP/1.1" or not _HOST.fullmatch(headers.get("host", "")):
        raise RefusedError(400)
    try:
        parts = urlsplit(words[1])
    except ValueError:
        raise RefusedError(400) from None
    return Request(
        method=words[0],
        path=parts.path,
        query=_query(parts.query),
        headers=headers,
        body_bytes=_body_bytes(headers),
    )


def _query(query: str) -> dict[str, str]:
    """Read what stands behind the question mark: bounded, no key twice, none empty."""
    if len(query) > MAX_QUERY_BYTES:
        raise RefusedError(400)
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=100
        )
    except ValueError:
        raise RefusedError(400) from None
    found = dict(pairs)
    if len(found) != len(pairs) or "" in found:
        raise RefusedError(400)
    return found


def _body_bytes(headers: dict[str, str]) -> int | None:
    """Say how a body is delimited; two ways at once are how requests are smuggled."""
    coding = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if coding is not None:
        if length is not None or coding.lower() != "chunked":
            raise RefusedError(400)
        return None
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit()) or len(length) > 19:
        raise RefusedError(400)
    if int(length) > MAX_BODY_BYTES:
        raise RefusedError(400)
    return int(length)
