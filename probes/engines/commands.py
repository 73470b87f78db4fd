"""Commands about the engines: which there are, and what this machine can do with them."""

import click

from ...console import Command, json_option, note, number, print_json, print_table
from ...data.words import say

_ENGINE_HEADERS = ("engine", "here", "what it is")


@click.command(cls=Command)
@json_option
def engines(as_json: bool) -> None:
    """List the engines: what they measure with, and whether they can run here."""
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

    note("measuring over loopback, about two seconds")
    ceiling = measure_ceiling(boot_id())
    keep_ceiling(cache_path(), ceiling)
    if as_json:
        print_json([ceiling.shown()])
    else:
        figures = (number(ceiling.down_mbps, 0), number(ceiling.up_mbps, 0))
        print_table([figures], ("down Mbit/s", "up Mbit/s"))
