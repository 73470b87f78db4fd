"""
Views that a person chooses for a map: where it opens, and insets that lead to far parts.

Islands that belong to a country but lie far from it (Hoàng Sa, Trường Sa) are on the map like every
other area; an inset keeps them in sight while the first view shows the mainland.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..data.errors import MapError

MAX_INSETS = 6
MAX_NAME_CHARS = 60
# Leaflet's square world ends there.
MAX_LATITUDE = 85.05

Extent = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inset:
    """A part of the map that is drawn small beside it, with its name."""

    name: str
    extent: Extent


def read_extent(text: str) -> Extent:
    """
    Read ``west,south,east,north`` in degrees.

    Raises
    ------
    MapError
        If these are not four numbers that are an extent.
    """
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise MapError(
            "{text} is not an extent: write four numbers in degrees, west,south,east,north, as in"
            " 102,8,110,24",
            text=text[:100],
        ) from None
    if not (-180 <= west < east <= min(360, west + 360)):
        raise MapError(
            "{text}: west must be less than east, from -180 degrees on; an extent across the"
            " antimeridian goes on above 180, as in 176,-20,183,-15",
            text=text[:100],
        )
    if not (-MAX_LATITUDE <= south < north <= MAX_LATITUDE):
        raise MapError(
            "{text}: south must be less than north, both within -{most} and {most} degrees",
            text=text[:100],
            most=MAX_LATITUDE,
        )
    return west, south, east, north


def read_inset(text: str) -> Inset:
    """
    Read ``name:west,south,east,north``.

    Raises
    ------
    MapError
        If there is no name, it is too long, or what follows is not an extent.
    """
    name, _, extent = text.rpartition(":")
    name = name.strip()
    if not name or len(name) > MAX_NAME_CHARS:
        raise MapError(
            "{text} is not an inset: write a name of at most {most} characters, a colon and an"
            " extent, as in Hoàng Sa:111,15.5,113,17.5",
            text=text[:100],
            most=MAX_NAME_CHARS,
        )
    return Inset(name=name, extent=read_extent(extent))


def read_insets(texts: Sequence[str]) -> tuple[Inset, ...]:
    """
    Read insets, each with a name of its own.

    Raises
    ------
    MapError
        If one cannot be read, two have the same name, or there are too many.
    """
    insets = tuple(map(read_inset, texts))
    if len(insets) > MAX_INSETS:
        raise MapError(
            "{count} insets are too many: a map has room for {most}",
            count=len(insets),
            most=MAX_INSETS,
        )
    names = [inset.name for inset in insets]
    for name in names:
        if names.count(name) > 1:
            raise MapError("two insets are called {name}: give each its own name", name=name)
    return insets
