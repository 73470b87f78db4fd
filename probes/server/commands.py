"""The command that is the far end."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...console import Command, json_option, note, print_json
from ...data.words import say

if TYPE_CHECKING:
    from .service import MeasurementServer


@click.command(cls=Command)
@click.option(
    "--bind",
    "hosts",
    multiple=True,
    default=("0.0.0.0", "::"),  # noqa: S104 - a measurement server is there to be reached
    show_default=True,
    help="Numeric address to listen on; may be given again.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Port for TCP and UDP; 0 takes a free one.",
)
@click.option("--cert", type=click.Path(path_type=Path), help="PEM certificate, to speak wss.")
@click.option("--key", type=click.Path(path_type=Path), help="PEM key of the certificate.")
@click.option(
    "--max-test-mb",
    type=click.IntRange(1, 1_000_000),
    default=10_000,
    show_default=True,
    help="Most data that one test may move, in megabytes, all its flows together.",
)
@click.option(
    "--max-connections",
    type=click.IntRange(2, 10_000),
    default=256,
    show_default=True,
    help="Most connections at one time; three quarters of them may run tests.",
)
@click.option(
    "--per-address",
    type=click.IntRange(1, 10_000),
    default=64,
    show_default=True,
    help="Most connections at one time from one IPv4 address or one IPv6 /64.",
)
@click.option(
    "--signing-key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the key that signs receipts; made if it is not there.",
)
@click.option(
    "--metrics-bind",
    metavar="HOST:PORT",
    help="Give the counters for Prometheus here; without it, on the port above to this machine.",
)
@json_option
def serve(
    hosts: tuple[str, ...],
    port: int,
    cert: Path | None,
    key: Path | None,
    max_test_mb: int,
    max_connections: int,
    per_address: int,
    signing_key: Path | None,
    metrics_bind: str | None,
    as_json: bool,
) -> None:
    """
    Be the far end of every engine, and an echo over UDP, until Ctrl-C.

    Anyone who reaches the port can measure against it: ndt7, multistream, LibreSpeed and Speedtest
    Mini, within limits of time, data and connections.
    """
    import signal
    import threading

    from .limits import ServerLimits
    from .listeners import read_bind
    from .service import MeasurementServer

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = MeasurementServer(
        hosts,
        port,
        certificate=cert,
        key=key,
        limits=ServerLimits(
            max_test_bytes=max_test_mb * 1_000_000,
            connections=max_connections,
            connections_per_address=per_address,
            tests=max(1, max_connections * 3 // 4),
        ),
        signing_key=signing_key,
        metrics_bind=read_bind(metrics_bind) if metrics_bind else None,
    )
    with server:
        _show_listening(server, as_json=as_json)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    note("{tests} {tests:test|tests} served", tests=server.served)


def _show_listening(server: "MeasurementServer", *, as_json: bool) -> None:
    places = [
        {
            "url": server.url_of(place),
            "family": place.family,
            "host": place.host,
            "port": place.port,
        }
        for place in server.listening
    ]
    if as_json:
        print_json(places)
    else:
        for place in places:
            click.echo(say("listening on {url} (TCP and UDP)", url=place["url"]))
        note("Ctrl-C ends it")
    if server.metrics_at is not None:
        url = server.url_of(server.metrics_at, "http") + "/metrics"
        note("counters for Prometheus at {url}", url=url)
    for host, why in server.unavailable.items():
        note("not listening on {host}: {why}", host=host, why=why)
