"""Read what a client asks for, and refuse everything that is not a test."""

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from ...data.sample import Outcome
from ..echo import OFFER_PATH
from ..engines.ndt7 import SUBPROTOCOL
from ..engines.websocket import asks_upgrade, parse_head
from ..interface import AttemptError

MAX_QUERY_BYTES = 4096
EARLY_EXIT_MB = 250
_TESTS = {"/ndt/v7/download": "download", "/ndt/v7/upload": "upload"}
_REASONS = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    426: "Upgrade Required",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for: `download`, `upload` or `echo`, and the key to answer with."""

    wants: str
    key: str = ""
    max_bytes: int | None = None


class RefusedError(Exception):
    """A request that gets an HTTP status instead of a test."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


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
    if len(words) != 3 or words[2] != "HTTP/1.1" or "host" not in headers:
        raise RefusedError(400)
    if words[0] != "GET":
        raise RefusedError(405)
    try:
        parts = urlsplit(words[1])
    except ValueError:
        raise RefusedError(400) from None
    if parts.path == OFFER_PATH:
        return Request("echo")
    wants = _TESTS.get(parts.path)
    if wants is None:
        raise RefusedError(404)
    max_bytes = _early_exit(parts.query)
    return Request(wants, _websocket_key(headers), max_bytes)


def _websocket_key(headers: dict[str, str]) -> str:
    if headers.get("sec-websocket-version") != "13" or not asks_upgrade(headers):
        raise RefusedError(426)
    offered = [word.strip() for word in headers.get("sec-websocket-protocol", "").split(",")]
    key = headers.get("sec-websocket-key", "")
    try:
        usable = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        usable = False
    if SUBPROTOCOL not in offered or not usable:
        raise RefusedError(400)
    return key


def _early_exit(query: str) -> int | None:
    """Read the metadata: bounded, no key twice, none empty; only `early_exit` means anything."""
    if len(query) > MAX_QUERY_BYTES:
        raise RefusedError(400)
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=100
        )
    except ValueError:
        raise RefusedError(400) from None
    metadata = dict(pairs)
    if len(metadata) != len(pairs) or "" in metadata:
        raise RefusedError(400)
    wanted = metadata.get("early_exit")
    if wanted is None:
        return None
    if wanted != str(EARLY_EXIT_MB):
        raise RefusedError(400)
    return EARLY_EXIT_MB * 1_000_000


def plain_answer(status: int, body: bytes = b"", kind: str = "text/plain") -> bytes:
    """Give an HTTP answer after which the connection closes."""
    reason = "OK" if status == 200 else _REASONS.get(status, "Error")
    body = body or f"{status} {reason}\n".encode()
    head = (
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def describe(error: AttemptError) -> str:
    """Give a short name of how a client broke the protocol."""
    return error.reason if error.outcome is Outcome.PROTOCOL_ERROR else error.outcome.value
