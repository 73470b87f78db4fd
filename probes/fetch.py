"""
Fetch one small thing over HTTP: an offer, a receipt, a list of servers.

The body is bounded before it is read, is never decompressed, and a redirect is never followed.
"""

from dataclasses import dataclass

from ..data.sample import Outcome
from .connection import Deadline, open_connection, read_head, receive_some, send_all
from .engines.ndt7 import USER_AGENT
from .engines.websocket import parse_head, status_of
from .interface import Address, AttemptError, Limits, Target

_CHUNK_LINE_BYTES = 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: status, headers by their lower-case names, body."""

    status: int
    headers: dict[str, str]
    body: bytes


def fetch(
    target: Target, address: Address, path: str, limits: Limits, *, max_bytes: int = 4096
) -> Fetched:
    """
    Ask a checked address for a path.

    Raises
    ------
    AttemptError
        If it is no HTTP, or longer than it may be (`endless_body`), or compressed.
    OSError
        If the connection fails, or the answer is not there in time.
    """
    deadline = Deadline.after(limits.connect_s + limits.handshake_s)
    with open_connection(target, address, Deadline.after(limits.connect_s)) as sock:
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {target.authority}\r\nUser-Agent: {USER_AGENT}\r\n"
            "Accept: application/json\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
        )
        send_all(sock, request.encode("ascii"), deadline)
        head, body = read_head(sock, deadline)
        status = status_of(head)
        _, headers = parse_head(head)
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise AttemptError(Outcome.PROTOCOL_ERROR, "compressed")
        chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        length = headers.get("content-length", "")
        known = int(length[:12]) if length.isascii() and length.isdigit() else None
        if known is not None and known > max_bytes:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "endless_body")
        while chunked or known is None or len(body) < known:
            chunk = receive_some(sock, 4096, deadline)
            if not chunk:
                break
            body += chunk
            if len(body) > 2 * max_bytes:
                raise AttemptError(Outcome.PROTOCOL_ERROR, "endless_body")
    if known is not None and len(body) < known:
        raise AttemptError(Outcome.PROTOCOL_ERROR, "closed_early")
    return Fetched(status, headers, _joined(body) if chunked else body[:known])


def _joined(body: bytes) -> bytes:
    """Take a body in chunks (RFC 9112, 7.1) apart."""
    whole = b""
    while body:
        line, end, body = body.partition(b"\r\n")
        size = line.split(b";")[0].strip()
        if not end or not size or len(size) > _CHUNK_LINE_BYTES:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_chunk")
        if size.translate(None, b"0123456789abcdefABCDEF"):
            raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_chunk")
        count = int(size, 16)
        if count == 0:
            return whole
        if len(body) < count + 2:
            break
        whole, body = whole + body[:count], body[count + 2 :]
    raise AttemptError(Outcome.PROTOCOL_ERROR, "closed_early")
