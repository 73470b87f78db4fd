"""A command that answers in JSON, run with a deadline."""

import json
from collections.abc import Sequence
from typing import Any

from ..engines.child import run_child
from ..interface import AttemptError


class NoAnswerError(Exception):
    """The tool is missing, failed, took too long or did not answer in JSON."""

    def __init__(self, *, readable: bool) -> None:
        super().__init__()
        self.readable = readable


def ask(command: Sequence[str], timeout_s: float) -> Any:
    """
    Run a tool and give the JSON document that it printed.

    Raises
    ------
    NoAnswerError
        `readable` is false where it printed something else.
    """
    try:
        ended = run_child(command, timeout_s)
    except AttemptError:
        raise NoAnswerError(readable=True) from None
    if ended.code != 0:
        raise NoAnswerError(readable=True)
    try:
        return json.loads(ended.output)
    except (ValueError, RecursionError):
        raise NoAnswerError(readable=False) from None
