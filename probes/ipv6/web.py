"""
One visit to a web site over one family: ports, TLS, the page, where it redirects.

The connection goes to an address that passed the rule, never to a name; a redirect's host is
looked up and checked in the same way, over the same family. A server that asks to be left alone
is, and the page is asked for once more if it asked for a short while only.
"""

import asyncio
import http.client
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import urljoin, urlsplit

from ...data.sample import Outcome
from ..address import check_address
from ..connection import client_context
from ..interface import AttemptError, Failure, failure_of, one_line
from .names import HostCache
from .pace import Pace
from .pages import (
    MAX_HEAD_BYTES,
    authority_of,
    parse_head,
    read_body,
    read_head,
    request_for,
    retry_after_s,
)
from .robots import Robots
from .settings import Settings

TRIED_ADDRESSES = 4
REDIRECTS = (301, 302, 303, 307, 308)
LIMITED = "rate_limited"


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
    def limited(self) -> bool:
        """Tell whether the server asked to be left alone."""
        failures = (*self.failures.values(), *filter(None, (self.failure,)))
        return any(failure.reason == LIMITED for failure in failures)

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
    robots: Robots = field(default_factory=Robots)

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
        url = f"{'https' if secure else 'http'}://{authority_of(host)}"
        await self._fetch(visit, f"{url}:{ports.https if secure else ports.http}/", visit.address)
        return visit

    async def fetch(self, url: str, family: int, addresses: Sequence[str]) -> Visit:
        """Connect to a URL's own port only and fetch it over one family."""
        visit = Visit(family)
        await self._knock(visit, addresses, self._port(url))
        if visit.address is not None:
            await self._fetch(visit, url, visit.address)
        return visit

    async def _knock(self, visit: Visit, addresses: Sequence[str], port: int) -> None:
        for ip in addresses[:TRIED_ADDRESSES]:
            try:
                await self._turn(ip)
                started = time.perf_counter()
                async with asyncio.timeout(self.settings.connect_s):
                    _, writer = await asyncio.open_connection(ip, port)
            except (AttemptError, OSError) as error:
                visit.failures[port] = failure_of(error)
                continue
            visit.connect_ms[port] = (time.perf_counter() - started) * 1000
            visit.failures.pop(port, None)
            visit.address = ip
            writer.close()
            return

    async def _turn(self, ip: str) -> None:
        """Wait until a server may be asked; one that wants to be left alone for long is."""
        held_s = self.pace.held_s(ip)
        if held_s > self.settings.patience_s:
            raise AttemptError(Outcome.SERVER_ERROR, LIMITED, retry_after_s=round(held_s))
        await asyncio.sleep(held_s)
        await self.pace.turn(ip)

    async def _fetch(self, visit: Visit, url: str, ip: str) -> None:
        """Follow a page to where it ends, twice if the server asked to come back soon."""
        for _ in range(2):
            visit.failure = None
            visit.redirects.clear()
            try:
                await self._follow(visit, url, ip)
            except (AttemptError, OSError, EOFError, ValueError) as error:
                visit.failure = _failure(error)
            if visit.failure is None or visit.failure.reason != LIMITED:
                return

    async def _follow(self, visit: Visit, url: str, ip: str) -> None:
        for _ in range(self.settings.max_redirects + 1):
            if not await self.robots.allow(url, partial(self._robots, ip)):
                raise AttemptError(Outcome.REFUSED, "robots_forbid")
            status, headers, body = await self._get(visit, url, ip)
            visit.url, visit.status = one_line(url), status
            wanted_s = retry_after_s(headers.get("Retry-After"))
            if status == 429 or (status == 503 and wanted_s is not None):
                self.pace.hold(ip, self.settings.patience_s if wanted_s is None else wanted_s)
                raise AttemptError(Outcome.SERVER_ERROR, LIMITED, retry_after_s=wanted_s)
            location = headers.get("Location")
            if status not in REDIRECTS or not location:
                visit.page = body
                return
            url = urljoin(url, location.strip())
            visit.redirects.append(one_line(url))
            ip = await self._address_of(url, visit.family)
        raise AttemptError(Outcome.PROTOCOL_ERROR, "too_many_redirects")

    async def _robots(self, ip: str, url: str) -> tuple[int, bytes]:
        # A visit of its own: its times are not those of the page.
        status, _, body = await self._get(Visit(ip_address(ip).version), url, ip)
        return status, body

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
        """Ask for one page; waiting for a turn is not part of its deadline or its times."""
        await self._turn(ip)
        async with asyncio.timeout(self.settings.page_s):
            reader, writer = await self._connect(visit, url, ip)
            try:
                parts = urlsplit(url)
                authority = authority_of(parts.hostname or "")
                writer.write(request_for(parts.path, parts.query, authority, self.settings))
                await writer.drain()
                sent = time.perf_counter()
                head = await read_head(reader)
                if visit.first_byte_ms is None:
                    visit.first_byte_ms = (time.perf_counter() - sent) * 1000
                status, headers = parse_head(head)
                body = b""
                if status not in REDIRECTS:
                    body = await read_body(reader, headers, self.settings.max_page_bytes)
                return status, headers, body
            finally:
                writer.close()

    async def _connect(
        self, visit: Visit, url: str, ip: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        started = time.perf_counter()
        try:
            reader, writer = await asyncio.open_connection(
                ip,
                self._port(url),
                limit=MAX_HEAD_BYTES,
                ssl=self.context if secure else None,
                server_hostname=parts.hostname if secure else None,
            )
        except ssl.SSLError as error:
            visit.tls = visit.tls or failure_of(error).reason
            raise
        if secure and visit.tls is None:
            visit.tls = "good"
            visit.tls_ms = (time.perf_counter() - started) * 1000
        return reader, writer

    def _port(self, url: str) -> int:
        parts = urlsplit(url)
        ports = self.settings.ports
        return parts.port or (ports.https if parts.scheme == "https" else ports.http)


def _failure(error: BaseException) -> Failure:
    if isinstance(error, EOFError):
        return Failure(outcome=Outcome.PROTOCOL_ERROR, reason="closed_early")
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return Failure(outcome=Outcome.PROTOCOL_ERROR, reason="malformed_page")
    return failure_of(error)
