"""Commands about the engines: which there are, and what this machine can do with them."""

from typing import TYPE_CHECKING

import click

from ...console import Command, json_option, note, number, print_json, print_table
from ...data.words import say

if TYPE_CHECKING:
    from .ceiling import Ceiling

_CEILING_HEADERS = ("this machine's own limit", "down Mbit/s", "up Mbit/s")
_ENGINE_HEADERS = ("engine", "here", "what it is")


@click.command(cls=Command)
@json_option
def engines(as_json: bool) -> None:
    """List the engines: what they measure with, and whether they can run here."""
    from ..speed import boot_id
    from .ceiling import cache_path, kept_ceiling
    from .registry import ENGINES

    rows = [
        {"engine": known.name, "missing": known.missing(), "about": known.about}
        for known in ENGINES.values()
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        [
            (
                row["engine"],
                say("no: {missing} is not installed", missing=row["missing"])
                if row["missing"]
                else say("yes"),
                say(str(row["about"])),
            )
            for row in rows
        ],
        _ENGINE_HEADERS,
    )
    ceiling = kept_ceiling(cache_path(), boot_id())
    if ceiling is None:
        note("what this machine itself can do is not known yet; say: phusong probe calibrate")
    else:
        _show_ceiling(ceiling)


@click.command(cls=Command)
@json_option
def calibrate(as_json: bool) -> None:
    """
    Measure what this machine itself can do, over loopback.

    A figure near it is no evidence about a network, and is marked. The result is kept until the
    machine is started again.
    """
    from ..speed import boot_id
    from .ceiling import cache_path, keep_ceiling, measure_ceiling

    note("measuring over loopback, about five seconds")
    ceiling = measure_ceiling(boot_id())
    keep_ceiling(cache_path(), ceiling)
    if as_json:
        print_json([ceiling.shown()])
    else:
        _show_ceiling(ceiling)


def _show_ceiling(ceiling: "Ceiling") -> None:
    rows = (
        ("plain", ceiling.down_mbps, ceiling.up_mbps),
        ("over TLS", ceiling.tls_down_mbps, ceiling.tls_up_mbps),
    )
    print_table(
        [(say(way), *(number(rate, 0) for rate in rates)) for way, *rates in rows],
        _CEILING_HEADERS,
    )
