"""The month of the data ledger where clocks lie: a clock that is set opens no new cap."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from phusong.data.agent_log import data_used
from phusong.data.store import Store
from phusong.probes.agent.budget import Budget
from phusong.probes.agent.status import Happening
from phusong.probes.agent.visitor import Visitor

from .conftest import START, Receiver, Time

Make = Callable[..., Visitor]
DAY_S = 86_400
LONG_AGO = datetime(1970, 1, 1, 0, 5, tzinfo=UTC)


@pytest.fixture
def spent(agent: Make) -> Callable[..., Visitor]:
    """Give a visitor whose SIM has used most of its month: one more visit and the cap is met."""

    def make(**changes: Any) -> Visitor:
        visitor = agent(sim="a", **changes)
        visitor.visit()
        used = visitor.status.used_bytes
        visitor.budget = Budget(cap_bytes=int(1.5 * used))
        return visitor

    return make


def months(store: Store) -> dict[str, tuple[str, ...]]:
    return {row["month"]: row["together_with"] for row in data_used(store)}


@pytest.mark.parametrize("days", [31, 400, -31, -3650])
def test_a_clock_that_is_set_into_another_month_opens_no_new_cap(
    spent: Make, clock: Time, store: Store, happened: list[Happening], days: int
) -> None:
    visitor = spent()
    clock.set_clock(days * DAY_S)
    visitor.visit()
    assert visitor.status.trouble == "data_cap"
    assert visitor.status.joined or days < 0
    said = [each.what for each in happened]
    assert "clock_jumped" in said
    visitor.clock.sleep(3_600)
    visitor.visit()
    assert visitor.status.trouble == "data_cap"


def test_it_says_which_months_count_as_one(
    agent: Make, clock: Time, store: Store, happened: list[Happening], phusong: Any
) -> None:
    visitor = agent(sim="a")
    visitor.visit()
    clock.set_clock(31 * DAY_S)
    visitor.visit()
    (joined,) = [each for each in happened if each.what == "months_joined"]
    assert joined.why == "2026-07, 2026-08"
    assert months(store) == {"2026-07": ("2026-08",), "2026-08": ("2026-07",)}
    shown = phusong("probe", "budget", db=store.path).out
    assert "counted with" in shown
    assert "2026-07" in shown


def test_time_that_passes_opens_a_new_month(spent: Make, clock: Time) -> None:
    visitor = spent()
    clock.pass_by(31 * DAY_S)
    visitor.visit()
    assert (visitor.status.trouble, visitor.status.joined) == (None, ())


def test_sleep_over_the_end_of_a_month_opens_the_new_one(spent: Make, clock: Time) -> None:
    visitor = spent()
    clock.suspend(31 * DAY_S)
    visitor.visit()
    assert visitor.status.trouble is None


def test_a_satellite_tells_the_months_apart(spent: Make, clock: Time, store: Store) -> None:
    receiver = Receiver()
    visitor = spent(position=receiver)
    clock.set_clock(31 * DAY_S)
    visitor.visit()
    assert visitor.status.trouble == "data_cap"
    receiver.taken_at = clock.at
    # What this very run used before its clock was set may have been used in either month.
    visitor.visit()
    assert visitor.status.trouble == "data_cap"
    again = spent(position=receiver)
    assert (again.status.trouble, again.status.joined) == (None, ("2026-07",))
    other = Visitor.visit
    assert other
    assert months(store)["2026-08"] == ()


def test_a_satellites_month_is_booked_whatever_the_clock_says(
    agent: Make, clock: Time, store: Store
) -> None:
    clock.at = LONG_AGO
    agent(sim="a", position=Receiver(taken_at=START)).visit()
    assert list(months(store)) == ["2026-07"]


def test_a_receiver_whose_weeks_rolled_over_is_not_asked(
    agent: Make, clock: Time, store: Store
) -> None:
    agent(sim="a", position=Receiver(taken_at=START.replace(year=2006))).visit()
    assert list(months(store)) == ["2026-07"]


def test_a_board_that_wakes_up_in_1970_goes_on_with_the_ledgers_month(
    spent: Make, agent: Make, clock: Time, store: Store
) -> None:
    visitor = spent()
    clock.at = LONG_AGO
    woken = agent(sim="a", budget=visitor.budget)
    woken.visit()
    assert woken.status.trouble == "data_cap"
    assert list(months(store)) == ["2026-07"]


def test_what_was_used_before_the_first_clock_was_set_counts_in_the_month_it_was_set_to(
    agent: Make, clock: Time, store: Store
) -> None:
    clock.at = LONG_AGO
    visitor = agent(sim="a")
    visitor.visit()
    before = visitor.status.used_bytes
    clock.set_clock((START - LONG_AGO).total_seconds())
    visitor.visit()
    assert list(months(store)) == ["2026-07", "1970-01"]
    assert visitor.status.joined == ("1970-01",)
    assert visitor.estimate().used_bytes > before


def test_a_clock_that_ran_ahead_and_was_set_back_does_not_lock_the_months_to_come(
    spent: Make, clock: Time
) -> None:
    visitor = spent()
    clock.set_clock(92 * DAY_S)
    visitor.visit()
    clock.set_clock(-92 * DAY_S)
    visitor.visit()
    assert visitor.status.trouble == "data_cap"
    clock.pass_by(31 * DAY_S)
    visitor.visit()
    assert visitor.status.trouble is None


def test_a_clock_that_is_corrected_by_seconds_at_the_end_of_a_month_ties_nothing(
    spent: Make, clock: Time
) -> None:
    visitor = spent()
    clock.pass_by(31 * DAY_S)
    clock.set_clock(3)
    visitor.visit()
    assert (visitor.status.trouble, visitor.status.joined) == (None, ())
