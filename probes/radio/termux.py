"""
Termux on Android: `termux-telephony-cellinfo` and `termux-telephony-deviceinfo`, of Termux:API.

A cell that the phone is not registered on is a neighbour and says nothing of the service. That
holds for NR beside LTE too: Termux does not tell whether such a cell carries data, so it is
evidence of 5G only where the phone calls it registered.

Since Android 10 no app may read a SIM card's number. A card is then known by its network alone,
so two cards of one network in one phone cannot be told apart.
"""

from collections.abc import Mapping
from typing import Any

from .plain import child, number, text, whole
from .seen import Levels, Seen, registered_state
from .sim import sim_name
from .state import RadioProblem, RadioState
from .tool import NoAnswerError, ask

_CALL_S = 8.0
_SIM_READY = "ready"
_WORDS = {"gsm": "gsm", "wcdma": "umts", "lte": "lte", "nr": "nr"}


class Termux:
    """The phone's radio as Termux:API tells it."""

    name = "termux"

    def __init__(self, key: bytes | None, folder: str = "") -> None:
        self._key = key
        self._folder = folder

    def current(self) -> RadioState:
        """Give the state now; each of the two calls may take eight seconds at most."""
        try:
            device = child(self._ask("deviceinfo"))
            listed = self._ask("cellinfo")
        except NoAnswerError as error:
            problem = RadioProblem.NOT_CONNECTED if error.readable else RadioProblem.UNREADABLE
            return RadioState(problem=problem)
        if not device or not isinstance(listed, list):
            return RadioState(problem=RadioProblem.UNREADABLE)
        return read_state(device, [child(cell) for cell in listed], self._key)

    def close(self) -> None:
        """Do nothing: each call ends by itself."""

    def _ask(self, what: str) -> Any:
        return ask([f"{self._folder}termux-telephony-{what}"], _CALL_S)


def read_state(
    device: Mapping[str, Any], cells: list[Mapping[str, Any]], key: bytes | None
) -> RadioState:
    """Make a state of the two documents."""
    sim_state = text(device.get("sim_state"))
    network = text(device.get("sim_operator"))
    number_or_network = (
        text(device.get("sim_serial_number"))
        or text(device.get("sim_subscriber_id"))
        or (f"network {network}" if network else None)
    )
    sim = sim_name(number_or_network, key)
    if sim_state is not None and sim_state != _SIM_READY:
        return RadioState(sim=sim, registered=False, problem=RadioProblem.NO_SIM)
    serving = {
        cell["type"]: cell
        for cell in reversed(cells)
        if cell.get("registered") is True and cell.get("type") in _WORDS
    }
    plmn = text(device.get("network_operator"))
    network_type = text(device.get("network_type"))
    if not serving and plmn is None:
        return RadioState(sim=sim, registered=False, problem=RadioProblem.NOT_REGISTERED)
    return registered_state(_seen(device, serving, plmn, network_type), sim)


def _seen(
    device: Mapping[str, Any],
    serving: Mapping[str, Mapping[str, Any]],
    plmn: str | None,
    network_type: str | None,
) -> Seen:
    # Without the permission for the place Android lists no cells and still names the network.
    words = {_WORDS[kind] for kind in serving} or ({network_type} if network_type else set())
    if "lte" in serving and network_type == "nr":
        words.add("nr")
    lte, nr = child(serving, "lte"), child(serving, "nr")
    cell: Mapping[str, Any] = next(
        (serving[kind] for kind in ("lte", "nr", "wcdma", "gsm") if kind in serving), {}
    )
    return Seen(
        words=frozenset(words),
        plmn=plmn or _plmn(cell),
        operator=text(device.get("network_operator_name")),
        cell_id=next(
            (i for i in (whole(cell.get(name)) for name in ("ci", "nci", "cid")) if i is not None),
            None,
        ),
        tac=whole(cell.get("tac")) if "tac" in cell else whole(cell.get("lac")),
        pci=whole(cell.get("pci")),
        level_dbm=number(cell.get("dbm")),
        lte=Levels(
            rsrp_dbm=_first(lte, "rsrp", "dbm"),
            rsrq_db=number(lte.get("rsrq")),
            sinr_db=number(lte.get("rssnr")),
        ),
        nr=Levels(
            rsrp_dbm=_first(nr, "ss_rsrp", "csi_rsrp"),
            rsrq_db=_first(nr, "ss_rsrq", "csi_rsrq"),
            sinr_db=_first(nr, "ss_sinr", "csi_sinr"),
        ),
    )


def _first(cell: Mapping[str, Any], *names: str) -> float | None:
    return next((v for v in (number(cell.get(name)) for name in names) if v is not None), None)


def _plmn(cell: Mapping[str, Any]) -> str | None:
    """Give the network of a cell: numbers have lost the zeros of a code, texts have not."""
    mcc, mnc = cell.get("mcc"), cell.get("mnc")
    if isinstance(mcc, str) and isinstance(mnc, str):
        return mcc + mnc
    if whole(mcc) is None or whole(mnc) is None:
        return None
    return f"{mcc:03d}{mnc:02d}"
