"""
Which attempts are trials, and which trials succeed.

A trial is an attempt that can count for or against the network. What cannot is excluded under
the first reason that fits, in the order of `Reason`, and counted there: nothing is dropped
silently.

Which kinds of attempt a rule judges:

- A rule with a speed or latency threshold judges ``speed`` attempts (and ``latency`` attempts
  where latency is all it asks for). A signal log says nothing about speed, and a background
  traffic meter is not a speed test.
- A rule without one asks what the device was served by. Every attempt that saw the radio
  answers that: ``signal`` records, and ``speed`` and ``latency`` attempts that name a technology
  or ended in no signal. A download that stalled on LTE still shows that LTE was there.

Failures count against a rule with thresholds: no signal, no route, a refused or timed-out
connection, a name that did not resolve, a transfer that stalled. A user's cancel, a fault of the
device, of our own server or of the protocol between them, and an address that we refused to
connect to are not the network's doing. A handshake that TLS refused may be a wrong clock or an
expired certificate, so it is not laid at the network's door either. Nor is an attempt during which
the technology changed: two networks share its figure.

A throughput that came near what the instrument can do on its machine shows a fast link when it
passes a threshold, and nothing when it does not: then it is excluded.

An attempt that could not say which technology served it is excluded whether it succeeded or
failed: to count only one of the two would bend the share. No signal needs no technology. For the
same reason every attempt of a probe that does not measure what the rule asks for is excluded, the
failed ones and those on older technologies too (`asked.py`). A rule may admit some sources or
engines only, and then every attempt of the others is excluded, however it ended. It cannot ask for
a shortest duration: how long a failed test took is set by its failure.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from ..data.sample import RADIO_CHANGED, Kind, NrEvidence, Outcome, Rat
from .asked import Tested, misfit_probes, silent_probes
from .frame import Flags, Floats, Frame
from .rules import SPEED_THRESHOLDS, Rule
from .solar import DAY_US, HOUR_US, solar_us


class Reason(IntEnum):
    """Why an attempt is not a trial, in the order in which reasons are looked for."""

    TRIAL = 0
    OTHER_KIND = 1
    NO_POSITION = 2
    POOR_POSITION = 3
    UNCERTAIN_AREA = 4
    OTHER_HOURS = 5
    OTHER_SOURCE = 6
    OTHER_ENGINE = 7
    CANCELLED = 8
    DEVICE_ERROR = 9
    SERVER_ERROR = 10
    PROTOCOL_ERROR = 11
    TLS_FAILURE = 12
    ADDRESS_REFUSED = 13
    RADIO_CHANGED = 14
    TECHNOLOGY_UNKNOWN = 15
    OTHER_TECHNOLOGY = 16
    WEAK_5G_EVIDENCE = 17
    NOT_MEASURED = 18
    INSTRUMENT_CEILING = 19

    @property
    def label(self) -> str:
        """The reason's name in counts and files."""
        return self.name.lower()


_NOT_THE_NETWORK = {
    Outcome.CANCELLED: Reason.CANCELLED,
    Outcome.DEVICE_ERROR: Reason.DEVICE_ERROR,
    Outcome.SERVER_ERROR: Reason.SERVER_ERROR,
    Outcome.PROTOCOL_ERROR: Reason.PROTOCOL_ERROR,
    Outcome.TLS_FAILURE: Reason.TLS_FAILURE,
    Outcome.ADDRESS_REFUSED: Reason.ADDRESS_REFUSED,
}
_EVIDENCE_RANK: dict[str, int] = {name: rank for rank, name in enumerate(reversed(NrEvidence))}
_NR = (Rat.NR_NSA, Rat.NR_SA)


@dataclass(frozen=True, slots=True)
class Judged:
    """For each sample: the `Reason` why it is no trial (0 for a trial), and whether it succeeds."""

    reason: npt.NDArray[np.int8]
    success: Flags


def unread_columns(rules: Iterable[Rule]) -> frozenset[str]:
    """Give the columns of samples that none of some rules looks at, and nobody counts."""
    rules = list(rules)
    asked = {name for rule in rules for name in rule.thresholds}
    read = {
        "rsrp_dbm": "rsrp_dbm" in asked,
        "nr_rsrp_dbm": "rsrp_dbm" in asked,
        "near_ceiling": bool(asked & {*SPEED_THRESHOLDS}),
        "engine": any(rule.engines for rule in rules),
        "tool": any(rule.sources for rule in rules),
    }
    return frozenset(name for name, wanted in read.items() if not wanted)


def judge_samples(
    samples: Frame,
    rule: Rule,
    unasked: Mapping[str, frozenset[str]] | None = None,
    tested: Iterable[Tested] = (),
) -> Judged:
    """
    Sort samples into trials and exclusions, and trials into successes and failures.

    `unasked` are the metrics that a probe does not measure (`asked.unasked_metrics`), `tested` the
    engines that it uses (`asked.misfit_probes`).
    """
    reason = np.zeros(len(samples), dtype=np.int8)
    rat = samples.rat
    no_signal = samples.outcome.among({Outcome.NO_SIGNAL})

    def exclude(why: Reason, rows: Flags) -> None:
        reason[rows & (reason == 0)] = why

    exclude(Reason.OTHER_KIND, ~_judged_kinds(samples, rule, no_signal))
    exclude(Reason.NO_POSITION, np.isnan(samples.lon))
    exclude(Reason.POOR_POSITION, samples.accuracy_m > rule.max_accuracy_m)
    if rule.leave_out_uncertain:
        exclude(Reason.UNCERTAIN_AREA, samples.uncertain)
    if rule.hours is not None:
        exclude(Reason.OTHER_HOURS, ~_within_hours(samples, *rule.hours))
    _exclude_by_test(samples, rule, tested, exclude)
    for ended, why in _NOT_THE_NETWORK.items():
        if ended in samples.outcome.texts:
            exclude(why, samples.outcome.among({ended}))
    exclude(Reason.RADIO_CHANGED, samples.reason.among({RADIO_CHANGED}))
    exclude(Reason.TECHNOLOGY_UNKNOWN, rat.missing & ~no_signal)
    satisfying = rat.among(rule.technologies)
    falling_short = rat.among(rule.counts_against)
    exclude(Reason.OTHER_TECHNOLOGY, ~satisfying & ~falling_short & ~no_signal)
    believed = _believed(samples, rule)
    exclude(Reason.WEAK_5G_EVIDENCE, satisfying & ~believed & ~no_signal)
    if silent := silent_probes(unasked or {}, rule):
        exclude(Reason.NOT_MEASURED, samples.probe.among(silent))

    answered = satisfying & ~no_signal
    if rule.needs_speed:
        answered &= samples.outcome.among({Outcome.OK})
    met = np.ones(len(samples), dtype=np.bool_)
    for name, threshold in rule.thresholds.items():
        value = _level(samples, rule) if name == "rsrp_dbm" else getattr(samples, name)
        exclude(Reason.NOT_MEASURED, answered & np.isnan(value))
        met &= value <= threshold if name == "rtt_idle_ms" else value >= threshold
    if rule.needs_speed:
        exclude(Reason.INSTRUMENT_CEILING, answered & (samples.near_ceiling == 1) & ~met)
    return Judged(reason, (reason == 0) & answered & met)


def _exclude_by_test(
    samples: Frame,
    rule: Rule,
    tested: Iterable[Tested],
    exclude: Callable[[Reason, Flags], None],
) -> None:
    """Leave out samples of other tools, and tests by engines that the rule does not admit."""
    if rule.sources:
        exclude(Reason.OTHER_SOURCE, ~samples.tool.among(rule.sources))
    if rule.engines:
        exclude(Reason.OTHER_ENGINE, ~samples.engine.missing & ~samples.engine.among(rule.engines))
        exclude(Reason.OTHER_ENGINE, samples.probe.among(misfit_probes(tested, rule)))


def _within_hours(samples: Frame, start: int, end: int) -> Flags:
    """Whether samples started in some hours of the day by the sun; the end is left out."""
    hour = solar_us(samples.started_us, np.nan_to_num(samples.lon)) % DAY_US // HOUR_US
    if start < end:
        return np.asarray((hour >= start) & (hour < end))
    return np.asarray((hour >= start) | (hour < end))


def _judged_kinds(samples: Frame, rule: Rule, no_signal: Flags) -> Flags:
    speed, latency = samples.kind.among({Kind.SPEED}), samples.kind.among({Kind.LATENCY})
    if rule.needs_speed:
        asked = {name for name in SPEED_THRESHOLDS if name in rule.thresholds}
        return speed | latency if asked == {"rtt_idle_ms"} else speed
    saw_radio = ~samples.rat.missing | no_signal
    return samples.kind.among({Kind.SIGNAL}) | ((speed | latency) & saw_radio)


def _believed(samples: Frame, rule: Rule) -> Flags:
    """Whether a claim of 5G stands on the class that the rule asks for; other claims need none."""
    if rule.nr_evidence is None:
        return np.ones(len(samples), dtype=np.bool_)
    rank = samples.nr_evidence.numbered(lambda name: _EVIDENCE_RANK.get(name, 0), 0)
    return np.asarray(~samples.rat.among(_NR) | (rank >= _EVIDENCE_RANK[rule.nr_evidence]))


def _level(samples: Frame, rule: Rule) -> Floats:
    """The level that a rule asks about: of the NR cell where only 5G satisfies it."""
    if not rule.technologies <= set(_NR):
        return samples.rsrp_dbm
    secondary = samples.rat.among({Rat.NR_NSA})
    return np.where(secondary, samples.nr_rsrp_dbm, samples.rsrp_dbm)


REASON_TEXTS = {
    "other_kind": "another kind of measurement",
    "no_position": "no position",
    "poor_position": "position too vague",
    "uncertain_area": "position so near a border that the area is uncertain",
    "other_hours": "outside the hours that the rule judges",
    "other_source": "from a source that the rule does not admit",
    "other_engine": "by an engine that the rule does not admit",
    "cancelled": "cancelled by the user",
    "device_error": "fault of the device",
    "server_error": "fault of the server",
    "protocol_error": "fault between our client and server",
    "tls_failure": "TLS failed",
    "address_refused": "address not allowed",
    "radio_changed": "the technology changed midway",
    "technology_unknown": "technology unknown",
    "other_technology": "another technology",
    "weak_5g_evidence": "5G without the evidence the rule asks for",
    "not_measured": "what the rule asks for was not measured",
    "instrument_ceiling": "limited by the instrument",
}
