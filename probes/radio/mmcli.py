"""
`mmcli -J`: ModemManager's own command, for machines whose bus we may not talk to.

Its output is the D-Bus state in words: texts all through, ``--`` for missing.
"""

from typing import Any

from .plain import child, hexadecimal, number, text
from .seen import Levels, Seen, registered_state
from .sim import sim_name
from .state import RadioProblem, RadioState
from .tool import NoAnswerError, ask

_CALL_S = 5.0
_REGISTERED = frozenset(
    {"home", "roaming", "home-sms-only", "roaming-sms-only"}
    | {"home-csfb-not-preferred", "roaming-csfb-not-preferred"}
)
_WITHOUT_SIM = frozenset({"sim-missing", "sim-error"})


class Mmcli:
    """The modem as `mmcli` tells it."""

    name = "mmcli"

    def __init__(self, key: bytes | None, command: str = "mmcli") -> None:
        self._key = key
        self._command = command
        self._asked_for_signal: set[str] = set()

    def current(self) -> RadioState:
        """Give the state now; each of the up to five calls may take five seconds at most."""
        try:
            listed = child(self._ask("-L")).get("modem-list")
            if not isinstance(listed, list) or not listed:
                return RadioState(problem=RadioProblem.NO_MODEM)
            path = str(listed[0])
            modem = child(self._ask("-m", path), "modem")
        except NoAnswerError as error:
            problem = RadioProblem.NOT_CONNECTED if error.readable else RadioProblem.UNREADABLE
            return RadioState(problem=problem)
        generic, network = child(modem, "generic"), child(modem, "3gpp")
        sim = self._sim(text(generic.get("sim")))
        if generic.get("state") == "locked" or generic.get("state-failed-reason") in _WITHOUT_SIM:
            return RadioState(sim=sim, registered=False, problem=RadioProblem.NO_SIM)
        registration = text(network.get("registration-state"))
        if registration not in _REGISTERED:
            return RadioState(
                sim=sim,
                registered=None if registration is None else False,
                problem=RadioProblem.NOT_REGISTERED,
            )
        return registered_state(self._seen(path, modem), sim)

    def close(self) -> None:
        """Do nothing: each call ends by itself."""

    def _seen(self, path: str, modem: Any) -> Seen:
        signal = child(self._maybe("-m", path, "--signal-get"), "modem", "signal")
        if signal and number(child(signal, "refresh").get("rate")) == 0:
            self._ask_for_signal(path)
        place = child(self._maybe("-m", path, "--location-get"), "modem", "location", "3gpp")
        words = child(modem, "generic").get("access-technologies")
        gsm, umts = child(signal, "gsm"), child(signal, "umts")
        level_dbm = next(
            (
                level
                for level in map(number, (umts.get("rscp"), umts.get("rssi"), gsm.get("rssi")))
                if level is not None
            ),
            None,
        )
        tac = hexadecimal(place.get("tac"))
        return Seen(
            words=frozenset(word for word in words if isinstance(word, str))
            if isinstance(words, list)
            else frozenset(),
            plmn=text(child(modem, "3gpp").get("operator-code")),
            operator=text(child(modem, "3gpp").get("operator-name")),
            cell_id=hexadecimal(place.get("cid")),
            tac=tac or hexadecimal(place.get("lac")),
            level_dbm=level_dbm,
            lte=_levels(child(signal, "lte")),
            nr=_levels(child(signal, "5g")),
        )

    def _ask_for_signal(self, path: str) -> None:
        if path not in self._asked_for_signal:
            self._asked_for_signal.add(path)
            self._maybe("-m", path, "--signal-setup=5")

    def _sim(self, path: str | None) -> str | None:
        if path is None:
            return None
        card = child(self._maybe("-i", path), "sim", "properties")
        return sim_name(text(card.get("iccid")) or text(card.get("imsi")), self._key)

    def _ask(self, *arguments: str) -> Any:
        return ask([self._command, "-J", *arguments], _CALL_S)

    def _maybe(self, *arguments: str) -> Any:
        try:
            return self._ask(*arguments)
        except NoAnswerError:
            return {}


def _levels(told: Any) -> Levels:
    return Levels(
        rsrp_dbm=number(told.get("rsrp")),
        rsrq_db=number(told.get("rsrq")),
        sinr_db=number(told.get("snr")),
    )
