"""The options that the agent's commands share, in the order in which help shows them."""

from collections.abc import Callable
from typing import TypeVar

import click

from ..options import position_option, radio_option, with_options

Decorated = TypeVar("Decorated", bound=Callable[..., object])

_FIELD = (
    position_option,
    radio_option,
    click.option("--sim", help="The SIM's name in the data ledger; without it, the radio tells."),
    click.option(
        "--cap-mb",
        type=click.IntRange(0, 10_000_000),
        envvar="PHUSONG_CAP_MB",
        show_envvar=True,
        help="Most data a month on one SIM, in megabytes; a running test is stopped at it.",
    ),
    click.option(
        "--small",
        type=click.Choice(("latency", "download")),
        help="Spend little data: latency alone, or a download that ends once it is steady.",
    ),
    click.option(
        "--exclude-link",
        "excluded_links",
        multiple=True,
        help="Never test over this interface, such as wlan0 or wlan*; may be given again.",
    ),
    click.option(
        "--exclude-family",
        "excluded_families",
        type=click.Choice(("4", "6")),
        multiple=True,
        help="Never test over this family of addresses.",
    ),
    click.option("--disk-floor-mb", type=click.IntRange(0), default=50, hidden=True),
)


def field_options(command: Decorated) -> Decorated:
    """Give a command the options of a device in the field."""
    return with_options(_FIELD, command)
