"""Which path is served by what."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..echo import OFFER_PATH
from ..receipt import RECEIPT_PATH
from . import librespeed, multistream, ndt7, offers, speedtest_mini
from .exchange import Exchange
from .requests import RefusedError, Request


@dataclass(frozen=True, slots=True)
class Route:
    """A handler, and the methods it takes."""

    handle: Callable[[Exchange], None]
    methods: tuple[str, ...] = ("GET",)


_LIBRESPEED = {
    "garbage.php": Route(librespeed.garbage, ("GET", "OPTIONS")),
    "empty.php": Route(librespeed.empty, ("GET", "POST", "OPTIONS")),
    "getIP.php": Route(librespeed.own_address),
}

ROUTES = {
    "/ndt/v7/download": Route(ndt7.download),
    "/ndt/v7/upload": Route(ndt7.upload),
    OFFER_PATH: Route(offers.echo),
    "/phusong/v1/download": Route(multistream.download),
    "/phusong/v1/upload": Route(multistream.upload, ("POST",)),
    RECEIPT_PATH: Route(offers.receipt),
    "/phusong/v1/small": Route(offers.small),
    "/.well-known/nq": Route(offers.responsiveness),
    "/metrics": Route(offers.metrics),
    "/": Route(speedtest_mini.index),
    "/speedtest-config.php": Route(speedtest_mini.config),
    "/speedtest/latency.txt": Route(speedtest_mini.latency),
    "/speedtest/upload.php": Route(speedtest_mini.upload, ("POST",)),
    **{path: Route(speedtest_mini.picture) for path in speedtest_mini.PICTURE_PATHS},
    **{f"/{name}": route for name, route in _LIBRESPEED.items()},
    **{f"/backend/{name}": route for name, route in _LIBRESPEED.items()},
}
METRICS_ROUTES = {"/metrics": Route(offers.metrics_apart)}


def find_route(routes: Mapping[str, Route], request: Request) -> Route:
    """
    Give what serves a request.

    Raises
    ------
    RefusedError
        404 for an unknown path, 405 for the wrong method.
    """
    route = routes.get(request.path)
    if route is None:
        raise RefusedError(404)
    if request.method not in route.methods:
        raise RefusedError(405, {"Allow": ", ".join(route.methods)})
    return route
