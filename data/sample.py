"""
A sample: one attempt at a measurement, whatever came of it.

Nothing came back is not zero. A failed attempt keeps its outcome and has no reading; a value
that was not measured is `None`. That is enforced here, once, when an object is made: every
door into the store (probe, importer, later the collector) makes the same `Sample`, so every
record meets the same checks.

The evidence is `Sample.body()`: the exact UTF-8 JSON that is hashed, kept and later signed.
Its id is the SHA-256 of those bytes. It is never re-serialised: two programs may write the
same sample in different bytes, and then they are two pieces of evidence.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, Self

from . import levels as levels
from .check import (
    as_choice,
    check_choice,
    check_integer,
    check_number,
    check_optional_choice,
    check_optional_integer,
    check_optional_number,
    check_optional_text,
    check_text,
    is_number,
    read_utc,
    refuse,
)
from .reading import Reading as Reading
from .strict_json import read_object

BODY_VERSION = 1
MAX_BODY_BYTES = 1_000_000
MAX_RECORD_CHARS = 100_000
# The reason of an attempt, good or failed, during which the technology, operator or SIM changed.
RADIO_CHANGED = "radio_changed"

_PROBE = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_PLMN = re.compile(r"[0-9]{5,6}\Z")
_REASON = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")


class Kind(StrEnum):
    """What was attempted."""

    SPEED = "speed"
    LATENCY = "latency"
    SIGNAL = "signal"
    SERVICE = "service"
    IPV6 = "ipv6"


class Outcome(StrEnum):
    """How an attempt ended. Only `OK` may carry a reading."""

    OK = "ok"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    NO_ROUTE = "no_route"
    NO_SIGNAL = "no_signal"
    STALLED = "stalled"
    DNS_FAILURE = "dns_failure"
    TLS_FAILURE = "tls_failure"
    PROTOCOL_ERROR = "protocol_error"
    SERVER_ERROR = "server_error"
    ADDRESS_REFUSED = "address_refused"
    CANCELLED = "cancelled"
    DEVICE_ERROR = "device_error"


class Rat(StrEnum):
    """Radio access technology, as far as the source tells it."""

    GSM = "2G"
    UMTS = "3G"
    LTE = "LTE"
    NR_NSA = "NR-NSA"
    NR_SA = "NR-SA"
    WIFI = "WiFi"
    FIXED = "fixed"


class NrEvidence(StrEnum):
    """
    What stands behind a claim of 5G, strongest first.

    `SA`: registered on NR, standalone. `NSA_MEASURED`: an LTE anchor and an NR cell with a
    measured NR RSRP. `NSA_INDICATED`: the phone's own icon or network mode only. `NONE`.
    """

    SA = "sa"
    NSA_MEASURED = "nsa_measured"
    NSA_INDICATED = "nsa_indicated"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where: WGS 84 degrees, longitude first. `age_s` is how old the fix was at the start."""

    lon: float
    lat: float
    accuracy_m: float | None = None
    age_s: float | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        check_number("position.lon", self.lon, -180, 180)
        if is_number(self.lat) and abs(self.lat) > 90 >= abs(self.lon):
            refuse("position.lat", self.lat, "at most 90 (longitude and latitude swapped?)")
        check_number("position.lat", self.lat, -90, 90)
        if self.lon == 0 and self.lat == 0:
            refuse("position", "0, 0", "a real fix (0, 0 is what devices write without one)")
        check_optional_number("position.accuracy_m", self.accuracy_m, 0, 1e6)
        check_optional_number("position.age_s", self.age_s, 0, 1e9)
        check_optional_text("position.source", self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Radio:
    """
    The network as the device saw it: names and identities, levels in dBm and dB.

    `plmn` is MCC and MNC together, leading zeros kept. `rsrp_dbm`, `rsrq_db` and `sinr_db` are of
    the serving LTE cell (or NR cell when standalone; before LTE, the received level stands in
    `level_dbm` only); `nr_*` are of a secondary NR cell.
    """

    plmn: str | None = None
    operator: str | None = None
    rat: Rat | None = None
    nr_evidence: NrEvidence | None = None
    cell_id: str | None = None
    tac: str | None = None
    pci: int | None = None
    level_dbm: float | None = None
    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None
    nr_rsrp_dbm: float | None = None
    nr_rsrq_db: float | None = None
    nr_sinr_db: float | None = None

    def __post_init__(self) -> None:
        if self.plmn is not None and not (isinstance(self.plmn, str) and _PLMN.match(self.plmn)):
            refuse("radio.plmn", self.plmn, "5 or 6 digits, MCC then MNC")
        check_optional_text("radio.operator", self.operator)
        check_optional_choice("radio.rat", self.rat, Rat)
        check_optional_choice("radio.nr_evidence", self.nr_evidence, NrEvidence)
        check_optional_text("radio.cell_id", self.cell_id)
        check_optional_text("radio.tac", self.tac)
        check_optional_integer("radio.pci", self.pci, 0, 1007)
        check_optional_number("radio.level_dbm", self.level_dbm, -160, 0)
        check_optional_number("radio.rsrp_dbm", self.rsrp_dbm, -160, 0)
        check_optional_number("radio.rsrq_db", self.rsrq_db, -50, 30)
        check_optional_number("radio.sinr_db", self.sinr_db, -50, 60)
        check_optional_number("radio.nr_rsrp_dbm", self.nr_rsrp_dbm, -160, 0)
        check_optional_number("radio.nr_rsrq_db", self.nr_rsrq_db, -50, 30)
        check_optional_number("radio.nr_sinr_db", self.nr_sinr_db, -50, 60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """
    Where a record came from: tool, file (its name and SHA-256), line, and the raw record.

    For our own probe the file is absent and the record is what the engine reported, phase by
    phase, so that a visit that failed midway still keeps what it had measured.
    """

    tool: str
    file: str | None = None
    file_sha256: str | None = None
    line: int | None = None
    record: str | None = None

    def __post_init__(self) -> None:
        check_text("source.tool", self.tool)
        check_optional_text("source.file", self.file)
        check_optional_text("source.file_sha256", self.file_sha256)
        check_optional_integer("source.line", self.line, 1, 1 << 62)
        if self.record is not None:
            check_text("source.record", self.record, MAX_RECORD_CHARS, controls=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """
    One attempt.

    `probe` and `seq` name it; the store gives `seq` in the transaction that keeps it, so an
    attempt that is not kept yet has `seq` 0. `started_at` is aware UTC; `mono_ns` (CLOCK_MONOTONIC)
    and `boot_id` order attempts even when the wall clock was set back. `reason` refines an
    outcome (``upload_timeout``). `technology` for judging comes from `radio.rat`.

    Raises
    ------
    RecordError
        Naming the field, what was seen and what was expected.
    """

    probe: str
    seq: int = 0
    kind: Kind
    started_at: datetime
    outcome: Outcome
    reason: str | None = None
    mono_ns: int | None = None
    boot_id: str | None = None
    duration_s: float | None = None
    engine: str | None = None
    engine_version: str | None = None
    server: str | None = None
    family: int | None = None
    reading: Reading | None = None
    position: Position | None = None
    radio: Radio | None = None
    source: Provenance
    simulated: bool = False

    def __post_init__(self) -> None:
        if not (isinstance(self.probe, str) and _PROBE.match(self.probe)):
            refuse("probe", self.probe, "1 to 64 of the characters A-Z a-z 0-9 . _ -")
        check_integer("seq", self.seq, 0, 1 << 62)
        check_choice("kind", self.kind, Kind)
        check_choice("outcome", self.outcome, Outcome)
        if not isinstance(self.started_at, datetime) or self.started_at.tzinfo is not UTC:
            refuse("started_at", self.started_at, "a time with zone UTC")
        if self.reason is not None and not (
            isinstance(self.reason, str) and _REASON.match(self.reason)
        ):
            refuse("reason", self.reason, "a short name such as upload_timeout")
        check_optional_integer("mono_ns", self.mono_ns, 0, 1 << 62)
        for name in ("boot_id", "engine", "engine_version", "server"):
            check_optional_text(name, getattr(self, name))
        check_optional_number("duration_s", self.duration_s, 0, 1e7)
        if self.family not in (None, 4, 6):
            refuse("family", self.family, "4 or 6")
        if not isinstance(self.simulated, bool):
            refuse("simulated", self.simulated, "true or false")
        if self.reading is not None and self.outcome is not Outcome.OK:
            refuse("reading", f"a reading with outcome {self.outcome}", "no reading")
        if self.outcome is Outcome.OK and self.reading is None and self.kind in _NEEDS_READING:
            refuse("reading", f"none with outcome ok of kind {self.kind}", "a reading")

    def body(self) -> bytes:
        """Give the sample as UTF-8 JSON: its evidence, whose SHA-256 is its id."""
        content: dict[str, Any] = {"v": BODY_VERSION, "probe": self.probe, "seq": self.seq}
        content["kind"] = self.kind.value
        content["ts"] = f"{self.started_at.replace(tzinfo=None).isoformat('T', 'microseconds')}Z"
        content |= {
            name: value
            for name, value in zip(_PLAIN, _plain_of(self), strict=True)
            if value is not None
        }
        for name, section in zip(_SECTIONS, _sections_of(self), strict=True):
            if section is not None:
                keys, values_of = _SECTION_FIELDS[name]
                content[name] = {
                    key: value
                    for key, value in zip(keys, values_of(section), strict=True)
                    if value is not None
                }
        if self.simulated:
            content["simulated"] = True
        body = _as_json(content).encode("utf-8")
        if len(body) > MAX_BODY_BYTES:
            refuse("body", f"{len(body)} bytes", f"at most {MAX_BODY_BYTES}")
        return body

    @classmethod
    def from_body(cls, body: bytes) -> Self:
        """
        Read evidence back.

        Raises
        ------
        RecordError
            If the bytes are not one JSON object of our version, repeat a key, hold an unknown
            key, or fail a field's check.
        """
        content = read_object(body, MAX_BODY_BYTES)
        version = content.pop("v", None)
        if version != BODY_VERSION:
            refuse("v", version, f"{BODY_VERSION}")
        values: dict[str, Any] = {}
        values["kind"] = as_choice("kind", content.pop("kind", None), Kind)
        values["outcome"] = as_choice("outcome", content.pop("outcome", None), Outcome)
        values["started_at"] = read_utc("ts", content.pop("ts", None))
        for name in ("probe", "seq", "simulated", *_PLAIN):
            if name in content:
                values[name] = content.pop(name)
        for name, kind in _SECTIONS.items():
            if name in content:
                values[name] = _read_section(name, kind, content.pop(name))
        if content:
            refuse(next(iter(content)), "an unknown field", "a field of version 1")
        if "probe" not in values or "source" not in values:
            refuse("probe, source", "nothing", "both")
        return cls(**values)


_NEEDS_READING = frozenset({Kind.SPEED, Kind.LATENCY})
_PLAIN = (
    "outcome",
    "reason",
    "mono_ns",
    "boot_id",
    "duration_s",
    "engine",
    "engine_version",
    "server",
    "family",
)
_SECTIONS: dict[str, type] = {
    "reading": Reading,
    "position": Position,
    "radio": Radio,
    "source": Provenance,
}
_plain_of, _sections_of = attrgetter(*_PLAIN), attrgetter(*_SECTIONS)


def _fields_of(kind: type) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Give the names of a section's fields, and what gives their values."""
    names = tuple(field.name for field in fields(kind))
    return names, attrgetter(*names)


_SECTION_FIELDS = {name: _fields_of(kind) for name, kind in _SECTIONS.items()}
# Made once: `json.dumps` makes an encoder for each call that asks for other separators.
_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def sample_id(body: bytes) -> bytes:
    """Give the 32 bytes that name this evidence: its SHA-256."""
    return hashlib.sha256(body).digest()


def _read_section(name: str, kind: type, content: object) -> Any:
    if not isinstance(content, dict):
        refuse(name, content, "an object")
    unknown = content.keys() - set(_SECTION_FIELDS[name][0])
    if unknown:
        refuse(f"{name}.{min(unknown)}", "an unknown field", "a field of version 1")
    if name == "radio":
        for key, choice in (("rat", Rat), ("nr_evidence", NrEvidence)):
            if key in content:
                content[key] = as_choice(f"radio.{key}", content[key], choice)
    try:
        return kind(**content)
    except TypeError:
        refuse(name, ", ".join(content), "all its required fields")
