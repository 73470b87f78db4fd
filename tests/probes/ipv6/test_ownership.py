"""Own or outsourced: by the registrable domain, from a list that came with its package."""

import socket

import pytest

from phusong.probes.ipv6.ownership import own_hosts, registrable_domain


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("www.moet.gov.vn", "moet.gov.vn"),
        ("moet.gov.vn", "moet.gov.vn"),
        ("ns1.vnnic.vn", "vnnic.vn"),
        ("dns.hanoi.vnn.vn", "vnn.vn"),
        ("a.b.gov.uk", "b.gov.uk"),
        # A private suffix is one organisation's: whoever registered github.io.
        ("someone.github.io", "github.io"),
        ("gov.vn", None),
        ("vn", None),
    ],
)
def test_the_registrable_domain_is_what_somebody_registered(name: str, domain: str | None) -> None:
    assert registrable_domain(name) == domain


def test_name_servers_under_the_same_registered_domain_are_own() -> None:
    servers = ["dns1.moet.gov.vn", "ns2.dns.moet.gov.vn", "ns1.vnnic.vn", "ns.moet.edu.vn"]
    found = own_hosts("portal.dept.moet.gov.vn", "dept.moet.gov.vn", servers)
    assert found == ["dns1.moet.gov.vn", "ns2.dns.moet.gov.vn"]


def test_the_servers_of_a_public_suffix_are_its_own_below_its_zone() -> None:
    assert own_hosts("gov.vn", "gov.vn", ["a.dns.gov.vn", "b.dns-servers.vn"]) == ["a.dns.gov.vn"]


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    from phusong.probes.ipv6 import ownership

    def refused(*args: object, **named: object) -> None:
        raise AssertionError("a socket was opened")

    ownership._suffixes.cache_clear()
    monkeypatch.setattr(socket, "socket", refused)
    assert registrable_domain("www.chinhphu.vn") == "chinhphu.vn"
