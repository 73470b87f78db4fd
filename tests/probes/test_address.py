"""Which addresses a probe may connect to."""

import socket
import time

import pytest

from phusong.data.sample import Outcome
from phusong.probes.address import MAX_ADDRESSES, check_address, resolve
from phusong.probes.interface import AttemptError, failure_of

PRIVATE = (
    "10.1.2.3",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%1",
)
NEVER = (
    "0.0.0.0",
    "0.1.2.3",
    "100.64.0.1",
    "100.127.255.254",
    "192.0.0.8",
    "192.0.0.170",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "2400:cb00::5efe:a00:1",
    "2400:cb00::200:5efe:a00:1",
    "3ffe::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "127.1",
    "0x7f000001",
    "",
    "name.example",
)
GLOBAL = (
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "172.32.0.1",
    "203.162.4.190",
    "2001:4860:4860::8888",
    "2001:ee0:4161::1",
    "2606:4700::1111",
)


@pytest.mark.parametrize("ip", GLOBAL)
def test_global_unicast_is_allowed(ip: str) -> None:
    check_address(ip, allow_private=False)
    check_address(ip, allow_private=True)


@pytest.mark.parametrize("ip", PRIVATE)
def test_inside_addresses_need_the_users_word(ip: str) -> None:
    with pytest.raises(AttemptError) as refused:
        check_address(ip, allow_private=False)
    assert refused.value.outcome is Outcome.ADDRESS_REFUSED
    check_address(ip, allow_private=True)


@pytest.mark.parametrize("ip", NEVER)
@pytest.mark.parametrize("allow_private", [False, True])
def test_every_other_address_is_refused_whatever_the_user_says(
    ip: str, allow_private: bool
) -> None:
    with pytest.raises(AttemptError) as refused:
        check_address(ip, allow_private=allow_private)
    assert refused.value.outcome is Outcome.ADDRESS_REFUSED


@pytest.mark.parametrize(
    "spelling", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "１２７.0.0.1", "localhost"]
)
def test_an_odd_spelling_is_judged_by_what_it_resolves_to(spelling: str) -> None:
    with pytest.raises(AttemptError) as refused:
        resolve(spelling, 80, None, allow_private=False, timeout_s=5)
    assert refused.value.outcome is Outcome.ADDRESS_REFUSED


def test_an_allowed_spelling_gives_the_checked_address_itself() -> None:
    found = resolve("127.1", 8080, 4, allow_private=True, timeout_s=5)
    assert [(a.family, a.sockaddr) for a in found] == [(4, ("127.0.0.1", 8080))]


def answers(monkeypatch: pytest.MonkeyPatch, *ips: str) -> None:
    rows = [
        (socket.AF_INET6, 1, 6, "", (ip, 80, 0, 0))
        if ":" in ip
        else (socket.AF_INET, 1, 6, "", (ip, 80))
        for ip in ips
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *asked: rows)


def test_bad_answers_are_left_out_and_good_ones_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "::ffff:10.0.0.1", "127.0.0.1", "1.1.1.1", "1.1.1.1")
    found = resolve("mixed.example", 80, None, allow_private=False, timeout_s=1)
    assert [address.ip for address in found] == ["1.1.1.1"]


def test_a_name_with_too_many_answers_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, *(f"1.1.{n // 250}.{n % 250 + 1}" for n in range(1499)))
    found = resolve("many.example", 80, None, allow_private=False, timeout_s=1)
    assert len(found) == MAX_ADDRESSES


def test_a_resolver_that_never_answers_is_left_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*asked: object) -> list[object]:
        time.sleep(2)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never)
    started = time.monotonic()
    with pytest.raises(AttemptError) as ended:
        resolve("slow.example", 80, None, allow_private=False, timeout_s=0.1)
    assert time.monotonic() - started < 1
    assert (ended.value.outcome, ended.value.reason) == (Outcome.DNS_FAILURE, "dns_timeout")


def test_a_name_that_does_not_resolve_is_a_dns_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*asked: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(socket.gaierror) as ended:
        resolve("nowhere.example", 80, None, allow_private=False, timeout_s=1)
    assert failure_of(ended.value).outcome is Outcome.DNS_FAILURE


def test_a_name_that_cannot_be_written_is_a_dns_failure() -> None:
    with pytest.raises(AttemptError) as ended:
        resolve("a" * 70 + ".example", 80, None, allow_private=False, timeout_s=2)
    assert (ended.value.outcome, ended.value.reason) == (Outcome.DNS_FAILURE, "bad_name")


def test_a_name_without_an_address_of_the_family_asked_for_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def look_up(host: str, port: int, family: int, *more: int) -> list[object]:
        if family == socket.AF_INET6:
            raise socket.gaierror(-5, "No address associated with hostname")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(AttemptError) as caught:
        resolve("v4only.example", 80, 6, allow_private=False, timeout_s=5)
    assert (caught.value.outcome, caught.value.reason) == (
        Outcome.DNS_FAILURE,
        "no_ipv6_address",
    )
    assert resolve("v4only.example", 80, 4, allow_private=False, timeout_s=5)


@pytest.mark.parametrize("family", [4, 6, None])
def test_a_name_that_has_no_address_at_all_is_a_dns_failure_for_every_family(
    family: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(*asked: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(socket.gaierror):
        resolve("nothing.example", 80, family, allow_private=False, timeout_s=5)
