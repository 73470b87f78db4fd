"""Options that several of the IPv6 commands share, in the order in which help shows them."""

from collections.abc import Callable
from typing import TypeVar

import click

from ..options import allow_private_option, ca_option, with_options

Decorated = TypeVar("Decorated", bound=Callable[..., object])

column_option = click.option(
    "--column",
    "columns",
    multiple=True,
    help="Which column holds a field, such as agency=NAME; may be given again.",
)

_LOOKING = (
    click.option(
        "--reference",
        "references",
        multiple=True,
        help="A host (host:port) that proves this machine's IPv6; may be given again.",
    ),
    click.option(
        "--resolver",
        "resolvers",
        multiple=True,
        help="DNS server to ask instead of the system's; may be given again.",
    ),
    click.option(
        "--signed-name",
        default=".",
        show_default=True,
        help="A signed name that shows whether the resolver checks DNSSEC.",
    ),
    click.option(
        "--part",
        "parts",
        type=click.Choice(("web", "dns", "mail")),
        multiple=True,
        help="Ask only about this part; may be given again.",
    ),
    click.option(
        "--path",
        "look_at_path",
        is_flag=True,
        help="Look at the path to each host too: echo, hops, the largest packet.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1, 500),
        default=32,
        show_default=True,
        help="How many hosts are looked at at a time.",
    ),
    click.option(
        "--queries-per-second",
        type=click.FloatRange(0.1, 100_000),
        default=300.0,
        show_default=True,
        help="Most DNS questions a second.",
    ),
    allow_private_option,
    ca_option,
)


def looking_options(command: Decorated) -> Decorated:
    """Add the options of every command that looks at hosts."""
    return with_options(_LOOKING, command)
