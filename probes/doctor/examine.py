"""
Look at everything that measuring needs, and at what would be of use.

What the user names is needed; so are a disk with room, a plausible clock and an interface that is
up. The rest is told with the way to get it.
"""

import ctypes
import platform
import shutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from ...data.words import say
from ..agent.link import has_link, link_to
from ..agent.outfit import first_fix
from ..agent.view import cell
from ..agent.visitor import STOP_BELOW_BYTES, WARN_BELOW_BYTES
from ..connection import reach
from ..engines.iperf3 import installed_path
from ..interface import Failure, Limits, Target, attempt
from ..position.fix import Fix
from ..radio.registry import open_radio
from ..radio.state import RadioState

_TIME_ERROR = 5
_TIMEX_BYTES = 512
_EARLIEST_YEAR = 2026


class State(StrEnum):
    """How it stands: there, needed and missing, or of use if it were there."""

    GOOD = "good"
    MISSING = "missing"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at; `found` is a text with `values`, `remedy` what to do about it."""

    name: str
    state: State
    found: str
    values: Mapping[str, object] = field(default_factory=dict)
    remedy: str | None = None

    def said(self) -> str:
        """Give what was found in the reader's language."""
        return say(self.found, **self.values)

    def shown(self) -> dict[str, Any]:
        """Give it as data."""
        return {**asdict(self), "found": self.said(), "needed": self.state is not State.OPTIONAL}


def examine(
    *,
    store: Path,
    now: datetime,
    url: str | None = None,
    position_spec: str | None = None,
    radio_spec: str | None = None,
    allow_private: bool = False,
) -> Sequence[Check]:
    """
    Look at everything, one after the other; nothing of it takes over ten seconds.

    Raises
    ------
    ConfigError
        If a far end, a position or a radio is named by a word that is none.
    """
    return [
        _python(),
        _disk(store),
        _clock(now),
        _link(),
        _far_end(url, allow_private),
        _ipv6(),
        _position(position_spec),
        _radio(radio_spec),
        _raw_sockets(),
        _iperf3(),
    ]


def _python() -> Check:
    return Check(
        name="Python", state=State.GOOD, found="{text}", values={"text": platform.python_version()}
    )


def _disk(store: Path) -> Check:
    folder = store.absolute().parent
    name = "disk"
    if not folder.is_dir():
        return Check(
            name=name,
            state=State.MISSING,
            found="{folder} is not a folder",
            values={"folder": folder},
            remedy=say("name another store with --db"),
        )
    free = shutil.disk_usage(folder).free
    found, values = "{free} MB free", {"free": free // 1_000_000}
    if free < STOP_BELOW_BYTES:
        full = say("free some space: nothing is measured on less than 50 MB")
        return Check(name=name, state=State.MISSING, found=found, values=values, remedy=full)
    soon = say("free some space soon") if free < WARN_BELOW_BYTES else None
    return Check(name=name, state=State.GOOD, found=found, values=values, remedy=soon)


def _clock(now: datetime) -> Check:
    name = "clock"
    if now.year < _EARLIEST_YEAR:
        return Check(
            name=name,
            state=State.MISSING,
            found="the clock says {year}",
            values={"year": now.year},
            remedy=say("set the clock: times are part of the evidence"),
        )
    synchronised = _is_synchronised()
    if synchronised:
        return Check(name=name, state=State.GOOD, found="synchronised")
    return Check(
        name=name,
        state=State.OPTIONAL,
        found="unknown" if synchronised is None else "not synchronised",
        remedy=say("switch on time synchronisation: timedatectl set-ntp true"),
    )


def _is_synchronised() -> bool | None:
    """Ask the kernel, as any user may; None where it cannot be asked."""
    try:
        # `modes` 0 reads; the structure is smaller than this on every platform.
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else bool(state != _TIME_ERROR)


def _link() -> Check:
    if has_link():
        return Check(name="link", state=State.GOOD, found="an interface is up")
    return Check(
        name="link",
        state=State.MISSING,
        found="no interface is up",
        remedy=say("plug the modem in, or switch mobile data on"),
    )


def _far_end(url: str | None, allow_private: bool) -> Check:
    name = "far end"
    if url is None:
        remedy = say("name one to have it tried: --server wss://host:port")
        return Check(name=name, state=State.OPTIONAL, found="not tried", remedy=remedy)
    schemes = ("wss", "ws", "https", "http")
    target = Target.parse(url, schemes=schemes, allow_private=allow_private)
    address = attempt(lambda: reach(target, Limits()))
    if isinstance(address, Failure):
        return Check(
            name=name,
            state=State.MISSING,
            found="{outcome} ({reason})",
            values={"outcome": say(address.outcome.value), "reason": address.reason},
            remedy=say("check the address, and that the far end runs: phusong probe serve"),
        )
    return Check(name=name, state=State.GOOD, found="reached at {ip}", values={"ip": address.ip})


def _ipv6() -> Check:
    if link_to("", 6) is not None:
        return Check(name="IPv6", state=State.GOOD, found="there is a route")
    return Check(
        name="IPv6",
        state=State.OPTIONAL,
        found="there is no route",
        remedy=say("ask the operator for an APN with IPv6"),
    )


def _position(spec: str | None) -> Check:
    fix: Fix = first_fix(spec or "gpsd")
    if fix.usable is not None:
        found, values = "{lat:.5f} {lon:.5f}", {"lat": fix.usable.lat, "lon": fix.usable.lon}
        return Check(name="position", state=State.GOOD, found=found, values=values)
    return Check(
        name="position",
        state=State.MISSING if spec else State.OPTIONAL,
        found="{text}",
        values={"text": say(str(fix.problem or "no_fix"))},
        remedy=say("install gpsd and plug a receiver in, or use --position nmea:FILE or LON,LAT"),
    )


def _radio(spec: str | None) -> Check:
    source = open_radio(spec or "auto")
    try:
        state: RadioState = source.current()
    finally:
        source.close()
    if state.problem is None and state.radio is not None:
        found = cell(state.radio) or say("unknown")
        return Check(name="radio", state=State.GOOD, found="{text}", values={"text": found})
    return Check(
        name="radio",
        state=State.MISSING if spec else State.OPTIONAL,
        found="{text}",
        values={"text": say(str(state.problem or "not_connected"))},
        remedy=say("install ModemManager, or Termux:API on a phone; or name the --operator"),
    )


def _raw_sockets() -> Check:
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6).close()
    except OSError:
        remedy = say("only phusong ipv6 needs them: setcap cap_net_raw+ep, or run it as root")
        return Check(name="raw sockets", state=State.OPTIONAL, found="not permitted", remedy=remedy)
    return Check(name="raw sockets", state=State.GOOD, found="permitted")


def _iperf3() -> Check:
    path = installed_path()
    if path:
        return Check(name="iperf3", state=State.GOOD, found="{text}", values={"text": path})
    return Check(
        name="iperf3",
        state=State.OPTIONAL,
        found="not installed",
        remedy=say("only --engine iperf3 needs it: apt install iperf3"),
    )
