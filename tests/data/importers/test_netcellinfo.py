"""Network Cell Info: identities as wide as written, fillers missing, repeats counted once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from phusong.data.importers import run
from phusong.data.importers.interface import Options
from phusong.data.importers.run import FileReport, import_file
from phusong.data.sample import Radio, Rat, Sample
from phusong.data.store import Store

USUAL = {
    "mcc": "452",
    "mnc": "04",
    "lac": "5124",
    "cellid": "167172104",
    "lat": "21.03",
    "lon": "105.85",
    "signal": "-95",
    "measured_at": "1763347401694",
    "rating": "6.0",
    "act": "LTE",
    "psc": "",
    "tac": "5125",
    "pci": "330",
}

Import = Callable[..., FileReport]


@pytest.fixture
def imported(tmp_path: Path, store: Store) -> Import:
    """Write rows as the app does, an empty line first, and import them."""

    def run(*changes: dict[str, str]) -> FileReport:
        rows = [USUAL | change for change in changes]
        lines = ["", ",".join(USUAL), *(",".join(row.values()) for row in rows)]
        path = tmp_path / "network_cell_info_log.csv"
        path.write_text("".join(f"{line}\n" for line in lines))
        (report,) = import_file(store, path, Options()).files
        return report

    return run


def radio(store: Store) -> Radio:
    *_, (_, body) = store.bodies()
    found = Sample.from_body(body).radio
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("mcc", "mnc", "plmn"),
    [
        ("452", "04", "45204"),
        ("452", "4", "45204"),
        ("310", "410", "310410"),
        ("001", "01", "00101"),
    ],
)
def test_a_network_code_keeps_its_zeros(
    imported: Import, store: Store, mcc: str, mnc: str, plmn: str
) -> None:
    imported({"mcc": mcc, "mnc": mnc})
    assert radio(store).plmn == plmn


def test_largest_integers_are_no_identity_and_no_level(imported: Import, store: Store) -> None:
    filler = "2147483647"
    imported(
        {"mcc": filler, "mnc": filler, "cellid": filler, "signal": filler, "pci": filler}
        | {"tac": "16777215", "lac": "65535"}
    )
    assert radio(store) == Radio(rat=Rat.LTE)


def test_the_area_of_lte_is_its_tac_and_of_umts_its_lac(imported: Import, store: Store) -> None:
    imported({})
    assert (radio(store).tac, radio(store).rsrp_dbm, radio(store).level_dbm) == ("5125", -95, None)
    imported({"act": "UMTS"})
    assert (radio(store).tac, radio(store).rsrp_dbm, radio(store).level_dbm) == ("5124", None, -95)


def test_a_row_written_twice_is_one_measurement(imported: Import, store: Store) -> None:
    report = imported({}, {}, {"signal": "-96"}, {})
    assert (report.accepted, report.duplicate, report.rows) == (2, 2, 4)
    again = imported({}, {}, {"signal": "-96"}, {})
    assert (again.accepted, again.duplicate) == (0, 4)


def test_repeats_are_remembered_within_bounds(
    imported: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "REPEATS_REMEMBERED", 2)
    report = imported(
        {"signal": "-1"}, *({"signal": f"-9{i}"} for i in range(5)), {"signal": "-94"}
    )
    assert (report.accepted, report.duplicate) == (6, 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"measured_at": "1763347401"}, "bad_time"),
        ({"measured_at": "2025-11-17 02:43:21"}, "bad_time"),
        ({"measured_at": ""}, "bad_time"),
        ({"act": "6G"}, "unknown_technology"),
        ({"lat": "105.85", "lon": "21.03"}, "bad_position_lat"),
    ],
)
def test_a_bad_cell_rejects_its_row_by_name(
    imported: Import, change: dict[str, str], reason: str
) -> None:
    assert imported(change).rejected == {reason: 1}
