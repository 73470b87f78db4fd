"""The command that looks at the machine."""

from datetime import UTC, datetime

import click

from ...console import (
    EXIT_BAD_ANSWER,
    Command,
    Session,
    json_option,
    pass_session,
    print_json,
    print_table,
)
from ...data.words import say
from ..options import allow_private_option, position_option, radio_option

_DOCTOR_HEADERS = ("what", "state", "found", "what to do")


@click.command(cls=Command)
@click.option("--server", "url", help="The far end that must be reachable.")
@position_option
@radio_option
@allow_private_option
@json_option
@pass_session
def doctor(
    session: Session,
    url: str | None,
    position_spec: str | None,
    radio_spec: str | None,
    allow_private: bool,
    as_json: bool,
) -> None:
    """
    Say what this machine can measure, what is missing and how to get it.

    What you name (a far end, a position, a radio) is needed; the exit code is 1 if something
    needed is missing.
    """
    from .examine import State, examine

    checks = examine(
        store=session.db,
        now=datetime.now(UTC),
        url=url,
        position_spec=position_spec,
        radio_spec=radio_spec,
        allow_private=allow_private,
    )
    if as_json:
        print_json(check.shown() for check in checks)
    else:
        rows = [
            (
                say(check.name),
                say(check.state.value),
                check.said(),
                check.remedy,
            )
            for check in checks
        ]
        print_table(rows, _DOCTOR_HEADERS)
    if any(check.state is State.MISSING for check in checks):
        raise SystemExit(EXIT_BAD_ANSWER)
