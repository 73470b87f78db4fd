"""
From a name to what may be connected to.

CNAMEs are followed by us and not only by the resolver, so that a loop, a long chain and a
bogus signature are told apart. Every address meets the one address rule (`probes/address.py`);
of a name with more than `MAX_ADDRESSES`, the rest is left out and counted.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from ...data.sample import Outcome
from ..address import MAX_ADDRESSES, check_address
from ..interface import AttemptError, Failure, failure_of
from .messages import NOERROR, NXDOMAIN, SERVFAIL, Answer, Record
from .resolver import Resolver

MAX_CHAIN = 16
MAX_HOSTS = 16
MAX_CACHED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a name and type lead to: the records, over which names, and the resolver's AD bit."""

    records: tuple[Record, ...]
    chain: tuple[str, ...]
    authentic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """A name's addresses of one family: those that passed the rule, and those that did not."""

    usable: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    left_out: int = 0
    chain: tuple[str, ...] = ()
    authentic: bool = False
    failure: Failure | None = None

    @property
    def published(self) -> bool:
        """Tell whether the name has any record of this family, good or bad."""
        return bool(self.usable or self.refused)

    def record(self) -> dict[str, Any]:
        """Give it as what is kept."""
        kept: dict[str, Any] = {"usable": list(self.usable)}
        if self.refused:
            kept["refused"] = list(self.refused)
        if self.left_out:
            kept["left_out"] = self.left_out
        if self.chain:
            kept["chain"] = list(self.chain)
        if self.failure:
            kept["failure"] = self.failure.reason
        return kept


async def follow(resolver: Resolver, name: str, kind: str) -> Found:
    """
    Give a name's records of a type, through CNAMEs.

    Raises
    ------
    AttemptError
        With reason nxdomain, bogus, servfail, cname_loop, cname_chain_too_long, or as
        `Resolver.ask` does.
    """
    chain = [name.rstrip(".").lower()]
    authentic = True
    while True:
        answer = await resolver.ask(chain[-1], kind)
        await _check_code(resolver, answer, chain[-1], kind)
        authentic = authentic and answer.authentic
        aliases = {r.owner: r.value for r in answer.records if r.kind == "CNAME"}
        asked = chain[-1]
        while chain[-1] in aliases:
            target = aliases[chain[-1]]
            if target in chain:
                raise AttemptError(Outcome.DNS_FAILURE, "cname_loop", chain=chain[:MAX_CHAIN])
            chain.append(target)
            if len(chain) > MAX_CHAIN:
                raise AttemptError(
                    Outcome.DNS_FAILURE, "cname_chain_too_long", chain=chain[:MAX_CHAIN]
                )
        records = tuple(r for r in answer.records if r.kind == kind and r.owner == chain[-1])
        if records or chain[-1] == asked or answer.recursive:
            return Found(records=records, chain=tuple(chain[1:]), authentic=authentic)


async def _check_code(resolver: Resolver, answer: Answer, name: str, kind: str) -> None:
    if answer.rcode == NOERROR:
        return
    if answer.rcode == NXDOMAIN:
        raise AttemptError(Outcome.DNS_FAILURE, "nxdomain", name=name)
    if answer.rcode == SERVFAIL:
        unchecked = await resolver.ask(name, kind, unchecked=True)
        if unchecked.rcode in (NOERROR, NXDOMAIN):
            resolver.validates = True
            raise AttemptError(Outcome.DNS_FAILURE, "bogus", name=name)
        raise AttemptError(Outcome.DNS_FAILURE, "servfail", name=name)
    raise AttemptError(Outcome.DNS_FAILURE, "dns_refused", name=name, rcode=answer.rcode)


async def addresses_of(
    resolver: Resolver, name: str, family: int, *, allow_private: bool
) -> Addresses:
    """Give a name's addresses of a family; what stopped it is in `failure`."""
    try:
        found = await follow(resolver, name, "AAAA" if family == 6 else "A")
    except (AttemptError, OSError) as error:
        return Addresses(failure=failure_of(error))
    usable: list[str] = []
    refused: list[str] = []
    texts = list(dict.fromkeys(record.value for record in found.records))
    for text in texts[:MAX_ADDRESSES]:
        try:
            check_address(text, allow_private=allow_private)
        except AttemptError:
            refused.append(text)
        else:
            usable.append(text)
    return Addresses(
        usable=tuple(usable),
        refused=tuple(refused),
        left_out=max(0, len(texts) - MAX_ADDRESSES),
        chain=found.chain,
        authentic=found.authentic,
    )


@dataclass(slots=True)
class HostCache:
    """
    Addresses of name servers and mail hosts, which thousands of domains share.

    Keeps the newest `MAX_CACHED`; two questions for one name at a time become one.
    """

    resolver: Resolver
    allow_private: bool
    _known: dict[tuple[str, int], "asyncio.Task[Addresses]"] = field(default_factory=dict)

    async def addresses(self, name: str, family: int) -> Addresses:
        """Give the addresses of a name, asked at most once."""
        key = (name, family)
        task = self._known.get(key)
        if task is None:
            task = asyncio.create_task(
                addresses_of(self.resolver, name, family, allow_private=self.allow_private)
            )
            self._known[key] = task
            while len(self._known) > MAX_CACHED:
                del self._known[next(iter(self._known))]
        return await asyncio.shield(task)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """The zone that a host lives in and its name servers."""

    name: str
    servers: tuple[str, ...]


async def zone_of(resolver: Resolver, host: str) -> Zone | None:
    """Give the nearest zone at or above a host, by its NS records; None where none is found."""
    labels = host.rstrip(".").lower().split(".")
    for start in range(min(len(labels), 6)):
        name = ".".join(labels[start:])
        try:
            found = await follow(resolver, name, "NS")
        except AttemptError as error:
            if error.reason != "nxdomain":
                raise
            continue
        own = [record.value for record in found.records if record.owner == name]
        if own:
            return Zone(name=name, servers=tuple(sorted(set(own)))[:MAX_HOSTS])
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailHosts:
    """Who takes a domain's mail: no MX at all, a null MX (RFC 7505), or hosts by preference."""

    null: bool = False
    hosts: tuple[str, ...] = ()


async def mail_hosts(resolver: Resolver, domain: str) -> MailHosts:
    """Give the mail hosts of a domain."""
    found = await follow(resolver, domain, "MX")
    ordered = sorted(found.records, key=lambda record: (record.preference or 0, record.value))
    hosts = tuple(dict.fromkeys(record.value for record in ordered if record.value != "."))
    return MailHosts(null=bool(ordered) and not hosts, hosts=hosts[:MAX_HOSTS])


async def signed(resolver: Resolver, zone: str) -> dict[str, bool]:
    """Tell whether a zone has keys, and its parent a digest of one."""
    answers = await asyncio.gather(resolver.ask(zone, "DS"), resolver.ask(zone, "DNSKEY"))
    return {
        kind: any(record.kind == kind.upper() for record in answer.records)
        for kind, answer in zip(("ds", "dnskey"), answers, strict=True)
    }
