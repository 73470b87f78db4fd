"""
What a site's robots.txt lets us fetch (RFC 9309), read with the standard library's parser.

The front page is what a visitor who types the name gets, and is asked for without it. Before
any other page (where a redirect or a catalogue leads) the site's robots.txt is read, once.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

from ..interface import AttemptError

NAME = "phusong"
MAX_BYTES = 100_000
MAX_SITES = 5_000
Fetch = Callable[[str], Awaitable[tuple[int, bytes]]]


@dataclass(slots=True)
class Robots:
    """The rules of the sites that were visited, the newest `MAX_SITES`."""

    _known: dict[str, RobotFileParser] = field(default_factory=dict)

    async def allow(self, url: str, fetch: Fetch) -> bool:
        """Tell whether a page may be fetched; `fetch` gives the status and body of a URL."""
        parts = urlsplit(url)
        if parts.path in ("", "/") and not parts.query:
            return True
        site = f"{parts.scheme}://{parts.netloc}"
        if site not in self._known:
            self._known[site] = await _read(f"{site}/robots.txt", fetch)
            while len(self._known) > MAX_SITES:
                del self._known[next(iter(self._known))]
        return self._known[site].can_fetch(NAME, url)


async def _read(url: str, fetch: Fetch) -> RobotFileParser:
    rules = RobotFileParser(url)
    try:
        status, body = await fetch(url)
    except (AttemptError, OSError, EOFError, ValueError):
        # RFC 9309, 2.3.1.4: who cannot be asked has forbidden everything.
        status, body = 599, b""
    if status >= 500 or status == 429:
        rules.parse(["User-agent: *", "Disallow: /"])
    else:
        # 2.3.1.3: no such file, or a redirect that is not followed, allows everything.
        text = body[:MAX_BYTES].decode("utf-8", "replace") if status == 200 else ""
        rules.parse(text.splitlines())
    return rules
