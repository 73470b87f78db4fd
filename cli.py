"""The table of contents: every command, and the options they share."""

from pathlib import Path

import click

from . import __version__
from .console import Group, Session, guarded, language_option
from .coverage.boundary_sets.commands import boundaries
from .coverage.commands import coverage
from .data.commands import data
from .demo import demo
from .maps.commands import map_group
from .probes.commands import probe
from .probes.ipv6.commands import ipv6
from .probes.ipv6.service.commands import service


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--db",
    type=click.Path(path_type=Path),
    default=Path("phusong.db"),
    envvar="PHUSONG_DB",
    show_envvar=True,
    help="The store: one SQLite file, made where there is none.",
)
@language_option
@click.version_option(__version__, prog_name="phusong", help="Show the version and exit.")
@click.pass_context
def cli(ctx: click.Context, db: Path) -> None:
    """
    Measure the network, prove the coverage.

    What a sample travels through: probe (measure), data (keep), coverage (join and judge),
    map (draw). Start with: phusong demo.
    """
    ctx.obj = Session(db)


for command in (demo, probe, data, boundaries, coverage, map_group, ipv6, service):
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every expected failure is one message and an exit code."""
    guarded(lambda: cli(arguments, prog_name="phusong", standalone_mode=False))
