"""ModemManager's interfaces, as a service of the test's own answers them."""

from typing import TYPE_CHECKING, Any

import pytest

from phusong.data.sample import NrEvidence, Radio, Rat
from phusong.probes.radio.modemmanager import ModemManager
from phusong.probes.radio.registry import open_radio
from phusong.probes.radio.state import RadioState

if TYPE_CHECKING:
    from .conftest import FakeModemManager

MODEM = "org.freedesktop.ModemManager1.Modem"
NETWORK, SIGNAL = f"{MODEM}.Modem3gpp", f"{MODEM}.Signal"
KEY = b"k" * 32


def state_of(fake: "FakeModemManager") -> RadioState:
    source = ModemManager(KEY)
    try:
        return source.current()
    finally:
        source.close()


def test_a_modem_on_lte_is_read_whole(modem_manager: "FakeModemManager") -> None:
    state = state_of(modem_manager)
    assert state.problem is None
    assert state.registered is True
    assert state.radio == Radio(
        plmn="45204",
        operator="Viettel",
        rat=Rat.LTE,
        nr_evidence=NrEvidence.NONE,
        cell_id=str(0x1A2D003),
        tac=str(0x2B5C),
        pci=0x1F7,
        rsrp_dbm=-95.0,
        rsrq_db=-11.0,
        sinr_db=12.4,
    )


def test_the_sims_number_is_nowhere_in_its_name(modem_manager: "FakeModemManager") -> None:
    first = state_of(modem_manager).sim
    assert first is not None
    assert first.startswith("sim-")
    assert first == state_of(modem_manager).sim
    for number in ("452041234567890", "8984048812345", "1234567890"):
        assert number not in first
    modem_manager.sim["SimIdentifier"] = ("s", "8984048899999")
    assert state_of(modem_manager).sim != first


@pytest.mark.parametrize(
    ("technologies", "nr", "rat", "evidence"),
    [
        (1 << 15, {"rsrp": -88.0}, Rat.NR_SA, NrEvidence.SA),
        (1 << 14 | 1 << 15, {"rsrp": -88.0}, Rat.NR_NSA, NrEvidence.NSA_MEASURED),
        (1 << 14, {"rsrp": -88.0}, Rat.NR_NSA, NrEvidence.NSA_MEASURED),
        (1 << 14 | 1 << 15, {}, Rat.NR_NSA, NrEvidence.NSA_INDICATED),
        (1 << 14 | 1 << 15, {"rsrp": -32768.0}, Rat.NR_NSA, NrEvidence.NSA_INDICATED),
        (1 << 14, {}, Rat.LTE, NrEvidence.NONE),
        (1 << 9, {}, Rat.UMTS, NrEvidence.NONE),
        (1 << 4, {}, Rat.GSM, NrEvidence.NONE),
        (0, {}, None, None),
    ],
)
def test_evidence_of_5g_is_what_was_measured(
    modem_manager: "FakeModemManager",
    technologies: int,
    nr: dict[str, float],
    rat: Rat | None,
    evidence: NrEvidence | None,
) -> None:
    modem_manager.modem[MODEM]["AccessTechnologies"] = ("u", technologies)
    modem_manager.modem[SIGNAL]["Nr5g"] = ("a{sv}", {k: ("d", v) for k, v in nr.items()})
    radio = state_of(modem_manager).radio
    assert radio is not None
    assert (radio.rat, radio.nr_evidence) == (rat, evidence)
    assert radio.nr_rsrp_dbm == (-88.0 if rat is Rat.NR_NSA and nr.get("rsrp") == -88 else None)
    assert radio.rsrp_dbm == {Rat.NR_SA: -88.0, Rat.LTE: -95.0, Rat.NR_NSA: -95.0}.get(rat)  # type: ignore[arg-type]


@pytest.mark.parametrize("filler", [2147483647.0, -200.0, 0.0, -32768.0, float("nan")])
def test_a_filler_is_no_level(modem_manager: "FakeModemManager", filler: float) -> None:
    modem_manager.modem[SIGNAL]["Lte"] = (
        "a{sv}",
        {"rsrp": ("d", filler), "rsrq": ("d", -11.0), "snr": ("d", 2147483647.0)},
    )
    radio = state_of(modem_manager).radio
    assert radio is not None
    assert (radio.rsrp_dbm, radio.rsrq_db, radio.sinr_db) == (None, -11.0, None)


def test_fillers_are_no_identities(modem_manager: "FakeModemManager") -> None:
    assert modem_manager.cells is not None
    modem_manager.cells[0] |= {
        "ci": ("s", "FFFFFFF"),
        "tac": ("s", "FFFFFF"),
        "physical-ci": ("s", "FFFF"),
    }
    radio = state_of(modem_manager).radio
    assert radio is not None
    assert (radio.cell_id, radio.tac, radio.pci) == (None, None, None)


def test_an_older_service_tells_the_cell_by_its_location(
    modem_manager: "FakeModemManager",
) -> None:
    modem_manager.cells = None
    modem_manager.location = {1: ("s", "452,04,FFFE,01A2D003,2B5C")}
    radio = state_of(modem_manager).radio
    assert radio is not None
    assert (radio.cell_id, radio.tac) == (str(0x1A2D003), str(0x2B5C))


def test_signal_that_nobody_asked_for_is_asked_for(modem_manager: "FakeModemManager") -> None:
    modem_manager.modem[SIGNAL]["Rate"] = ("u", 0)
    state_of(modem_manager)
    assert "Setup" in modem_manager.calls


@pytest.mark.parametrize(
    ("changes", "registered", "problem"),
    [
        ({MODEM: {"State": ("i", -1), "StateFailedReason": ("u", 2)}}, False, "no_sim"),
        ({MODEM: {"State": ("i", 2)}}, False, "no_sim"),
        ({NETWORK: {"RegistrationState": ("u", 2)}}, False, "not_registered"),
        ({NETWORK: {"RegistrationState": ("u", 4)}}, None, "not_registered"),
        ({NETWORK: {"RegistrationState": ("u", 5)}}, True, None),
    ],
)
def test_a_modem_that_cannot_measure_says_why(
    modem_manager: "FakeModemManager",
    changes: dict[str, dict[str, Any]],
    registered: bool | None,
    problem: str | None,
) -> None:
    for interface, values in changes.items():
        modem_manager.modem[interface] |= values
    state = state_of(modem_manager)
    assert (state.registered, state.problem) == (registered, problem)


def test_no_modem_a_silent_service_and_no_bus_are_told_apart(
    modem_manager: "FakeModemManager", monkeypatch: pytest.MonkeyPatch
) -> None:
    modem_manager.modems = {}
    assert state_of(modem_manager).problem == "no_modem"
    modem_manager.silent = True
    monkeypatch.setattr("phusong.probes.radio.modemmanager._CALL_S", 0.3)
    assert state_of(modem_manager).problem == "not_connected"
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/no/such/bus")
    assert state_of(modem_manager).problem == "not_connected"


def test_a_service_that_answers_something_else_is_unreadable_not_a_crash(
    modem_manager: "FakeModemManager",
) -> None:
    modem_manager.modem[MODEM] |= {
        "State": ("s", "connected"),
        "AccessTechnologies": ("s", "lte"),
        "Sim": ("u", 7),
    }
    modem_manager.modem[SIGNAL]["Lte"] = ("s", "-95")
    modem_manager.cells = [{"serving": ("s", "yes"), "cell-type": ("s", "lte")}]
    state = state_of(modem_manager)
    assert state.radio == Radio(plmn="45204", operator="Viettel")


def test_auto_finds_the_service(
    modem_manager: "FakeModemManager", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/no/such/folder")
    source = open_radio("auto")
    assert source.name == "modemmanager"
    source.close()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/no/such/bus")
    nothing = open_radio("auto")
    assert (nothing.name, nothing.current()) == ("none", RadioState())
    nothing.close()
