"""
Find a server of M-Lab's near a country: Locate v2.

The answer names up to four servers, nearest first, with addresses that hold access tokens. The
tokens go to their server and nowhere else: a `Target` keeps them in `paths`, which are not
shown, logged or kept.

M-Lab publishes every test with the address that it came from. Who measures there has to know:
`PUBLISHES` is said once and stands in each sample.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from ..data.errors import ConfigError
from ..data.sample import Outcome
from .connection import reach
from .engines.websocket import is_page, refuse_other_answers
from .fetch import fetch
from .interface import DEFAULT_PORTS, AttemptError, Limits, Target, one_line

LOCATE_URL = "https://locate.measurementlab.net/v2/nearest/ndt/ndt7"
PUBLISHES = "M-Lab publishes this test and the IP address that it came from, for anybody to use."
NOTICE = "m-lab-publishes"
_DIRECTIONS = ("download", "upload")
_MAX_BYTES = 65_536
_MAX_SERVERS = 8
_MAX_QUERY_BYTES = 4096


def locate_target(
    service: str = LOCATE_URL, *, allow_private: bool = False, ca_file: Path | None = None
) -> Target:
    """
    Read the address of a Locate service.

    Raises
    ------
    ConfigError
        If it is none.
    """
    return Target.parse(
        service, schemes=("https", "http"), allow_private=allow_private, ca_file=ca_file
    )


def find_servers(service: Target, country: str, *, family: int | None = None) -> list[Target]:
    """
    Ask Locate for servers, nearest first.

    Raises
    ------
    ConfigError
        If the country is no code of two letters.
    AttemptError
        If Locate refuses (`http_503`, with what it said about when to come back), has none
        (`http_204`, `no_servers`), or answers what is no list of servers.
    OSError
        If Locate cannot be reached.
    """
    if not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise ConfigError(
            "{country} is no country; write its two letters, such as VN", country=one_line(country)
        )
    limits = Limits()
    asked = urlencode({"country": country.upper(), "strict": "true"})
    address = reach(service, limits)
    answer = fetch(service, address, f"{service.base}?{asked}", limits, max_bytes=_MAX_BYTES)
    refuse_other_answers(answer.status, answer.headers, promised=200)
    if is_page(answer.headers):
        raise AttemptError(Outcome.PROTOCOL_ERROR, "captive_portal")
    found = list(_read(answer.body, service, family))
    if not found:
        raise AttemptError(Outcome.SERVER_ERROR, "no_servers")
    return found


def is_public_archive(target: Target) -> bool:
    """Tell whether a server is one of M-Lab's."""
    return target.host.lower().endswith((".measurement-lab.org", ".measurementlab.net"))


def found_by(service: Target, country: str) -> dict[str, Any]:
    """Give how a server was found, as it is kept with its samples."""
    return {"locate": service.host, "country": country.upper(), "notice": PUBLISHES}


def _read(body: bytes, service: Target, family: int | None) -> Iterator[Target]:
    try:
        said: Any = json.loads(body)
        results = said.get("results", [])
        entries = [entry["urls"] for entry in results[:_MAX_SERVERS]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_json") from None
    for urls in entries:
        for scheme in ("wss", "ws"):
            target = _target(urls, scheme, service, family)
            if target is not None:
                yield target
                break


def _target(urls: object, scheme: str, service: Target, family: int | None) -> Target | None:
    """Give one server by one scheme; None where its addresses are not both plain and alike."""
    if not isinstance(urls, dict):
        return None
    parts = [_split(urls.get(f"{scheme}:///ndt/v7/{direction}")) for direction in _DIRECTIONS]
    if any(part is None or part.scheme != scheme for part in parts):
        return None
    download, upload = (part for part in parts if part is not None)
    if download.netloc != upload.netloc or "@" in download.netloc or not download.hostname:
        return None
    return Target(
        host=download.hostname,
        port=download.port or DEFAULT_PORTS[scheme],
        tls=scheme == "wss",
        family=family,
        allow_private=service.allow_private,
        ca_file=service.ca_file,
        paths={
            direction: f"{part.path}?{part.query}" if part.query else part.path
            for direction, part in zip(_DIRECTIONS, (download, upload), strict=True)
        },
    )


def _split(url: object) -> SplitResult | None:
    """Take an address apart; None where a request could not carry it as it stands."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.port != 0 and len(parts.query) <= _MAX_QUERY_BYTES
    except ValueError:
        return None
    return parts if usable and parts.path.startswith("/") else None
