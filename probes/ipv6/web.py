"""
One visit to a web site over one family: ports, TLS, the page, where it redirects.

The connection goes to an address that passed the rule, never to a name; a redirect's host is
looked up and checked in the same way, over the same family. Bytes are asked for as they are
(``identity``), and no more are read than the limit, whatever the server promises.
"""

import asyncio
import difflib
import http.client
import io
import re
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urljoin, urlsplit

from ...data.sample import Outcome
from ..address import check_address
from ..connection import client_context
from ..interface import AttemptError, Failure, failure_of, one_line
from .names import HostCache
from .pace import Pace
from .settings import Settings

MAX_HEAD_BYTES = 32_768
TRIED_ADDRESSES = 4
REDIRECTS = (301, 302, 303, 307, 308)
# RFC 8305, section 8: how long a client waits before it tries the other family.
ATTEMPT_DELAY_MS = 250.0

# What differs between two copies of one page (after Internet.nl's description).
_CHANGING = re.compile(
    rb"nonce=[\"'][^\"']{0,200}[\"']|name=[\"']?__(?:VIEWSTATE|EVENTVALIDATION)\w*[\"']?[^>]{0,100000}>"
    rb"|csrf[\w-]{0,40}[\"']?\s{0,5}(?:value|content)?[=:]\s{0,5}[\"'][^\"']{0,300}[\"']",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Visit:
    """What one family gave; `page` is the body as compared, kept only as its size."""

    family: int
    address: str | None = None
    connect_ms: dict[int, float] = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)
    tls: str | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    status: int | None = None
    url: str | None = None
    redirects: list[str] = field(default_factory=list)
    failure: Failure | None = None
    page: bytes | None = None

    @property
    def ports(self) -> frozenset[int]:
        """Give the ports that took a connection."""
        return frozenset(self.connect_ms)

    def record(self) -> dict[str, Any]:
        """Give it as what is kept; what was not measured is not there."""
        kept: dict[str, Any] = {
            "address": self.address,
            "connect_ms": {str(port): round(ms, 2) for port, ms in self.connect_ms.items()},
            "failures": {str(port): _shown(failure) for port, failure in self.failures.items()},
            "tls": self.tls,
            "tls_ms": _rounded(self.tls_ms),
            "first_byte_ms": _rounded(self.first_byte_ms),
            "status": self.status,
            "url": self.url,
            "redirects": self.redirects,
            "page_failure": _shown(self.failure) if self.failure else None,
            "page_bytes": None if self.page is None else len(self.page),
        }
        return {name: value for name, value in kept.items() if value not in (None, {}, [])}


def _shown(failure: Failure) -> str:
    return f"{failure.outcome.value}/{failure.reason}"


def _rounded(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Visits web sites; one object serves a whole audit."""

    hosts: HostCache
    settings: Settings
    pace: Pace
    context: ssl.SSLContext

    @classmethod
    def make(cls, hosts: HostCache, settings: Settings, pace: Pace) -> "Visitor":
        """Load the certificate authorities once."""
        context = client_context(settings.ca_file)
        return cls(hosts=hosts, settings=settings, pace=pace, context=context)

    async def visit(self, host: str, family: int, addresses: Sequence[str]) -> Visit:
        """Try both ports and fetch the front page over one family."""
        visit = Visit(family)
        ports = self.settings.ports
        for port in (ports.http, ports.https):
            await self._knock(visit, addresses, port)
        if not visit.ports or visit.address is None:
            return visit
        secure = ports.https in visit.ports
        url = f"{'https' if secure else 'http'}://{_authority(host)}"
        await self._fetch_within(visit, f"{url}:{ports.https if secure else ports.http}/")
        return visit

    async def fetch(self, url: str, family: int, addresses: Sequence[str]) -> Visit:
        """Connect to a URL's own port only and fetch it over one family."""
        visit = Visit(family)
        parts = urlsplit(url)
        ports = self.settings.ports
        port = parts.port or (ports.https if parts.scheme == "https" else ports.http)
        await self._knock(visit, addresses, port)
        if visit.address is not None:
            await self._fetch_within(visit, url)
        return visit

    async def _fetch_within(self, visit: Visit, url: str) -> None:
        assert visit.address is not None
        try:
            async with asyncio.timeout(self.settings.page_s):
                await self._fetch(visit, url, visit.address)
        except (AttemptError, OSError, asyncio.IncompleteReadError, ValueError) as error:
            visit.failure = _failure(error)

    async def _knock(self, visit: Visit, addresses: Sequence[str], port: int) -> None:
        for ip in addresses[:TRIED_ADDRESSES]:
            await self.pace.turn(ip)
            started = time.perf_counter()
            try:
                async with asyncio.timeout(self.settings.connect_s):
                    _, writer = await asyncio.open_connection(ip, port)
            except OSError as error:
                visit.failures[port] = failure_of(error)
                continue
            visit.connect_ms[port] = (time.perf_counter() - started) * 1000
            visit.failures.pop(port, None)
            visit.address = ip
            writer.close()
            return

    async def _fetch(self, visit: Visit, url: str, ip: str) -> None:
        """Follow a page to where it ends; the numbers are those of the first answer."""
        for _ in range(self.settings.max_redirects + 1):
            status, headers, body = await self._get(visit, url, ip)
            visit.url, visit.status = one_line(url), status
            location = headers.get("Location")
            if status not in REDIRECTS or not location:
                visit.page = body
                return
            url = urljoin(url, location.strip())
            visit.redirects.append(one_line(url))
            ip = await self._address_of(url, visit.family)
        raise AttemptError(Outcome.PROTOCOL_ERROR, "too_many_redirects")

    async def _address_of(self, url: str, family: int) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_redirect")
        try:
            literal = ip_address(parts.hostname)
        except ValueError:
            found = await self.hosts.addresses(parts.hostname, family)
            if not found.usable:
                reason = "redirect_refused" if found.refused else "redirect_without_address"
                raise AttemptError(Outcome.ADDRESS_REFUSED, reason) from None
            return found.usable[0]
        check_address(literal, allow_private=self.settings.allow_private)
        if literal.version != family:
            raise AttemptError(Outcome.ADDRESS_REFUSED, "redirect_without_address")
        return str(literal)

    async def _get(
        self, visit: Visit, url: str, ip: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        host = parts.hostname or ""
        port = parts.port or (self.settings.ports.https if secure else self.settings.ports.http)
        await self.pace.turn(ip)
        started = time.perf_counter()
        try:
            reader, writer = await asyncio.open_connection(
                ip,
                port,
                limit=MAX_HEAD_BYTES,
                ssl=self.context if secure else None,
                server_hostname=host if secure else None,
            )
        except ssl.SSLError as error:
            if visit.tls is None:
                visit.tls = failure_of(error).reason
            raise
        try:
            if secure and visit.tls is None:
                visit.tls = "good"
                visit.tls_ms = (time.perf_counter() - started) * 1000
            writer.write(_request(parts.path, parts.query, _authority(host), self.settings))
            await writer.drain()
            sent = time.perf_counter()
            head = await _head(reader)
            if visit.first_byte_ms is None:
                visit.first_byte_ms = (time.perf_counter() - sent) * 1000
            status, headers = _parse_head(head)
            body = b""
            if status not in REDIRECTS:
                body = await _body(reader, headers, self.settings.max_page_bytes)
            return status, headers, body
        finally:
            writer.close()


def _failure(error: BaseException) -> Failure:
    if isinstance(error, asyncio.IncompleteReadError):
        return Failure(outcome=Outcome.PROTOCOL_ERROR, reason="closed_early")
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return Failure(outcome=Outcome.PROTOCOL_ERROR, reason="malformed_page")
    return failure_of(error)


def _authority(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _request(path: str, query: str, authority: str, settings: Settings) -> bytes:
    target = (path or "/") + (f"?{query}" if query else "")
    # What a server wrote into a Location may not end our request line.
    target = "".join(c if "!" <= c <= "~" else f"%{ord(c) & 0xFF:02X}" for c in target)
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


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise AttemptError(Outcome.PROTOCOL_ERROR, "endless_head") from None
    except asyncio.IncompleteReadError:
        raise AttemptError(Outcome.PROTOCOL_ERROR, "closed_in_head") from None


def _parse_head(head: bytes) -> tuple[int, http.client.HTTPMessage]:
    first, _, rest = head.partition(b"\r\n")
    matched = re.match(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: |$)", first)
    if not matched:
        raise AttemptError(Outcome.PROTOCOL_ERROR, "not_http")
    try:
        return int(matched[1]), http.client.parse_headers(io.BytesIO(rest))
    except http.client.HTTPException:
        raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_headers") from None


async def _body(
    reader: asyncio.StreamReader, headers: http.client.HTTPMessage, limit: int
) -> bytes:
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

    The multiset distance of Internet.nl (difflib's quick ratio) after leaving out what changes
    from visit to visit; more than 10 is called different.
    """
    first, second = (_CHANGING.sub(b"", page).decode("latin-1") for page in (one, other))
    if first == second:
        return 0.0
    matcher = difflib.SequenceMatcher(None, first, second, autojunk=False)
    return float(round(100 * (1 - matcher.quick_ratio()), 2))


def happy_eyeballs(four: Visit, six: Visit, port: int) -> dict[str, Any]:
    """
    Say what a browser of RFC 8305 would give its user, from both families' connect times.

    `wait_ms` is the time to a connection; `lost_ms` how much of it IPv6 cost.
    """
    four_ms, six_ms = four.connect_ms.get(port), six.connect_ms.get(port)
    if six_ms is not None and (four_ms is None or six_ms <= ATTEMPT_DELAY_MS + four_ms):
        return {"family": 6, "wait_ms": round(six_ms, 2), "lost_ms": 0.0}
    if four_ms is None:
        return {"family": None}
    failure = six.failures.get(port)
    lost = 0.0
    if six_ms is not None or (failure and failure.outcome is Outcome.TIMEOUT):
        # A refusal is known at once and costs a round trip, silence costs the whole delay.
        lost = ATTEMPT_DELAY_MS
    return {"family": 4, "wait_ms": round(lost + four_ms, 2), "lost_ms": lost}
