"""G-NetTrack's events: what they are attempts at, and how they ended."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phusong.data.sample import Kind, Outcome

Import = Callable[..., tuple[Any, list[Any]]]


def test_an_event_is_an_attempt_at_service_with_the_network_beside_it(
    imported: Import, originals: dict[str, bytes]
) -> None:
    report, samples = imported(originals["gnettrack-events"])
    assert (report.tool, report.accepted) == ("gnettrack-events", 4)
    sample = samples[0]
    assert (sample.kind, sample.outcome) == (Kind.SERVICE, Outcome.OK)
    assert sample.reason == "handover_4g4g"
    assert sample.radio is not None
    assert (sample.radio.plmn, sample.radio.rsrp_dbm) == ("45204", -81.0)


@pytest.mark.parametrize(
    ("event", "details", "reason", "outcome"),
    [
        ("", "START PING", "start_ping", Outcome.OK),
        ("CALL_BLOCKED", "", "call_blocked", Outcome.REFUSED),
        ("CALL_DROPPED", "", "call_dropped", Outcome.STALLED),
        ("NO_COVERAGE", "", "no_coverage", Outcome.NO_SIGNAL),
    ],
)
def test_an_event_says_how_it_ended(
    imported: Import,
    originals: dict[str, bytes],
    event: str,
    details: str,
    reason: str,
    outcome: Outcome,
) -> None:
    header, first = originals["gnettrack-events"].decode().splitlines()[:2]
    cells = first.split(",")
    cells[-3:] = [event, details, "I"]
    _, (sample,) = imported("\n".join([header, ",".join(cells), ""]))
    assert (sample.reason, sample.outcome) == (reason, outcome)


def test_a_row_without_an_event_is_rejected(imported: Import, originals: dict[str, bytes]) -> None:
    header, first = originals["gnettrack-events"].decode().splitlines()[:2]
    cells = first.split(",")
    cells[-3:] = ["", "", "I"]
    report, _ = imported("\n".join([header, ",".join(cells), first, ""]))
    assert (report.accepted, report.rejected) == (1, {"nothing_measured": 1})


def test_real_events_are_service_and_lost_coverage_is_no_signal(
    imported: Import, shared: Callable[[str], Path]
) -> None:
    events = shared("sn-gnettrack/raw_logs/expresso_log_events.txt").read_bytes()
    report, samples = imported(events)
    assert report.tool == "gnettrack-events"
    assert report.rows == len(events.splitlines()) - 1
    assert {sample.kind for sample in samples} == {Kind.SERVICE}
    lost = [sample for sample in samples if sample.reason == "no_coverage"]
    assert len(lost) == 254
    assert {sample.outcome for sample in lost} == {Outcome.NO_SIGNAL}
