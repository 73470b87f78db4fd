"""
What a computation of coverage says: the only thing that a map or a report needs to know.

A `Result` is one rule judged over one set of areas; it names its inputs, so that another
person with the same samples gets the same numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

ANY_OPERATOR = "any"


class Verdict(StrEnum):
    """What the evidence supports. `NO_DATA` is unproven with no trial at all."""

    COVERED = "covered"
    NOT_COVERED = "not_covered"
    UNPROVEN = "unproven"
    NO_DATA = "no_data"


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaSummary:
    """
    One area and operator under one rule.

    `share` is the mean over places of each place's success rate, with its confidence interval;
    all three are None without a trial. `operator` is `ANY_OPERATOR` for the best of them, whose
    name is `best_operator`: every area has such a row, even without data, while an operator has
    a row only where it has samples.
    `trials` = attempts that can count; `excluded` counts the others by reason. `simulated` is how
    many of the samples are not measurements. `further_places` is how many more places would
    prove coverage if all pass, `further_places_at_share` if the present share holds (None where
    no number of places would). The area is cut into about `sectors_of` sectors; places lie in
    `sectors` of them. `uncertain` is how many of the samples have a position whose stated error
    crosses the area's border.

    Speeds and latency stand twice: `..._mean` over all readings, as others publish it, and
    `..._place_mean` over places equally, each with an interval where the places are enough, and far
    enough apart, for one. The median is of the readings; its interval takes each place for one
    value.
    """

    code: str
    name: str
    parent_name: str | None = None
    operator: str = ANY_OPERATOR
    best_operator: str | None = None
    verdict: Verdict
    share: float | None = None
    share_low: float | None = None
    share_high: float | None = None
    samples: int = 0
    trials: int = 0
    successes: int = 0
    places: int = 0
    occasions: int = 0
    simulated: int = 0
    excluded: dict[str, int] = field(default_factory=dict)
    nr_evidence: dict[str, int] = field(default_factory=dict)
    further_places: int | None = None
    further_places_at_share: int | None = None
    down_mbps_median: float | None = None
    up_mbps_median: float | None = None
    rtt_idle_ms_median: float | None = None
    sectors: int = 0
    sectors_of: int = 0
    uncertain: int = 0
    down_mbps_median_low: float | None = None
    down_mbps_median_high: float | None = None
    down_mbps_mean: float | None = None
    down_mbps_mean_low: float | None = None
    down_mbps_mean_high: float | None = None
    down_mbps_place_mean: float | None = None
    down_mbps_place_mean_low: float | None = None
    down_mbps_place_mean_high: float | None = None
    up_mbps_median_low: float | None = None
    up_mbps_median_high: float | None = None
    up_mbps_mean: float | None = None
    up_mbps_mean_low: float | None = None
    up_mbps_mean_high: float | None = None
    up_mbps_place_mean: float | None = None
    up_mbps_place_mean_low: float | None = None
    up_mbps_place_mean_high: float | None = None
    rtt_idle_ms_median_low: float | None = None
    rtt_idle_ms_median_high: float | None = None
    rtt_idle_ms_mean: float | None = None
    rtt_idle_ms_mean_low: float | None = None
    rtt_idle_ms_mean_high: float | None = None
    rtt_idle_ms_place_mean: float | None = None
    rtt_idle_ms_place_mean_low: float | None = None
    rtt_idle_ms_place_mean_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """
    One rule judged over one set of areas.

    `area` is a boundary level (``commune``) or an H3 resolution (``h3:8``). `boundary_approximate`
    is true where shapes were made from centre points; whoever draws or prints must say so.
    `rule_unverified` lists the rule's numbers that nobody has checked against their source.
    `inputs` counts what went in, so that it adds up: ``samples`` are ``without_position`` and
    ``outside`` (every area) and ``other_operator`` and ``trials`` and those ``excluded`` (a count
    by reason). ``simulated`` is how many of the samples are not measurements.
    """

    rule: str
    rule_title_en: str
    rule_title_vi: str
    rule_unverified: tuple[str, ...] = ()
    required_share: float
    confidence: float
    area: str
    boundary_id: str | None = None
    boundary_name: str | None = None
    boundary_vintage: str | None = None
    boundary_approximate: bool = False
    period_start: datetime | None = None
    period_end: datetime | None = None
    software: str
    computed_at: datetime
    inputs: dict[str, object] = field(default_factory=dict)
    areas: Sequence[AreaSummary]
