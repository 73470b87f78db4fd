"""Which area an audited host counts in, and who is left beside."""

from datetime import UTC, datetime

import pytest

from phusong.coverage.adoption import HostStatus, status_of
from phusong.coverage.adoption_areas import choose_levels, counts_of, place_hosts
from phusong.coverage.adoption_pack import load_pack

PARENTS = {"01": None, "02": None, "00004": "01", "00008": "01", "00101": "02"}
COMMUNES = ["00004", "00008", "00101"]


def host(name: str, unit: str | None, *, known: bool = True) -> HostStatus:
    mark = "good" if known else "unknown"
    findings = [{"test": "web_aaaa", "mark": mark, "reason": "aaaa"}]
    record = {"host": name, "findings": findings, **({"unit": unit} if unit else {})}
    return status_of(datetime(2026, 8, 1, tzinfo=UTC), record, load_pack())


@pytest.mark.parametrize(
    ("unit", "area"), [("01", "01"), ("1", "01"), ("00008", "01"), ("8", "01"), ("101", "02")]
)
def test_a_host_counts_in_the_province_that_its_unit_is_or_lies_in(unit: str, area: str) -> None:
    placed = place_hosts([host("a.vn", unit)], ["01", "02"], PARENTS)
    assert list(placed.inside) == [area]
    assert placed.outside == {}


def test_a_host_of_a_larger_unit_is_counted_beside_the_communes_and_never_spread() -> None:
    hosts = [host("a", "01"), host("b", None), host("c", "99999"), host("d", "00004")]
    placed = place_hosts(hosts, COMMUNES, PARENTS)
    assert list(placed.inside) == ["00004"]
    assert placed.outside == {"larger_unit": 1, "no_unit": 1, "unknown_unit": 1}


def test_units_in_a_circle_end_somewhere() -> None:
    placed = place_hosts([host("a", "x")], ["01"], {"x": "y", "y": "x"})
    assert placed.outside == {"larger_unit": 1}


def test_an_area_counts_those_of_which_nothing_is_known_apart() -> None:
    placed = place_hosts([host("a", "00004"), host("b", "4", known=False)], COMMUNES, PARENTS)
    group = placed.groups()["00004"]
    assert (group.hosts, group.judged, group.with_aaaa) == (2, 1, 1)
    assert counts_of([group, group])["hosts"] == 4


@pytest.mark.parametrize(
    ("units", "shown", "levels"),
    [
        (["00004", "00101"], ["commune"], ["commune"]),
        (["00004", "00101"], ["province", "commune"], ["province", "commune"]),
        (["01", "02", "00004"], ["commune"], ["commune", "province"]),
        (["01"], ["commune"], ["province"]),
        (["99"], ["commune"], []),
    ],
)
def test_a_level_is_added_where_it_has_more_of_the_hosts_than_those_shown(
    units: list[str], shown: list[str], levels: list[str]
) -> None:
    hosts = [host(f"h{number}", unit) for number, unit in enumerate(units)]
    placed = {
        "province": place_hosts(hosts, ["01", "02"], PARENTS),
        "commune": place_hosts(hosts, COMMUNES, PARENTS),
    }
    assert choose_levels(placed, shown) == levels
