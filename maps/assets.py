"""
Where Leaflet comes from: nothing of it is in this repository, and no page fetches it.

The package folium-offline carries Leaflet's text as strings in a private table. That table is
the only thing taken from it, and it is looked at before use, so that a release with other
insides ends in a message and not in a blank page. A folder with ``leaflet.js`` and
``leaflet.css`` serves instead of it (Debian's libjs-leaflet, or a newer Leaflet).
"""

import re
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

from ..data.errors import MapError

PACKAGE = "folium-offline"
MAX_FILE_BYTES = 2_000_000

_VERSION = re.compile(r"\.version\s*=\s*[\"'](\d+\.\d+\.\d+)[^\"']*[\"']")
_OLDEST = (1, 7)
_SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)
_CSS_URL = re.compile(r"url\([^)]*\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaflet:
    """Leaflet as text, ready to stand inside a page, and the licence that goes with it."""

    version: str
    script: str
    style: str
    licence: str


def read_leaflet(folder: Path | None = None) -> Leaflet:
    """
    Give Leaflet from a folder, or from the installed package folium-offline.

    Its source map and the pictures its style sheet names (markers and a layer button that our
    pages do not use) are left out: each would be a request.

    Raises
    ------
    MapError
        If neither is there, or what is there does not look like Leaflet 1.
    """
    script, style, source = _from_folder(folder) if folder else _from_package()
    found = _VERSION.search(script)
    if found is None or ".leaflet-pane" not in style:
        raise MapError(
            "{source} holds no Leaflet as this phusong knows it ({missing} not found); name a"
            " folder with leaflet.js and leaflet.css (--leaflet)",
            source=source,
            missing=".leaflet-pane" if found else ".version",
        )
    version = found[1]
    if not _OLDEST <= tuple(int(part) for part in version.split(".")[:2]) < (2, 0):
        raise MapError(
            "{source} holds Leaflet {version}; this phusong draws with 1.7 to 1.9 (--leaflet)",
            source=source,
            version=version,
        )
    licence = resources.files(__package__).joinpath("files", "leaflet-licence.txt")
    return Leaflet(
        version=version,
        script=_SOURCE_MAP.sub("", script).replace("\r\n", "\n").strip(),
        style=_CSS_URL.sub("none", style).replace("\r\n", "\n").strip(),
        licence=licence.read_text("utf-8").strip(),
    )


def _from_package() -> tuple[str, str, str]:
    try:
        source = f"{PACKAGE} {metadata.version(PACKAGE)}"
        from offlinefolium import elements
    except (metadata.PackageNotFoundError, ImportError):
        raise MapError(
            "{package} is not installed, and a map needs Leaflet from it: install"
            " phusong[analysis], or name a folder with leaflet.js and leaflet.css (--leaflet)",
            package=PACKAGE,
        ) from None
    table = getattr(elements, "_res", None)
    texts = {}
    if isinstance(table, dict):
        for address, text in table.items():
            name = str(address).rpartition("/")[2]
            if name in ("leaflet.js", "leaflet.css") and isinstance(text, str):
                texts[name] = text
    if len(texts) != 2:
        raise MapError(
            "{source} has changed inside: its table of scripts no longer holds leaflet.js and"
            " leaflet.css; name a folder that does (--leaflet)",
            source=source,
        )
    return texts["leaflet.js"], texts["leaflet.css"], source


def _from_folder(folder: Path) -> tuple[str, str, str]:
    texts = []
    for name in ("leaflet.js", "leaflet.css"):
        path = folder / name
        try:
            with path.open("rb") as file:
                head = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise MapError(
                "cannot read {file}: {error} (--leaflet names a folder with leaflet.js and"
                " leaflet.css)",
                file=path,
                error=error.strerror or error,
            ) from error
        if len(head) > MAX_FILE_BYTES:
            raise MapError(
                "{file} is over {limit} bytes, which Leaflet is not",
                file=path,
                limit=MAX_FILE_BYTES,
            )
        texts.append(head.decode("utf-8", errors="replace"))
    return texts[0], texts[1], str(folder)
