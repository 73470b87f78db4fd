"""Verdicts: when the evidence is enough, and what would settle the rest."""

from dataclasses import replace

import pytest

from phusong.coverage.interval import Spread
from phusong.coverage.rules import load_rule
from phusong.coverage.summary import Verdict
from phusong.coverage.verdict import judge

RULE = load_rule("vn-5g")


def all_pass(places: int) -> Spread:
    return Spread(places, float(places), float(places))


def none_pass(places: int) -> Spread:
    return Spread(places, 0.0, 0.0)


def test_73_places_that_all_pass_prove_95_percent_and_72_do_not() -> None:
    assert judge(all_pass(73), RULE).verdict is Verdict.COVERED
    almost = judge(all_pass(72), RULE)
    assert almost.verdict is Verdict.UNPROVEN
    assert almost.further_places == 1


def test_a_share_exactly_as_required_never_proves_it() -> None:
    exact = Spread(1500, 1425.0, 1425.0)
    judged = judge(exact, RULE)
    assert judged.verdict is Verdict.UNPROVEN
    assert judged.further_places is not None
    assert judged.further_places_at_share is None


def test_no_trial_is_no_data_and_never_zero() -> None:
    judged = judge(Spread(0, 0.0, 0.0), RULE)
    assert judged.verdict is Verdict.NO_DATA
    assert (judged.share, judged.low, judged.high) == (None, None, None)
    assert judged.further_places == 73


def test_very_few_places_settle_nothing_whatever_they_say() -> None:
    assert judge(none_pass(RULE.min_places - 1), RULE).verdict is Verdict.UNPROVEN
    assert judge(none_pass(RULE.min_places), RULE).verdict is Verdict.NOT_COVERED
    lenient = replace(RULE, required_share=0.2)
    few = judge(all_pass(RULE.min_places - 1), lenient)
    assert few.verdict is Verdict.UNPROVEN
    assert few.further_places == 1


def test_half_of_forty_places_disprove_95_percent_and_ask_for_nothing_more() -> None:
    judged = judge(Spread(40, 20.0, 20.0), RULE)
    assert judged.verdict is Verdict.NOT_COVERED
    assert judged.further_places is None
    assert judged.further_places_at_share is None


@pytest.mark.parametrize("places", [20, 40, 60])
def test_further_places_are_the_fewest_that_prove(places: int) -> None:
    one_failed = Spread(places, places - 1.0, places - 1.0)
    needed = judge(one_failed, RULE).further_places
    assert needed is not None
    assert judge(one_failed.with_passing(needed), RULE).verdict is Verdict.COVERED
    assert judge(one_failed.with_passing(needed - 1), RULE).verdict is Verdict.UNPROVEN


def test_at_the_present_share_more_places_are_needed_than_if_all_pass() -> None:
    judged = judge(Spread(100, 97.0, 96.5), RULE)
    assert judged.further_places is not None
    assert judged.further_places_at_share is not None
    assert judged.further_places < judged.further_places_at_share


def test_the_exact_interval_is_used_where_the_rule_asks_for_it() -> None:
    exact = replace(RULE, interval="clopper-pearson")
    # (0.025)^(1/72) = 0.95006: by the exact interval one place fewer is enough.
    assert judge(all_pass(72), exact).verdict is Verdict.COVERED
    assert judge(all_pass(71), exact).verdict is Verdict.UNPROVEN
