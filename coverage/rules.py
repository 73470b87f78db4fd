"""
Rules: what counts as covered, as a file.

A rule names its source and clause, the technologies that satisfy it and those that count
against it, thresholds, the share of places required, the confidence, and how a sample must have
been taken. A number that nobody has read in its source is listed by `Rule.unverified`, and
whoever prints or draws a result repeats that list.

The same samples can be judged again under another rule. Packaged rules are in
``data/files/rules``; a person's own rule is a file of the same form.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from ..data.errors import ConfigError
from ..data.sample import NrEvidence, Rat

MAX_RULE_BYTES = 100_000
THRESHOLDS = ("down_mbps", "up_mbps", "rtt_idle_ms", "rsrp_dbm")
INTERVALS = ("wilson", "clopper-pearson")
SPEED_THRESHOLDS = ("down_mbps", "up_mbps", "rtt_idle_ms")

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")
_TEXTS = ("title_en", "title_vi", "about_en", "about_vi", "source", "clause")
_REQUIRED = ("id", "version", "title_en", "title_vi", "source", "technologies", "required_share")
_KNOWN = frozenset(
    {
        *("id", "version", *_TEXTS, "valid_from", "technologies", "counts_against"),
        *("nr_evidence", "thresholds", "required_share", "confidence", "place_resolution"),
        *("interval", "max_accuracy_m", "min_places", "leave_out_uncertain", "hours", "verified"),
        "test",
    }
)
_TEST = ("engines", "sources")
_LONGEST_NAME = 64
_CHECKED_NUMBERS = (*THRESHOLDS, "required_share")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    One rule.

    A trial on one of `technologies` succeeds when it meets every threshold: at least so many
    Mbit/s or dBm, at most so many ms. A trial on one of `counts_against` fails, because the
    device found nothing better; any other technology says nothing about this rule and is
    excluded. `nr_evidence` is the weakest class that makes a 5G technology believed (None where
    the rule makes no claim of 5G). `place_resolution` is the H3 resolution of a place;
    `min_places` is the fewest places on which any verdict rests. `leave_out_uncertain` excludes
    samples whose position's error crosses their area's border. `hours` are the hours of the day
    by the sun in which attempts are judged, from the first until the second, over midnight where
    that is the smaller one; None for all of them. Where `engines` are named only their speed tests
    are judged, where `sources` are only samples that came through those tools.
    """

    id: str
    version: int
    title_en: str
    title_vi: str
    source: str
    clause: str = ""
    about_en: str = ""
    about_vi: str = ""
    valid_from: date | None = None
    technologies: frozenset[Rat]
    counts_against: frozenset[Rat] = frozenset()
    nr_evidence: NrEvidence | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    required_share: float
    confidence: float = 0.95
    interval: str = "wilson"
    place_resolution: int = 10
    max_accuracy_m: float = 200.0
    min_places: int = 10
    leave_out_uncertain: bool = False
    hours: tuple[int, int] | None = None
    engines: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()

    @property
    def needs_speed(self) -> bool:
        """Whether only a speed measurement can answer this rule."""
        return any(name in self.thresholds for name in SPEED_THRESHOLDS)

    def record(self) -> dict[str, Any]:
        """Give the rule as plain data."""
        return asdict(self) | {
            "technologies": sorted(rat.value for rat in self.technologies),
            "counts_against": sorted(rat.value for rat in self.counts_against),
            "valid_from": self.valid_from.isoformat() if self.valid_from else None,
        }


def list_rules() -> list[str]:
    """Give the ids of the packaged rules, in order."""
    folder = resources.files("phusong.data").joinpath("files", "rules")
    names = (file.name for file in folder.iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def load_rule(name: str) -> Rule:
    """
    Give a rule by its packaged id, or from a file whose path ends in ``.toml``.

    Raises
    ------
    ConfigError
        If there is no such rule, or its file is wrong; the message names the field.
    """
    if name.endswith(".toml"):
        return read_rule(name, read_rule_file(Path(name)))
    if name not in list_rules():
        raise ConfigError(
            "there is no rule {name}; there are: {known} (or name a .toml file)",
            name=name,
            known=", ".join(list_rules()),
        )
    packaged = resources.files("phusong.data").joinpath("files", "rules", f"{name}.toml")
    return read_rule(f"{name}.toml", packaged.read_bytes())


def read_rule(file: str, content: bytes) -> Rule:
    """Read a rule from the bytes of its file; `file` is only for messages."""
    try:
        values = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            "{file}: not a rule: {error}", file=file, error=str(error)[:200]
        ) from None
    unknown = sorted(values.keys() - _KNOWN)
    if unknown:
        _refuse(file, unknown[0], values[unknown[0]], "a field of a rule")
    for name in _REQUIRED:
        if name not in values:
            _refuse(file, name, None, "a value")
    fields: dict[str, Any] = {
        name: _text(file, name, values[name]) for name in _TEXTS if name in values
    }
    fields["id"] = _name(file, values["id"])
    fields["version"] = _whole(file, "version", values["version"], 1, 10_000)
    if "valid_from" in values:
        if type(values["valid_from"]) is not date:
            _refuse(file, "valid_from", values["valid_from"], "a date such as 2022-07-01")
        fields["valid_from"] = values["valid_from"]
    if values.get("interval", "wilson") not in INTERVALS:
        _refuse(file, "interval", values["interval"], "one of " + ", ".join(INTERVALS))
    fields["interval"] = values.get("interval", "wilson")
    fields["leave_out_uncertain"] = values.get("leave_out_uncertain", False)
    if not isinstance(fields["leave_out_uncertain"], bool):
        _refuse(file, "leave_out_uncertain", fields["leave_out_uncertain"], "true or false")
    if "hours" in values:
        fields["hours"] = _hours(file, values["hours"])
    fields |= _technologies(file, values)
    fields |= _numbers(file, values)
    fields |= _test(file, values.get("test", {}), fields["thresholds"])
    return Rule(**fields)


def _name(file: str, value: object) -> str:
    if not (isinstance(value, str) and _ID.match(value)):
        _refuse(file, "id", value, "lower-case letters, digits and hyphens")
    return value


def _hours(file: str, value: object) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2 or value[0] == value[1]:
        _refuse(file, "hours", value, "two different hours of the day such as [6, 22]")
    start, end = (_whole(file, "hours", hour, 0, 24) for hour in value)
    return start, end


def _test(file: str, table: object, thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Read which tests a rule admits."""
    if not isinstance(table, dict):
        _refuse(file, "test", table, "a table")
    fields = {}
    for name, listed in table.items():
        if name not in _TEST:
            _refuse(file, f"test.{name}", listed, "one of " + ", ".join(_TEST))
        if not isinstance(listed, list) or not listed:
            _refuse(file, f"test.{name}", listed, 'a list of names such as ["ndt7"]')
        for each in listed:
            known = isinstance(each, str) and each.isprintable() and each.strip() == each
            if not known or not 0 < len(each) <= _LONGEST_NAME:
                _refuse(file, f"test.{name}", each, "a name as it stands with the samples")
        fields[name] = tuple(dict.fromkeys(listed))
    if "engines" in fields and not {"down_mbps", "up_mbps"} & thresholds.keys():
        _refuse(
            file,
            "test.engines",
            list(fields["engines"]),
            "none without a threshold of down_mbps or up_mbps: only a speed test has an engine",
        )
    return fields


def _technologies(file: str, values: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name in ("technologies", "counts_against"):
        listed = values.get(name, [])
        if not isinstance(listed, list):
            _refuse(file, name, listed, "a list of technologies")
        fields[name] = frozenset(_choice(file, name, item, Rat) for item in listed)
    if not fields["technologies"]:
        _refuse(file, "technologies", [], "at least one technology")
    both = fields["technologies"] & fields["counts_against"]
    if both:
        _refuse(file, "counts_against", min(both), "none that stands in technologies")
    if "nr_evidence" in values:
        fields["nr_evidence"] = _choice(file, "nr_evidence", values["nr_evidence"], NrEvidence)
    elif fields["technologies"] == {Rat.NR_NSA, Rat.NR_SA}:
        _refuse(file, "nr_evidence", None, "the weakest class that a claim of 5G may rest on")
    return fields


def _numbers(file: str, values: Mapping[str, Any]) -> dict[str, Any]:
    thresholds = values.get("thresholds", {})
    verified = values.get("verified", {})
    for name, table, known in (
        ("thresholds", thresholds, THRESHOLDS),
        ("verified", verified, _CHECKED_NUMBERS),
    ):
        if not isinstance(table, dict):
            _refuse(file, name, table, "a table")
        for key in table:
            if key not in known:
                _refuse(file, f"{name}.{key}", table[key], "one of " + ", ".join(known))
    fields: dict[str, Any] = {
        "required_share": _between(file, "required_share", values["required_share"], 0, 1),
        "thresholds": {
            key: _between(file, f"thresholds.{key}", value, -200, 1e6)
            for key, value in thresholds.items()
        },
    }
    if "confidence" in values:
        fields["confidence"] = _between(file, "confidence", values["confidence"], 0.5, 0.9999)
    if "max_accuracy_m" in values:
        fields["max_accuracy_m"] = _between(
            file, "max_accuracy_m", values["max_accuracy_m"], 0, 1e6
        )
    for name, low, high in (("place_resolution", 10, 15), ("min_places", 2, 1_000_000)):
        if name in values:
            fields[name] = _whole(file, name, values[name], low, high)
    numbers = [*fields["thresholds"], "required_share"]
    fields["unverified"] = tuple(name for name in numbers if verified.get(name) is not True)
    return fields


def read_rule_file(path: Path) -> bytes:
    """Give the bytes of a rule file, at most `MAX_RULE_BYTES` of them."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_RULE_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            "{file}: cannot be read: {error}", file=path, error=error.strerror
        ) from None
    if len(content) > MAX_RULE_BYTES:
        raise ConfigError("{file}: not a rule: over {limit} bytes", file=path, limit=MAX_RULE_BYTES)
    return content


def _text(file: str, name: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > 2_000 or not value.isprintable():
        _refuse(file, name, value, "one line of text")
    return value


def _whole(file: str, name: str, value: object, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        _refuse(file, name, value, f"a whole number, {low} to {high}")
    return value


def _between(file: str, name: str, value: object, low: float, high: float) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:  # type: ignore[arg-type,operator]
        _refuse(file, name, value, f"a number, {low:g} to {high:g}")
    return float(value)  # type: ignore[arg-type]


def _choice(file: str, name: str, value: object, kind: Any) -> Any:
    if not isinstance(value, str) or value not in list(kind):
        _refuse(file, name, value, "one of " + ", ".join(kind))
    return kind(value)


def _refuse(file: object, name: str, seen: object, expected: str) -> NoReturn:
    raise ConfigError(
        "{file}: {field}: saw {seen}, expected {expected}",
        file=file,
        field=name,
        seen=repr(seen)[:120],
        expected=expected,
    )
