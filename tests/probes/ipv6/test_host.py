"""One host, seen from loopback: every way in which IPv6 can be there, broken or missing."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from phusong.probes.ipv6.settings import Ports

from .conftest import Site, Web, dual, has_ipv6_loopback

Examine = Callable[..., dict]


@pytest.fixture
def reference(serve_web: Callable[..., Web]) -> tuple[str]:
    """Give a place that proves this machine's IPv6."""
    return (f"[::1]:{serve_web().ports.http}",)


def test_a_dual_stack_site_is_good_over_both_families(
    examine: Examine, serve_web: Callable[..., Web], reference: tuple[str]
) -> None:
    web = serve_web()
    record = examine(dual(), ports=web.ports, references=reference)
    assert record["outcome"] == "ok"
    assert record["marks"]["web_aaaa"] == ("good", "aaaa")
    assert record["marks"]["web_reach"] == ("good", "reached")
    assert record["marks"]["web_tls"] == ("good", "tls_good")
    assert record["marks"]["web_content"] == ("good", "same_content")
    assert record["web"]["6"]["status"] == 200
    assert record["web"]["6"]["first_byte_ms"] > 0
    assert record["happy_eyeballs"]["family"] == 6
    assert all(agent.startswith("phusong/") for _, _, agent in web.six.asked)


def test_without_working_ipv6_nobody_is_called_unreachable(
    examine: Examine, serve_web: Callable[..., Web]
) -> None:
    zone = dual()
    zone.records["gov.lab", "MX"] = ["10 mx.gov.lab."]
    zone.records["mx.gov.lab", "AAAA"] = ["::1"]
    record = examine(zone, ports=serve_web().ports, references=("[::1]:1",))
    assert record["vantage"]["ipv6"] is False
    for test in ("web_reach", "ns_reach", "mx_reach"):
        assert record["marks"][test] == ("unknown", "vantage_without_ipv6")
    assert record["marks"]["web_aaaa"] == ("good", "aaaa")
    assert "fail" not in {mark for mark, _ in record["marks"].values()}


def test_a_site_with_ipv4_only_has_no_aaaa(
    examine: Examine, serve_web: Callable[..., Web], reference: tuple[str]
) -> None:
    zone = dual()
    del zone.records["www.gov.lab", "AAAA"]
    record = examine(zone, ports=serve_web().ports, references=reference)
    assert record["marks"]["web_aaaa"] == ("fail", "no_aaaa")
    assert "web_reach" not in record["marks"]


def test_a_site_with_ipv6_only_is_reached(
    examine: Examine, serve_web: Callable[..., Web], reference: tuple[str]
) -> None:
    zone = dual()
    del zone.records["www.gov.lab", "A"]
    record = examine(zone, ports=serve_web().ports, references=reference)
    assert record["marks"]["web_reach"] == ("good", "reached")
    assert record["marks"]["web_content"][0] == "not_applicable"


def test_an_aaaa_where_nobody_answers_is_dead(
    examine: Examine, serve_web: Callable[..., Web], reference: tuple[str]
) -> None:
    web = serve_web(http6=False, https6=False)
    record = examine(dual(), ports=web.ports, references=reference)
    assert record["marks"]["web_reach"] == ("fail", "aaaa_dead")
    assert record["web"]["6"]["failures"][str(web.ports.https)] == "refused/refused"
    assert record["happy_eyeballs"]["family"] == 4


def test_a_port_that_only_ipv4_has_is_named(
    examine: Examine, serve_web: Callable[..., Web], reference: tuple[str]
) -> None:
    web = serve_web(https6=False)
    record = examine(dual(), ports=web.ports, references=reference)
    assert record["marks"]["web_reach"] == ("fail", "fewer_ports")


@pytest.mark.parametrize(
    "address",
    ["::ffff:127.0.0.1", "64:ff9b::7f00:1", "2001:db8::1", "2002:7f00:1::", "ff02::1", "::"],
)
def test_an_aaaa_that_nobody_may_connect_to_is_never_connected_to(
    address: str, examine: Examine, serve_web: Callable[..., Web], reference: tuple[str]
) -> None:
    web = serve_web()
    record = examine(dual(six=address), ports=web.ports, references=reference)
    assert record["marks"]["web_aaaa"] == ("fail", "aaaa_not_public")
    assert web.six.asked == []


@pytest.mark.parametrize("address", ["::1", "fd00::1", "fe80::1"])
def test_a_private_aaaa_is_refused_unless_it_was_allowed(address: str, examine: Examine) -> None:
    record = examine(dual(six=address), allow_private=False)
    assert record["marks"]["web_aaaa"] == ("fail", "aaaa_not_public")


def test_different_content_warns_and_shows_both(
    examine: Examine, serve_web: Callable[..., Web], reference: tuple[str]
) -> None:
    other = Site(pages={"/": (403, {}, b"0123456789" * 300)})
    record = examine(dual(), ports=serve_web(six=other).ports, references=reference)
    found = next(f for f in record["findings"] if f["test"] == "web_content")
    assert (found["mark"], found["reason"]) == ("notice", "different_status")
    assert found["facts"]["status"] == [200, 403]
    assert found["facts"]["bytes"] == [700, 3000]
    assert found["facts"]["distance"] > 50


def test_tls_that_is_broken_over_ipv6_only_is_seen(
    examine: Examine, serve_web: Callable[..., Web], reference: tuple[str]
) -> None:
    web = serve_web(certificate6="othername")
    record = examine(dual(), ports=web.ports, references=reference)
    assert record["marks"]["web_tls"] == ("fail", "tls_broken")
    assert record["web"]["4"]["tls"] == "good"
    assert record["web"]["6"]["tls"] == "certificate"


def test_a_redirect_is_followed_over_the_same_family(
    examine: Examine, serve_web: Callable[..., Web], reference: tuple[str]
) -> None:
    page = (200, {}, b"moved here")
    site = Site(pages={"/": (302, {"Location": "/new"}, b""), "/new": page})
    web = serve_web(six=site)
    record = examine(dual(), ports=web.ports, references=reference)
    assert record["web"]["6"]["redirects"] == [f"https://www.gov.lab:{web.ports.https}/new"]
    assert record["web"]["6"]["page_bytes"] == 10


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://[::ffff:127.0.0.1]/", "address_refused"),
        ("http://127.0.0.1/", "redirect_without_address"),
        ("http://inside.gov.lab/", "redirect_refused"),
        ("file:///etc/passwd", "bad_redirect"),
        ("/", "too_many_redirects"),
    ],
)
def test_a_redirect_cannot_lead_where_the_rule_forbids(
    location: str,
    reason: str,
    examine: Examine,
    serve_web: Callable[..., Web],
    reference: tuple[str],
) -> None:
    zone = dual()
    zone.records["inside.gov.lab", "AAAA"] = ["::ffff:10.0.0.1"]
    site = Site(pages={"/": (301, {"Location": location}, b"")})
    record = examine(zone, ports=serve_web(six=site).ports, references=reference)
    assert record["web"]["6"]["page_failure"].endswith(f"/{reason}")


def test_one_name_server_with_ipv6_earns_half(examine: Examine) -> None:
    zone = dual()
    del zone.records["ns2.gov.lab", "AAAA"]
    zone.records["ns2.gov.lab", "A"] = ["127.0.0.1"]
    record = examine(zone, parts=("dns",))
    assert record["marks"]["ns_aaaa"] == ("part", "ns_one")
    assert record["dns"]["own"] == ["ns1.gov.lab", "ns2.gov.lab"]


def test_name_servers_are_asked_over_ipv6_by_udp_and_tcp(
    examine: Examine, serve_dns: Callable[..., object], reference: tuple[str]
) -> None:
    zone = dual()
    zone.records["gov.lab", "SOA"] = ["ns1.gov.lab. h.gov.lab. 1 2 3 4 5"]
    over6 = serve_dns(zone, "::1")
    record = examine(zone, parts=("dns",), ports=Ports(dns=over6.port), references=reference)
    assert record["marks"]["ns_reach"] == ("good", "ns_answer")
    only_udp = serve_dns(zone, "::1", tcp=False)
    record = examine(zone, parts=("dns",), ports=Ports(dns=only_udp.port), references=reference)
    assert record["marks"]["ns_reach"] == ("part", "ns_partly")
    assert record["dns"]["over_ipv6"]["ns1.gov.lab"]["tcp"] == "refused"


def test_dnssec_is_secure_insecure_bogus_or_undetermined(examine: Examine) -> None:
    zone = dual()
    assert examine(zone, parts=("dns",))["marks"]["dnssec"] == ("unknown", "undetermined")
    zone.authentic = {"signed.lab"}
    assert examine(zone, parts=("dns",))["marks"]["dnssec"] == ("notice", "insecure")
    zone.authentic = {"signed.lab", "www.gov.lab"}
    assert examine(zone, parts=("dns",))["marks"]["dnssec"] == ("good", "secure")
    zone.codes["www.gov.lab"] = "BOGUS"
    record = examine(zone, parts=("dns",))
    assert record["marks"]["dnssec"] == ("fail", "bogus")
    assert record["marks"]["web_aaaa"] == ("fail", "bogus")


def test_no_mx_a_null_mx_and_mx_without_ipv6_differ(examine: Examine) -> None:
    zone = dual()
    assert examine(zone, parts=("mail",))["marks"]["mx_aaaa"] == ("not_applicable", "no_mx")
    zone.records["gov.lab", "MX"] = ["0 ."]
    assert examine(zone, parts=("mail",))["marks"]["mx_aaaa"] == ("good", "null_mx")
    zone.records["gov.lab", "MX"] = ["10 mx.gov.lab."]
    zone.records["mx.gov.lab", "A"] = ["127.0.0.1"]
    assert examine(zone, parts=("mail",))["marks"]["mx_aaaa"] == ("fail", "mx_none")


@pytest.fixture
def smtp_port() -> Iterator[int]:
    if not has_ipv6_loopback():
        pytest.skip("needs IPv6 on the loopback interface")
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"220 mx.gov.lab ESMTP\r\n")
                    connection.settimeout(2)
                    with suppress(OSError):
                        connection.recv(100)

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_a_mail_server_that_greets_over_ipv6_is_reached(
    smtp_port: int, examine: Examine, reference: tuple[str]
) -> None:
    zone = dual()
    zone.records["gov.lab", "MX"] = ["10 mx.gov.lab."]
    zone.records["mx.gov.lab", "AAAA"] = ["::1"]
    record = examine(zone, parts=("mail",), ports=Ports(smtp=smtp_port), references=reference)
    assert record["marks"]["mx_reach"] == ("good", "mail_answers")
    assert record["mail"]["over_ipv6"]["mx.gov.lab"]["code"] == 220
    silent = examine(zone, parts=("mail",), ports=Ports(smtp=1), references=reference)
    assert silent["marks"]["mx_reach"] == ("fail", "mail_silent")


def test_nxdomain_servfail_and_silence_are_three_things(examine: Examine) -> None:
    zone = dual()
    zone.codes["broken.gov.lab"] = "SERVFAIL"
    zone.silent = {"slow.gov.lab"}
    for host, why in (
        ("missing.gov.lab", "nxdomain"),
        ("broken.gov.lab", "servfail"),
        ("slow.gov.lab", "dns_timeout"),
    ):
        record = examine(zone, host, parts=("web",))
        assert (record["outcome"], record["why"]) == ("dns_failure", why)
        assert record["marks"]["web_aaaa"] == ("unknown", why)


@pytest.mark.parametrize("recursive", [True, False])
def test_a_cname_loop_and_a_long_chain_end(recursive: bool, examine: Examine) -> None:
    zone = dual()
    zone.recursive = recursive
    zone.records["a.gov.lab", "CNAME"] = ["b.gov.lab"]
    zone.records["b.gov.lab", "CNAME"] = ["a.gov.lab"]
    for link in range(60):
        zone.records[f"c{link}.gov.lab", "CNAME"] = [f"c{link + 1}.gov.lab"]
    zone.records["c60.gov.lab", "AAAA"] = ["::1"]
    assert examine(zone, "a.gov.lab", parts=("web",))["why"] == "cname_loop"
    record = examine(zone, "c0.gov.lab", parts=("web",))
    assert record["marks"]["web_aaaa"] == ("fail", "cname_chain_too_long")
    assert len(zone.asked) < 100


@pytest.mark.parametrize("recursive", [True, False])
def test_a_short_chain_leads_to_addresses(recursive: bool, examine: Examine) -> None:
    zone = dual()
    zone.recursive = recursive
    zone.records["alias.gov.lab", "CNAME"] = ["www.gov.lab"]
    record = examine(zone, "alias.gov.lab", parts=("dns",))
    assert record["addresses"]["6"] == {"usable": ["::1"], "chain": ["www.gov.lab"]}


def test_no_more_than_sixteen_addresses_of_a_name_are_taken(examine: Examine) -> None:
    zone = dual()
    zone.records["www.gov.lab", "AAAA"] = [f"fd00::{n:x}" for n in range(1, 1500)]
    zone.truncate = True
    record = examine(zone, parts=("dns",))
    assert len(record["addresses"]["6"]["usable"]) == 16
    assert record["addresses"]["6"]["left_out"] > 100


@pytest.mark.parametrize("host", ["..", "a" * 70 + ".lab", "x" * 300, "bad name\x07"])
def test_what_is_no_host_name_is_an_outcome(host: str, examine: Examine) -> None:
    record = examine(dual(), host)
    assert record["outcome"] == "dns_failure"
