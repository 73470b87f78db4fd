"""Adoption: shares with their denominators, scores worked by hand, change between audits."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from phusong.coverage.adoption import newest, roll_up, status_of, worst_offenders
from phusong.coverage.adoption_pack import Judged, load_pack, score, total_of
from phusong.coverage.adoption_trend import Step, trend
from phusong.coverage.provinces import Provinces
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


def scored(**answers: tuple[str, str] | tuple[str, str, float]) -> dict[str, float]:
    return score({test: Judged(*answer) for test, answer in answers.items()}, PACK)


def test_scores_are_points_over_the_most_and_the_mean_of_categories() -> None:
    scores = scored(
        web_aaaa=("good", "aaaa"),
        web_reach=("fail", "fewer_ports"),
        web_content=("notice", "different_content"),
        ns_aaaa=("good", "ns_two"),
        ns_reach=("part", "ns_partly", 0.5),
        mx_aaaa=("not_applicable", "no_mx"),
        dnssec=("notice", "insecure"),
    )
    # Internet.nl: fewer ports 2 of 10; half of the name servers answer, 5 of 10; no mail is left
    # out; DNSSEC insecure 2 of 10, beside the total of (0.2 + 0.5) / 2.
    assert scores == {"web": 0.2, "dns": 0.5, "dnssec": 0.2}
    assert total_of(scores, PACK) == pytest.approx(0.35)


def test_an_address_where_nobody_answers_earns_no_more_than_none() -> None:
    assert scored(web_aaaa=("good", ""), web_reach=("fail", "aaaa_dead")) == {"web": 0.0}
    assert scored(web_aaaa=("fail", "no_aaaa")) == {"web": 0.0}
    assert scored(web_aaaa=("good", ""), web_reach=("good", "")) == {"web": 1.0}


def test_one_name_server_earns_at_most_half_and_mail_hosts_their_share() -> None:
    lone = scored(ns_aaaa=("part", "ns_one", 0.5), ns_reach=("good", "ns_answer"))
    assert lone == {"dns": 0.5}
    # One name server with IPv6 among four: 10 of 40 points.
    assert scored(ns_aaaa=("part", "ns_one", 0.25), ns_reach=("good", "")) == {"dns": 0.25}
    # Three of four mail hosts have an address, two of the four answer: 20 of 40 points.
    mail = scored(mx_aaaa=("part", "mx_some", 0.75), mx_reach=("part", "mail_partly", 0.5))
    assert mail == {"mail": 0.5}
    assert scored(mx_aaaa=("good", "null_mx")) == {"mail": 1.0}


def test_what_is_unknown_neither_helps_nor_harms() -> None:
    blind = scored(web_aaaa=("good", ""), web_reach=("unknown", "vantage_without_ipv6"))
    assert blind == {"web": 1.0}
    assert scored(ns_aaaa=("unknown", "dns_timeout")) == {}


def test_a_pack_of_ones_own_weighs_as_it_says(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        'id = "own"\ntitle_en = "Own"\ntitle_vi = "Riêng"\nsource = "us"\n'
        "[points]\ngood = 4\npart = 3\nnotice = 1\nfail = 0\n[reasons]\nno_aaaa = 1\n"
        '[tests]\nweb = ["web_aaaa"]\ndns = ["ns_aaaa"]\n[weights]\nweb = 3\ndns = 1\n'
    )
    pack = load_pack(str(file))
    judged = {"web_aaaa": Judged("fail", "no_aaaa"), "ns_aaaa": Judged("part", "ns_one")}
    scores = score(judged, pack)
    # 1 of 4 and 3 of 4; (3 * 0.25 + 1 * 0.75) / 4.
    assert scores == {"web": 0.25, "dns": 0.75}
    assert total_of(scores, pack) == pytest.approx(0.375)


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
    after = [status("up", HAS), status("down", HAS, DEAD, agency="A"), status("new", HAS)]
    first, second = trend([("first", before), ("second", after)])
    assert first.change is None
    change = second.change
    assert change is not None
    assert change.since == "first"
    assert change.better == (Step("up", None, "none", "has"),)
    assert change.worse == (Step("down", "A", "has", "dead"),)
    assert (change.common, change.only_before, change.only_after) == (2, 1, 1)


def test_an_audit_is_compared_with_the_last_one_of_the_same_hosts() -> None:
    mine, theirs = [status("a", HAS), status("b", HAS)], [status("x", HAS), status("y", HAS)]
    rows = trend([("1", mine), ("2", theirs), ("3", mine), ("4", theirs)])
    assert [row.change and row.change.since for row in rows] == [None, None, "1", "2"]


def test_a_host_that_was_unknown_is_neither_better_nor_worse() -> None:
    unknown = status("a", ("web_aaaa", "unknown", "dns_timeout"))
    change = trend([("1", [status("a", HAS)]), ("2", [unknown])])[1].change
    assert change is not None
    assert (change.common, change.better, change.worse) == (0, (), ())


def test_real_units_lie_in_their_provinces_by_code() -> None:
    pytest.importorskip("vietnamadminunits", reason="needs the package with Vietnam's units")
    provinces = Provinces.vietnam()
    assert len(provinces.names) == 34
    # Phường Ba Đình and its province; both without their zeros too; a code that is no unit.
    units = {"00004": "01", "4": "04", "01": "01", "1": "01", "79": "79", "26740": "79"}
    assert {unit: provinces.code_of(unit) for unit in units} == units
    assert provinces.code_of("99999") is None
    assert provinces.name_of("99999") == "99999"
    hosts = [
        status("a", HAS, REACHED, unit="00004"),
        status("b", HAS_NOT, unit="01"),
        status("c", HAS, DEAD, unit="79"),
        status("d", HAS),
    ]
    rows = roll_up(hosts, "province", province_of=provinces.name_of)
    assert [(g.key, g.judged, g.with_aaaa, g.dead) for g in rows] == [
        ("Thành phố Hồ Chí Minh", 1, 1, 1),
        ("Thành phố Hà Nội", 2, 1, 0),
        ("", 1, 1, 0),
    ]


def test_every_unit_of_the_official_tables_lies_in_its_province(
    shared: Callable[[str], Path],
) -> None:
    pytest.importorskip("vietnamadminunits", reason="needs the package with Vietnam's units")
    listed = shared("vn-communes-2025/vn_communes_2025_asis.geojson").read_text("utf-8")
    units = re.findall(r'"commune_id": "(\d+)".{0,200}?"province_id": "(\d+)"', listed)
    provinces = Provinces.vietnam()
    wrong = [unit for unit, province in units if provinces.code_of(unit) != province]
    assert (len(units), wrong) == (3321, [])


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
