"""
How commands speak: help in two languages, tables, JSON, progress, errors and exit codes.

Only `cli.py` and the stages' `commands.py` use it. Data goes to stdout, words to stderr; a
command given ``--json`` prints JSON on stdout and nothing else there.

Exit codes: 0 done; 1 done, but the answer is bad (nothing could be measured, nothing was
accepted); 2 the command line is wrong; 3 could not run; 130 interrupted.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from .data.errors import PhusongError
from .data.words import LANGUAGES, language, say, use_language

if TYPE_CHECKING:
    from .data.store import Store

EXIT_BAD_ANSWER = 1
EXIT_COULD_NOT_RUN = 3


@dataclass(frozen=True, slots=True)
class Session:
    """What every command is given: which store to use."""

    db: Path

    def store(self, *, create: bool = True) -> "Store":
        """Open the store; with `create` false, refuse to make a new one."""
        from .data.store import Store

        return Store.open(self.db, create=create)


pass_session = click.make_pass_decorator(Session)


class _Translated:
    """Help in the reader's language, looked up as late as it is shown."""

    help: str | None
    params: list[click.Parameter]

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        pieces = self.collect_usage_pieces(ctx)  # type: ignore[attr-defined]
        formatter.write_usage(ctx.command_path, " ".join(pieces), prefix=say("Usage: "))

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.help:
            formatter.write_paragraph()
            with formatter.indentation():
                for paragraph in self.help.split("\n\n"):
                    formatter.write_text(say(_one_line(paragraph)))
                    formatter.write_paragraph()

    def get_short_help_str(self, limit: int = 45) -> str:
        return say(_one_line((self.help or "").split("\n\n")[0])).rstrip(".")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for param in self.params:
            record = param.get_help_record(ctx)
            if record is not None:
                text = getattr(param, "help", None)
                rows.append((record[0], record[1].replace(text, say(text)) if text else record[1]))
        helper = self.get_help_option(ctx)  # type: ignore[attr-defined]
        if helper is not None and helper not in self.params:
            rows.append(("--help", say("Show this message and exit.")))
        if rows:
            with formatter.section(say("Options")):
                formatter.write_dl(rows)


class Command(_Translated, click.Command):
    """A command whose help speaks the reader's language."""


class Group(_Translated, click.Group):
    """A group whose help speaks the reader's language."""

    command_class = Command
    group_class = type

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        rows = [
            (name, command.get_short_help_str())
            for name in self.list_commands(ctx)
            if (command := self.get_command(ctx, name)) and not command.hidden
        ]
        with formatter.section(say("Commands")):
            formatter.write_dl(rows)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _one_line(text: str) -> str:
    return " ".join(text.split())


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, one object a line, instead of words."
)


def print_json(records: Iterable[Mapping[str, Any]]) -> None:
    """Print one JSON object a line. Times are ISO 8601, missing values null."""
    for record in records:
        click.echo(json.dumps(record, ensure_ascii=False, default=_plain))


def print_table(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> None:
    """Print a table with headers in the reader's language; missing values as a dash."""
    from tabulate import tabulate

    shown = [["–" if cell is None else cell for cell in row] for row in rows]
    # Numbers come written for the reader already: read again, 2.760 would be shown as 2.76.
    aligned = ["right" if _is_figures(column) else "left" for column in zip(*rows, strict=True)]
    click.echo(
        tabulate(
            shown,
            headers=[say(header) for header in headers],
            tablefmt="simple",
            disable_numparse=True,
            colalign=aligned or None,
        )
    )


def _is_figures(column: Sequence[object]) -> bool:
    return all(
        cell is None or isinstance(cell, int | float) or re.fullmatch(r"[-+0-9.,%]+", str(cell))
        for cell in column
    )


def note(text: str, /, **values: object) -> None:
    """Tell a person something, on stderr, in their language."""
    click.echo(say(text, **values), err=True)


def number(value: float | None, digits: int = 1) -> str | None:
    """Write a number as the reader's language does: 1,234.5 or 1.234,5."""
    if value is None:
        return None
    text = f"{value:,.{digits}f}"
    return text.translate(str.maketrans(",.", ".,")) if language() == "vi" else text


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """
    Show how far long work has come, on a terminal's stderr; nothing in a pipe.

    Gives a function to call with the number of further steps done. `total` may be None where
    the end is not known.
    """
    if not sys.stderr.isatty():
        yield lambda steps: None
        return
    with click.progressbar(
        length=total or 0, label=say(label), file=sys.stderr, show_pos=True
    ) as bar:
        yield bar.update


def guarded(run: Callable[[], object]) -> NoReturn:
    """Run the command line; turn every expected failure into one message and an exit code."""
    try:
        run()
    except PhusongError as error:
        _fail(say(error.template, **{key: _said(value) for key, value in error.values.items()}))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo(say("Interrupted; what was kept is kept."), err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")
    except ModuleNotFoundError as error:
        _fail(
            say(
                "This needs the package {name}, which is not installed. Install phusong[analysis].",
                name=error.name,
            )
        )
    sys.exit(0)


def _said(value: object) -> object:
    return say(value) if isinstance(value, str) else value


def _fail(message: str) -> NoReturn:
    click.echo(f"phusong: {message}", err=True)
    sys.exit(EXIT_COULD_NOT_RUN)


def choose_language(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Set the language as soon as the option is read, so that ``--help`` speaks it."""
    use_language(value)
    return value


language_option = click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    default="en",
    envvar="PHUSONG_LANG",
    show_envvar=True,
    is_eager=True,
    expose_value=False,
    callback=choose_language,
    help="Language of everything printed.",
)
