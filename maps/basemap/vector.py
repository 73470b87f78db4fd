"""
Vector tiles (MVT) drawn as small grey pictures: land, woods, water and roads, and nothing more.

Borders, names and places of a third party are left out on purpose: outlines come from the user's
own boundaries, and many files draw Hoàng Sa and Trường Sa in ways that a Vietnamese authority
must not publish. Layers are known by the names that OpenMapTiles, Protomaps and Shortbread give
them; any other layer could hold borders and is not drawn.

A tile is drawn at twice its size and halved, which smooths edges, in 16 greys.
"""

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...data.errors import MapError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

# Makers of vector tiles choose what a tile holds for this width.
VECTOR_TILE_PX = 512
_FINER = 2
_PX = VECTOR_TILE_PX * _FINER
_GREY_STEP = 17

LAND, GREEN, BUILT, WATER = 255, 238, 221, 187
_ROLES = {
    "earth": "land",
    "landcover": "cover",
    "landuse": "cover",
    "natural": "cover",
    "park": "cover",
    "land": "cover",
    "ocean": "water",
    "water": "water",
    "water_polygons": "water",
    "waterway": "stream",
    "water_lines": "stream",
    "roads": "road",
    "road": "road",
    "streets": "road",
    "transportation": "road",
}
_ORDER = ("land", "cover", "water", "stream", "road")
_KIND_NAMES = ("kind", "class", "pmap:kind", "subclass")
_GREEN = {"wood", "forest", "grass", "grassland", "park", "scrub", "nature_reserve", "trees"}
_GREEN |= {"national_park", "wetland", "protected_area", "farmland", "meadow", "orchard"}
_BUILT = {"residential", "urban_area", "industrial", "commercial", "suburb"}
# Grey, width in pixels of the map, and the zoom from which it is drawn.
_ROADS = {
    **dict.fromkeys(("highway", "motorway", "trunk"), (51, 1.8, 0)),
    **dict.fromkeys(("major_road", "primary"), (85, 1.3, 5)),
    **dict.fromkeys(("medium_road", "secondary", "tertiary"), (119, 1.0, 8)),
    **dict.fromkeys(
        ("minor_road", "minor", "street", "unclassified", "residential"), (153, 0.8, 12)
    ),
}
_STREAM = (WATER, 1.0, 7)


def layers_drawn(listed: object, path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """
    Give the layers of a vector file that are drawn, and those that are not.

    Raises
    ------
    MapError
        If none of them is known.
    """
    rows = listed if isinstance(listed, list) else []
    names = [str(row.get("id"))[:60] for row in rows[:200] if isinstance(row, dict)]
    drawn = tuple(name for name in names if name in _ROLES)
    if not drawn:
        raise MapError(
            "{file} holds vector tiles, and phusong knows none of their layers ({layers}): it draws"
            " land, water and roads as OpenMapTiles, Protomaps and Shortbread name them. Make"
            " pictures of the tiles first (QGIS: Generate XYZ tiles) and give that folder",
            file=path,
            layers=", ".join(names[:12]) or "–",
        )
    return drawn, tuple(name for name in names if name not in _ROLES)


def draw_tile(content: bytes, zoom: int, layers: Sequence[str], name: str) -> bytes:
    """
    Draw a vector tile as a PNG picture; `layers` are those of the whole file that are drawn.

    Raises
    ------
    MapError
        If the tile cannot be read.
    """
    from PIL import Image, ImageDraw

    found = _read_tile(content, name)
    # Where a file has land of its own, what is not land is sea.
    surface = Image.new("L", (_PX, _PX), WATER if "earth" in layers else LAND)
    pen = ImageDraw.Draw(surface)
    for role in _ORDER:
        for layer, held in found.items():
            if _ROLES[layer] != role:
                continue
            for feature in held["features"]:
                _draw(surface, pen, role, feature, _PX / max(1, held["extent"]), zoom)
    return _png(surface)


def _read_tile(content: bytes, name: str) -> dict[str, Any]:
    from google.protobuf.message import DecodeError
    from mapbox_vector_tile.decoder import TileData

    try:
        tile = TileData(content, default_options={"y_coord_down": True})
        held = tile.tile.layers
        for index in reversed(range(len(held))):
            if held[index].name not in _ROLES:
                del held[index]
        found: dict[str, Any] = tile.get_message()
    except (DecodeError, ArithmeticError, AssertionError, LookupError, TypeError, ValueError):
        raise MapError(
            "{name} of the basemap is not a vector tile that can be read", name=name
        ) from None
    return found


def _draw(
    surface: "Image", pen: "ImageDraw", role: str, feature: Any, scale: float, zoom: int
) -> None:
    geometry = feature["geometry"]
    shape = geometry["type"]
    if shape.endswith("Polygon") and role in ("land", "cover", "water"):
        grey = {"land": LAND, "water": WATER}.get(role) or _cover(feature["properties"])
        if grey is not None:
            for rings in _parts(geometry, "Polygon"):
                _fill(surface, pen, [_pixels(ring, scale) for ring in rings], grey)
    elif shape.endswith("LineString") and role in ("water", "stream", "road"):
        grey, width, first = _STREAM if role != "road" else _road(feature["properties"])
        if zoom >= first:
            for line in _parts(geometry, "LineString"):
                if len(line) > 1:
                    pen.line(_pixels(line, scale), fill=grey, width=round(width * _FINER))


def _parts(geometry: Any, single: str) -> Iterator[Any]:
    yield from [geometry["coordinates"]] if geometry["type"] == single else geometry["coordinates"]


def _pixels(points: Any, scale: float) -> list[tuple[float, float]]:
    """Give points in pixels, none of them far outside: a line there would take for ever."""
    low, high = -_PX, 2 * _PX
    return [(min(high, max(low, x * scale)), min(high, max(low, y * scale))) for x, y in points]


def _fill(surface: "Image", pen: "ImageDraw", rings: Any, grey: int) -> None:
    from PIL import Image, ImageDraw

    outer, *holes = [ring for ring in rings if len(ring) > 2] or [[]]
    if not outer:
        return
    if not holes:
        pen.polygon(outer, fill=grey)
        return
    mask = Image.new("1", surface.size)
    cut = ImageDraw.Draw(mask)
    cut.polygon(outer, fill=1)
    for hole in holes:
        cut.polygon(hole, fill=0)
    surface.paste(grey, mask=mask)


def _kind(properties: Any) -> str:
    return next((str(properties[name]) for name in _KIND_NAMES if name in properties), "")


def _cover(properties: Any) -> int | None:
    kind = _kind(properties)
    return GREEN if kind in _GREEN else BUILT if kind in _BUILT else None


def _road(properties: Any) -> tuple[int, float, int]:
    """Give how a road is drawn; what is no road (rails, ferries, paths) is at no zoom."""
    return _ROADS.get(_kind(properties), (0, 0.0, 99))


def _png(surface: "Image") -> bytes:
    from PIL import Image

    halved = surface.reduce(_FINER).point([(grey + 8) // _GREY_STEP for grey in range(256)])
    small = Image.frombytes("P", halved.size, halved.tobytes())
    small.putpalette([grey * _GREY_STEP for grey in range(16) for _ in "rgb"])
    out = BytesIO()
    small.save(out, "PNG", bits=4, optimize=True)
    return out.getvalue()
