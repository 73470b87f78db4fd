"""
Vantage first: does this machine have working IPv6, and does its resolver check DNSSEC.

Without working IPv6 nothing may be said about who can be reached over it: a machine that has
none would find the whole country dead.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from ...data.errors import ConfigError
from ...data.sample import Outcome
from ..address import check_address
from ..interface import AttemptError, failure_of, one_line
from .names import addresses_of
from .resolver import Resolver
from .settings import Settings

# Sites whose IPv6 has been up for years, run by three parties; only asked when an audit begins.
REFERENCES = ("www.google.com:443", "www.cloudflare.com:443", "www.kame.net:80")


@dataclass(frozen=True, slots=True)
class Vantage:
    """Where we look from: what each reference said over IPv6; the resolver's honesty."""

    ipv6: bool
    validates: bool
    references: dict[str, str]

    def record(self) -> dict[str, Any]:
        """Give it as what is kept."""
        return {
            "ipv6": self.ipv6,
            "validates": self.validates,
            "references": dict(self.references),
        }


def parse_reference(text: str) -> tuple[str, int]:
    """
    Read ``host:port``, ``host`` (port 443), ``[address]:port``.

    Raises
    ------
    ConfigError
        If it is anything else.
    """
    host, port = text, "443"
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ConfigError(
            "{text} is no reference; write host:port or [address]:port", text=one_line(text)
        )
    return host, int(port)


async def prove_vantage(
    resolver: Resolver,
    settings: Settings,
    references: Sequence[str] = REFERENCES,
    *,
    signed_name: str = ".",
) -> Vantage:
    """
    Connect to the references over IPv6; one that answers is enough.

    `signed_name` is a name that a validating resolver calls authentic.
    """
    parsed = [parse_reference(text) for text in references]
    said = await asyncio.gather(*(_try(resolver, settings, *place) for place in parsed))
    if not resolver.validates:
        with suppress(AttemptError):
            await resolver.ask(signed_name, "SOA")
    return Vantage(
        ipv6=any(text.startswith("ok") for text in said),
        validates=resolver.validates,
        references=dict(zip(references, said, strict=True)),
    )


PROOF_HOLDS_S = 60.0


@dataclass(slots=True)
class Lookout:
    """
    Keeps the proof fresh while an audit runs.

    IPv6 that fails at noon would make everybody dead from noon on: whoever seems silent is only
    called so if a reference answered within the last minute, before or after.
    """

    vantage: Vantage
    prove: Callable[[], Awaitable[Vantage]]
    _proven_at: float = field(default_factory=time.monotonic)
    _proving: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def still_sees(self) -> bool:
        """Tell whether this machine still has working IPv6."""
        async with self._proving:
            if time.monotonic() - self._proven_at > PROOF_HOLDS_S:
                self.vantage = await self.prove()
                self._proven_at = time.monotonic()
            return self.vantage.ipv6


async def _try(resolver: Resolver, settings: Settings, host: str, port: int) -> str:
    try:
        try:
            ips: tuple[str, ...] = (str(ip_address(host)),)
            check_address(ips[0], allow_private=settings.allow_private)
            if ip_address(ips[0]).version != 6:
                raise AttemptError(Outcome.ADDRESS_REFUSED, "not_ipv6")
        except ValueError:
            found = await addresses_of(resolver, host, 6, allow_private=settings.allow_private)
            if not found.usable:
                return found.failure.reason if found.failure else "no_aaaa"
            ips = found.usable
        started = time.perf_counter()
        async with asyncio.timeout(settings.connect_s):
            _, writer = await asyncio.open_connection(ips[0], port)
        writer.close()
        return f"ok {(time.perf_counter() - started) * 1000:.1f} ms"
    except (AttemptError, OSError) as error:
        return failure_of(error).reason
