"""One visit of the agent: what surrounds it, what it may cost, what comes of it."""

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from phusong.data.agent_log import agent_records, data_used
from phusong.data.sample import Kind, Outcome, Radio, Rat, Sample
from phusong.data.store import Store
from phusong.probes.agent import visitor as module
from phusong.probes.agent.budget import Budget
from phusong.probes.agent.status import Happening
from phusong.probes.agent.visitor import Visitor
from phusong.probes.interface import Limits
from phusong.probes.radio.state import RadioState
from phusong.probes.scope import Scope

from .conftest import Modem, Receiver, Time, served

Make = Callable[..., Visitor]
Kept = Callable[[], list[Sample]]

# What may change of the radio while a test runs, and the reason that then stands in the sample.
radio_changes = pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cell_id": "7654321"}, None),
        ({"rsrp_dbm": -110.0}, None),
        ({"rat": Rat.NR_NSA}, "radio_changed"),
        ({"plmn": "45201"}, "radio_changed"),
    ],
)


def record(sample: Sample) -> dict[str, Any]:
    assert sample.source.record
    return dict(json.loads(sample.source.record))


def attempts(store: Store) -> list[tuple[str, str | None]]:
    return [(row["happened"], row["why"]) for row in agent_records(store)["agent_attempt"]]


def test_a_whole_visit_has_place_radio_and_cost(agent: Make, store: Store, kept: Kept) -> None:
    agent(scope=Scope.WHOLE, radio=Modem()).visit()
    (sample,) = kept()
    assert (sample.outcome, sample.kind) == (Outcome.OK, Kind.SPEED)
    assert sample.position
    assert (sample.position.source, sample.position.age_s) == ("test", 0.2)
    assert sample.radio
    assert (sample.radio.rat, sample.radio.cell_id) == (Rat.LTE, "1234567")
    assert sample.reading
    assert sample.reading.bytes_down
    assert sample.reading.bytes_up
    (used,) = data_used(store)
    payload = sample.reading.bytes_down + sample.reading.bytes_up
    assert (used["sim"], used["month"], used["unsettled"]) == ("sim-a", "2026-07", 0)
    # More than the payload, by headers and echoes; what was under way at the end counts too.
    assert payload < used["bytes"] < 1.5 * payload + 20_000_000
    assert attempts(store) == [("measured", None)]


def test_the_heartbeat_measures_latency_alone(agent: Make, kept: Kept, store: Store) -> None:
    agent().visit()
    (sample,) = kept()
    assert (sample.kind, sample.outcome) == (Kind.LATENCY, Outcome.OK)
    assert sample.reading
    assert sample.reading.rtt_idle_ms
    assert (sample.reading.down_mbps, sample.reading.near_ceiling) == (None, None)
    assert [phase["phase"] for phase in record(sample)["phases"]] == ["connect", "latency"]
    assert record(sample)["small"]["rule"] == "latency alone"
    assert 0 < data_used(store)[0]["bytes"] < 100_000


def test_a_small_download_names_the_rule_by_which_it_ended(agent: Make, kept: Kept) -> None:
    # The far end stops after 1 s, which is no early end of a test that may take 1.05 s.
    limits = Limits(duration_s=1.05, width=5.0, max_bytes=1 << 40)
    agent(scope=Scope.DOWNLOAD, limits=limits).visit()
    (sample,) = kept()
    assert sample.reading, sample.reason
    assert sample.reading.down_mbps
    assert sample.reading.up_mbps is None
    seen = record(sample)
    assert "once its estimate is steady" in seen["small"]["rule"]
    assert seen["small"]["steady_within"] == 5.0
    assert seen["phases"][-1]["stopped_by"] in ("enough", "peer", "duration")


@radio_changes
def test_a_failure_with_a_change_midway_is_marked_as_a_success_is(
    agent: Make, kept: Kept, changes: dict[str, Any], reason: str | None
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
        agent(url, radio=Modem([served(), served(**changes)])).visit()
    (sample,) = kept()
    assert (sample.outcome, sample.reason) == (Outcome.REFUSED, reason or "connect_refused")
    # Why it failed stays in the record, whatever the reason says.
    assert record(sample)["phases"][-1]["reason"] == "refused"


def test_a_service_that_is_lost_midway_is_a_failure_and_no_second_network(
    agent: Make, kept: Kept
) -> None:
    gone = RadioState(sim="sim-a", registered=False, problem="not_registered")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        agent(f"ws://127.0.0.1:{taken.getsockname()[1]}", radio=Modem([served(), gone])).visit()
    (sample,) = kept()
    assert (sample.outcome, sample.reason) == (Outcome.REFUSED, "connect_refused")
    assert record(sample)["radio"]["changed"] == ["registered"]


@radio_changes
def test_a_change_midway_is_recorded_and_two_networks_are_marked(
    agent: Make, kept: Kept, changes: dict[str, Any], reason: str | None
) -> None:
    agent(radio=Modem([served(), served(**changes)])).visit()
    (sample,) = kept()
    assert (sample.outcome, sample.reason) == (Outcome.OK, reason)
    assert sample.radio == served().radio
    radio = record(sample)["radio"]
    (name,) = changes
    assert radio["before"][name] == getattr(served().radio, name)
    assert radio["after"][name] == changes[name]
    assert radio["changed"] == ([] if name == "rsrp_dbm" else [name])


def test_a_sim_without_service_is_a_sample_and_nothing_is_sent(
    agent: Make, kept: Kept, store: Store, server: Any
) -> None:
    modem = Modem([RadioState(sim="sim-a", registered=False, problem="not_registered")])
    agent(radio=modem, named_radio=Radio(operator="Viettel")).visit()
    (sample,) = kept()
    assert (sample.outcome, sample.reason) == (Outcome.NO_SIGNAL, "not_registered")
    assert sample.position
    assert sample.radio == Radio(operator="Viettel")
    assert data_used(store)[0]["bytes"] == 0
    assert not server.finished


def test_a_position_that_may_not_be_believed_is_said_and_not_used(
    agent: Make, kept: Kept, store: Store
) -> None:
    agent(position=Receiver(problem="stale")).visit()
    (sample,) = kept()
    assert sample.position is None
    assert record(sample)["position"]["problem"] == "stale"
    assert agent_records(store)["agent_attempt"][0]["lon"] is None


def test_the_position_at_the_end_is_kept_too(agent: Make, kept: Kept) -> None:
    class Moving(Receiver):
        def current(self) -> Any:
            self.move_east(40)
            return Receiver.current(self)

    agent(position=Moving()).visit()
    (sample,) = kept()
    assert sample.position
    assert record(sample)["position"]["after"]["lon"] > sample.position.lon


def test_the_cap_stops_a_running_test_and_what_was_used_is_booked(
    agent: Make, kept: Kept, store: Store
) -> None:
    limits = Limits(duration_s=8, width=None, max_bytes=1 << 40)
    visitor = agent(
        scope=Scope.WHOLE, limits=limits, budget=Budget(cap_bytes=30_000_000), radio=Modem()
    )
    visitor.visit()
    (sample,) = kept()
    assert (sample.outcome, sample.reason, sample.reading) == (Outcome.CANCELLED, "data_cap", None)
    (used,) = data_used(store)
    assert used["bytes"] >= 30_000_000
    assert visitor.status.left_bytes == 0
    visitor.visit()
    assert len(kept()) == 1
    assert attempts(store)[-1] == ("not_measured", "data_cap")


def test_a_test_that_the_cap_would_stop_is_not_begun(agent: Make, kept: Kept, store: Store) -> None:
    visitor = agent(scope=Scope.WHOLE, radio=Modem())
    visitor.visit()
    usual = data_used(store)[0]["bytes"]
    visitor.budget = Budget(cap_bytes=int(1.5 * usual))
    visitor.visit()
    assert len(kept()) == 1
    assert attempts(store)[-1] == ("not_measured", "data_cap")


def test_each_sim_and_each_month_has_its_own_account(
    agent: Make, store: Store, clock: Time
) -> None:
    visitor = agent(sim="a", budget=Budget(cap_bytes=60_000))
    other = agent(sim="b", budget=Budget(cap_bytes=60_000))
    for _ in range(4):
        visitor.visit()
    assert attempts(store)[-1] == ("not_measured", "data_cap")
    other.visit()
    assert attempts(store)[-1] == ("measured", None)
    clock.pass_by(31 * 86_400)
    visitor.visit()
    assert attempts(store)[-1] == ("measured", None)
    assert {(row["sim"], row["month"]) for row in data_used(store)} == {
        ("a", "2026-07"),
        ("b", "2026-07"),
        ("a", "2026-08"),
    }


def test_the_ledger_is_never_behind_what_was_used(agent: Make, store: Store) -> None:
    limits = Limits(duration_s=0.4, max_bytes=1 << 33)
    visitor = agent(scope=Scope.WHOLE, limits=limits)
    seen: list[tuple[str, int, int]] = []

    def look(phase: str) -> None:
        reserved = store.connection.execute(
            "SELECT reserved_bytes FROM data_used WHERE used_bytes IS NULL"
        ).fetchone()
        assert visitor.status.meter
        seen.append((phase, reserved[0], visitor.status.meter.used_bytes()))

    visitor.on_phase = look
    visitor.visit()
    assert [phase for phase, _, _ in seen] == ["connect", "latency", "download", "upload"]
    assert all(reserved > used for _, reserved, used in seen)
    assert all(reserved > 1 << 33 for phase, reserved, _ in seen if phase.endswith("load"))


@pytest.mark.parametrize("pattern", ["lo", "l*", "*"])
def test_nothing_is_tested_over_a_link_that_is_excluded(
    agent: Make, kept: Kept, store: Store, pattern: str, server: Any
) -> None:
    agent(excluded_links=("wlan0", pattern)).visit()
    assert kept() == []
    assert attempts(store) == [("not_measured", "link_excluded")]
    assert not server.finished


def test_a_test_that_moves_to_an_excluded_link_is_broken_off(
    agent: Make, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = iter(["wwan0", "wwan0", *["wlan0"] * 9])
    monkeypatch.setattr(module, "link_to", lambda host, family: next(ways))
    agent(excluded_links=("wlan*",)).visit()
    (sample,) = kept()
    assert (sample.outcome, sample.reason) == (Outcome.CANCELLED, "latency_link_excluded")


def test_another_link_than_the_excluded_one_is_used(agent: Make, kept: Kept) -> None:
    agent(excluded_links=("wlan0",)).visit()
    assert kept()[0].outcome is Outcome.OK


def test_without_any_link_the_device_is_at_fault(
    agent: Make, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "link_to", lambda host, family: None)
    monkeypatch.setattr(module, "has_link", lambda: False)
    agent().visit()
    assert (kept()[0].outcome, kept()[0].reason) == (Outcome.DEVICE_ERROR, "link_down")


def test_a_link_pulled_out_during_a_test_is_no_failure_of_the_network(
    agent: Make, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        visitor = agent(f"ws://127.0.0.1:{taken.getsockname()[1]}")
        visitor.visit()
        monkeypatch.setattr(module, "is_up", lambda link: False)
        visitor.visit()
    assert [(s.outcome, s.reason) for s in kept()] == [
        (Outcome.REFUSED, "connect_refused"),
        (Outcome.DEVICE_ERROR, "link_lost"),
    ]


def test_little_room_on_the_disk_stops_it_before_the_disk_is_full(
    agent: Make, kept: Kept, store: Store, happened: list[Happening]
) -> None:
    room = [100_000_000, 100_000_000, 40_000_000, 1 << 40]
    visitor = agent(free_bytes=lambda: room.pop(0))
    for _ in range(4):
        visitor.visit()
    assert [why for _, why in attempts(store)] == [None, None, "disk_low", None]
    assert len(kept()) == 3
    assert [each.what for each in happened].count("disk_warning") == 1


def test_a_broken_off_visit_is_kept_and_ends_the_run(agent: Make, kept: Kept, store: Store) -> None:
    def interrupted(phase: str) -> None:
        if phase == "latency":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        agent(on_phase=interrupted).visit()
    assert (kept()[0].outcome, kept()[0].reason) == (Outcome.CANCELLED, "latency_cancelled")
    assert attempts(store) == [("measured", "latency_cancelled")]


def test_a_sample_is_told_of_only_after_it_was_committed(
    agent: Make, store: Store, happened: list[Happening]
) -> None:
    visitor = agent()
    counted = []

    def look(what: Happening) -> None:
        with Store.open(store.path) as other:
            counted.append(other.connection.execute("SELECT count(*) FROM sample").fetchone()[0])

    visitor.on_happening = look
    visitor.visit()
    visitor.visit()
    assert counted == [1, 2]


def test_each_family_is_an_attempt_of_its_own(agent: Make, kept: Kept, server: Any) -> None:
    visitor = agent(families=(4, 6))
    visitor.plan = replace(visitor.plan, server=replace(visitor.plan.server, host="localhost"))
    visitor.visit()
    assert [sample.family for sample in kept()] == [4, 6]


def test_the_estimate_says_the_most_and_the_usual(agent: Make) -> None:
    limits = Limits(duration_s=0.5, max_bytes=10_000_000)
    visitor = agent(limits=limits, scope=Scope.DOWNLOAD, budget=Budget(cap_bytes=10**9), sim="a")
    before = visitor.estimate()
    assert before.usual_bytes is None
    assert 10_600_000 < before.most_bytes < 10_700_000
    assert before.left_bytes == 10**9
    heartbeat = agent(sim="a")
    heartbeat.visit()
    after = heartbeat.estimate()
    assert after.usual_bytes
    assert 0 < after.usual_bytes <= after.most_bytes < 100_000
    assert after.used_bytes == after.usual_bytes
