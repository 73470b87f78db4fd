"""Not to be a burden: pauses per server and network, Retry-After, robots.txt, who we are."""

import asyncio
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from phusong.probes.ipv6.audit import run_audit
from phusong.probes.ipv6.pace import Pace
from phusong.probes.ipv6.pages import content_distance, retry_after_s
from phusong.probes.ipv6.resolver import Server
from phusong.probes.ipv6.settings import Settings
from phusong.probes.ipv6.targets import ListedHost

from .conftest import Site, Web, Zone, dual

Examine = Callable[..., dict]


@pytest.fixture
def reference(serve_web: Callable[..., Web]) -> tuple[str]:
    return (f"[::1]:{serve_web().ports.http}",)


def turns(pace: Pace, *ips: str) -> list[float]:
    """Give when each of some visits had its turn, in seconds from the first."""

    async def run() -> list[float]:
        at: list[float] = []

        async def one(ip: str) -> None:
            await pace.turn(ip)
            at.append(time.monotonic())

        await asyncio.gather(*map(one, ips))
        return at

    at = asyncio.run(run())
    return [moment - at[0] for moment in at]


def test_one_address_is_visited_with_pauses_that_vary() -> None:
    at = turns(Pace(0.1, 0.0), *["2001:db8::1"] * 8)
    gaps = [late - early for early, late in itertools.pairwise(at)]
    # A turn is never early; a busy machine makes it late, and the next gap shorter.
    assert at[-1] >= 7 * 0.05
    assert len({round(gap, 3) for gap in gaps}) > 1


def test_addresses_of_one_network_share_its_pause_and_others_do_not() -> None:
    near = turns(Pace(0.0, 0.1), *[f"2001:db8::{n}" for n in range(1, 7)])
    far = turns(Pace(0.0, 60.0), *[f"2001:db8:{n}::1" for n in range(1, 7)], "192.0.2.1")
    assert near[-1] >= 5 * 0.05
    assert far[-1] < 30


def test_many_hosts_of_one_server_are_visited_one_after_the_other(
    serve_dns: Callable[..., Server], serve_web: Callable[..., Web], lab_certificates: Path
) -> None:
    site = Site()
    web = serve_web(six=site)
    zone = Zone()
    names = [f"h{n}.gov.lab" for n in range(6)]
    for name in names:
        zone.records[name, "AAAA"] = ["::1"]
    settings = Settings(
        allow_private=True,
        ca_file=lab_certificates / "ca.pem",
        ports=web.ports,
        parts=("web",),
        address_gap_s=0.1,
        network_gap_s=0.0,
    )
    started = time.monotonic()
    kept: list = []
    run_audit(
        [ListedHost(line=1, host=name, site=name, about={}) for name in names],
        [serve_dns(zone)],
        settings,
        probe="lab",
        references=(f"[::1]:{web.ports.http}",),
        on_sample=kept.append,
    )
    # Two knocks and a page each: 18 visits, no more, and 17 pauses of 0.05 s at least.
    assert len(site.asked) == 6
    assert time.monotonic() - started >= 17 * 0.05
    assert all(sample.outcome.value == "ok" for sample in kept)


def test_a_server_that_asks_to_come_back_soon_is_asked_once_more(
    examine: Examine, serve_web: Callable[..., Web], reference: tuple[str]
) -> None:
    busy = (429, {"Retry-After": "1"}, b"slow down")
    site = Site(pages={"/": [busy, (200, {}, b"<h1>hello</h1>" * 50)]})
    web = serve_web(six=site)
    record = examine(dual(), ports=web.ports, references=reference, parts=("web",))
    assert record["marks"]["web_content"] == ("good", "same_content")
    first, second = (moment for _, path, _, moment in site.seen if path == "/")
    assert second - first >= 1.0


@pytest.mark.parametrize("answer", [(429, {"Retry-After": "3600"}), (503, {"Retry-After": "3600"})])
def test_a_server_that_asks_for_an_hour_is_left_alone_and_not_called_dead(
    answer: tuple[int, dict[str, str]],
    examine: Examine,
    serve_web: Callable[..., Web],
    reference: tuple[str],
) -> None:
    site = Site(pages={"/": (*answer, b"no")})
    web = serve_web(six=site)
    record = examine(dual(), ports=web.ports, references=reference, parts=("web",))
    assert len(site.asked) == 1
    assert record["marks"]["web_reach"] == ("good", "reached")
    assert record["marks"]["web_content"] == ("unknown", "rate_limited")
    assert record["web"]["6"]["page_failure"] == "server_error/rate_limited"
    assert "happy_eyeballs" not in record


def test_other_hosts_of_a_server_that_asks_for_an_hour_are_unknown_and_not_visited(
    serve_dns: Callable[..., Server], serve_web: Callable[..., Web], lab_certificates: Path
) -> None:
    site = Site(pages={"/": (429, {"Retry-After": "3600"}, b"no")})
    web = serve_web(six=site)
    zone = Zone()
    for name in ("a.gov.lab", "b.gov.lab"):
        zone.records[name, "AAAA"] = ["::1"]
    kept: list = []
    run_audit(
        [ListedHost(line=1, host=f"{n}.gov.lab", site="", about={}) for n in "ab"],
        [serve_dns(zone)],
        Settings(
            allow_private=True,
            ca_file=lab_certificates / "ca.pem",
            ports=web.ports,
            parts=("web",),
            address_gap_s=0.0,
            network_gap_s=0.0,
        ),
        probe="lab",
        references=(f"[::1]:{web.ports.http}",),
        workers=1,
        on_sample=kept.append,
    )
    assert len(site.asked) == 1
    assert '"test":"web_reach","mark":"unknown","reason":"rate_limited"' in kept[1].source.record


def test_robots_txt_is_asked_before_any_page_but_the_front_page(
    examine: Examine, serve_web: Callable[..., Web], reference: tuple[str]
) -> None:
    moved = (302, {"Location": "/private/home"}, b"")
    pages = {"/": moved, "/private/home": (200, {}, b"secret")}
    rules = b"User-agent: *\nDisallow: /private\n"
    site = Site(pages=pages | {"/robots.txt": (200, {}, rules)})
    record = examine(dual(), ports=serve_web(six=site).ports, references=reference, parts=("web",))
    assert [path for _, path, _ in site.asked] == ["/", "/robots.txt"]
    assert record["marks"]["web_reach"] == ("good", "reached")
    assert record["marks"]["web_content"] == ("not_applicable", "robots_forbid")


@pytest.mark.parametrize(
    ("status", "allowed"), [(404, True), (302, True), (500, False), (429, False)]
)
def test_a_robots_txt_that_is_not_there_allows_and_one_that_fails_forbids(
    status: int,
    allowed: bool,
    examine: Examine,
    serve_web: Callable[..., Web],
    reference: tuple[str],
) -> None:
    pages = {"/": (302, {"Location": "/home"}, b""), "/home": (200, {}, b"welcome")}
    site = Site(pages=pages | {"/robots.txt": (status, {"Location": "/elsewhere"}, b"")})
    examine(dual(), ports=serve_web(six=site).ports, references=reference, parts=("web",))
    assert ("/home" in [path for _, path, _ in site.asked]) is allowed


def test_retry_after_is_read_as_seconds_or_as_a_moment() -> None:
    now = datetime(2026, 8, 1, 12, 0, 0, tzinfo=UTC)
    assert retry_after_s("120") == 120.0
    assert retry_after_s("Sat, 01 Aug 2026 12:01:30 GMT", now) == 90.0
    assert retry_after_s("Sat, 01 Aug 2026 11:00:00 GMT", now) == 0.0
    assert retry_after_s("9" * 400) == 999_999_999.0
    for nonsense in (None, "", "soon", "-5", "١٢", "1e9"):
        assert retry_after_s(nonsense) is None


def test_the_distance_of_two_pages_is_that_of_difflib() -> None:
    from difflib import SequenceMatcher

    one, other = b"abcabcxyz" * 20, b"abcxyzzz" * 25
    expected = 100 * (1 - SequenceMatcher(None, one, other).quick_ratio())
    assert content_distance(one, other) == pytest.approx(expected, abs=0.01)
    assert content_distance(b'<a nonce="1">x', b'<a nonce="2">x') == 0.0
