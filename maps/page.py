"""
One HTML file that opens from disk with no network at all.

folium is the frame: it writes the map's container and the call of ``L.map``, rendered **from
constants only**. branca renders its output a second time as a Jinja template, so that a village
called ``{{...}}`` would run as code on the machine that builds the map; for that reason no name,
title or number ever comes near a folium template. Data is put into the finished page afterwards,
as JSON in a script block that no browser executes, and our own script shows it with
``textContent`` only.

The page's policy (CSP) names each script and style by its hash and allows nothing else: no
request, no inline handler, no eval. It holds from file:// and from any web server.
"""

import base64
import hashlib
import html
import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from html.parser import HTMLParser
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from ..data.errors import MapError
from ..data.words import LANGUAGES, language, translate
from .adoption_layer import DrawnAdoption
from .assets import read_leaflet
from .basemap.online import OnlineTiles
from .basemap.tiles import Beneath, TakenTiles
from .columns import DrawnResult, Points
from .layers import page_data
from .views import Extent, Inset

MAP_NAME = "map_phusong"
SCRIPTS = (
    "data.js",
    "language.js",
    "words.js",
    "packs.js",
    "predict.js",
    "shapes.js",
    "values.js",
    "adopted.js",
    "tiles.js",
    "points.js",
    "heat.js",
    "panel.js",
    "picture.js",
    "site.js",
    "compare.js",
    "insets.js",
    "basemap.js",
    "choices.js",
    "page.js",
)
STYLES = ("page.css", "compare.css", "basemap.css")
MAX_TITLE_CHARS = 300
# The shapes and the first result: what a page shows before anybody asks for more.
FIRST_PACKS = 2
_SHARED = ("scales", "steps_per_degree", "named")

_MARKER = re.compile(r"@@(\w+)@@")
_SAID = re.compile(r"\bt\(\s*\"((?:[^\"\\]|\\.)+)\"")
_MARKED = re.compile(r"data-t(?:-label|-hint)?=\"([^\"]+)\"")
_ESCAPES = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOptions:
    """
    How a page is made.

    `title` is the reader's own, `leaflet_folder` replaces the package, `home` is the extent that
    the map opens at in place of the bulk of its areas, `insets` are drawn beside it, and `basemap`
    beneath.
    """

    title: str | None = None
    leaflet_folder: Path | None = None
    home: Extent | None = None
    insets: tuple[Inset, ...] = ()
    basemap: TakenTiles | OnlineTiles | None = None


def render_page(
    results: Sequence[DrawnResult],
    points: Points | None = None,
    options: PageOptions | None = None,
    adoptions: Sequence[DrawnAdoption] = (),
) -> str:
    """
    Give the whole page as text, in the language that `words.language` speaks at first.

    The same results and points give the same text.

    Raises
    ------
    MapError
        If there is no result, one has no area or no shape for an area, or Leaflet is not found.
    """
    options = options or PageOptions()
    data, packs = page_data(results, points, adoptions=adoptions)
    shared = shared_data([data], options)
    code = page_code(options)
    beneath = options.basemap.for_page() if options.basemap else Beneath()
    own = own_data(data, options) | {"basemap": beneath.data}
    return fill_page(
        page_title(options.title),
        policy=content_policy(code.scripts, code.styles, beneath.images),
        styles="\n".join(f"<style>{_closed(style, 'style')}</style>" for style in code.styles),
        data="\n".join(
            [data_block(shared | own), pack_blocks(packs[:FIRST_PACKS]), beneath.blocks]
        ),
        scripts="\n".join(
            [
                *(f"<script>{_closed(script, 'script')}</script>" for script in code.scripts),
                pack_blocks(packs[FIRST_PACKS:], FIRST_PACKS),
            ]
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What a page runs and how it looks, in the order in which a browser must read it."""

    scripts: tuple[str, ...]
    styles: tuple[str, ...]


def page_code(options: PageOptions) -> Code:
    """
    Give the scripts and styles of every page: Leaflet's, folium's frame, ours.

    Raises
    ------
    MapError
        If Leaflet is not found.
    """
    leaflet = read_leaflet(options.leaflet_folder)
    frame = folium_frame()
    return Code(
        scripts=(leaflet.script, *frame.scripts, *map(read_file, SCRIPTS)),
        styles=(leaflet.style, *frame.styles, *map(read_file, STYLES)),
    )


def shared_data(pages: Sequence[Mapping[str, Any]], options: PageOptions) -> dict[str, Any]:
    """Give what pages have in common: the words they say, scales, licences."""
    leaflet = read_leaflet(options.leaflet_folder)
    said = sorted({text for data in pages for text in data["said"]})
    return {
        "words": {to: catalogue(to, said) for to in LANGUAGES if to != "en"},
        "leaflet": {"version": leaflet.version, "licence": leaflet.licence},
        **{name: pages[0][name] for name in _SHARED},
    }


def own_data(data: Mapping[str, Any], options: PageOptions) -> dict[str, Any]:
    """Give what only one page has, of the data that `page_data` gave."""
    title = page_title(options.title)
    own = {name: value for name, value in data.items() if name not in (*_SHARED, "said")}
    views = {"home": options.home, "insets": [asdict(inset) for inset in options.insets]}
    return own | {"title": title, "language": language(), **views}


def page_title(title: str | None) -> str | None:
    """Give a reader's own title as a page can hold it, or None."""
    return _valid((title or "").strip()[:MAX_TITLE_CHARS]) or None


def data_block(data: object) -> str:
    """Give data in a script block that no browser executes."""
    return f'<script type="application/json" id="data">{data_json(data)}</script>'


def pack_blocks(packs: Sequence[str], first: int = 0) -> str:
    """Give packs, numbered from `first`, in script blocks that no browser executes."""
    return "\n".join(
        f'<script type="text/plain" id="pack-{index}">{pack}</script>'
        for index, pack in enumerate(packs, start=first)
    )


def fill_page(title: str | None, *, policy: str, styles: str, data: str, scripts: str) -> str:
    """Give a page's text; everything but the title must be HTML already."""
    parts = {
        "language": language(),
        "policy": policy,
        "title": html.escape(title or translate("Coverage map", language())),
        "styles": styles,
        "map": folium_frame().container,
        "data": data,
        "scripts": scripts,
    }
    # One pass, so that nothing put in is looked at again.
    return _MARKER.sub(lambda found: parts[found[1]], read_file("page.html"))


def write_page(path: Path, page: str) -> int:
    """
    Write a page so that a reader finds the old one or the new one, never half; give its bytes.

    Raises
    ------
    MapError
        If the folder is not there, or it or the file cannot be written.
    """
    if not path.parent.is_dir():
        raise MapError("{folder} is not a folder: the map was not written", folder=path.parent)
    if path.is_dir():
        raise MapError("{file} is a folder: name a file for the map", file=path)
    content = page.encode("utf-8")
    part = path.with_name(f".{path.name[:64]}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise MapError(
            "cannot write the map {file}: {error}", file=path, error=error.strerror or error
        ) from error
    return len(content)


def data_json(data: object) -> str:
    """Give data as JSON that may stand inside a script block, whatever its texts hold."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return re.sub("[<>&\u2028\u2029]", lambda found: _ESCAPES[found[0]], _valid(text))


def _valid(text: str) -> str:
    """Give a text that UTF-8 can hold: half a surrogate pair becomes a question mark."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def page_texts() -> set[str]:
    """Give every English text that the page's own files say."""
    texts = set(_MARKED.findall(read_file("page.html")))
    for name in SCRIPTS:
        texts |= {json.loads(f'"{text}"') for text in _SAID.findall(read_file(name))}
    return {html.unescape(text) for text in texts}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What is taken from folium: the container, the call that makes the map, and their styles."""

    container: str
    styles: tuple[str, ...]
    scripts: tuple[str, ...]


@cache
def folium_frame() -> Frame:
    """Render an empty folium map from constants, and keep of it what loads nothing."""
    import folium

    # Centre and zoom only stand until our script fits the map to what it draws.
    shell = folium.Map(
        location=[16.0, 106.0],
        zoom_start=5,
        tiles=None,
        prefer_canvas=True,
        zoom_control=False,
        attribution_control=False,
        zoom_snap=0.25,
        wheel_px_per_zoom_level=90,
        world_copy_jump=False,
        fade_animation=False,
    )
    shell._id = MAP_NAME.removeprefix("map_")
    reader = _FrameReader()
    reader.feed(shell.get_root().render())
    reader.close()
    made = [script for script in reader.texts["script"] if f"var {MAP_NAME} = L.map(" in script]
    if len(made) != 1 or f'id="{MAP_NAME}"' not in reader.container:
        raise MapError(
            "folium {version} writes its map otherwise than this phusong knows; install the"
            " version that phusong was tested with",
            version=metadata.version("folium"),
        )
    return Frame(
        container=reader.container,
        styles=tuple(reader.texts["style"]),
        scripts=tuple(reader.texts["script"]),
    )


class _FrameReader(HTMLParser):
    """Collect inline scripts and styles and the map's container; leave every link out."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self.container = ""
        self._inside: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.texts and not dict(attrs).get("src"):
            self._inside = tag
        if tag == "div" and dict(attrs).get("id") == MAP_NAME:
            self.container = f"{self.get_starttag_text()}</div>"

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside and data.strip():
            self.texts[self._inside].append(data.strip())


def content_policy(scripts: Sequence[str], styles: Sequence[str], images: str = "") -> str:
    """
    Give the policy that lets these scripts and styles run, by their hashes, and nothing else.

    `images` says where pictures may come from besides the page itself.
    """
    allowed = " ".join(_hash(_closed(script, "script")) for script in scripts)
    styled = " ".join(_hash(_closed(style, "style")) for style in styles)
    return (
        f"default-src 'none'; script-src {allowed}; style-src {styled};"
        f" img-src data:{images}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _closed(text: str, tag: str) -> str:
    """Keep a text from ending the element it stands in."""
    return re.sub(rf"</(?={tag})", r"<\\/", text, flags=re.IGNORECASE)


def catalogue(to: str, said: Sequence[str]) -> dict[str, str]:
    """Give the translations of what our own files say, and of some more texts."""
    texts = sorted({*page_texts(), *said})
    return {text: known for text in texts if (known := translate(text, to)) != text}


@cache
def read_file(name: str) -> str:
    """Give a file that belongs to our pages, without what white space is around it."""
    return resources.files(__package__).joinpath("files", name).read_text("utf-8").strip()
