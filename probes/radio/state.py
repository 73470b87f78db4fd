"""
What the radio was doing: one state, where it comes from, and what changed between two of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ...data.sample import Radio


class RadioProblem(StrEnum):
    """
    Why a source cannot tell what the radio is doing.

    `NOT_CONNECTED`: the service or the tool is not there or does not answer. `NO_MODEM`: it
    knows no modem. `NO_SIM`: the modem has no SIM card, or a locked one. `NOT_REGISTERED`: no
    network serves the modem. `UNREADABLE`: what came back is not what the source's documents
    describe.
    """

    NOT_CONNECTED = "not_connected"
    NO_MODEM = "no_modem"
    NO_SIM = "no_sim"
    NOT_REGISTERED = "not_registered"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioState:
    """
    The radio at one moment.

    `sim` names the SIM card by a keyed hash, the same each time on this machine; the card's
    own number is never kept. `registered` is None where the source does not tell. `problem` is
    one of `RadioProblem`; a state without one may still lack any value of `radio`.
    """

    radio: Radio | None = None
    sim: str | None = None
    registered: bool | None = None
    problem: str | None = None


class RadioSource(Protocol):
    """Something that knows what the radio is doing."""

    name: str

    def current(self) -> RadioState:
        """Give the state now; wait at most a few seconds for the service or tool."""
        ...

    def close(self) -> None:
        """Let go of the service."""
        ...


def changes(before: RadioState, after: RadioState) -> Sequence[str]:
    """
    Name what changed between two states: of a test's start and its end, say.

    The names are ``sim``, ``registered``, ``plmn``, ``rat``, ``nr_evidence``, ``cell_id``,
    ``tac`` and ``pci``. Levels always change and are not named; a value that one state does not
    tell is no change.
    """
    changed = []
    for name in ("sim", "registered"):
        first, last = getattr(before, name), getattr(after, name)
        if None not in (first, last) and first != last:
            changed.append(name)
    if before.radio is None or after.radio is None:
        return changed
    for name in ("plmn", "rat", "nr_evidence", "cell_id", "tac", "pci"):
        first, last = getattr(before.radio, name), getattr(after.radio, name)
        if None not in (first, last) and first != last:
            changed.append(name)
    return changed
