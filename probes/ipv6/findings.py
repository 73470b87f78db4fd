"""
What a check found: one mark and one reason per question, and what to do about it.

A mark of *unknown* says that we could not tell, and never counts against anyone.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Mark(StrEnum):
    """How one question was answered."""

    GOOD = "good"
    PART = "part"
    NOTICE = "notice"
    FAIL = "fail"
    STATED = "stated"
    NOT_APPLICABLE = "not_applicable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question (``web_aaaa``), its reason, and the facts behind it."""

    test: str
    mark: Mark
    reason: str
    facts: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Give it as what is kept."""
        kept: dict[str, Any] = {"test": self.test, "mark": self.mark.value, "reason": self.reason}
        return {**kept, "facts": self.facts} if self.facts else kept


# What each question is called.
QUESTIONS = {
    "web_aaaa": "web: address",
    "web_reach": "web: answers",
    "web_tls": "web: certificate",
    "web_content": "web: same page",
    "web_user": "web: what a user gets",
    "path": "path: large packets",
    "ns_aaaa": "DNS: addresses",
    "ns_reach": "DNS: answers",
    "ns_owner": "DNS: run by",
    "dnssec": "DNS: signed",
    "mx_aaaa": "mail: addresses",
    "mx_reach": "mail: answers",
}
MARK_WORDS = {
    Mark.GOOD: "good",
    Mark.PART: "in part",
    Mark.NOTICE: "notice",
    Mark.FAIL: "bad",
    Mark.STATED: "seen",
    Mark.NOT_APPLICABLE: "not applicable",
    Mark.UNKNOWN: "unknown",
}

# Why something about a path is not known (path.py).
UNKNOWN_WORDS = {
    "ping_not_allowed": "echoes are not allowed here (net.ipv4.ping_group_range)",
    "no_route": "there is no way there",
    "nothing_answers": "nothing answers there that could tell",
    "too_slow": "it took too long",
}
# What a host was at one audit and is at the next (coverage/adoption_trend.py).
STANDING_WORDS = {
    "dead": "an AAAA where nobody answers",
    "none": "no AAAA",
    "has": "an AAAA",
}

# What each reason means, and its remedy. Shown translated; the reason itself is what is kept.
EXPLAINED: dict[str, tuple[str, str]] = {
    "aaaa": ("the name has an IPv6 address", ""),
    "no_aaaa": (
        "the name has no IPv6 address (no AAAA record)",
        "Give the server an IPv6 address, test it, and publish it as an AAAA record.",
    ),
    "aaaa_not_public": (
        "the AAAA record holds an address that nobody outside can reach",
        "Publish a global IPv6 address, or take the AAAA record away until there is one.",
    ),
    "nxdomain": (
        "the name does not exist",
        "Correct the name in the list, or register it in DNS.",
    ),
    "servfail": (
        "the name servers do not answer for this name",
        "Ask who runs the name servers why they fail for this zone.",
    ),
    "bogus": (
        "the DNSSEC signatures do not fit: resolvers that check refuse the name",
        "Renew the zone's signatures, or make the DS record at the parent fit its key.",
    ),
    "cname_loop": (
        "the name is an alias of itself (CNAME loop)",
        "Break the loop: the last alias must lead to a name with addresses.",
    ),
    "cname_chain_too_long": (
        "the name leads through too many aliases (CNAME chain)",
        "Shorten the chain: resolvers give up after about ten aliases.",
    ),
    "dns_timeout": (
        "no answer from the resolver in time",
        "Try again later; if it stays, check the resolver and the zone's name servers.",
    ),
    "dns_refused": (
        "the resolver refused the question",
        "Name a resolver that answers this machine with --resolver.",
    ),
    "resolver_unreachable": (
        "the resolver cannot be reached",
        "Name a resolver that this machine can reach with --resolver.",
    ),
    "bad_name": ("this is no host name", "Correct the name in the list."),
    "malformed_answer": (
        "a name server sent an answer that cannot be read",
        "Ask who runs the name servers to check their software.",
    ),
    "reached": ("it answers over IPv6", ""),
    "vantage_without_ipv6": (
        "this machine has no working IPv6, so nothing can be said",
        "Audit from a network with IPv6, or name a reference that answers with --reference.",
    ),
    "aaaa_dead": (
        "there is an AAAA record, but no server answers there",
        "Make the web server listen there and open the firewall, or take the AAAA record away.",
    ),
    "fewer_ports": (
        "a port that is open over IPv4 is closed over IPv6",
        "Open the same ports over IPv6 as over IPv4: check the server and the firewall.",
    ),
    "no_web_server": (
        "no web server answers over either family",
        "Check that the name in the list is a web site.",
    ),
    "tls_good": ("the certificate is valid for the name over IPv6", ""),
    "tls_broken": (
        "the certificate is not valid over IPv6",
        "Install the certificate that IPv4 clients get on the server that answers over IPv6.",
    ),
    "tls_broken_both": (
        "the certificate is valid over neither family",
        "Install a certificate for this name from a recognised authority, with its whole chain.",
    ),
    "no_https": ("there is no HTTPS over IPv6 to check", "Offer the site over HTTPS."),
    "same_content": ("both families give the same page", ""),
    "different_content": (
        "the pages over IPv4 and IPv6 differ",
        "Look at both: it may be an advertisement or a rate limit, or another server.",
    ),
    "different_status": (
        "the status codes over IPv4 and IPv6 differ",
        "Look at both: the server that answers over IPv6 may be set up for another site.",
    ),
    "rate_limited": (
        "the server asked to be left alone (too many requests)",
        "Check it again later, or ask its owner to admit this machine.",
    ),
    "robots_forbid": (
        "the front page leads to a page that the site's robots.txt forbids",
        "Look at the page with a browser over both families.",
    ),
    "user_gets_ipv6": ("a user gets IPv6 at once", ""),
    "user_gets_ipv4": ("a user gets IPv4 without delay: IPv6 was refused at once", ""),
    "user_waits": (
        "a user waits for IPv6 in vain and then gets IPv4",
        "Make the server answer over IPv6 as fast as over IPv4, or take the AAAA record away.",
    ),
    "black_hole": (
        "the path swallows large packets in silence: connections open and then stall",
        "Let ICMPv6 'packet too big' through the firewalls on the way, or lower the MTU.",
    ),
    "path_carries": ("the path carries large packets, or says what is too large", ""),
    "path_unknown": (
        "the largest packet of the path could not be found",
        "Try from a machine with raw sockets, or with net.ipv4.ping_group_range set.",
    ),
    "ns_own": ("the name servers are the organisation's own", ""),
    "ns_mixed": ("some name servers are the organisation's own, some somebody else's", ""),
    "ns_outsourced": ("the name servers are run under somebody else's domain", ""),
    "not_comparable": ("there are not two pages to compare", ""),
    "ns_two": ("at least two name servers have IPv6 addresses", ""),
    "ns_one": (
        "only one name server has an IPv6 address",
        "Give a second name server an IPv6 address.",
    ),
    "ns_none": (
        "no name server has an IPv6 address",
        "Give at least two name servers IPv6 addresses, and the parent zone their glue.",
    ),
    "ns_answer": ("the name servers answer over IPv6", ""),
    "ns_partly": (
        "some name servers do not answer over IPv6",
        "Check UDP and TCP on port 53 over IPv6 on the servers named.",
    ),
    "ns_silent": (
        "no name server answers over IPv6",
        "Open UDP and TCP on port 53 over IPv6, or take the AAAA records away.",
    ),
    "no_zone": (
        "no zone was found for this name",
        "Check the delegation: the zone has no NS records.",
    ),
    "secure": ("DNSSEC: signed, and the signatures fit", ""),
    "insecure": ("DNSSEC: not signed", "Sign the zone and give its DS record to the parent."),
    "undetermined": (
        "DNSSEC: the resolver does not check signatures",
        "Name a validating resolver with --resolver.",
    ),
    "no_mx": ("the domain takes no mail (no MX record)", ""),
    "null_mx": ("the domain says that it takes no mail (null MX)", ""),
    "mx_all": ("all mail servers have IPv6 addresses", ""),
    "mx_some": (
        "some mail servers have no IPv6 address",
        "Give every mail server an IPv6 address.",
    ),
    "mx_none": (
        "no mail server has an IPv6 address",
        "Give the mail servers IPv6 addresses, with reverse names.",
    ),
    "mail_answers": ("the mail servers take connections over IPv6", ""),
    "mail_partly": (
        "some mail servers take no connection over IPv6",
        "Check port 25 over IPv6 on the servers named.",
    ),
    "mail_silent": (
        "no mail server takes a connection over IPv6",
        "Open port 25 over IPv6, or take the AAAA records away: senders wait for them.",
    ),
    "not_asked": ("this part was not asked for", ""),
}
