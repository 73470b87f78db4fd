"""
HTTP as one visit speaks it: a request, its answer within limits, how far two pages are apart.

Bytes are asked for as they are (``identity``), and no more are read than the limit, whatever the
server promises.
"""

import asyncio
import http.client
import io
import re
from collections import Counter
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote

from ...data.sample import Outcome
from ..interface import AttemptError
from .settings import Settings

MAX_HEAD_BYTES = 32_768
_PRINTABLE = "".join(map(chr, range(ord("!"), ord("~") + 1)))

# What differs between two copies of one page (after Internet.nl's description).
_CHANGING = re.compile(
    rb"nonce=[\"'][^\"']{0,200}[\"']|name=[\"']?__(?:VIEWSTATE|EVENTVALIDATION)\w*[\"']?[^>]{0,100000}>"
    rb"|csrf[\w-]{0,40}[\"']?\s{0,5}(?:value|content)?[=:]\s{0,5}[\"'][^\"']{0,300}[\"']",
    re.IGNORECASE,
)


def authority_of(host: str) -> str:
    """Give a host as a URL and a Host header write it."""
    return f"[{host}]" if ":" in host else host


def request_for(path: str, query: str, authority: str, settings: Settings) -> bytes:
    """Give the request for one page: who asks, and that the answer ends the connection."""
    target = (path or "/") + (f"?{query}" if query else "")
    # What a server wrote into a Location may not end our request line.
    target = quote(target, safe=_PRINTABLE)
    lines = (
        f"GET {target} HTTP/1.1",
        f"Host: {authority.encode('idna').decode('ascii') if ':' not in authority else authority}",
        f"User-Agent: {settings.user_agent}",
        "Accept: text/html,*/*;q=0.5",
        "Accept-Encoding: identity",
        "Connection: close",
        "",
        "",
    )
    return "\r\n".join(lines).encode("ascii")


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """Read up to the empty line, no more than the stream's limit."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise AttemptError(Outcome.PROTOCOL_ERROR, "endless_head") from None
    except asyncio.IncompleteReadError:
        raise AttemptError(Outcome.PROTOCOL_ERROR, "closed_in_head") from None


def parse_head(head: bytes) -> tuple[int, http.client.HTTPMessage]:
    """Give the status and the headers."""
    first, _, rest = head.partition(b"\r\n")
    matched = re.match(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: |$)", first)
    if not matched:
        raise AttemptError(Outcome.PROTOCOL_ERROR, "not_http")
    try:
        return int(matched[1]), http.client.parse_headers(io.BytesIO(rest))
    except http.client.HTTPException:
        raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_headers") from None


async def read_body(
    reader: asyncio.StreamReader, headers: http.client.HTTPMessage, limit: int
) -> bytes:
    """Read a page, whole or in chunks, up to the limit."""
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        body = bytearray()
        while len(body) < limit:
            line = (await reader.readuntil(b"\r\n")).split(b";")[0].strip()
            if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", line):
                raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_chunk")
            size = int(line, 16)
            if size == 0:
                break
            body += await _read(reader, min(size, limit - len(body)))
            if len(body) < limit:
                await reader.readexactly(2)
        return bytes(body)
    length = headers.get("Content-Length", "")
    promised = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else limit
    return await _read(reader, min(promised, limit))


async def _read(reader: asyncio.StreamReader, size: int) -> bytes:
    body = bytearray()
    while len(body) < size:
        chunk = await reader.read(min(65_536, size - len(body)))
        if not chunk:
            break
        body += chunk
    return bytes(body)


def content_distance(one: bytes, other: bytes) -> float:
    """
    Give how far two pages are apart: 0 the same bytes, 100 none in common.

    The multiset distance of Internet.nl (difflib's quick ratio over bytes) after leaving out
    what changes from visit to visit; more than 10 is called different.
    """
    first, second = (_CHANGING.sub(b"", page) for page in (one, other))
    if first == second:
        return 0.0
    common = (Counter(first) & Counter(second)).total()
    return round(100 * (1 - 2 * common / (len(first) + len(second))), 2)


def retry_after_s(text: str | None, now: datetime | None = None) -> float | None:
    """Read a Retry-After header (RFC 9110, 10.2.3): seconds, or a moment; None is neither."""
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
