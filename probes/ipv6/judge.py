"""From what was seen to a mark with its reason, one function a question; nothing is asked here."""

from collections.abc import Mapping, Sequence
from typing import Any

from .findings import Finding, Mark
from .names import Addresses, Zone
from .pages import content_distance
from .path import PathReport
from .vantage import Vantage
from .web import LIMITED, Visit

DIFFERENT = 10.0
# A second attempt begins after 250 ms where the first is silent; a refusal costs a round trip.
LATE_MS = 100.0
# What is only so where this machine's own IPv6 works.
FROM_HERE = {"web_reach", "ns_reach", "mx_reach", "path"}


def withdrawn(findings: Sequence[Finding]) -> list[Finding]:
    """Give findings without what was judged over IPv6, for a vantage that has lost it."""
    return [
        Finding(found.test, Mark.UNKNOWN, "vantage_without_ipv6")
        if found.test in FROM_HERE and found.mark in (Mark.FAIL, Mark.PART)
        else found
        for found in findings
        if found.test not in ("web_user", "web_tls", "web_content")
    ]


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
    four: Addresses, six: Addresses, over4: Visit, over6: Visit, vantage: Vantage
) -> list[Finding]:
    """Judge what two visits gave: ports, TLS, content (which warns and never fails)."""
    if not six.usable:
        return []
    if not vantage.ipv6:
        return [Finding("web_reach", Mark.UNKNOWN, "vantage_without_ipv6")]
    findings = []
    if not over6.ports:
        if over6.limited:
            return [Finding("web_reach", Mark.UNKNOWN, LIMITED)]
        # Where IPv4 is silent too, it is no web site rather than dead over IPv6.
        dead = bool(over4.ports) or not four.usable
        mark, reason = (Mark.FAIL, "aaaa_dead") if dead else (Mark.NOT_APPLICABLE, "no_web_server")
        return [Finding("web_reach", mark, reason, over6.record().get("failures", {}))]
    missing = sorted(over4.ports - over6.ports)
    if missing and over6.limited:
        findings.append(Finding("web_reach", Mark.UNKNOWN, LIMITED))
    elif missing:
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
        if over4.limited or over6.limited:
            return Finding("web_content", Mark.UNKNOWN, LIMITED)
        forbidden = any(v.failure and v.failure.reason == "robots_forbid" for v in (over4, over6))
        reason = "robots_forbid" if forbidden else "not_comparable"
        return Finding("web_content", Mark.NOT_APPLICABLE, reason)
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


def judge_race(won: Mapping[str, Any]) -> list[Finding]:
    """Say what a user with both families gets; waiting for a dead IPv6 is worth a notice."""
    if won["family"] is None:
        return []
    if won["family"] == 6:
        return [Finding("web_user", Mark.STATED, "user_gets_ipv6", dict(won))]
    late = won["lost_ms"] >= LATE_MS
    mark, reason = (Mark.NOTICE, "user_waits") if late else (Mark.STATED, "user_gets_ipv4")
    return [Finding("web_user", mark, reason, dict(won))]


def judge_path(seen: PathReport) -> Finding:
    """Judge a path: one that swallows large packets opens connections that then stall."""
    facts = seen.record()
    if seen.black_hole:
        return Finding("path", Mark.FAIL, "black_hole", facts)
    if seen.mtu is None:
        return Finding("path", Mark.UNKNOWN, "path_unknown", facts)
    return Finding("path", Mark.GOOD, "path_carries", facts)


def judge_owner(own: Sequence[str], hosts: Sequence[str]) -> Finding:
    """Say whether name servers are the organisation's own; neither is better."""
    facts = {"own": len(own), "of": len(hosts)}
    if len(own) == len(hosts):
        return Finding("ns_owner", Mark.STATED, "ns_own", facts)
    return Finding("ns_owner", Mark.STATED, "ns_mixed" if own else "ns_outsourced", facts)


def judge_dnssec(failed: str | None, *, authentic: bool, validates: bool) -> Finding:
    """Judge DNSSEC; without a resolver that checks, nothing but a bogus answer is known."""
    if failed == "bogus":
        return Finding("dnssec", Mark.FAIL, "bogus")
    if authentic:
        return Finding("dnssec", Mark.GOOD, "secure")
    if failed is None and validates:
        return Finding("dnssec", Mark.NOTICE, "insecure")
    return Finding("dnssec", Mark.UNKNOWN, "undetermined")


def judge_ns(zone: Zone, with_six: dict[str, tuple[str, ...]]) -> Finding:
    """Judge how many name servers have IPv6 addresses: two for full marks, one for half."""
    facts = {"with_aaaa": list(with_six), "of": len(zone.servers)}
    if len(with_six) >= 2:
        return Finding("ns_aaaa", Mark.GOOD, "ns_two", facts)
    if with_six:
        # One alone is half of what is wanted, and less among many that have none.
        share = round(1 / max(2, len(zone.servers)), 4)
        return Finding("ns_aaaa", Mark.PART, "ns_one", {**facts, "share": share})
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
        share = round(len(good) / len(answered), 4)
        return Finding("ns_reach", Mark.PART, "ns_partly", {"silent": silent, "share": share})
    return Finding("ns_reach", Mark.FAIL, "ns_silent", {"silent": silent})


def judge_mx(hosts: tuple[str, ...], with_six: dict[str, tuple[str, ...]]) -> Finding:
    """Judge how many mail hosts have IPv6 addresses."""
    facts = {"with_aaaa": len(with_six), "of": len(hosts)}
    if len(with_six) == len(hosts):
        return Finding("mx_aaaa", Mark.GOOD, "mx_all", facts)
    if with_six:
        share = round(len(with_six) / len(hosts), 4)
        return Finding("mx_aaaa", Mark.PART, "mx_some", {**facts, "share": share})
    return Finding("mx_aaaa", Mark.FAIL, "mx_none", facts)


def judge_mail_reach(said: dict[str, dict[str, Any]], of: int, vantage: Vantage) -> Finding:
    """Judge whether the mail hosts that have IPv6 addresses, of all, take connections there."""
    if not vantage.ipv6:
        return Finding("mx_reach", Mark.UNKNOWN, "vantage_without_ipv6")
    silent = [mx for mx, answer in said.items() if "failure" in answer]
    if not silent:
        return Finding("mx_reach", Mark.GOOD, "mail_answers")
    if len(silent) < len(said):
        share = round((len(said) - len(silent)) / of, 4)
        return Finding("mx_reach", Mark.PART, "mail_partly", {"silent": silent, "share": share})
    return Finding("mx_reach", Mark.FAIL, "mail_silent", {"silent": silent})
