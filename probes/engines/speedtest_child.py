"""
speedtest-cli's package, run for one direction in a process of its own.

    python -m phusong.probes.engines.speedtest_child '{"direction": "download", ...}'

Prints one line of JSON. With `mini` the service's own site is not asked for a configuration, as
the package does even then: a server on a closed network is enough. A Mini server cannot send
the package elsewhere, because redirects are not followed, nor make it read a page without end.
"""

import contextlib
import importlib
import json
import resource
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

_DOWNLOAD_SIDES = (350, 500, 750, 1000, 1500, 2000, 2500, 3000, 3500, 4000)
_UPLOAD_BYTES = (524_288, 1_048_576, 7_340_032)
# About what a picture of that side has, per pixel.
_BYTES_PER_PIXEL = 2.0
_MAX_PAGE_BYTES = 65_536
_MAX_MEMORY_BYTES = 768 * 1024 * 1024


def main(text: str) -> dict[str, Any]:
    """Measure one direction; give rate, bytes and ping, or the error as the package names it."""
    asked: dict[str, Any] = json.loads(text)
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    package: Any = importlib.import_module("speedtest")
    try:
        test = _made(package, asked)
        if asked["mini"]:
            test.set_mini_server(asked["mini"])
            test.get_best_server(test.servers)
        else:
            test.get_servers()
            test.get_best_server()
        _bound(test.config, asked)
        download = asked["direction"] == "download"
        # pre_allocate would hold every upload in memory at once.
        rate = test.download() if download else test.upload(pre_allocate=False)
    except Exception as error:  # noqa: BLE001 - told to the caller, who knows the package's faults
        return {"error": type(error).__name__, "said": str(error)[:200]}
    results = test.results
    moved = results.bytes_received if download else results.bytes_sent
    return {
        "bits_per_s": rate,
        "bytes": moved,
        "ping_ms": results.ping,
        "threads": test.config["threads"][asked["direction"]],
        "version": package.__version__,
    }


def _made(package: Any, asked: dict[str, Any]) -> Any:
    if not asked["mini"]:
        return package.Speedtest(secure=asked["secure"], timeout=asked["timeout_s"])
    package.HTTPRedirectHandler = _NoRedirects
    package.catch_request = _bounding(package.catch_request)

    class Mini(package.Speedtest):  # type: ignore[misc]
        def get_config(self) -> dict[str, Any]:
            client = dict.fromkeys(("ip", "isp", "country", "isprating"), "")
            self.config = _mini_config(client | {"lat": "0", "lon": "0"})
            self.lat_lon = (0.0, 0.0)
            return self.config

    return Mini(secure=asked["secure"], timeout=asked["timeout_s"])


class EndlessBodyError(Exception):
    """A page is longer than a page can be."""


class _Page:
    """An answer that is read whole only as far as a page goes."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self.close = answer.close

    def read(self) -> bytes:
        """Give the page."""
        page: bytes = self._answer.read(_MAX_PAGE_BYTES + 1)
        if len(page) > _MAX_PAGE_BYTES:
            raise EndlessBodyError
        return page


def _bounding(catch: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    def catch_request(*asked: Any, **more: Any) -> tuple[Any, Any]:
        answer, error = catch(*asked, **more)
        return (answer if error else _Page(answer)), error

    return catch_request


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Take a redirect for the error that it is here."""

    def redirect_request(self, *asked: Any) -> None:
        """Give no request to go on with."""


def _mini_config(client: dict[str, str]) -> dict[str, Any]:
    return {
        "client": client,
        "ignore_servers": [],
        "sizes": {"download": list(_DOWNLOAD_SIDES), "upload": list(_UPLOAD_BYTES)},
        "counts": {"download": 4, "upload": 17},
        "threads": {"download": 8, "upload": 2},
        "length": {"download": 10, "upload": 10},
        "upload_max": 51,
    }


def _bound(config: dict[str, Any], asked: dict[str, Any]) -> None:
    """Keep to the time asked for, and leave out what is beyond the data budget."""
    direction = asked["direction"]
    config["length"][direction] = asked["duration_s"]
    sizes = config["sizes"][direction]
    count = config["counts"][direction]
    while len(sizes) > 1 and count * sum(map(_bytes_of(direction), sizes)) > asked["max_bytes"]:
        sizes.pop()
    if direction == "upload":
        config["upload_max"] = count * len(sizes)


def _bytes_of(direction: str) -> Any:
    return (lambda side: _BYTES_PER_PIXEL * side * side) if direction == "download" else float


if __name__ == "__main__":
    # What the package prints is for its own command line.
    with contextlib.redirect_stdout(sys.stderr):
        found = main(sys.argv[1])
    sys.stdout.write(json.dumps(found) + "\n")
