"""The sources of the radio's state by the word that picks one: what `--radio` takes."""

import shutil

from ...data.errors import ConfigError
from .mmcli import Mmcli
from .modemmanager import ModemManager
from .sim import device_key
from .state import RadioSource, RadioState
from .termux import Termux


class NoRadio:
    """No source: nothing is told of the radio."""

    name = "none"

    def current(self) -> RadioState:
        """Give a state in which nothing is told."""
        return RadioState()

    def close(self) -> None:
        """Do nothing: nothing is open."""


def open_radio(spec: str) -> RadioSource:
    """
    Open ``modemmanager``, ``mmcli``, ``termux``, ``none``, or ``auto``: the first that is here.

    Raises
    ------
    ConfigError
        If the word is none of these.
    """
    if spec == "auto":
        return _found()
    if spec == "modemmanager":
        return ModemManager(device_key())
    if spec == "mmcli":
        return Mmcli(device_key())
    if spec == "termux":
        return Termux(device_key())
    if spec == "none":
        return NoRadio()
    raise ConfigError(
        "{spec} is no source of the radio's state; write auto, modemmanager, mmcli, termux or none",
        spec=spec,
    )


def _found() -> RadioSource:
    if shutil.which("termux-telephony-cellinfo"):
        return Termux(device_key())
    over_bus = ModemManager(device_key())
    if over_bus.is_there():
        return over_bus
    over_bus.close()
    if shutil.which("mmcli"):
        return Mmcli(device_key())
    return NoRadio()
