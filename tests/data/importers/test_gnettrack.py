"""G-NetTrack: its clock, its technologies, its fillers, and whose failure a failure is."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from phusong.data.errors import RecordError
from phusong.data.importers.gnettrack import full_cell_id, read_rat, read_time
from phusong.data.importers.interface import Options
from phusong.data.importers.run import import_file
from phusong.data.sample import NrEvidence, Outcome, Rat, Sample
from phusong.data.store import Store

DUBLIN = ZoneInfo("Europe/Dublin")
DAKAR = Options(timezone=ZoneInfo("Africa/Dakar"))

LOG = (
    "Timestamp Longitude Latitude Operatorname Operator Cellname Node CellID LAC NetworkTech Level"
    " Qual SNR CQI LTERSSI ARFCN PSC Altitude Distance TA BAND"
)
TEST = (
    "Timestamp Longitude Latitude Operatorname Node CellID LAC NetworkTech Level Qual SNR CQI"
    " LTERSSI PINGAVG PINGMIN PINGMAX PINGSTDEV PINGLOSS TESTDOWNLINK TESTUPLINK TESTDOWNLINKMAX"
    " TESTUPLINKMAX"
)
CSV = (
    "Timestamp Longitude Latitude Speed Operatorname CellID NetworkMode RSRP RSRQ SNR CQI RSSI"
    " DL_bitrate UL_bitrate State PINGAVG PINGMIN PINGMAX PINGSTDEV PINGLOSS CELLHEX NODEHEX"
    " LACHEX RAWCELLID NRxRSRP NRxRSRQ"
)

USUAL_LOG = {
    "Timestamp": "2025.07.18_22.11.08",
    "Longitude": "-17.4",
    "Latitude": "14.6",
    "Operatorname": "Expresso",
    "Operator": "60803",
    "Node": "21",
    "CellID": "11",
    "LAC": "7000",
    "NetworkTech": "4G",
    "Level": "-81",
    "Qual": "-8",
    "SNR": "5.0",
    "PSC": "325",
}
UNCOVERED = {
    "Operatorname": "NO_COVERAGE",
    "Operator": "",
    "Node": "",
    "CellID": "-1",
    "LAC": "",
    "NetworkTech": "--",
    "Level": "-200",
}
USUAL_TEST = USUAL_LOG | {
    "PINGAVG": "78",
    "PINGLOSS": "16",
    "TESTDOWNLINK": "35925",
    "TESTUPLINK": "8825",
}
USUAL_CSV = {
    "Timestamp": "2019.12.16_13.40.04",
    "Longitude": "-8.39",
    "Latitude": "51.88",
    "Operatorname": "B",
    "NetworkMode": "5G",
    "RSRP": "-103",
    "RSRQ": "-15",
    "SNR": "1.0",
    "DL_bitrate": "72",
    "UL_bitrate": "20",
    "LACHEX": "9CBA",
    "RAWCELLID": "10805003",
    "NRxRSRP": "-106.0",
}

Import = Callable[..., list[Sample]]


@pytest.fixture
def imported(tmp_path: Path, store: Store) -> Import:
    """Write rows under a header, import them and give the samples."""

    def run(
        header: str, *rows: dict[str, str], options: Options = DAKAR, delimiter: str = "\t"
    ) -> list[Sample]:
        columns = header.split()
        lines = [columns, *([row.get(column, "") for column in columns] for row in rows)]
        path = tmp_path / "log.txt"
        path.write_text("".join(delimiter.join(cells) + "\r\n" for cells in lines))
        import_file(store, path, options)
        return [Sample.from_body(body) for _, body in store.bodies()]

    return run


def reasons(store: Store) -> list[str]:
    return [
        row["reason"] for row in store.tables.query("SELECT reason FROM rejected ORDER BY line")
    ]


def test_a_local_time_becomes_utc_by_the_zone_named() -> None:
    assert read_time("2019.11.25_15.34.34", DUBLIN) == datetime(
        2019, 11, 25, 15, 34, 34, tzinfo=UTC
    )
    assert read_time("2019.07.25_15.34.34", DUBLIN) == datetime(2019, 7, 25, 14, 34, 34, tzinfo=UTC)


def test_a_time_that_happened_twice_is_rejected_and_a_fixed_zone_settles_it() -> None:
    with pytest.raises(RecordError, match="happened twice") as caught:
        read_time("2019.10.27_01.30.00", DUBLIN)
    assert caught.value.reason == "ambiguous_time"
    settled = read_time("2019.10.27_01.30.00", ZoneInfo("Etc/GMT-1"))
    assert settled == datetime(2019, 10, 27, 0, 30, tzinfo=UTC)


def test_a_time_that_did_not_happen_is_rejected() -> None:
    with pytest.raises(RecordError, match="did not happen") as caught:
        read_time("2019.03.31_01.30.00", DUBLIN)
    assert caught.value.reason == "nonexistent_time"


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "2019-11-25 15:34:34",
        "2019.11.25_15.34.60",
        "2019.13.01_00.00.00",
        "2019.11.25_24.00.00",
        "2019.11.25_15.34.3",
        "0019.11.25_15.34.34",
        "２019.11.25_15.34.34",
        "1574696074",
    ],
)
def test_what_is_no_time_is_rejected(cell: str) -> None:
    with pytest.raises(RecordError) as caught:
        read_time(cell, DUBLIN)
    assert caught.value.reason == "bad_time"


@pytest.mark.parametrize(
    ("cell", "rat"),
    [
        ("HSPA+", Rat.UMTS),
        ("EDGE", Rat.GSM),
        ("GPRS", Rat.GSM),
        ("LTE", Rat.LTE),
        ("4G", Rat.LTE),
        ("5G", Rat.NR_NSA),
        ("HSUPA", Rat.UMTS),
        ("2G", Rat.GSM),
    ],
)
def test_technologies_have_their_generation(cell: str, rat: Rat) -> None:
    assert read_rat("NetworkMode", cell) is rat


def test_an_unknown_technology_is_rejected_and_not_guessed() -> None:
    with pytest.raises(RecordError) as caught:
        read_rat("NetworkMode", "6G")
    assert caught.value.reason == "unknown_technology"


def test_a_full_cell_identity_is_the_node_and_its_cell() -> None:
    # 0xA4DF and 0x0B are 10805003 together, as the Cork logs write beside them.
    assert full_cell_id(0xA4DF, 0x0B, Rat.LTE) == "10805003"
    assert full_cell_id(3, 0x76C6, Rat.UMTS) == str(3 * 65536 + 0x76C6)
    assert full_cell_id(None, 37174, Rat.GSM) == "37174"
    assert full_cell_id(21, 300, Rat.LTE) is None
    assert full_cell_id(None, 11, Rat.LTE) is None


def test_a_row_that_says_5g_is_indicated_whatever_its_neighbour_measures(imported: Import) -> None:
    (sample,) = imported(CSV, USUAL_CSV, delimiter=",")
    assert sample.radio is not None
    assert sample.radio.rat is Rat.NR_NSA
    assert sample.radio.nr_evidence is NrEvidence.NSA_INDICATED
    assert sample.radio.nr_rsrp_dbm is None
    assert sample.radio.rsrp_dbm == -103


def test_the_traffic_meter_is_traffic_and_never_a_speed(imported: Import) -> None:
    (sample,) = imported(CSV, USUAL_CSV, delimiter=",")
    assert sample.reading is not None
    assert (sample.reading.traffic_down_mbps, sample.reading.traffic_up_mbps) == (0.072, 0.02)
    assert (sample.reading.down_mbps, sample.reading.up_mbps) == (None, None)


def test_before_lte_the_level_stands_alone_and_ec_n0_is_no_rsrq(imported: Import) -> None:
    row = USUAL_CSV | {"NetworkMode": "HSPA+", "RSRP": "-81", "RSRQ": "-2", "SNR": "-"}
    (sample,) = imported(CSV, row, delimiter=",")
    assert sample.radio is not None
    assert (sample.radio.level_dbm, sample.radio.rsrp_dbm, sample.radio.rsrq_db) == (
        -81,
        None,
        None,
    )


def test_a_filler_is_a_missing_level(imported: Import) -> None:
    (sample,) = imported(CSV, USUAL_CSV | {"RSRP": "-200"}, delimiter=",")
    assert sample.radio is not None
    assert sample.radio.rsrp_dbm is None


def test_a_row_without_coverage_is_a_failure_of_the_files_only_operator(imported: Import) -> None:
    heard, lost = imported(LOG, USUAL_LOG, USUAL_LOG | UNCOVERED)
    assert heard.outcome is Outcome.OK
    assert lost.outcome is Outcome.NO_SIGNAL
    assert lost.reading is None
    assert lost.radio is not None
    assert (lost.radio.operator, lost.radio.plmn, lost.radio.rat) == ("Expresso", "60803", None)
    assert lost.radio.rsrp_dbm is None


def test_a_failure_before_the_operator_is_first_named_is_still_its_own(imported: Import) -> None:
    lost, _ = imported(LOG, USUAL_LOG | UNCOVERED, USUAL_LOG)
    assert lost.radio is not None
    assert lost.radio.operator == "Expresso"


def test_a_failure_among_two_operators_is_rejected_until_someone_says_whose_it_is(
    imported: Import, store: Store, tmp_path: Path
) -> None:
    rows = (USUAL_LOG, USUAL_LOG | {"Operatorname": "Yas", "Operator": "60802"}, UNCOVERED)
    placed = [{**row, "Timestamp": "2025.07.18_22.11.08"} for row in rows]
    assert len(imported(LOG, *placed)) == 2
    assert reasons(store) == ["operator_unknown"]
    known = Options(timezone=DAKAR.timezone, operator="Yas")
    report = import_file(store, tmp_path / "log.txt", known)
    assert (report.files[0].accepted, report.files[0].duplicate) == (1, 2)
    *_, (_, body) = store.bodies()
    assert Sample.from_body(body).radio.operator == "Yas"  # type: ignore[union-attr]


def test_a_row_without_a_name_has_the_name_that_its_plmn_has(imported: Import) -> None:
    _, nameless = imported(LOG, USUAL_LOG, USUAL_LOG | {"Operatorname": ""})
    assert nameless.radio is not None
    assert nameless.radio.operator == "Expresso"


def test_snr_of_a_phone_that_reports_none_is_missing(imported: Import) -> None:
    samples = imported(LOG, *[USUAL_LOG | {"SNR": "0.0"}] * 3)
    assert [sample.radio.sinr_db for sample in samples if sample.radio] == [None] * 3


def test_snr_of_zero_is_a_value_where_the_phone_reports_others(imported: Import) -> None:
    samples = imported(LOG, USUAL_LOG | {"SNR": "0.0"}, USUAL_LOG | {"SNR": "-3.0"})
    assert [sample.radio.sinr_db for sample in samples if sample.radio] == [0.0, -3.0]


def test_a_row_without_any_cell_says_so_and_its_lowest_code_is_no_level(imported: Import) -> None:
    row = {"Node": "", "CellID": "0", "LAC": "0", "NetworkTech": "2G", "Level": "-113", "Qual": "-"}
    _, sample = imported(LOG, USUAL_LOG, USUAL_LOG | row)
    assert sample.reason == "no_cell_identity"
    assert sample.radio is not None
    assert (sample.radio.rat, sample.radio.level_dbm) == (Rat.GSM, None)


def test_a_speed_test_is_in_megabits_milliseconds_and_a_ratio(imported: Import) -> None:
    (sample,) = imported(TEST, USUAL_TEST)
    assert sample.reading is not None
    assert (sample.reading.down_mbps, sample.reading.up_mbps) == (35.925, 8.825)
    assert (sample.reading.rtt_idle_ms, sample.reading.loss_ratio) == (78, 0.16)


@pytest.mark.parametrize(
    ("down", "up", "reason"),
    [("0", "8", "download_stalled"), ("7", "0", "upload_stalled"), ("0", "0", "both_stalled")],
)
def test_a_transfer_of_zero_is_a_stalled_attempt_without_a_reading(
    imported: Import, down: str, up: str, reason: str
) -> None:
    (sample,) = imported(TEST, USUAL_TEST | {"TESTDOWNLINK": down, "TESTUPLINK": up})
    assert (sample.outcome, sample.reason, sample.reading) == (Outcome.STALLED, reason, None)
    assert sample.source.record is not None
    assert "\t78\t" in sample.source.record


def test_a_blank_transfer_is_missing_and_not_zero(imported: Import) -> None:
    (sample,) = imported(TEST, USUAL_TEST | {"TESTDOWNLINK": "", "TESTUPLINK": "8"})
    assert sample.outcome is Outcome.OK
    assert sample.reading is not None
    assert (sample.reading.down_mbps, sample.reading.up_mbps) == (None, 0.008)


def test_a_test_without_any_result_is_rejected(imported: Import, store: Store) -> None:
    nothing = dict.fromkeys(("PINGAVG", "PINGLOSS", "TESTDOWNLINK", "TESTUPLINK"), "")
    assert imported(TEST, USUAL_TEST | nothing) == []
    assert reasons(store) == ["nothing_measured"]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"Longitude": "nan"}, "bad_number"),
        ({"Longitude": "inf"}, "bad_number"),
        ({"Longitude": "14.6", "Latitude": "-107.4"}, "bad_position_lat"),
        ({"Longitude": "181"}, "bad_position_lon"),
        ({"Longitude": "0", "Latitude": "0.0"}, "bad_position"),
        ({"Longitude": ""}, "half_position"),
        ({"Longitude": "-17,4"}, "decimal_comma"),
        ({"Operator": "6080x"}, "bad_radio_plmn"),
        ({"Operatorname": "x" * 600}, "bad_radio_operator"),
    ],
)
def test_a_bad_cell_rejects_its_row_by_name(
    imported: Import, store: Store, cells: dict[str, str], reason: str
) -> None:
    assert len(imported(LOG, USUAL_LOG, USUAL_LOG | cells)) == 1
    assert reasons(store) == [reason]


def test_a_row_without_a_position_is_kept_without_one(imported: Import) -> None:
    (sample,) = imported(LOG, USUAL_LOG | {"Longitude": "-", "Latitude": "-"})
    assert sample.position is None
