"""One host, all questions: names, web, DNS, mail, and a mark for each with its reason."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from ...data.sample import Outcome
from ..interface import AttemptError, failure_of
from .findings import Finding, Mark
from .mail import greet
from .messages import NOERROR, question_of
from .names import Addresses, HostCache, Zone, addresses_of, mail_hosts, signed, zone_of
from .pace import Pace
from .resolver import Connection, Resolver, Server
from .settings import Settings
from .vantage import Vantage
from .web import Visit, Visitor, content_distance, happy_eyeballs

DIFFERENT = 10.0


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
    vantage: Vantage
    hosts: HostCache
    visitor: Visitor
    pace: Pace

    @classmethod
    def make(cls, resolver: Resolver, settings: Settings, vantage: Vantage) -> "Examiner":
        """Make what a whole audit shares: the cache of hosts, the pace, the authorities."""
        hosts = HostCache(resolver, settings.allow_private)
        pace = Pace(settings.address_gap_s, settings.network_gap_s)
        return cls(
            resolver=resolver,
            settings=settings,
            vantage=vantage,
            hosts=hosts,
            visitor=Visitor.make(hosts, settings, pace),
            pace=pace,
        )

    async def check(self, host: str) -> HostCheck:
        """Ask everything of one host; what fails is a finding, never an error."""
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
        await asyncio.gather(*parts)
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
        check.findings += judge_web(four, six, over4, over6, self.vantage, self.settings)
        if four.usable and six.usable and self.vantage.ipv6:
            port = self.settings.ports.https
            if not (over4.ports | over6.ports) & {port}:
                port = self.settings.ports.http
            check.facts["happy_eyeballs"] = happy_eyeballs(over4, over6, port)

    async def _dns(self, check: HostCheck, name: str, four: Addresses, six: Addresses) -> None:
        try:
            zone = await zone_of(self.resolver, name)
        except (AttemptError, OSError) as error:
            reason = failure_of(error).reason
            mark = Mark.FAIL if reason == "bogus" else Mark.UNKNOWN
            check.findings.append(Finding("ns_aaaa", mark, reason))
            check.findings.append(self._judge_dnssec(reason, authentic=False))
            return
        if zone is None:
            check.findings.append(Finding("ns_aaaa", Mark.UNKNOWN, "no_zone"))
            return
        six_of = await asyncio.gather(*(self.hosts.addresses(ns, 6) for ns in zone.servers))
        with_six = {
            ns: found.usable for ns, found in zip(zone.servers, six_of, strict=True) if found.usable
        }
        check.findings.append(judge_ns(zone, with_six))
        facts: dict[str, Any] = {
            "zone": zone.name,
            "servers": list(zone.servers),
            "own": [ns for ns in zone.servers if ns.endswith(f".{zone.name}")],
        }
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
            self._judge_dnssec(
                "bogus" if "bogus" in failed else None,
                authentic=bool(answered_ok) and all(found.authentic for found in answered_ok),
            )
        )
        check.facts["dns"] = facts

    def _judge_dnssec(self, failed: str | None, *, authentic: bool) -> Finding:
        if failed == "bogus":
            return Finding("dnssec", Mark.FAIL, "bogus")
        if authentic:
            return Finding("dnssec", Mark.GOOD, "secure")
        if failed is None and (self.vantage.validates or self.resolver.validates):
            return Finding("dnssec", Mark.NOTICE, "insecure")
        return Finding("dnssec", Mark.UNKNOWN, "undetermined")

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
            check.findings.append(judge_mail_reach(said, self.vantage))
        check.facts["mail"] = facts


def judge_aaaa(six: Addresses) -> Finding:
    """Judge whether a name has an IPv6 address; one that may not be connected to is no address."""
    if six.usable:
        return Finding("web_aaaa", Mark.GOOD, "aaaa")
    if six.refused:
        return Finding("web_aaaa", Mark.FAIL, "aaaa_not_public", {"refused": list(six.refused)})
    if six.failure is None:
        return Finding("web_aaaa", Mark.FAIL, "no_aaaa")
    if six.failure.reason in ("bogus", "cname_loop", "cname_chain_too_long"):
        return Finding("web_aaaa", Mark.FAIL, six.failure.reason)
    return Finding("web_aaaa", Mark.UNKNOWN, six.failure.reason)


def judge_web(
    four: Addresses,
    six: Addresses,
    over4: Visit,
    over6: Visit,
    vantage: Vantage,
    settings: Settings,
) -> list[Finding]:
    """Judge what two visits gave: ports, TLS, content (which warns and never fails)."""
    if not six.usable:
        return []
    if not vantage.ipv6:
        return [Finding("web_reach", Mark.UNKNOWN, "vantage_without_ipv6")]
    findings = []
    if not over6.ports:
        # Where IPv4 is silent too, it is no web site rather than dead over IPv6.
        dead = bool(over4.ports) or not four.usable
        mark, reason = (Mark.FAIL, "aaaa_dead") if dead else (Mark.NOT_APPLICABLE, "no_web_server")
        return [Finding("web_reach", mark, reason, over6.record().get("failures", {}))]
    missing = sorted(over4.ports - over6.ports)
    if missing:
        findings.append(Finding("web_reach", Mark.FAIL, "fewer_ports", {"ports": missing}))
    else:
        findings.append(Finding("web_reach", Mark.GOOD, "reached"))
    findings.append(_judge_tls(over4, over6))
    findings.append(_judge_content(over4, over6))
    return findings


def _judge_tls(over4: Visit, over6: Visit) -> Finding:
    if over6.tls is None:
        return Finding("web_tls", Mark.NOT_APPLICABLE, "no_https")
    if over6.tls == "good":
        return Finding("web_tls", Mark.GOOD, "tls_good")
    both = over4.tls is not None and over4.tls != "good"
    return Finding("web_tls", Mark.FAIL, "tls_broken_both" if both else "tls_broken")


def _judge_content(over4: Visit, over6: Visit) -> Finding:
    if over4.page is None or over6.page is None:
        return Finding("web_content", Mark.NOT_APPLICABLE, "not_comparable")
    facts: dict[str, Any] = {
        "status": [over4.status, over6.status],
        "bytes": [len(over4.page), len(over6.page)],
        "distance": content_distance(over4.page, over6.page),
    }
    if over4.status != over6.status:
        return Finding("web_content", Mark.NOTICE, "different_status", facts)
    if facts["distance"] > DIFFERENT:
        return Finding("web_content", Mark.NOTICE, "different_content", facts)
    return Finding("web_content", Mark.GOOD, "same_content", facts)


def judge_ns(zone: Zone, with_six: dict[str, tuple[str, ...]]) -> Finding:
    """Judge how many name servers have IPv6 addresses: two for full marks, one for half."""
    facts = {"with_aaaa": list(with_six), "of": len(zone.servers)}
    if len(with_six) >= 2:
        return Finding("ns_aaaa", Mark.GOOD, "ns_two", facts)
    if with_six:
        return Finding("ns_aaaa", Mark.PART, "ns_one", facts)
    return Finding("ns_aaaa", Mark.FAIL, "ns_none", facts)


def judge_ns_reach(answered: dict[str, dict[str, str]], vantage: Vantage) -> Finding:
    """Judge whether name servers answer over IPv6; both UDP and TCP are asked for."""
    if not vantage.ipv6:
        return Finding("ns_reach", Mark.UNKNOWN, "vantage_without_ipv6")
    good = [ns for ns, said in answered.items() if said.get("udp") == said.get("tcp") == "ok"]
    silent = [ns for ns in answered if ns not in good]
    if not silent:
        return Finding("ns_reach", Mark.GOOD, "ns_answer")
    spoke = any("ok" in (said.get("udp"), said.get("tcp")) for said in answered.values())
    if spoke:
        return Finding("ns_reach", Mark.PART, "ns_partly", {"silent": silent})
    return Finding("ns_reach", Mark.FAIL, "ns_silent", {"silent": silent})


def judge_mx(hosts: tuple[str, ...], with_six: dict[str, tuple[str, ...]]) -> Finding:
    """Judge how many mail hosts have IPv6 addresses."""
    facts = {"with_aaaa": len(with_six), "of": len(hosts)}
    if len(with_six) == len(hosts):
        return Finding("mx_aaaa", Mark.GOOD, "mx_all", facts)
    if with_six:
        return Finding("mx_aaaa", Mark.PART, "mx_some", facts)
    return Finding("mx_aaaa", Mark.FAIL, "mx_none", facts)


def judge_mail_reach(said: dict[str, dict[str, Any]], vantage: Vantage) -> Finding:
    """Judge whether the mail hosts that have IPv6 addresses take connections there."""
    if not vantage.ipv6:
        return Finding("mx_reach", Mark.UNKNOWN, "vantage_without_ipv6")
    silent = [mx for mx, answer in said.items() if "failure" in answer]
    if not silent:
        return Finding("mx_reach", Mark.GOOD, "mail_answers")
    if len(silent) < len(said):
        return Finding("mx_reach", Mark.PART, "mail_partly", {"silent": silent})
    return Finding("mx_reach", Mark.FAIL, "mail_silent", {"silent": silent})
