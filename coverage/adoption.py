"""
IPv6 adoption: who has it, who only pretends, with every denominator.

- **Adoption** is the share of hosts with a usable IPv6 address among those of which it is known
  whether they have one. What is not known is left out and counted by reason, never taken as no.
- **Reachability** is the share of hosts that answered over IPv6 among those that publish an
  address and could be tried. A vantage without IPv6 tries nobody.
- **Dead**: an address is published and nothing answers, or it is none that anyone could reach.
  That is worse than no address, because every visitor waits for it.

Scores follow Internet.nl's published scheme: points per test over the most that its tests could
give, and the mean over categories; a test that is unknown or not applicable is in neither sum.
The view beside it is that of the NIST USGv6 monitor: green, yellow, red, grey per service.
"""

import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from ..data.errors import ConfigError

MAX_PACK_BYTES = 100_000
MARKS = ("good", "part", "notice", "fail", "not_applicable", "unknown")
CATEGORIES = ("web", "dns", "mail", "dnssec")
SERVICES = {
    "web": ("web_aaaa", "web_reach"),
    "dns": ("ns_aaaa", "ns_reach"),
    "mail": ("mx_aaaa", "mx_reach"),
}
GROUPS = ("all", "agency", "bureau", "parent", "level", "unit", "province")
DEAD_REASONS = ("aaaa_dead", "aaaa_not_public")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A scheme of scoring: points of a mark, tests of a category, weights of the categories."""

    id: str
    title_en: str
    title_vi: str
    source: str
    verified: bool
    points: Mapping[str, float]
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
        tests=tests,
        weights=weights,
    )


def _amount(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e6:
        raise ValueError(f"{value!r} is no number of points")
    return float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """
    What is known of one host. `aaaa` and `reachable` are None where it is not known.

    `views` are the NIST colours by service; `scores` the categories that could be scored.
    """

    host: str
    at: datetime
    about: Mapping[str, str]
    aaaa: bool | None
    aaaa_reason: str
    reachable: bool | None
    reach_reason: str | None
    dead: bool
    scores: Mapping[str, float]
    total: float | None
    views: Mapping[str, str]
    reasons: tuple[str, ...]


def status_of(at: datetime, record: Mapping[str, Any], pack: Pack) -> HostStatus:
    """Give a host's status from the record of one check; a strange record is unknown."""
    marks: dict[str, tuple[str, str]] = {}
    for finding in record.get("findings") or ():
        if isinstance(finding, dict) and finding.get("mark") in MARKS:
            marks[str(finding.get("test"))] = (finding["mark"], str(finding.get("reason")))
    aaaa_mark, aaaa_reason = marks.get("web_aaaa", ("unknown", "not_asked"))
    reach_mark, reach_reason = marks.get("web_reach", ("unknown", None))
    scores = score(marks, pack)
    return HostStatus(
        host=str(record.get("site") or record["host"]),
        at=at,
        about={
            name: text for name in GROUPS[1:] if isinstance(text := record.get(name), str) and text
        },
        aaaa={"good": True, "fail": False}.get(aaaa_mark),
        aaaa_reason=aaaa_reason,
        reachable={"good": True, "fail": reach_reason == "fewer_ports"}.get(reach_mark),
        reach_reason=reach_reason,
        dead="fail" in (aaaa_mark, reach_mark)
        and bool({aaaa_reason, reach_reason} & set(DEAD_REASONS)),
        scores=scores,
        total=total_of(scores, pack),
        views={name: _colour(marks, *tests) for name, tests in SERVICES.items()},
        reasons=tuple(
            reason for mark, reason in marks.values() if mark in ("part", "notice", "fail")
        ),
    )


def score(marks: Mapping[str, tuple[str, str]], pack: Pack) -> dict[str, float]:
    """Give each category's points over the most that its judged tests could give."""
    best = max(pack.points.values())
    scores = {}
    for name, tests in pack.tests.items():
        judged = [marks[test][0] for test in tests if test in marks]
        points = [pack.points[mark] for mark in judged if mark in pack.points]
        if points:
            scores[name] = sum(points) / (len(points) * best)
    return scores


def total_of(scores: Mapping[str, float], pack: Pack) -> float | None:
    """Give the mean of the categories by their weights; None where nothing could be scored."""
    weight = sum(pack.weights[name] for name in scores)
    if not weight:
        return None
    return sum(value * pack.weights[name] for name, value in scores.items()) / weight


def _colour(marks: Mapping[str, tuple[str, str]], assigned: str, running: str) -> str:
    """Green: assigned and running. Yellow: in part. Red: none. Grey: no service, or unknown."""
    address = marks.get(assigned, ("unknown", ""))
    answer = marks.get(running, ("unknown", ""))[0]
    if address[1] == "null_mx" or address[0] in ("unknown", "not_applicable"):
        return "grey"
    if address[0] == "fail":
        return "red"
    return "green" if address[0] == answer == "good" else "yellow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """
    One row of the roll-up.

    `share` is `with_aaaa` of `judged`; `hosts` is everybody, and `excluded` says by reason why
    the others were left out. `reached` is of `tried`.
    """

    key: str
    hosts: int
    judged: int
    with_aaaa: int
    tried: int
    reached: int
    dead: int
    excluded: Mapping[str, int]
    scores: Mapping[str, float]
    total: float | None
    scored: int

    @property
    def share(self) -> float | None:
        """Give adoption, or None where it is known of nobody."""
        return self.with_aaaa / self.judged if self.judged else None

    @property
    def reach_share(self) -> float | None:
        """Give reachability, or None where nobody could be tried."""
        return self.reached / self.tried if self.tried else None

    def record(self) -> dict[str, Any]:
        """Give it as JSON shows it."""
        return {
            "group": self.key,
            "hosts": self.hosts,
            "judged": self.judged,
            "with_aaaa": self.with_aaaa,
            "share": self.share,
            "tried": self.tried,
            "reached": self.reached,
            "reach_share": self.reach_share,
            "dead": self.dead,
            "excluded": dict(self.excluded),
            "score": self.total,
            "scored": self.scored,
            "scores": dict(self.scores),
        }


def newest(statuses: Iterable[HostStatus]) -> list[HostStatus]:
    """Keep the newest status of each host."""
    by_host: dict[str, HostStatus] = {}
    for status in statuses:
        known = by_host.get(status.host)
        if known is None or status.at >= known.at:
            by_host[status.host] = status
    return list(by_host.values())


def roll_up(
    statuses: Iterable[HostStatus],
    by: str = "all",
    *,
    province_of: Callable[[str], str | None] = lambda unit: None,
) -> list[Group]:
    """
    Count hosts by agency, bureau (of an agency), parent, level, unit, province or in all.

    Hosts without that field are in the group ``""``. `province_of` gives the province of a
    unit's code. Groups with most dead hosts come first, then the lower share.
    """
    if by not in GROUPS:
        raise ConfigError("{by} is no grouping; choose {choices}", by=by, choices=", ".join(GROUPS))
    groups: dict[str, list[HostStatus]] = {}
    for status in statuses:
        groups.setdefault(_key(status, by, province_of), []).append(status)
    rows = [_group(key, members) for key, members in groups.items()]
    return sorted(rows, key=lambda g: (-g.dead, 2 if g.share is None else g.share, g.key))


def _key(status: HostStatus, by: str, province_of: Callable[[str], str | None]) -> str:
    if by == "all":
        return "all"
    if by == "bureau":
        return " / ".join(filter(None, (status.about.get("agency"), status.about.get("bureau"))))
    if by == "province" and "province" not in status.about:
        return province_of(status.about.get("unit", "")) or ""
    return status.about.get(by, "")


def _group(key: str, members: Sequence[HostStatus]) -> Group:
    judged = [status for status in members if status.aaaa is not None]
    tried = [status for status in judged if status.reachable is not None]
    names = {name for status in members for name in status.scores}
    totals = [status.total for status in members if status.total is not None]
    return Group(
        key=key,
        hosts=len(members),
        judged=len(judged),
        with_aaaa=sum(status.aaaa is True for status in judged),
        tried=len(tried),
        reached=sum(status.reachable is True for status in tried),
        dead=sum(status.dead for status in members),
        excluded=dict(Counter(status.aaaa_reason for status in members if status.aaaa is None)),
        scores={
            name: _mean([s.scores[name] for s in members if name in s.scores])
            for name in sorted(names)
        },
        total=_mean(totals) if totals else None,
        scored=len(totals),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def worst_offenders(statuses: Iterable[HostStatus], limit: int = 20) -> list[HostStatus]:
    """Give the hosts that pretend (an address, and nobody there) first, then the lowest scores."""
    bad = [status for status in statuses if status.dead or status.aaaa is False]
    bad.sort(key=lambda s: (not s.dead, 2 if s.total is None else s.total, s.host))
    return bad[:limit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of the hosts that two audits have in common."""

    better: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()
    common: int = 0
    only_before: int = 0
    only_after: int = 0


@dataclass(frozen=True, slots=True)
class Trend:
    """One audit in a row of audits: its id, when, and all its hosts as one group."""

    audit: str
    at: datetime
    group: Group
    change: Change | None = field(default=None)


def compare(before: Iterable[HostStatus], after: Iterable[HostStatus]) -> Change:
    """Say who has got better or worse: alive over IPv6, no address, dead, in this order."""
    old = {status.host: status for status in before}
    new = {status.host: status for status in after}
    common = [host for host in new if host in old]
    ranks = {
        host: (_rank(old[host]), _rank(new[host]))
        for host in common
        if old[host].aaaa is not None and new[host].aaaa is not None
    }
    return Change(
        better=tuple(host for host, (was, now) in ranks.items() if now > was),
        worse=tuple(host for host, (was, now) in ranks.items() if now < was),
        common=len(ranks),
        only_before=len(old.keys() - new.keys()),
        only_after=len(new.keys() - old.keys()),
    )


def _rank(status: HostStatus) -> int:
    if status.dead:
        return 0
    return 2 if status.aaaa else 1


def trend(audits: Sequence[tuple[str, Sequence[HostStatus]]]) -> list[Trend]:
    """Give audits in their order, each compared with the one before."""
    rows: list[Trend] = []
    for position, (name, statuses) in enumerate(audits):
        if not statuses:
            continue
        change = compare(audits[position - 1][1], statuses) if position else None
        at = max(status.at for status in statuses)
        rows.append(Trend(name, at, _group("all", statuses), change))
    return rows
