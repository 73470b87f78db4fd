"""
mmcli and Termux:API by their JSON.

The documents are written by hand: mmcli's from the keys of its source (`mmcli-output.c` of
ModemManager 1.20), Termux's from `TelephonyAPI.java` of Termux:API. None was captured.
"""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phusong.data.errors import ConfigError
from phusong.data.sample import NrEvidence, Radio, Rat
from phusong.probes.radio.mmcli import Mmcli
from phusong.probes.radio.registry import open_radio
from phusong.probes.radio.sim import device_key, sim_name
from phusong.probes.radio.state import RadioState, changes
from phusong.probes.radio.termux import Termux, read_state

KEY = b"k" * 32
MODEM = {
    "modem": {
        "3gpp": {
            "imei": "490154203237518",
            "operator-code": "45204",
            "operator-name": "Viettel",
            "registration-state": "home",
        },
        "dbus-path": "/org/freedesktop/ModemManager1/Modem/0",
        "generic": {
            "access-technologies": ["lte", "5gnr"],
            "sim": "/org/freedesktop/ModemManager1/SIM/0",
            "state": "connected",
            "state-failed-reason": "--",
        },
    }
}
SIGNAL = {
    "modem": {
        "signal": {
            "5g": {"rsrp": "-101.00", "rsrq": "-12.00", "snr": "8.50"},
            "gsm": {"rssi": "--"},
            "lte": {"rsrp": "-95.00", "rsrq": "-11.00", "rssi": "-67.00", "snr": "12.40"},
            "refresh": {"rate": "5"},
            "umts": {"ecio": "--", "rscp": "--", "rssi": "--"},
        }
    }
}
LOCATION = {
    "modem": {
        "location": {
            "3gpp": {"cid": "01A2D003", "lac": "FFFE", "mcc": "452", "mnc": "04", "tac": "002B5C"}
        }
    }
}
SIM = {"sim": {"properties": {"iccid": "8984048812345", "imsi": "452041234567890"}}}


def mmcli_script(modem: dict[str, Any] = MODEM, signal: dict[str, Any] = SIGNAL) -> str:
    """Answer as mmcli does, by its last arguments."""
    return f"""case "$*" in
*-L*) echo '{{"modem-list":["/org/freedesktop/ModemManager1/Modem/0"]}}';;
*--signal-get*) echo '{json.dumps(signal)}';;
*--location-get*) echo '{json.dumps(LOCATION)}';;
*-i*) echo '{json.dumps(SIM)}';;
*-m*) echo '{json.dumps(modem)}';;
esac"""


def test_mmclis_json_is_read_whole(program: Callable[[str, str], str]) -> None:
    state = Mmcli(KEY, program("mmcli", mmcli_script())).current()
    assert state.problem is None
    assert state.sim == sim_name("8984048812345", KEY)
    assert state.radio == Radio(
        plmn="45204",
        operator="Viettel",
        rat=Rat.NR_NSA,
        nr_evidence=NrEvidence.NSA_MEASURED,
        cell_id=str(0x1A2D003),
        tac=str(0x2B5C),
        rsrp_dbm=-95.0,
        rsrq_db=-11.0,
        sinr_db=12.4,
        nr_rsrp_dbm=-101.0,
        nr_rsrq_db=-12.0,
        nr_sinr_db=8.5,
    )


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("""echo '{"modem-list":[]}'""", "no_modem"),
        ("exit 1", "not_connected"),
        ("echo 'error: nonsense'", "unreadable"),
        ("""echo '["modem-list"]'""", "no_modem"),
    ],
)
def test_a_tool_that_cannot_tell_says_why(
    program: Callable[[str, str], str], body: str, problem: str
) -> None:
    assert Mmcli(KEY, program("mmcli", body)).current().problem == problem


def test_a_tool_that_is_missing_or_hangs_ends_within_its_time(
    program: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phusong.probes.radio.mmcli._CALL_S", 0.3)
    assert Mmcli(KEY, program("mmcli", "sleep 60")).current().problem == "not_connected"
    assert Mmcli(KEY, "/no/such/mmcli").current().problem == "not_connected"


def test_a_modem_without_a_card_or_a_network_says_so(program: Callable[[str, str], str]) -> None:
    searching = json.loads(json.dumps(MODEM))
    searching["modem"]["3gpp"]["registration-state"] = "searching"
    state = Mmcli(KEY, program("mmcli", mmcli_script(searching))).current()
    assert (state.registered, state.problem) == (False, "not_registered")
    failed = json.loads(json.dumps(MODEM))
    failed["modem"]["generic"] |= {"state": "failed", "state-failed-reason": "sim-missing"}
    assert Mmcli(KEY, program("mmcli", mmcli_script(failed))).current().problem == "no_sim"


DEVICE = {
    "data_enabled": "true",
    "data_state": "connected",
    "device_id": None,
    "network_operator": "45204",
    "network_operator_name": "Viettel",
    "network_type": "lte",
    "network_roaming": False,
    "sim_operator": "45204",
    "sim_operator_name": "Viettel",
    "sim_serial_number": None,
    "sim_subscriber_id": None,
    "sim_state": "ready",
}
LTE = {
    "type": "lte",
    "registered": True,
    "asu": 45,
    "dbm": -95,
    "level": 3,
    "ci": 27447299,
    "pci": 503,
    "tac": 11100,
    "mcc": 452,
    "mnc": 4,
    "rsrp": -95,
    "rsrq": -11,
}
NR = {
    "type": "nr",
    "registered": True,
    "asu": 2147483647,
    "dbm": 2147483647,
    "nci": 45678901234,
    "pci": 700,
    "tac": 11100,
    "mcc": "452",
    "mnc": "04",
    "ss_rsrp": -101,
    "ss_rsrq": -12,
    "ss_sinr": 8,
}
NEIGHBOUR = {"type": "lte", "registered": False, "dbm": -110, "pci": 12, "rsrp": -110, "rsrq": -17}


def test_termuxs_two_documents_are_read_as_one_state(program: Callable[[str, str], str]) -> None:
    path = program("termux-telephony-deviceinfo", f"echo '{json.dumps(DEVICE)}'")
    program("termux-telephony-cellinfo", f"echo '{json.dumps([NEIGHBOUR, LTE])}'")
    state = Termux(KEY, folder=f"{Path(path).parent}/").current()
    assert state.radio == Radio(
        plmn="45204",
        operator="Viettel",
        rat=Rat.LTE,
        nr_evidence=NrEvidence.NONE,
        cell_id="27447299",
        tac="11100",
        pci=503,
        rsrp_dbm=-95.0,
        rsrq_db=-11.0,
    )
    assert state.registered is True


@pytest.mark.parametrize(
    ("cells", "rat", "evidence", "nr_rsrp_dbm"),
    [
        ([LTE, NR], Rat.NR_NSA, NrEvidence.NSA_MEASURED, -101.0),
        ([LTE, NR | {"ss_rsrp": 2147483647}], Rat.NR_NSA, NrEvidence.NSA_INDICATED, None),
        ([LTE, NR | {"registered": False}], Rat.LTE, NrEvidence.NONE, None),
        ([NR], Rat.NR_SA, NrEvidence.SA, None),
        ([], Rat.LTE, NrEvidence.NONE, None),
    ],
)
def test_nr_beside_lte_counts_where_the_phone_is_registered_on_it(
    cells: list[dict[str, Any]], rat: Rat, evidence: NrEvidence, nr_rsrp_dbm: float | None
) -> None:
    radio = read_state(DEVICE, cells, KEY).radio
    assert radio is not None
    assert (radio.rat, radio.nr_evidence, radio.nr_rsrp_dbm) == (rat, evidence, nr_rsrp_dbm)


def test_what_android_writes_for_nothing_is_missing() -> None:
    odd = LTE | {"ci": 2147483647, "tac": 16777215, "pci": -1, "rsrp": -200, "dbm": -200}
    radio = read_state(DEVICE | {"network_operator": ""}, [odd], KEY).radio
    assert radio is not None
    assert (radio.cell_id, radio.tac, radio.pci, radio.rsrp_dbm) == (None, None, None, None)
    assert radio.plmn == "45204"


def test_a_phone_before_lte_has_a_level_and_no_rsrp() -> None:
    gsm = {"type": "gsm", "registered": True, "dbm": -71, "cid": 1234, "lac": 11}
    radio = read_state(DEVICE | {"network_type": "edge"}, [gsm], KEY).radio
    assert radio is not None
    assert (radio.rat, radio.level_dbm, radio.rsrp_dbm) == (Rat.GSM, -71.0, None)
    assert (radio.cell_id, radio.tac) == ("1234", "11")


def test_a_phone_without_service_or_card_says_so() -> None:
    lost = read_state(DEVICE | {"network_operator": ""}, [NEIGHBOUR], KEY)
    assert (lost.registered, lost.problem, lost.radio) == (False, "not_registered", None)
    assert read_state(DEVICE | {"sim_state": "absent"}, [], KEY).problem == "no_sim"


def test_two_networks_cards_are_told_apart_where_their_numbers_are_hidden() -> None:
    viettel = read_state(DEVICE, [LTE], KEY).sim
    vinaphone = read_state(DEVICE | {"sim_operator": "45202"}, [LTE], KEY).sim
    assert None not in (viettel, vinaphone)
    assert viettel != vinaphone


def test_the_machines_key_is_made_once_and_for_its_user_alone(tmp_path: Path) -> None:
    first = device_key(tmp_path / "new")
    assert first is not None
    assert len(first) == 32
    assert device_key(tmp_path / "new") == first
    assert stat.S_IMODE((tmp_path / "new" / "device.key").stat().st_mode) == 0o600
    assert device_key(tmp_path / "other") != first
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["device.key"]


def test_without_a_place_for_a_key_no_card_has_a_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert device_key(tmp_path / "file" / "folder") is None
    assert sim_name("452041234567890", None) is None


def test_what_changed_during_a_test_is_named() -> None:
    before = RadioState(
        radio=Radio(plmn="45204", rat=Rat.NR_NSA, cell_id="1", tac="2", rsrp_dbm=-90),
        sim="sim-a",
        registered=True,
    )
    after = RadioState(
        radio=Radio(plmn="45204", rat=Rat.LTE, cell_id="3", rsrp_dbm=-120),
        sim="sim-a",
        registered=True,
    )
    assert changes(before, before) == []
    assert changes(before, after) == ["rat", "cell_id"]
    lost = RadioState(sim="sim-a", registered=False, problem="not_registered")
    assert changes(before, lost) == ["registered"]


def test_an_unknown_source_is_refused_with_what_to_write() -> None:
    with pytest.raises(ConfigError, match="modemmanager"):
        open_radio("ofono")
