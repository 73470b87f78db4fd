"""Every engine, by its name: what it speaks, and whether it can run here."""

from collections.abc import Callable
from dataclasses import dataclass

from ..interface import Engine
from .iperf3 import Iperf3, installed_path
from .librespeed import LibreSpeed
from .multistream import Multistream
from .ndt7 import Ndt7
from .speedtest_cli import SpeedtestCli, installed_version

_WEBSOCKET = ("ws", "wss")
_HTTP = ("http", "https")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """
    An engine that can be asked for.

    `make` is given the number of flows, None for the engine's own choice. `missing` says what is
    not installed here, None if nothing is.
    """

    name: str
    about: str
    schemes: tuple[str, ...]
    make: Callable[[int | None], Engine]
    missing: Callable[[], str | None] = lambda: None
    most_flows: int = 1


def _without_iperf3() -> str | None:
    return None if installed_path() else "iperf3"


def _without_speedtest_cli() -> str | None:
    return None if installed_version() else "speedtest-cli"


ENGINES = {
    known.name: known
    for known in (
        Known(
            name="ndt7",
            about="M-Lab's protocol, one connection; the default where nothing else is offered",
            schemes=_WEBSOCKET,
            make=lambda flows: Ndt7(),
        ),
        Known(
            name="multistream",
            about="several connections to a server of ours; the default there",
            schemes=_WEBSOCKET,
            make=Multistream,
            most_flows=16,
        ),
        Known(
            name="librespeed",
            about="a LibreSpeed server's files, counted our way",
            schemes=_HTTP,
            make=LibreSpeed,
            most_flows=16,
        ),
        Known(
            name="speedtest-cli",
            about="the abandoned package, in a process of its own; only to compare with",
            schemes=_HTTP,
            make=lambda flows: SpeedtestCli(),
            missing=_without_speedtest_cli,
        ),
        Known(
            name="iperf3",
            about="the program, where it is installed",
            schemes=("iperf3",),
            make=lambda flows: Iperf3(flows or 1),
            missing=_without_iperf3,
            most_flows=16,
        ),
    )
}


def default_engine(offered_flows: int) -> Engine:
    """Give the engine for a server that offers so many flows of multistream."""
    return Multistream(most=offered_flows) if offered_flows else Ndt7()
