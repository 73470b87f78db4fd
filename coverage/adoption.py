"""
IPv6 adoption: who has it, who only pretends, with every denominator.

- **Adoption** is the share of hosts with a usable IPv6 address among those of which it is known
  whether they have one. What is not known is left out and counted by reason, never taken as no.
- **Reachability** is the share of hosts that answered over IPv6 among those that publish an
  address and could be tried. A vantage without IPv6 tries nobody.
- **Dead**: an address is published and nothing answers, or it is none that anyone could reach.
  That is worse than no address, because every visitor waits for it.

The view beside the scores (`adoption_pack`) is that of the NIST USGv6 monitor: green, yellow,
red, grey per service.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..data.errors import ConfigError
from .adoption_pack import Judged, Pack, judged_in, score, total_of

COLOURS = ("green", "yellow", "red", "grey")
SERVICES = {
    "web": ("web_aaaa", "web_reach"),
    "dns": ("ns_aaaa", "ns_reach"),
    "mail": ("mx_aaaa", "mx_reach"),
}
GROUPS = ("all", "agency", "bureau", "parent", "level", "unit", "province")
DEAD_REASONS = ("aaaa_dead", "aaaa_not_public")


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
    dead: bool
    scores: Mapping[str, float]
    total: float | None
    views: Mapping[str, str]
    reasons: tuple[str, ...]


def status_of(at: datetime, record: Mapping[str, Any], pack: Pack) -> HostStatus:
    """Give a host's status from the record of one check; a strange record is unknown."""
    judged = judged_in(record)
    address = judged.get("web_aaaa", Judged("unknown", "not_asked"))
    reach = judged.get("web_reach", Judged("unknown", ""))
    scores = score(judged, pack)
    return HostStatus(
        host=str(record.get("site") or record["host"]),
        at=at,
        about={
            name: text for name in GROUPS[1:] if isinstance(text := record.get(name), str) and text
        },
        aaaa={"good": True, "fail": False}.get(address.mark),
        aaaa_reason=address.reason,
        reachable={"good": True, "fail": reach.reason == "fewer_ports"}.get(reach.mark),
        dead=any(each.mark == "fail" and each.reason in DEAD_REASONS for each in (address, reach)),
        scores=scores,
        total=total_of(scores, pack),
        views={name: _colour(judged, *tests) for name, tests in SERVICES.items()},
        reasons=tuple(
            each.reason for each in judged.values() if each.mark in ("part", "notice", "fail")
        ),
    )


def _colour(judged: Mapping[str, Judged], assigned: str, running: str) -> str:
    """Green: assigned and running. Yellow: in part. Red: none. Grey: no service, or unknown."""
    unknown = Judged("unknown", "")
    address, answer = judged.get(assigned, unknown), judged.get(running, unknown)
    if address.reason == "null_mx" or address.mark in ("unknown", "not_applicable"):
        return "grey"
    if address.mark == "fail":
        return "red"
    return "green" if address.mark == answer.mark == "good" else "yellow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """
    One row of the roll-up.

    `share` is `with_aaaa` of `judged`; `hosts` is everybody, and `excluded` says by reason why
    the others were left out. `reached` is of `tried`; `views` counts the colours by service.
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
    views: Mapping[str, Mapping[str, int]]

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
            "views": {name: dict(counts) for name, counts in self.views.items()},
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
    rows = [group_of(key, members) for key, members in groups.items()]
    return sorted(rows, key=lambda g: (-g.dead, 2 if g.share is None else g.share, g.key))


def _key(status: HostStatus, by: str, province_of: Callable[[str], str | None]) -> str:
    if by == "all":
        return "all"
    if by == "bureau":
        return " / ".join(filter(None, (status.about.get("agency"), status.about.get("bureau"))))
    if by == "province" and "province" not in status.about:
        return province_of(status.about.get("unit", "")) or ""
    return status.about.get(by, "")


def group_of(key: str, members: Sequence[HostStatus]) -> Group:
    """Count some hosts as one group."""
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
        views={
            name: {colour: sum(s.views[name] == colour for s in members) for colour in COLOURS}
            for name in SERVICES
        },
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def worst_offenders(statuses: Iterable[HostStatus], limit: int = 20) -> list[HostStatus]:
    """Give the hosts that pretend (an address, and nobody there) first, then the lowest scores."""
    bad = [status for status in statuses if status.dead or status.aaaa is False]
    bad.sort(key=lambda s: (not s.dead, 2 if s.total is None else s.total, s.host))
    return bad[:limit]
