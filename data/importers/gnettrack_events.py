"""
G-NetTrack's ``*_events.txt``: what happened to the phone, beside the log of where it was.

A row is an attempt at *service*, of kind `service`: a handover, a call, a test that began. It is
no measurement of data service, so no rule on signal or speed counts it, and the signal that
it repeats from the log beside it is not counted twice. Losing coverage is `no_signal`; a call that
was blocked or dropped is `refused` or `stalled`, as G-NetTrack names it.
"""

import re
from typing import ClassVar

from ..errors import RecordError
from ..sample import Kind, Outcome, Sample
from .gnettrack import NO_COVERAGE, read_time
from .gnettrack_log import GnettrackLog
from .interface import Row, read_position

_WORD = re.compile(r"[^a-z0-9]+")
_OUTCOMES = (
    (re.compile(r"BLOCK|FAIL|REJECT"), Outcome.REFUSED),
    (re.compile(r"DROP"), Outcome.STALLED),
)


class GnettrackEvents(GnettrackLog):
    """One list of events; each row keeps the network and the place that it was written with."""

    tool = "gnettrack-events"
    required: ClassVar[tuple[str, ...]] = (
        "Timestamp",
        "Longitude",
        "Latitude",
        "Operatorname",
        "Node",
        "CellID",
        "LAC",
        "NetworkTech",
        "Level",
        "Qual",
        "SNR",
        "EventType",
        "EventDetails",
    )

    def to_sample(self, row: Row) -> Sample:
        """Make a service sample of a row; its reason is the event's name."""
        cells = row.cells
        # The starts of tests stand in the column of details, without a type.
        event = cells["EventType"] or cells["EventDetails"]
        name = _WORD.sub("_", event.lower()).strip("_")[:64]
        if not name or not name[0].isalpha():
            raise RecordError("the row names no event", reason="nothing_measured")
        outcome = next((found for pattern, found in _OUTCOMES if pattern.search(event)), Outcome.OK)
        covered = event not in NO_COVERAGE and not self.is_uncovered(cells)
        if not covered:
            outcome = Outcome.NO_SIGNAL
        return Sample(
            probe=self.source.probe,
            seq=row.line,
            kind=Kind.SERVICE,
            started_at=read_time(cells["Timestamp"], self.zone),
            outcome=outcome,
            reason=name,
            position=read_position(cells["Longitude"], cells["Latitude"]),
            radio=self.radio(cells) if covered else self.own_network(),
            source=self.provenance(row),
        )
