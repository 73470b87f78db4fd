"""
Adoption by area: which area each audited host's agency lies in, by the code of its unit.

A host counts in the area that its unit is, or lies in over the levels between. One whose unit is
larger than the areas (a ministry's province, over communes) is in none of them: it is counted
beside them and never spread over them. An area in which nobody was audited has no figure at all,
which is not zero.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .adoption import Group, HostStatus, group_of

MAX_LEVELS = 10
COUNTS = ("hosts", "judged", "with_aaaa", "tried", "reached", "dead")


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaAdoption:
    """
    One audit over the areas of one level.

    `groups` has the areas in which hosts were audited, by code; `counts` are the `COUNTS` of the
    whole audit, and `outside` says how many hosts are in none of the areas, by reason:
    ``no_unit``, ``unknown_unit``, ``larger_unit``.
    """

    audit: str
    first: datetime
    last: datetime
    area: str
    boundary_id: str | None
    boundary_name: str | None
    boundary_vintage: str | None
    boundary_approximate: bool
    groups: Mapping[str, Group]
    counts: Mapping[str, int]
    outside: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Placed:
    """Hosts by the code of the area they are in, and how many are in none, by reason."""

    inside: Mapping[str, Sequence[HostStatus]]
    outside: Mapping[str, int]

    @property
    def hosts(self) -> int:
        """Give how many are in an area."""
        return sum(map(len, self.inside.values()))

    def groups(self) -> dict[str, Group]:
        """Count the hosts of each area."""
        return {code: group_of(code, members) for code, members in self.inside.items()}


def place_hosts(
    statuses: Iterable[HostStatus], codes: Iterable[str], parents: Mapping[str, str | None]
) -> Placed:
    """
    Say which of some areas each host is in.

    `parents` gives the code of what each area of every level lies in.
    """
    wanted = frozenset(codes)
    inside: dict[str, list[HostStatus]] = {}
    outside: dict[str, int] = {}
    for status in statuses:
        code, reason = _area_of(status, wanted, parents)
        if code is None:
            outside[reason] = outside.get(reason, 0) + 1
        else:
            inside.setdefault(code, []).append(status)
    return Placed(inside, outside)


def counts_of(groups: Iterable[Group]) -> dict[str, int]:
    """Give the `COUNTS` of some groups together."""
    every = list(groups)
    return {name: sum(getattr(group, name) for group in every) for name in COUNTS}


def choose_levels(placed: Mapping[str, Placed], shown: Sequence[str]) -> list[str]:
    """
    Give the levels to draw an audit over: those shown, and one more where it has more of the hosts.

    `placed` has the hosts by level; a level without any is not drawn.
    """
    levels = [level for level in shown if placed[level].hosts]
    most = max(placed, key=lambda level: placed[level].hosts)
    if placed[most].hosts > max((placed[level].hosts for level in levels), default=0):
        levels.append(most)
    return levels


def _area_of(
    status: HostStatus, wanted: frozenset[str], parents: Mapping[str, str | None]
) -> tuple[str | None, str]:
    unit = status.about.get("unit", "")
    if not unit:
        return None, "no_unit"
    # A spreadsheet takes the zeros off a code's front.
    code = next(
        (c for c in (unit, unit.zfill(2), unit.zfill(5)) if c in wanted or c in parents), ""
    )
    if not code:
        return None, "unknown_unit"
    for _ in range(MAX_LEVELS):
        if code in wanted:
            return code, ""
        code = parents.get(code) or ""
    return None, "larger_unit"
