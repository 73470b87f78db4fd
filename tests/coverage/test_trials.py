"""Which attempts count, for and against."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from phusong.coverage.frame import sample_frame
from phusong.coverage.rules import Rule, load_rule
from phusong.coverage.trials import REASON_TEXTS, Reason, judge_samples

MakeChunk = Callable[..., dict[str, Any]]


@pytest.fixture
def judged(chunk: MakeChunk) -> Callable[..., str]:
    def judge(rule: str | Rule, **change: Any) -> str:
        taken = load_rule(rule) if isinstance(rule, str) else rule
        done = judge_samples(sample_frame(chunk(change)), taken)
        reason = Reason(int(done.reason[0]))
        if reason is not Reason.TRIAL:
            assert not done.success[0]
            return reason.label
        return "success" if done.success[0] else "failure"

    return judge


@pytest.mark.parametrize(
    "outcome", ["timeout", "refused", "no_route", "no_signal", "stalled", "dns_failure"]
)
def test_a_failure_of_the_network_counts_against_it(
    judged: Callable[..., str], outcome: str
) -> None:
    assert judged("vn-4g", outcome=outcome) == "failure"


@pytest.mark.parametrize(
    "outcome",
    [
        *("cancelled", "device_error", "server_error"),
        *("protocol_error", "tls_failure", "address_refused"),
    ],
)
def test_what_is_not_the_networks_doing_is_excluded_by_name(
    judged: Callable[..., str], outcome: str
) -> None:
    assert judged("vn-4g", outcome=outcome) == outcome
    assert judged("signal-only", outcome=outcome) == outcome


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"down_mbps": 5.0}, "success"),
        ({"down_mbps": 4.999}, "failure"),
        ({"down_mbps": None}, "not_measured"),
        ({"rat": "3G"}, "failure"),
        ({"rat": "NR-NSA"}, "success"),
        ({"rat": "NR-SA"}, "other_technology"),
        ({"rat": "WiFi"}, "other_technology"),
        ({"rat": None}, "technology_unknown"),
        ({"rat": None, "outcome": "timeout"}, "technology_unknown"),
        ({"rat": None, "outcome": "no_signal"}, "failure"),
        ({"accuracy_m": 201.0}, "poor_position"),
        ({"accuracy_m": 200.0}, "success"),
        ({"accuracy_m": None}, "success"),
        ({"lon": None, "lat": None}, "no_position"),
        ({"kind": "signal"}, "other_kind"),
        ({"kind": "latency"}, "other_kind"),
        ({"kind": "ipv6"}, "other_kind"),
    ],
)
def test_a_speed_rule_judges_speed_tests(
    judged: Callable[..., str], change: dict[str, Any], expected: str
) -> None:
    assert judged("vn-4g", **change) == expected


@pytest.mark.parametrize(
    ("rat", "evidence", "expected"),
    [
        ("NR-SA", "sa", "success"),
        ("NR-NSA", "nsa_measured", "success"),
        ("NR-NSA", "nsa_indicated", "weak_5g_evidence"),
        ("NR-NSA", None, "weak_5g_evidence"),
        ("LTE", "none", "failure"),
    ],
)
def test_a_claim_of_5g_needs_the_evidence_that_the_rule_asks_for(
    judged: Callable[..., str], rat: str, evidence: str | None, expected: str
) -> None:
    assert judged("vn-5g", rat=rat, nr_evidence=evidence) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"kind": "signal"}, "success"),
        ({"kind": "signal", "rat": "2G"}, "success"),
        ({"kind": "signal", "rat": None, "outcome": "no_signal"}, "failure"),
        ({"kind": "signal", "rat": None}, "technology_unknown"),
        ({"kind": "speed", "outcome": "timeout"}, "success"),
        ({"kind": "speed", "rat": None}, "other_kind"),
        ({"kind": "latency"}, "success"),
        ({"kind": "ipv6"}, "other_kind"),
    ],
)
def test_a_signal_rule_judges_every_attempt_that_saw_the_radio(
    judged: Callable[..., str], change: dict[str, Any], expected: str
) -> None:
    assert judged("signal-only", **change) == expected


def test_an_lte_rule_counts_older_service_against_lte(judged: Callable[..., str]) -> None:
    assert judged("signal-lte", kind="signal", rat="3G") == "failure"
    assert judged("signal-lte", kind="signal", rat="NR-NSA") == "success"
    assert judged("signal-lte", kind="signal", rat="NR-SA") == "other_technology"


def test_indicated_5g_is_accepted_only_by_the_rule_that_says_so(
    judged: Callable[..., str],
) -> None:
    indicated = {"kind": "signal", "rat": "NR-NSA", "nr_evidence": "nsa_indicated"}
    assert judged("signal-5g-indicated", **indicated) == "success"
    assert judged("signal-5g-indicated", kind="signal", rat="LTE") == "failure"


def test_a_level_is_asked_of_the_nr_cell_where_only_5g_will_do(
    judged: Callable[..., str],
) -> None:
    lte = replace(load_rule("signal-lte"), thresholds={"rsrp_dbm": -110.0})
    assert judged(lte, kind="signal", rsrp_dbm=-110.0) == "success"
    assert judged(lte, kind="signal", rsrp_dbm=-110.5) == "failure"
    assert judged(lte, kind="signal") == "not_measured"
    nr = replace(load_rule("signal-5g-indicated"), thresholds={"rsrp_dbm": -110.0})
    seen = {"kind": "signal", "rat": "NR-NSA", "nr_evidence": "nsa_measured", "rsrp_dbm": -80.0}
    assert judged(nr, **seen, nr_rsrp_dbm=-115.0) == "failure"
    assert judged(nr, **seen) == "not_measured"


def test_latency_alone_may_be_answered_by_a_latency_test(judged: Callable[..., str]) -> None:
    rule = replace(load_rule("vn-4g"), thresholds={"rtt_idle_ms": 50.0})
    assert judged(rule, kind="latency", rtt_idle_ms=50.0) == "success"
    assert judged(rule, kind="latency", rtt_idle_ms=50.1) == "failure"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"near_ceiling": 1, "down_mbps": 4.0}, "instrument_ceiling"),
        ({"near_ceiling": 1, "down_mbps": 5.0}, "success"),
        ({"near_ceiling": 0, "down_mbps": 4.0}, "failure"),
        ({"near_ceiling": None, "down_mbps": 4.0}, "failure"),
        ({"near_ceiling": 1, "rat": "3G", "down_mbps": 4.0}, "failure"),
        ({"near_ceiling": 1, "outcome": "timeout"}, "failure"),
    ],
)
def test_a_slow_figure_of_a_slow_instrument_is_no_evidence_of_a_slow_network(
    judged: Callable[..., str], change: dict[str, Any], expected: str
) -> None:
    assert judged("vn-4g", **change) == expected


@pytest.mark.parametrize("rule", ["vn-4g", "signal-lte"])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "success"),
        ({"reason": "radio_changed"}, "radio_changed"),
        ({"reason": "radio_changed", "outcome": "timeout"}, "radio_changed"),
        ({"reason": "radio_changed", "outcome": "cancelled"}, "cancelled"),
        ({"reason": "radio_changed", "accuracy_m": 5_000.0}, "poor_position"),
        ({"reason": "upload_timeout"}, "success"),
    ],
)
def test_an_attempt_that_two_networks_share_is_no_trial(
    judged: Callable[..., str], rule: str, change: dict[str, Any], expected: str
) -> None:
    assert judged(rule, **change) == expected


def test_every_reason_has_its_words() -> None:
    assert set(REASON_TEXTS) == {reason.label for reason in Reason} - {"trial"}


@pytest.mark.parametrize(
    ("hours", "hour_utc", "lon", "expected"),
    [
        # At 105 degrees east the sun is seven hours ahead of Greenwich: 23 UTC is six there.
        ((6, 22), 23, 105.0, "success"),
        ((6, 22), 22, 105.0, "other_hours"),
        ((6, 22), 14, 105.0, "success"),
        ((6, 22), 15, 105.0, "other_hours"),
        ((6, 22), 22, 120.0, "success"),
        ((22, 6), 15, 105.0, "success"),
        ((22, 6), 22, 105.0, "success"),
        ((22, 6), 23, 105.0, "other_hours"),
    ],
)
def test_a_rule_may_judge_some_hours_by_the_sun_only(
    judged: Callable[..., str], hours: tuple[int, int], hour_utc: int, lon: float, expected: str
) -> None:
    rule = replace(load_rule("vn-4g"), hours=hours)
    day_us = 20_635 * 86_400_000_000
    assert judged(rule, started_us=day_us + hour_utc * 3_600_000_000, lon=lon) == expected


def test_hours_do_not_hide_that_a_position_is_missing(judged: Callable[..., str]) -> None:
    rule = replace(load_rule("vn-4g"), hours=(6, 22))
    assert judged(rule, lon=None, lat=None) == "no_position"
