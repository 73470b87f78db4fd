"""
ModemManager over D-Bus: https://modemmanager.org/docs/modemmanager/dbus/, 1.18 and later.

One call gets every modem with its state, network and signal; another the cells where the
modem lists them (1.20), else its location has the serving cell's identity. Of several modems the
one that is furthest on its way to being connected is meant. The extended signal is only
measured when somebody asked for it, so it is asked for, once in five seconds.
"""

import threading
from collections.abc import Mapping
from typing import Any

from .plain import child, hexadecimal, number, text, whole
from .seen import Levels, Seen, registered_state
from .sim import sim_name
from .state import RadioProblem, RadioState

SERVICE = "org.freedesktop.ModemManager1"
ROOT = "/org/freedesktop/ModemManager1"
_MODEM = f"{SERVICE}.Modem"
_3GPP = f"{_MODEM}.Modem3gpp"
_SIGNAL = f"{_MODEM}.Signal"
_LOCATION = f"{_MODEM}.Location"
_CALL_S = 3.0
_RATE_S = 5

# MMModemAccessTechnology, bit by bit.
_TECHNOLOGIES = {
    1: "gsm",
    2: "gsm-compact",
    3: "gprs",
    4: "edge",
    5: "umts",
    6: "hsdpa",
    7: "hsupa",
    8: "hspa",
    9: "hspa-plus",
    14: "lte",
    15: "5gnr",
    16: "lte-cat-m",
    17: "lte-nb-iot",
}
# MMModem3gppRegistrationState: at home or roaming, also for SMS only or without voice.
_REGISTERED = frozenset({1, 5, 6, 7, 9, 10})
_UNKNOWN_REGISTRATION = 4
# MMModemState and MMModemStateFailedReason.
_FAILED, _LOCKED = -1, 2
_WITHOUT_SIM = frozenset({2, 3})
# MMCellType, and the bit of MMModemLocationSource.
_LTE_CELL, _NR_CELL = 5, 6
_LAC_CI = 1


class ModemManager:
    """The modem as ModemManager tells it on the system bus."""

    name = "modemmanager"

    def __init__(self, key: bytes | None) -> None:
        self._key = key
        self._lock = threading.Lock()
        self._connection: Any = None

    def current(self) -> RadioState:
        """Give the state now; each call to the service may take three seconds at most."""
        from jeepney.wrappers import DBusErrorResponse

        with self._lock:
            try:
                return self._state()
            except (OSError, DBusErrorResponse, KeyError, ValueError):
                # No bus, no service, or a connection that ended: the next call connects anew.
                self._disconnect()
                return RadioState(problem=RadioProblem.NOT_CONNECTED)
            except (TypeError, AttributeError, IndexError):
                return RadioState(problem=RadioProblem.UNREADABLE)

    def close(self) -> None:
        """Let go of the bus."""
        with self._lock:
            self._disconnect()

    def is_there(self) -> bool:
        """Tell whether the service runs."""
        from jeepney import message_bus
        from jeepney.wrappers import DBusErrorResponse

        with self._lock:
            try:
                reply = self._connect().send_and_get_reply(
                    message_bus.NameHasOwner(SERVICE), timeout=_CALL_S
                )
                return bool(reply.body[0])
            except (OSError, DBusErrorResponse, KeyError, ValueError):
                self._disconnect()
                return False

    def _state(self) -> RadioState:
        objects = self._call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        modems = {
            path: {name: _plain(values) for name, values in interfaces.items()}
            for path, interfaces in objects.items()
            if _MODEM in interfaces
        }
        if not modems:
            return RadioState(problem=RadioProblem.NO_MODEM)
        path, modem = max(
            sorted(modems.items()), key=lambda item: whole(item[1][_MODEM].get("State")) or 0
        )
        properties = modem[_MODEM]
        sim = self._sim(properties)
        state = whole(properties.get("State"))
        if state == _LOCKED or (
            state == _FAILED and properties.get("StateFailedReason") in _WITHOUT_SIM
        ):
            return RadioState(sim=sim, registered=False, problem=RadioProblem.NO_SIM)
        registration = whole(child(modem, _3GPP).get("RegistrationState"))
        if registration not in _REGISTERED:
            known = registration not in (None, _UNKNOWN_REGISTRATION)
            return RadioState(
                sim=sim,
                registered=False if known else None,
                problem=RadioProblem.NOT_REGISTERED,
            )
        return registered_state(self._seen(path, modem), sim)

    def _seen(self, path: str, modem: Mapping[str, Any]) -> Seen:
        signal = child(modem, _SIGNAL)
        if signal and not signal.get("Rate"):
            self._try(path, _SIGNAL, "Setup", "u", (_RATE_S,))
        mask = whole(modem[_MODEM].get("AccessTechnologies")) or 0
        words = {word for bit, word in _TECHNOLOGIES.items() if mask >> bit & 1}
        gsm, umts, lte, nr = (child(signal, name) for name in ("Gsm", "Umts", "Lte", "Nr5g"))
        cell = self._serving_cell(path, words)
        before_lte = number(umts.get("rscp")) if "umts" in words else None
        if before_lte is None:
            before_lte = number((umts if umts and not gsm else gsm).get("rssi"))
        return Seen(
            words=frozenset(words),
            plmn=text(child(modem, _3GPP).get("OperatorCode")) or text(cell.get("operator-id")),
            operator=text(child(modem, _3GPP).get("OperatorName")),
            cell_id=hexadecimal(cell.get("ci")),
            tac=hexadecimal(cell.get("tac")),
            pci=hexadecimal(cell.get("physical-ci")),
            level_dbm=before_lte,
            lte=_levels(lte),
            nr=_levels(nr),
        )

    def _serving_cell(self, path: str, words: set[str]) -> Mapping[str, Any]:
        """Give the cell that the modem is registered on: LTE's where there is an LTE anchor."""
        wanted = _LTE_CELL if "lte" in words else _NR_CELL
        listed = self._try(path, _MODEM, "GetCellInfo") or []
        for cell in map(_plain, listed):
            if cell.get("serving") is True and cell.get("cell-type") == wanted:
                return cell
        located = self._try(path, _LOCATION, "GetLocation") or {}
        parts = str(_unwrapped(located.get(_LAC_CI, ""))).split(",")
        if len(parts) != 5:
            return {}
        mcc, mnc, lac, cell_id, tac = parts
        area = tac if hexadecimal(tac) else lac
        return {"operator-id": mcc + mnc, "ci": cell_id, "tac": area}

    def _sim(self, modem: Mapping[str, Any]) -> str | None:
        path = modem.get("Sim")
        if not isinstance(path, str) or path in ("", "/"):
            return None
        told = self._try(
            path, "org.freedesktop.DBus.Properties", "GetAll", "s", (f"{SERVICE}.Sim",)
        )
        card = _plain(told or {})
        return sim_name(text(card.get("SimIdentifier")) or text(card.get("Imsi")), self._key)

    def _try(self, path: str, interface: str, method: str, *arguments: Any) -> Any:
        """Call what an older ModemManager or an ordinary user may not have."""
        from jeepney.wrappers import DBusErrorResponse

        try:
            return self._call(path, interface, method, *arguments)
        except DBusErrorResponse:
            return None

    def _call(
        self,
        path: str,
        interface: str,
        method: str,
        signature: str = "",
        body: tuple[Any, ...] = (),
    ) -> Any:
        from jeepney import DBusAddress, new_method_call
        from jeepney.wrappers import unwrap_msg

        address = DBusAddress(path, bus_name=SERVICE, interface=interface)
        reply = self._connect().send_and_get_reply(
            new_method_call(address, method, signature or None, body), timeout=_CALL_S
        )
        values = unwrap_msg(reply)
        return values[0] if values else None

    def _connect(self) -> Any:
        from jeepney.io.blocking import open_dbus_connection

        if self._connection is None:
            self._connection = open_dbus_connection(bus="SYSTEM", auth_timeout=_CALL_S)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _levels(told: Mapping[str, Any]) -> Levels:
    return Levels(
        rsrp_dbm=number(told.get("rsrp")),
        rsrq_db=number(told.get("rsrq")),
        sinr_db=number(told.get("snr")),
    )


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Take the signatures off a dictionary of variants, two levels deep."""
    return {
        name: _plain(value) if isinstance(value, dict) else value
        for name, value in ((name, _unwrapped(value)) for name, value in values.items())
    }


def _unwrapped(variant: Any) -> Any:
    is_variant = isinstance(variant, tuple) and len(variant) == 2 and isinstance(variant[0], str)
    return variant[1] if is_variant else variant
