"""
A scheme of scoring, and what a host earns by it.

After Internet.nl: the weakest test of a category decides (an address where nobody answers earns
no more than none), where some of several servers pass their share does, and the total is the
mean over categories. A test that is unknown or not applicable is left out.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from ..data.errors import ConfigError

MAX_PACK_BYTES = 100_000
MARKS = ("good", "part", "notice", "fail", "not_applicable", "unknown")


@dataclass(frozen=True, slots=True)
class Judged:
    """One question's answer: its mark, its reason, and the share that passed where some did."""

    mark: str
    reason: str
    share: float | None = None


def judged_in(record: Mapping[str, Any]) -> dict[str, Judged]:
    """Give the answers in a check's record by question; strange ones are left out."""
    found = {}
    findings = record.get("findings")
    for finding in findings if isinstance(findings, list) else ():
        if not isinstance(finding, dict) or finding.get("mark") not in MARKS:
            continue
        facts = finding.get("facts")
        share = facts.get("share") if isinstance(facts, dict) else None
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            share = None
        found[str(finding.get("test"))] = Judged(finding["mark"], str(finding.get("reason")), share)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A scheme of scoring: points of marks and reasons, tests of a category, its weight."""

    id: str
    title_en: str
    title_vi: str
    source: str
    verified: bool
    points: Mapping[str, float]
    reasons: Mapping[str, float] = field(default_factory=dict)
    tests: Mapping[str, tuple[str, ...]]
    weights: Mapping[str, float]


def load_pack(name: str = "internet-nl") -> Pack:
    """
    Load a scheme by the name of a packaged one or the path of a file.

    Raises
    ------
    ConfigError
        If there is none, or it is not of the form of the packaged one.
    """
    packaged = resources.files("phusong.data").joinpath("files", "adoption", f"{name}.toml")
    path = Path(name)
    try:
        if name.replace("-", "").isalnum() and packaged.is_file():
            content = packaged.read_bytes()
        else:
            with path.open("rb") as file:
                content = file.read(MAX_PACK_BYTES + 1)
        if len(content) > MAX_PACK_BYTES:
            raise ValueError(f"more than {MAX_PACK_BYTES} bytes")
        table = tomllib.loads(content.decode("utf-8"))
        return _pack(table)
    except OSError as error:
        raise ConfigError(
            "no scoring scheme {name}: {error}", name=name, error=error.strerror or error
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            "the scoring scheme {name} cannot be used: {error}", name=name, error=error
        ) from None


def _pack(table: Mapping[str, Any]) -> Pack:
    points = {mark: _amount(table["points"][mark]) for mark in MARKS[:4]}
    tests = {name: tuple(map(str, found)) for name, found in table["tests"].items()}
    weights = {name: _amount(table["weights"].get(name, 0)) for name in tests}
    if not tests or not any(weights.values()) or max(points.values()) <= 0:
        raise ValueError("no test has points and weight")
    texts = {name: str(table[name]) for name in ("id", "title_en", "title_vi", "source")}
    return Pack(
        **texts,
        verified=table.get("verified", False) is True,
        points=points,
        reasons={str(name): _amount(each) for name, each in table.get("reasons", {}).items()},
        tests=tests,
        weights=weights,
    )


def _amount(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e6:
        raise ValueError(f"{value!r} is no number of points")
    return float(value)


def score(judged: Mapping[str, Judged], pack: Pack) -> dict[str, float]:
    """Give each category what its weakest judged test earned, of the most that it could."""
    best = max(pack.points.values())
    scores = {}
    for name, tests in pack.tests.items():
        earned = [_points(judged[test], pack, best) for test in tests if test in judged]
        known = [points for points in earned if points is not None]
        if known:
            scores[name] = min(1.0, min(known) / best)
    return scores


def _points(answer: Judged, pack: Pack, best: float) -> float | None:
    if answer.reason in pack.reasons:
        return pack.reasons[answer.reason]
    if answer.mark == "part" and answer.share is not None:
        return best * answer.share
    return pack.points.get(answer.mark)


def total_of(scores: Mapping[str, float], pack: Pack) -> float | None:
    """Give the mean of the categories by their weights; None where nothing could be scored."""
    weight = sum(pack.weights[name] for name in scores)
    if not weight:
        return None
    return sum(value * pack.weights[name] for name, value in scores.items()) / weight
