"""
What importers of speed tests share: a result made a sample, a failure given its outcome.

A throughput of 0 is no speed: the transfer did not happen, and the attempt has stalled. What
else it measured stays in its raw record.
"""

import ipaddress
import re
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from ..check import ascii_safe, clean_text
from ..errors import RecordError
from ..sample import Kind, Outcome, Position, Radio, Reading, Sample
from .fields import read_number
from .interface import Importer, Row
from .times import read_iso

# The words of Go, iperf3, curl and Ookla for how a test failed, the more telling first.
_FAILURES = (
    (re.compile(r"refused", re.I), Outcome.REFUSED),
    (re.compile(r"resolve|no such host|name or service|dns", re.I), Outcome.DNS_FAILURE),
    (re.compile(r"certificate|x509|tls|ssl", re.I), Outcome.TLS_FAILURE),
    (re.compile(r"unreachable|no route|no network", re.I), Outcome.NO_ROUTE),
    (re.compile(r"time(?:d )?-?out|timeout|deadline", re.I), Outcome.TIMEOUT),
    (re.compile(r"busy|too many requests|unavailable|status 5", re.I), Outcome.SERVER_ERROR),
)


class ResultImporter(Importer):
    """An importer of documents, each one the result of a test."""

    documents: ClassVar[bool] = True

    def require(self, row: Row) -> Mapping[str, str]:
        """
        Give a document's cells, if it is the kind of document that holds a result.

        Raises
        ------
        RecordError
            If it is another one: a line of progress, or of another tool.
        """
        missing = [path for path in self.required if path not in row.cells]
        if missing:
            raise RecordError(
                "the document holds no result of {tool}: it has no {paths}",
                reason="not_a_result",
                tool=self.tool,
                paths=", ".join(missing[:3]),
            )
        return row.cells

    def started_at(self, field: str, cell: str) -> datetime:
        """Give a document's time; where it says none, the one that the person named (`--at`)."""
        if cell:
            return read_iso(field, cell, self.options.timezone)
        return self.named_time()

    def named_time(self) -> datetime:
        """Give the time that the person named, which is never guessed."""
        if self.options.at is None:
            raise RecordError(
                "the result does not say when it was measured; say so with --at, such as"
                " --at 2026-07-01T08:30:00+07:00",
                reason="no_time",
            )
        return self.options.at

    def failed(
        self,
        row: Row,
        started_at: datetime,
        message: str,
        *,
        engine: str,
        engine_version: str | None = None,
        server: str | None = None,
    ) -> Sample:
        """Make a sample of a test that ended with an error; its words stay in the record."""
        return Sample(
            probe=self.source.probe,
            seq=row.line,
            kind=Kind.SPEED,
            started_at=started_at,
            outcome=outcome_of(message),
            engine=engine,
            engine_version=engine_version,
            server=server,
            source=self.provenance(row),
        )


def speed_sample(
    importer: Importer,
    row: Row,
    started_at: datetime,
    values: Mapping[str, float | int | None],
    *,
    engine: str,
    reason: str | None = None,
    engine_version: str | None = None,
    server: str | None = None,
    family: int | None = None,
    duration_s: float | None = None,
    position: Position | None = None,
    radio: Radio | None = None,
) -> Sample:
    """
    Make a speed sample of a test's values, named as the fields of a reading.

    Raises
    ------
    RecordError
        If nothing was measured, or a value cannot be one.
    """
    stalled = stalled_reason(values.get("down_mbps"), values.get("up_mbps"))
    if all(value is None for value in values.values()):
        raise RecordError("the row holds no result of any test", reason="nothing_measured")
    return Sample(
        probe=importer.source.probe,
        seq=row.line,
        kind=Kind.SPEED,
        started_at=started_at,
        outcome=Outcome.STALLED if stalled else Outcome.OK,
        reason=stalled or reason,
        duration_s=duration_s,
        engine=engine,
        engine_version=engine_version,
        server=server,
        family=family,
        reading=None if stalled else Reading(**values),  # type: ignore[arg-type]
        position=position,
        radio=radio,
        source=importer.provenance(row),
    )


def counted_sample(
    importer: Importer,
    row: Row,
    started_at: datetime,
    *,
    engine: str,
    down_mbps: float | None,
    up_mbps: float | None,
    ping_ms: float | None,
    jitter_ms: float | None = None,
    received: int | None = None,
    sent: int | None = None,
    server: str = "",
    address: str = "",
) -> Sample:
    """
    Make a speed sample of a client that tells two rates, a ping and, in JSON, the bytes it moved.

    Such a client writes 0 both for a test left out and for one that failed: where one direction
    moved no byte and the other did, that one is missing, and the reason says so; where neither
    moved anything, the test has stalled. Raises as `speed_sample` does.
    """
    reason = None
    if down_mbps == 0 and not received and up_mbps:
        down_mbps, reason = None, "download_not_told"
    elif up_mbps == 0 and not sent and down_mbps:
        up_mbps, reason = None, "upload_not_told"
    values = {
        "down_mbps": down_mbps,
        "up_mbps": up_mbps,
        "rtt_idle_ms": ping_ms,
        "jitter_ms": jitter_ms,
        "bytes_down": received,
        "bytes_up": sent,
    }
    return speed_sample(
        importer,
        row,
        started_at,
        values,
        engine=engine,
        reason=reason,
        server=clean_text(server),
        family=family_of(address),
    )


def stalled_reason(down: float | None, up: float | None) -> str | None:
    """Name the transfers that moved nothing, or give None."""
    if down == 0 and up == 0:
        return "both_stalled"
    if down == 0:
        return "download_stalled"
    return "upload_stalled" if up == 0 else None


def outcome_of(message: str) -> Outcome:
    """Give the outcome that a tool's error message speaks of."""
    for words, outcome in _FAILURES:
        if words.search(message):
            return outcome
    return Outcome.PROTOCOL_ERROR


def family_of(address: str) -> int | None:
    """Give 4 or 6 for an address, or None for what is none."""
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return None


def read_in(field: str, cell: str, unit: str, expected: str) -> float | None:
    """
    Give a number whose unit stands beside it, if that is the one expected.

    Raises
    ------
    RecordError
        If it is another unit: nothing is converted that nobody has seen.
    """
    value = read_number(field, cell)
    if value is not None and unit != expected:
        raise RecordError(
            "{field}: its unit is {seen}, expected {expected}",
            reason="unknown_unit",
            field=field,
            seen=ascii_safe(unit[:60]),
            expected=expected,
        )
    return value
