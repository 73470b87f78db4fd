"""
IPv6 adoption as a map of the page: an audit's hosts counted by area, in packed columns.

It stands among the results of rules, with its own quantities, and has what they do not have: no
requirement and so no verdict. An area without an audited host has no row and no number.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ..coverage.adoption import COLOURS, SERVICES
from ..coverage.adoption_areas import COUNTS, AreaAdoption
from ..data.words import LANGUAGES, translate
from .packs import Pack

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

KIND = "ipv6-adoption"
TITLE = "IPv6 adoption of audited hosts"
OUTSIDE = {
    "no_unit": "no area is named in the list",
    "unknown_unit": "the area's code is not known here",
    "larger_unit": "their area is larger than these",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnAdoption:
    """
    An audit by area, and the shapes of the areas: code, geometry and perhaps name, parent_name.

    `reasons` says in English why a host's adoption is not known, by the reason's short name.
    """

    adoption: AreaAdoption
    geometry: "GeoDataFrame"
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def shapes_key(self) -> tuple[str | None, str]:
        """Give what tells its shapes from others: the same as of a result over them."""
        return (self.adoption.boundary_id, self.adoption.area)


def pack_adoption(
    drawn: DrawnAdoption, shapes_index: int, position: Mapping[str, int], pack: Pack
) -> dict[str, Any]:
    """Put an audit's counts into a pack; give what the page's script reads beside it."""
    adoption = drawn.adoption
    found = [code for code in adoption.groups if code in position]
    places = np.array([position[code] for code in found], dtype=np.int64)
    order = np.argsort(places)
    groups = [adoption.groups[found[at]] for at in order]
    reasons = sorted({name for group in groups for name in group.excluded})
    pack.add("0.area", np.diff(places[order], prepend=0))
    nothing = [None] * len(groups)
    pack.add("0.best", nothing, "n")
    pack.add("0.same", nothing, "n")
    for name in COUNTS:
        pack.add(f"0.{name}", [getattr(group, name) for group in groups])
    for service in SERVICES:
        for colour in COLOURS:
            pack.add(f"0.{service}_{colour}", [group.views[service][colour] for group in groups])
    for number, reason in enumerate(reasons):
        pack.add(f"0.excluded.{number}", [group.excluded.get(reason, 0) for group in groups])
    return {
        "kind": KIND,
        "shapes": shapes_index,
        "rule": KIND,
        "title": _in_each_language(TITLE),
        "unverified": [],
        "area": adoption.area,
        "boundary": {
            "id": adoption.boundary_id,
            "name": adoption.boundary_name,
            "vintage": adoption.boundary_vintage,
            "approximate": adoption.boundary_approximate,
        },
        "audit": adoption.audit,
        # A period's end is not part of it, and the last check is.
        "period": [_utc(adoption.first), _utc(adoption.last + timedelta(milliseconds=1))],
        "inputs": dict(adoption.counts),
        "outside": [
            [_in_each_language(OUTSIDE[name]), count] for name, count in adoption.outside.items()
        ],
        "reasons": {name: _in_each_language(drawn.reasons.get(name, name)) for name in reasons},
        "measured": adoption.counts["hosts"],
        "simulated": 0,
        "nr": {},
        "by_indication": False,
        "layers": [{"operator": "any", "blank": {}, "excluded": reasons, "nr": []}],
        "share_steps": 1,
        "median_steps": 1,
        "z": 0.0,
    }


def _in_each_language(text: str) -> dict[str, str]:
    return {to: translate(text, to) for to in LANGUAGES}


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
