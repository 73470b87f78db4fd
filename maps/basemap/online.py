"""
Tiles that a page fetches from a server: only when a person asked for it, and named whose they are.

The address ends in the page's policy and in its script, so it may hold nothing but what an
address needs. Its host is written out: the policy then allows pictures from that one only.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ...data.errors import MapError
from .tiles import Beneath

MAX_ATTRIBUTION_CHARS = 300
MAX_URL_CHARS = 500
ONLINE_ZOOMS = (0, 19)

_ALLOWED = re.compile(r"[A-Za-z0-9:/?&=%+,;.~_@!*()\[\]{}$-]+")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineTiles:
    """Tiles of a server; `origin` is its scheme, host and port, as a policy names it."""

    url: str
    origin: str
    host: str
    attribution: str

    @property
    def is_plain(self) -> bool:
        """Tell whether the tiles travel unprotected."""
        return self.origin.startswith("http:")

    def for_page(self) -> Beneath:
        """Give what a page needs to fetch the tiles."""
        return Beneath(
            data={
                "kind": "online",
                "attribution": self.attribution,
                "tile_px": 256,
                "zooms": ONLINE_ZOOMS,
                "url": self.url,
                "host": self.host,
            },
            images=f" {self.origin}",
        )

    def for_site(self, put: Callable[[str, bytes], str]) -> Beneath:
        """Give what every page of a site needs: the same, as nothing is written."""
        return self.for_page()


def read_attribution(text: str) -> str:
    """
    Give the words that name whose a basemap is, on one line.

    Raises
    ------
    MapError
        If there are none, or too many.
    """
    words = " ".join(text.split())
    if not words or len(words) > MAX_ATTRIBUTION_CHARS:
        raise MapError(
            "an attribution has 1 to {most} characters, as in © OpenStreetMap contributors",
            most=MAX_ATTRIBUTION_CHARS,
        )
    return words


def read_online(url: str, attribution: str) -> OnlineTiles:
    """
    Read an address with ``{z}``, ``{x}`` and ``{y}`` (``{-y}`` where rows count from the south).

    Raises
    ------
    MapError
        If it is not an http or https address with these three, or holds anything else that a page
        would have to interpret.
    """
    shown = url[:100]
    if len(url) > MAX_URL_CHARS or not _ALLOWED.fullmatch(url):
        raise MapError(
            "{url} is not an address of tiles: it is empty, over {most} characters, or holds a"
            " character that must be written as %XX",
            url=ascii(shown),
            most=MAX_URL_CHARS,
        )
    found = _PLACEHOLDER.findall(url)
    if "s" in found:
        raise MapError(
            "{url}: write one host in place of {{s}}; the page allows pictures from that host and"
            " from no other",
            url=shown,
        )
    left = _PLACEHOLDER.sub("0", url)
    if sorted(found) not in (["x", "y", "z"], ["-y", "x", "z"]) or "{" in left or "}" in left:
        raise MapError(
            "{url}: an address of tiles has {{z}}, {{x}} and {{y}} (or {{-y}}) once each and"
            " nothing else in braces, as in https://tiles.example/{{z}}/{{x}}/{{y}}.png",
            url=shown,
        )
    origin, host = _origin(url, shown)
    return OnlineTiles(url=url, origin=origin, host=host, attribution=read_attribution(attribution))


def _origin(url: str, shown: str) -> tuple[str, str]:
    """Give an address's scheme, host and port as a policy names them, and its host alone."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        raise MapError(
            "{url}: tiles come from an https address (or http) without a user name, as in"
            " https://tiles.example/{{z}}/{{x}}/{{y}}.png",
            url=shown,
        )
    if not _HOST.fullmatch(host):
        raise MapError(
            "{url}: {host} is not the name of one host; write it in letters a to z, digits, hyphens"
            " and dots (a name in other letters by its xn-- form)",
            url=shown,
            host=host,
        )
    return f"{parts.scheme}://{host}" + (f":{port}" if port else ""), host
