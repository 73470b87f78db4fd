"""One host, all questions: names, web, DNS, mail, and a mark for each with its reason."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from ...data.sample import Outcome
from ..interface import AttemptError, failure_of
from .eyeballs import race
from .findings import Finding, Mark
from .judge import (
    FROM_HERE,
    judge_aaaa,
    judge_dnssec,
    judge_mail_reach,
    judge_mx,
    judge_ns,
    judge_ns_reach,
    judge_owner,
    judge_path,
    judge_race,
    judge_web,
    withdrawn,
)
from .mail import greet
from .messages import NOERROR, question_of
from .names import Addresses, HostCache, Zone, addresses_of, mail_hosts, signed, zone_of
from .ownership import own_hosts
from .pace import Pace
from .path import look_at_path
from .resolver import Connection, Resolver, Server
from .settings import Settings
from .vantage import Lookout, Vantage
from .web import Visit, Visitor


@dataclass(slots=True, kw_only=True)
class HostCheck:
    """What was found about one host; `record()` is what a sample keeps."""

    host: str
    outcome: Outcome
    reason: str
    duration_s: float
    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Give it as what is kept."""
        found = [finding.record() for finding in self.findings]
        return {"host": self.host, "findings": found, **self.facts}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examiner:
    """Checks hosts from one vantage; one object serves a whole audit."""

    resolver: Resolver
    settings: Settings
    lookout: Lookout
    hosts: HostCache
    visitor: Visitor
    pace: Pace

    @property
    def vantage(self) -> Vantage:
        """Give what was last proven of this machine's own IPv6."""
        return self.lookout.vantage

    @classmethod
    def make(cls, resolver: Resolver, settings: Settings, lookout: Lookout) -> "Examiner":
        """Make what a whole audit shares: the cache of hosts, the pace, the authorities."""
        hosts = HostCache(resolver, settings.allow_private)
        pace = Pace(settings.address_gap_s, settings.network_gap_s)
        return cls(
            resolver=resolver,
            settings=settings,
            lookout=lookout,
            hosts=hosts,
            visitor=Visitor.make(hosts, settings, pace),
            pace=pace,
        )

    async def check(self, host: str) -> HostCheck:
        """Ask everything of one host; what fails is a finding, never an error."""
        if not self.vantage.ipv6:
            await self.lookout.still_sees()
        started = time.perf_counter()
        name = host.strip().rstrip(".").lower()
        private = self.settings.allow_private
        four, six = await asyncio.gather(
            addresses_of(self.resolver, name, 4, allow_private=private),
            addresses_of(self.resolver, name, 6, allow_private=private),
        )
        check = HostCheck(host=name, outcome=Outcome.OK, reason="checked", duration_s=0.0)
        check.facts["addresses"] = {"4": four.record(), "6": six.record()}
        check.findings.append(judge_aaaa(six))
        failure = six.failure or four.failure
        if six.failure and four.failure:
            assert failure
            check.outcome, check.reason = failure.outcome, failure.reason
        if failure and failure.reason in ("nxdomain", "bad_name"):
            check.duration_s = time.perf_counter() - started
            return check
        parts = [
            question(check, name, four, six)
            for part, question in (("web", self._web), ("dns", self._dns), ("mail", self._mail))
            if part in self.settings.parts
        ]
        if self.settings.look_at_path:
            parts.append(self._path(check, six))
        await asyncio.gather(*parts)
        silent = any(
            found.mark is Mark.FAIL and found.test in FROM_HERE for found in check.findings
        )
        if silent and not await self.lookout.still_sees():
            check.findings = withdrawn(check.findings)
        check.duration_s = time.perf_counter() - started
        return check

    async def _web(self, check: HostCheck, name: str, four: Addresses, six: Addresses) -> None:
        if not six.usable and not four.usable:
            return
        over4, over6 = Visit(4), Visit(6)
        if four.usable:
            over4 = await self.visitor.visit(name, 4, four.usable)
        if six.usable and self.vantage.ipv6:
            over6 = await self.visitor.visit(name, 6, six.usable)
        check.facts["web"] = {"4": over4.record(), "6": over6.record()}
        check.findings += judge_web(four, six, over4, over6, self.vantage)
        answered = over4.ports | over6.ports
        limited = over4.limited or over6.limited
        if four.usable and six.usable and self.vantage.ipv6 and answered and not limited:
            ports = self.settings.ports
            port = ports.https if ports.https in answered else ports.http
            won = await race(six.usable, four.usable, port, self.settings, self.pace)
            check.facts["happy_eyeballs"] = won
            check.findings += judge_race(won)

    async def _path(self, check: HostCheck, six: Addresses) -> None:
        if not six.usable:
            return
        if not self.vantage.ipv6:
            check.findings.append(Finding("path", Mark.UNKNOWN, "vantage_without_ipv6"))
            return
        seen = await asyncio.to_thread(
            look_at_path,
            six.usable[0],
            port=self.settings.ports.https,
            allow_private=self.settings.allow_private,
        )
        check.findings.append(judge_path(seen))

    async def _dns(self, check: HostCheck, name: str, four: Addresses, six: Addresses) -> None:
        try:
            zone = await zone_of(self.resolver, name)
        except (AttemptError, OSError) as error:
            reason = failure_of(error).reason
            mark = Mark.FAIL if reason == "bogus" else Mark.UNKNOWN
            check.findings.append(Finding("ns_aaaa", mark, reason))
            check.findings.append(self._dnssec(reason, authentic=False))
            return
        if zone is None:
            check.findings.append(Finding("ns_aaaa", Mark.UNKNOWN, "no_zone"))
            return
        six_of = await asyncio.gather(*(self.hosts.addresses(ns, 6) for ns in zone.servers))
        with_six = {
            ns: found.usable for ns, found in zip(zone.servers, six_of, strict=True) if found.usable
        }
        own = own_hosts(name, zone.name, zone.servers)
        check.findings += (judge_ns(zone, with_six), judge_owner(own, zone.servers))
        facts: dict[str, Any] = {"zone": zone.name, "servers": list(zone.servers), "own": own}
        if with_six:
            facts["over_ipv6"] = answered = await self._ask_servers(zone, with_six)
            check.findings.append(judge_ns_reach(answered, self.vantage))
        unasked = {"ds": False, "dnskey": False}
        try:
            facts |= await signed(self.resolver, zone.name)
        except (AttemptError, OSError):
            facts |= unasked
        failed = [found.failure.reason for found in (four, six) if found.failure]
        answered_ok = [found for found in (four, six) if not found.failure]
        check.findings.append(
            self._dnssec(
                "bogus" if "bogus" in failed else None,
                authentic=bool(answered_ok) and all(found.authentic for found in answered_ok),
            )
        )
        check.facts["dns"] = facts

    def _dnssec(self, failed: str | None, *, authentic: bool) -> Finding:
        validates = self.vantage.validates or self.resolver.validates
        return judge_dnssec(failed, authentic=authentic, validates=validates)

    async def _ask_servers(
        self, zone: Zone, with_six: dict[str, tuple[str, ...]]
    ) -> dict[str, dict[str, str]]:
        if not self.vantage.ipv6:
            return {}
        said = await asyncio.gather(
            *(self._ask_server(zone.name, addresses[0]) for addresses in with_six.values())
        )
        return dict(zip(with_six, said, strict=True))

    async def _ask_server(self, zone: str, ip: str) -> dict[str, str]:
        """Ask one name server for the zone's SOA, over UDP and over TCP."""
        question = question_of(zone, "SOA")
        said: dict[str, str] = {"address": ip}
        await self.pace.turn(ip)
        try:
            async with Connection(Server(ip, self.settings.ports.dns), sockets=1) as server:
                for way, ask in (("udp", server.ask_udp), ("tcp", server.ask_tcp)):
                    try:
                        answer = await ask(question, timeout_s=self.settings.dns_s, unchecked=False)
                        ok = answer.rcode == NOERROR
                        said[way] = "ok" if ok else f"rcode_{answer.rcode}"
                    except (AttemptError, OSError) as error:
                        said[way] = failure_of(error).reason
        except OSError as error:
            said["udp"] = said["tcp"] = failure_of(error).reason
        return said

    async def _mail(self, check: HostCheck, name: str, four: Addresses, six: Addresses) -> None:
        domain = name.removeprefix("www.")
        try:
            found = await mail_hosts(self.resolver, domain)
        except (AttemptError, OSError) as error:
            reason = failure_of(error).reason
            if reason == "nxdomain":
                check.findings.append(Finding("mx_aaaa", Mark.NOT_APPLICABLE, "no_mx"))
            else:
                check.findings.append(Finding("mx_aaaa", Mark.UNKNOWN, reason))
            return
        if not found.hosts:
            mark = Mark.GOOD if found.null else Mark.NOT_APPLICABLE
            reason = "null_mx" if found.null else "no_mx"
            check.findings.append(Finding("mx_aaaa", mark, reason))
            return
        six_of = await asyncio.gather(*(self.hosts.addresses(mx, 6) for mx in found.hosts))
        with_six = {
            mx: got.usable for mx, got in zip(found.hosts, six_of, strict=True) if got.usable
        }
        facts: dict[str, Any] = {"domain": domain, "hosts": list(found.hosts)}
        facts["with_aaaa"] = list(with_six)
        check.findings.append(judge_mx(found.hosts, with_six))
        if with_six:
            said: dict[str, dict[str, Any]] = {}
            if self.vantage.ipv6:
                answers = await asyncio.gather(
                    *(greet(ips, self.settings, self.pace) for ips in with_six.values())
                )
                said = dict(zip(with_six, answers, strict=True))
                facts["over_ipv6"] = said
            check.findings.append(judge_mail_reach(said, len(found.hosts), self.vantage))
        check.facts["mail"] = facts
