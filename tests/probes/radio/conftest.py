"""A service with ModemManager's own names on a private bus."""

import copy
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jeepney import MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection

MODEM = "org.freedesktop.ModemManager1.Modem"
PATH = "/org/freedesktop/ModemManager1/Modem/0"
SIM_PATH = "/org/freedesktop/ModemManager1/SIM/0"

# Written from the interface documents of ModemManager 1.20; no capture of a device.
LTE_MODEM: dict[str, dict[str, tuple[str, Any]]] = {
    MODEM: {
        "State": ("i", 11),
        "StateFailedReason": ("u", 0),
        "AccessTechnologies": ("u", 1 << 14),
        "Sim": ("o", SIM_PATH),
    },
    f"{MODEM}.Modem3gpp": {
        "Imei": ("s", "490154203237518"),
        "RegistrationState": ("u", 1),
        "OperatorCode": ("s", "45204"),
        "OperatorName": ("s", "Viettel"),
    },
    f"{MODEM}.Signal": {
        "Rate": ("u", 5),
        "Gsm": ("a{sv}", {}),
        "Umts": ("a{sv}", {}),
        "Lte": (
            "a{sv}",
            {
                "rssi": ("d", -67.0),
                "rsrp": ("d", -95.0),
                "rsrq": ("d", -11.0),
                "snr": ("d", 12.4),
            },
        ),
        "Nr5g": ("a{sv}", {}),
    },
}
LTE_CELL = {
    "cell-type": ("u", 5),
    "serving": ("b", True),
    "operator-id": ("s", "45204"),
    "tac": ("s", "2B5C"),
    "ci": ("s", "1A2D003"),
    "physical-ci": ("s", "1F7"),
    "rsrp": ("d", -95.0),
}


class FakeModemManager:
    """What the service answers; change it while it runs."""

    def __init__(self) -> None:
        self.modems: dict[str, Any] = {PATH: copy.deepcopy(LTE_MODEM)}
        self.cells: list[dict[str, Any]] | None = [copy.deepcopy(LTE_CELL)]
        self.location: dict[int, Any] = {}
        self.sim = {"Imsi": ("s", "452041234567890"), "SimIdentifier": ("s", "8984048812345")}
        self.calls: list[str] = []
        self.silent = False

    @property
    def modem(self) -> dict[str, dict[str, tuple[str, Any]]]:
        return self.modems[PATH]  # type: ignore[no-any-return]

    def answer(self, member: str) -> tuple[str, tuple[Any, ...]] | None:
        self.calls.append(member)
        if member == "GetManagedObjects":
            return "a{oa{sa{sv}}}", (self.modems,)
        if member == "GetAll":
            return "a{sv}", (self.sim,)
        if member == "GetCellInfo" and self.cells is not None:
            return "aa{sv}", (self.cells,)
        if member == "GetLocation":
            return "a{uv}", (self.location,)
        if member == "Setup":
            return "", ()
        return None


@pytest.fixture
def modem_manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeModemManager]:
    daemon = shutil.which("dbus-daemon")
    if daemon is None:
        pytest.skip("needs dbus-daemon, of Debian's dbus")
    with subprocess.Popen(
        [daemon, "--session", "--nofork", "--print-address=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as bus:
        assert bus.stdout is not None
        address = bus.stdout.readline().strip()
        fake = FakeModemManager()
        connection = open_dbus_connection(bus=address)
        connection.send_and_get_reply(message_bus.RequestName("org.freedesktop.ModemManager1"))
        thread = threading.Thread(target=serve, args=(connection, fake), daemon=True)
        thread.start()
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield fake
        bus.terminate()
        thread.join(timeout=10)
        connection.close()


def serve(connection: Any, fake: FakeModemManager) -> None:
    try:
        while True:
            call = connection.receive()
            if call.header.message_type is not MessageType.method_call or fake.silent:
                continue
            member = next(v for k, v in call.header.fields.items() if k.name == "member")
            answer = fake.answer(member)
            if answer is None:
                reply = new_error(call, "org.freedesktop.DBus.Error.UnknownMethod")
            else:
                reply = new_method_return(call, answer[0] or None, answer[1])
            connection.send(reply)
    except (ConnectionError, OSError):
        return


@pytest.fixture
def program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], str]:
    """Write a shell script into a folder of the test's own; give the script's path."""
    folder = tmp_path_factory.mktemp("bin")

    def write(name: str, body: str) -> str:
        file = folder / name
        file.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
        file.chmod(0o755)
        return os.fspath(file)

    return write


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this machine's key out of the tests, and theirs out of its user's home."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
