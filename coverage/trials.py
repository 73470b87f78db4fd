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
expired certificate, so it is not laid at the network's door either.

A throughput that came near what the instrument can do on its machine shows a fast link when it
passes a threshold, and nothing when it does not: then it is excluded.

An attempt that could not say which technology served it is excluded whether it succeeded or
failed: to count only one of the two would bend the share. No signal needs no technology. For the
same reason every attempt of a probe that does not measure what the rule asks for is excluded, the
failed ones and those on older technologies too (`asked.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..data.sample import Kind, NrEvidence, Outcome, Rat
from .asked import silent_probes
from .rules import SPEED_THRESHOLDS, Rule

Flags = npt.NDArray[np.bool_]


class Reason(IntEnum):
    """Why an attempt is not a trial, in the order in which reasons are looked for."""

    TRIAL = 0
    OTHER_KIND = 1
    NO_POSITION = 2
    POOR_POSITION = 3
    UNCERTAIN_AREA = 4
    CANCELLED = 5
    DEVICE_ERROR = 6
    SERVER_ERROR = 7
    PROTOCOL_ERROR = 8
    TLS_FAILURE = 9
    ADDRESS_REFUSED = 10
    TECHNOLOGY_UNKNOWN = 11
    OTHER_TECHNOLOGY = 12
    WEAK_5G_EVIDENCE = 13
    NOT_MEASURED = 14
    INSTRUMENT_CEILING = 15

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
_EVIDENCE_RANK = {name: rank for rank, name in enumerate(reversed(NrEvidence))}
_NR = (Rat.NR_NSA, Rat.NR_SA)


@dataclass(frozen=True, slots=True)
class Judged:
    """For each sample: the `Reason` why it is no trial (0 for a trial), and whether it succeeds."""

    reason: npt.NDArray[np.int8]
    success: Flags


def judge_samples(
    samples: pd.DataFrame, rule: Rule, unasked: Mapping[str, frozenset[str]] | None = None
) -> Judged:
    """
    Sort samples into trials and exclusions, and trials into successes and failures.

    `unasked` are the metrics that a probe does not measure (`asked.unasked_metrics`).
    """
    reason = np.zeros(len(samples), dtype=np.int8)
    outcome = samples["outcome"].to_numpy()
    rat = samples["rat"].to_numpy()
    no_signal = outcome == Outcome.NO_SIGNAL.value

    def exclude(why: Reason, rows: Flags) -> None:
        reason[rows & (reason == 0)] = why

    exclude(Reason.OTHER_KIND, ~_judged_kinds(samples, rule, no_signal))
    exclude(Reason.NO_POSITION, samples["lon"].isna().to_numpy())
    exclude(Reason.POOR_POSITION, samples["accuracy_m"].to_numpy() > rule.max_accuracy_m)
    if rule.leave_out_uncertain:
        exclude(Reason.UNCERTAIN_AREA, samples["uncertain"].to_numpy())
    for ended, why in _NOT_THE_NETWORK.items():
        exclude(why, outcome == ended.value)
    exclude(Reason.TECHNOLOGY_UNKNOWN, pd.isna(rat) & ~no_signal)
    satisfying = _among(rat, rule.technologies)
    falling_short = _among(rat, rule.counts_against)
    exclude(Reason.OTHER_TECHNOLOGY, ~satisfying & ~falling_short & ~no_signal)
    believed = _believed(samples, rule)
    exclude(Reason.WEAK_5G_EVIDENCE, satisfying & ~believed & ~no_signal)
    if silent := silent_probes(unasked or {}, rule):
        exclude(Reason.NOT_MEASURED, samples["probe"].isin(silent).to_numpy())

    answered = satisfying & ~no_signal
    if rule.needs_speed:
        answered &= outcome == Outcome.OK.value
    met = np.ones(len(samples), dtype=np.bool_)
    for name, threshold in rule.thresholds.items():
        value = _level(samples, rule) if name == "rsrp_dbm" else samples[name].to_numpy()
        exclude(Reason.NOT_MEASURED, answered & np.isnan(value))
        met &= value <= threshold if name == "rtt_idle_ms" else value >= threshold
    if rule.needs_speed:
        at_ceiling = samples["near_ceiling"].to_numpy() == 1
        exclude(Reason.INSTRUMENT_CEILING, answered & at_ceiling & ~met)
    return Judged(reason, (reason == 0) & answered & met)


def _judged_kinds(samples: pd.DataFrame, rule: Rule, no_signal: Flags) -> Flags:
    kind = samples["kind"].to_numpy()
    if rule.needs_speed:
        asked = {name for name in SPEED_THRESHOLDS if name in rule.thresholds}
        latency_alone = asked == {"rtt_idle_ms"}
        judged = (kind == Kind.SPEED.value) | (latency_alone & (kind == Kind.LATENCY.value))
        return np.asarray(judged, dtype=np.bool_)
    saw_radio = samples["rat"].notna().to_numpy() | no_signal
    active = (kind == Kind.SPEED.value) | (kind == Kind.LATENCY.value)
    return np.asarray((kind == Kind.SIGNAL.value) | (active & saw_radio), dtype=np.bool_)


def _among(rat: npt.NDArray[np.object_], technologies: frozenset[Rat]) -> Flags:
    found = np.zeros(len(rat), dtype=np.bool_)
    for technology in technologies:
        found |= rat == technology.value
    return found


def _believed(samples: pd.DataFrame, rule: Rule) -> Flags:
    """Whether a claim of 5G stands on the class that the rule asks for; other claims need none."""
    if rule.nr_evidence is None:
        return np.ones(len(samples), dtype=np.bool_)
    rank = samples["nr_evidence"].map(_EVIDENCE_RANK).fillna(0).to_numpy()
    claims = _among(samples["rat"].to_numpy(), frozenset(_NR))
    return np.asarray(~claims | (rank >= _EVIDENCE_RANK[rule.nr_evidence]), dtype=np.bool_)


def _level(samples: pd.DataFrame, rule: Rule) -> npt.NDArray[np.float64]:
    """The level that a rule asks about: of the NR cell where only 5G satisfies it."""
    serving = samples["rsrp_dbm"].to_numpy()
    if not rule.technologies <= set(_NR):
        return serving
    secondary = samples["rat"].to_numpy() == Rat.NR_NSA.value
    return np.where(secondary, samples["nr_rsrp_dbm"].to_numpy(), serving)


REASON_TEXTS = {
    "other_kind": "another kind of measurement",
    "no_position": "no position",
    "poor_position": "position too vague",
    "uncertain_area": "position so near a border that the area is uncertain",
    "cancelled": "cancelled by the user",
    "device_error": "fault of the device",
    "server_error": "fault of the server",
    "protocol_error": "fault between our client and server",
    "tls_failure": "TLS failed",
    "address_refused": "address not allowed",
    "technology_unknown": "technology unknown",
    "other_technology": "another technology",
    "weak_5g_evidence": "5G without the evidence the rule asks for",
    "not_measured": "what the rule asks for was not measured",
    "instrument_ceiling": "limited by the instrument",
}
