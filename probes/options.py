"""The options of the commands that measure, in the order in which their help shows them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., object])

allow_private_option = click.option(
    "--allow-private", is_flag=True, help="Also connect to private and loopback addresses."
)
ca_option = click.option(
    "--ca",
    type=click.Path(path_type=Path),
    help="PEM file of the CA to trust instead of the system's.",
)
position_option = click.option(
    "--position",
    "position_spec",
    help="What tells the position: gpsd, nmea:FILE, serial:DEVICE or LON,LAT.",
)
radio_option = click.option(
    "--radio",
    "radio_spec",
    help="What tells the radio's state: auto, modemmanager, mmcli or termux.",
)
visits_option = click.option("--visits", type=click.IntRange(1), help="End after so many visits.")
_RUN = (
    click.option("--server", "url", help="The far end: ws://host:port or wss://host:port."),
    click.option(
        "--country", help="Instead of a server: M-Lab's nearest to a country, such as VN."
    ),
    click.option("--locate", hidden=True, help="Another Locate service than M-Lab's."),
    click.option(
        "--engine",
        "engine_name",
        type=click.Choice(("ndt7", "multistream", "librespeed", "speedtest-cli", "iperf3")),
        help="How to measure; without it, what the server is best at. See: phusong probe engines.",
    ),
    click.option(
        "--flows", type=click.IntRange(1, 16), help="Connections at one time, where the engine can."
    ),
    click.option(
        "--family",
        "families",
        type=click.Choice(("4", "6")),
        multiple=True,
        help="Measure over IPv4 or IPv6 only; give it twice for one after the other.",
    ),
    click.option(
        "--duration",
        "duration_s",
        type=click.FloatRange(0.5, 15),
        default=10.0,
        show_default=True,
        help="Seconds that each direction runs at the most.",
    ),
    click.option(
        "--within",
        "within_pct",
        type=click.FloatRange(0, 50),
        default=2.0,
        show_default=True,
        help="End a direction when its rate is known to so many percent; 0 runs it to the end.",
    ),
    allow_private_option,
    ca_option,
    click.option(
        "--receipt-key",
        type=click.Path(dir_okay=False, path_type=Path),
        help="PEM file of the public key that the server's receipts have to be signed with.",
    ),
    click.option("--lon", type=float, help="Where you are: longitude, in degrees east."),
    click.option("--lat", type=float, help="Where you are: latitude, in degrees north."),
    click.option(
        "--accuracy", "accuracy_m", type=float, help="How far off the position may be, in metres."
    ),
    click.option("--operator", help="Whose network it is."),
)
_LOAD = (
    click.option(
        "--server", "url", required=True, help="The far end: ws://host:port or wss://host:port."
    ),
    click.option(
        "--family", type=click.Choice(("4", "6")), help="Measure over IPv4 or over IPv6 only."
    ),
    click.option(
        "--max-mb",
        type=click.IntRange(1, 100_000),
        default=1_000,
        show_default=True,
        help="Data budget of each of the four loads, in megabytes.",
    ),
    click.option(
        "--interval",
        "interval_s",
        type=click.FloatRange(0.5, 5),
        default=1.0,
        show_default=True,
        help="Seconds of an interval; 5 is version 09 of the draft's, at five times the data.",
    ),
    allow_private_option,
    ca_option,
)


def run_options(*, max_mb: int) -> Callable[[Decorated], Decorated]:
    """Give a command the options that say what to measure, how, and where."""
    budget = click.option(
        "--max-mb",
        type=click.IntRange(1, 100_000),
        default=max_mb,
        show_default=True,
        help="Data budget of each direction, in megabytes.",
    )
    return lambda command: with_options((*_RUN, budget), command)


def load_options(command: Decorated) -> Decorated:
    """Give a command the options of a measurement under load."""
    return with_options(_LOAD, command)


def rows_option(default: int) -> Callable[[Decorated], Decorated]:
    """Give a command the option that says how many rows of its table are shown."""
    return click.option(
        "--limit",
        type=click.IntRange(1),
        default=default,
        show_default=True,
        help="How many rows to show.",
    )


def with_options(
    options: Sequence[Callable[[Decorated], Decorated]], command: Decorated
) -> Decorated:
    """Give a command several options, shown in this order."""
    for option in reversed(options):
        command = option(command)
    return command
