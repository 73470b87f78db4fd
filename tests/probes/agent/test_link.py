"""Which interface a test would go out by."""

import socket

import pytest

from phusong.probes.agent import link


def test_the_way_to_this_machine_is_the_loopback_interface() -> None:
    assert link.link_to("127.0.0.1", 4) == "lo"
    assert link.link_to("::1", 6) == "lo"


def test_a_host_without_a_route_has_no_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "_local_address", lambda address: None)
    assert link.link_to("measure.example", None) is None
    assert not link.is_excluded(None, ["*"])


def test_a_name_goes_by_the_default_route_and_is_not_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def ask(address: str) -> str | None:
        asked.append(address)
        return None

    monkeypatch.setattr(link, "_local_address", ask)
    monkeypatch.setattr(socket, "getaddrinfo", None)
    link.link_to("measure.example", None)
    assert asked == ["198.51.100.1", "2001:db8::1"]


def test_an_interface_that_cannot_be_told_counts_as_excluded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def denied() -> list[tuple[int, str]]:
        raise PermissionError

    monkeypatch.setattr(link, "_local_address", lambda address: "192.0.2.9")
    monkeypatch.setattr(socket, "if_nameindex", denied)
    way = link.link_to("192.0.2.1", 4)
    assert way == link.UNKNOWN
    assert link.is_excluded(way, ["wlan0"])
    assert not link.is_excluded(way, [])
    # Nobody can tell, so nobody says that it was unplugged.
    assert link.has_link()
    assert link.is_up("wwan0")


def test_an_interface_that_is_gone_is_not_up() -> None:
    assert link.is_up("lo")
    assert not link.is_up("no-such-link")
