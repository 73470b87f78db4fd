"""Adoption: shares with their denominators, scores worked by hand, change between audits."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from phusong.coverage.adoption import (
    compare,
    load_pack,
    newest,
    roll_up,
    score,
    status_of,
    total_of,
    trend,
    worst_offenders,
)
from phusong.data.errors import ConfigError

PACK = load_pack()
DAY = datetime(2026, 8, 1, tzinfo=UTC)


def status(host: str, *marks: tuple[str, str, str], day: datetime = DAY, **about: str) -> object:
    findings = [{"test": test, "mark": mark, "reason": reason} for test, mark, reason in marks]
    return status_of(day, {"host": host, "findings": findings, **about}, PACK)


HAS = ("web_aaaa", "good", "aaaa")
HAS_NOT = ("web_aaaa", "fail", "no_aaaa")
REACHED = ("web_reach", "good", "reached")
DEAD = ("web_reach", "fail", "aaaa_dead")
BLIND = ("web_reach", "unknown", "vantage_without_ipv6")


def test_a_share_leaves_out_what_is_not_known_and_says_why() -> None:
    group = roll_up(
        [
            status("a", HAS, REACHED),
            status("b", HAS, DEAD),
            status("c", HAS_NOT),
            status("d", ("web_aaaa", "unknown", "nxdomain")),
            status("e", ("web_aaaa", "unknown", "dns_timeout")),
            status("f", HAS, BLIND),
        ]
    )[0]
    assert (group.hosts, group.judged, group.with_aaaa, group.share) == (6, 4, 3, 0.75)
    assert group.excluded == {"nxdomain": 1, "dns_timeout": 1}
    assert (group.tried, group.reached, group.dead) == (2, 1, 1)


def test_a_group_of_which_nothing_is_known_has_no_share() -> None:
    group = roll_up([status("a", ("web_aaaa", "unknown", "nxdomain"))])[0]
    assert group.share is None
    assert group.total is None


def test_scores_are_points_over_the_most_and_the_mean_of_categories() -> None:
    marks = {
        "web_aaaa": ("good", ""),
        "web_reach": ("fail", ""),
        "web_content": ("notice", ""),
        "ns_aaaa": ("part", ""),
        "ns_reach": ("good", ""),
        "mx_aaaa": ("not_applicable", "no_mx"),
        "dnssec": ("notice", "insecure"),
    }
    scores = score(marks, PACK)
    # web (10 + 0) / 20, dns (5 + 10) / 20, no mail, DNSSEC 2 / 10 beside the total.
    assert scores == {"web": 0.5, "dns": 0.75, "dnssec": 0.2}
    assert total_of(scores, PACK) == pytest.approx(0.625)


def test_what_is_unknown_neither_helps_nor_harms() -> None:
    scores = score({"web_aaaa": ("good", ""), "web_reach": ("unknown", "")}, PACK)
    assert scores == {"web": 1.0}


def test_the_colours_are_those_of_the_nist_monitor() -> None:
    def view(*marks: tuple[str, str, str]) -> dict[str, str]:
        return dict(status("a", *marks).views)

    assert view(HAS, REACHED)["web"] == "green"
    assert view(HAS, DEAD)["web"] == "yellow"
    assert view(HAS_NOT)["web"] == "red"
    assert view(("mx_aaaa", "not_applicable", "no_mx"))["mail"] == "grey"
    assert view()["dns"] == "grey"


def test_groups_are_by_agency_bureau_or_province() -> None:
    hosts = [
        status("a", HAS, agency="Ministry", bureau="North", unit="00001"),
        status("b", HAS_NOT, agency="Ministry", bureau="South", unit="00002"),
        status("c", HAS_NOT),
    ]
    by_agency = {g.key: (g.judged, g.with_aaaa) for g in roll_up(hosts, "agency")}
    assert by_agency == {"Ministry": (2, 1), "": (1, 0)}
    assert {g.key for g in roll_up(hosts, "bureau")} == {"Ministry / North", "Ministry / South", ""}
    provinces = {"00001": "Hà Nội", "00002": "Hà Nội"}
    by_province = roll_up(hosts, "province", province_of=provinces.get)
    assert {g.key: g.hosts for g in by_province} == {"Hà Nội": 2, "": 1}
    with pytest.raises(ConfigError):
        roll_up(hosts, "colour")


def test_who_pretends_stands_before_who_has_nothing() -> None:
    hosts = [status("none", HAS_NOT), status("fine", HAS, REACHED), status("dead", HAS, DEAD)]
    assert [s.host for s in worst_offenders(hosts)] == ["dead", "none"]


def test_a_host_counts_once_by_its_newest_check() -> None:
    later = datetime(2026, 9, 1, tzinfo=UTC)
    kept = newest([status("a", HAS_NOT, day=later), status("a", HAS)])
    assert [s.aaaa for s in kept] == [False]


def test_two_audits_say_who_got_better_and_who_worse() -> None:
    before = [status("up", HAS_NOT), status("down", HAS, REACHED), status("gone", HAS)]
    after = [status("up", HAS), status("down", HAS, DEAD), status("new", HAS)]
    change = compare(before, after)
    assert (change.better, change.worse, change.common) == (("up",), ("down",), 2)
    assert (change.only_before, change.only_after) == (1, 1)
    rows = trend([("first", before), ("second", after)])
    assert rows[0].change is None
    assert rows[1].change == change


def test_a_host_that_was_unknown_is_neither_better_nor_worse() -> None:
    unknown = status("a", ("web_aaaa", "unknown", "dns_timeout"))
    assert compare([status("a", HAS)], [unknown]).common == 0


@pytest.mark.parametrize(
    "findings", [None, [1], [{"test": "web_aaaa", "mark": "splendid"}], [{"mark": "good"}]]
)
def test_a_strange_record_is_unknown(findings: object) -> None:
    found = status_of(DAY, {"host": "a", "findings": findings}, PACK)
    assert found.aaaa is None


@pytest.mark.parametrize(
    "text",
    ["", "points = 1", "[points]\ngood = -1", "[points]\ngood = nan\n", "a" * 200_000, "\x00"],
)
def test_a_scheme_that_cannot_be_used_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "scheme.toml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        load_pack(str(file))
    with pytest.raises(ConfigError):
        load_pack("no-such-scheme")
