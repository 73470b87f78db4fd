"""The real logs of Cork, Dakar and Virginia: counted, and checked by hand against their files."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from phusong.data.importers.interface import Options, read_timezone
from phusong.data.importers.run import ImportReport, import_file
from phusong.data.sample import NrEvidence, Outcome, Position, Radio, Rat, Reading, Sample
from phusong.data.store import Store

Shared = Callable[[str], Path]

DUBLIN = Options(timezone=read_timezone("Europe/Dublin"))
DAKAR = Options(timezone=read_timezone("Africa/Dakar"))
CORK = "ie-5g-gnettrack/5G-production-dataset.zip"
OPERATORS = ("Orange", "Yas", "expresso")

_imported: dict[str, tuple[Path, ImportReport]] = {}


@pytest.fixture
def cork(
    shared: Shared, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, ImportReport]]:
    """Give a store with all of Cork, imported once for all tests of this file."""
    path = shared(CORK)
    if CORK not in _imported:
        file = tmp_path_factory.mktemp("cork") / "cork.db"
        with Store.open(file) as store:
            _imported[CORK] = (file, import_file(store, path, DUBLIN))
    file, report = _imported[CORK]
    with Store.open(file) as store:
        yield store, report


@pytest.fixture
def dakar(shared: Shared, store: Store) -> Store:
    """Give a store with the three logs and the three test logs of Dakar."""
    for operator in OPERATORS:
        for kind in ("log", "log_datatest"):
            path = shared(f"sn-gnettrack/raw_logs/{operator}_{kind}.txt")
            import_file(store, path, DAKAR)
    return store


def counts(store: Store, columns: str, where: str = "1") -> dict[object, int]:
    rows = store.connection.execute(
        f"SELECT {columns}, count(*) FROM sample WHERE {where} GROUP BY {columns}"
    )
    return {row[0] if len(row) == 2 else row[:-1]: row[-1] for row in rows}


def sample_at(store: Store, file: str, line: int) -> Sample:
    (row,) = store.connection.execute(
        "SELECT CAST(e.body AS BLOB) FROM evidence AS e JOIN sample AS s USING (n)"
        " JOIN source_file AS f ON f.sha256 = s.file_sha256 WHERE f.name LIKE ? AND s.line = ?",
        (f"%{file}", line),
    )
    return Sample.from_body(row[0])


@pytest.mark.slow
def test_every_row_of_cork_is_a_sample(cork: tuple[Store, ImportReport]) -> None:
    store, report = cork
    assert len(report.files) == 83
    assert sum(file.rows for file in report.files) == 188_711
    assert sum(file.accepted for file in report.files) == 188_711
    assert report.ignored == {"folder": 18, "macos_junk": 105}
    assert report.skipped == []
    assert store.tables["rejected"].count == 0
    assert counts(store, "rat") == {
        "NR-NSA": 136_403,
        "LTE": 35_212,
        "3G": 15_880 + 492 + 470 + 163,
        "2G": 78 + 13,
    }


@pytest.mark.slow
def test_all_5g_of_cork_is_indicated_and_none_of_it_measured(
    cork: tuple[Store, ImportReport],
) -> None:
    store, _ = cork
    assert counts(store, "nr_evidence") == {"nsa_indicated": 136_403, "none": 188_711 - 136_403}
    assert counts(store, "nr_rsrp_dbm") == {None: 188_711}


@pytest.mark.slow
def test_the_neighbours_level_is_also_there_where_no_5g_cell_can_be(
    cork: tuple[Store, ImportReport],
) -> None:
    """Why NRxRSRP is no evidence of 5G: GPRS knows no secondary cell, yet it is always filled."""
    store, _ = cork
    records = store.connection.execute(
        "SELECT json_extract(e.body, '$.source.record') FROM evidence AS e JOIN sample USING (n)"
        " WHERE rat = '2G'"
    )
    gprs = [cells for (record,) in records if (cells := record.split(","))[6] == "GPRS"]
    assert len(gprs) == 78
    assert all(-140 < float(cells[24]) < -40 for cells in gprs)


@pytest.mark.slow
def test_fillers_of_cork_are_missing_levels_and_odd_operators_stay(
    cork: tuple[Store, ImportReport],
) -> None:
    store, _ = cork
    nowhere = "rsrp_dbm IS NULL AND level_dbm IS NULL"
    assert counts(store, "rat", nowhere) == {"LTE": 3, "3G": 62 + 7 + 1}
    assert counts(store, "operator") == {"B": 188_685, "27203": 24, "0": 2}
    assert counts(store, "down_mbps") == {None: 188_711}
    (most,) = store.connection.execute("SELECT max(traffic_down_mbps) FROM sample").fetchone()
    assert most == 532.905


@pytest.mark.slow
def test_rows_of_cork_read_by_hand_are_the_same(cork: tuple[Store, ImportReport]) -> None:
    store, _ = cork
    five = sample_at(store, "Download/Static/B_2019.12.16_13.40.04.csv", 101)
    assert five.started_at.isoformat() == "2019-12-16T13:41:48+00:00"
    assert five.reading == Reading(traffic_down_mbps=95.71, traffic_up_mbps=0.199)
    assert five.position == Position(lon=-8.394627999999999, lat=51.886144)
    assert five.radio == Radio(
        operator="B",
        rat=Rat.NR_NSA,
        nr_evidence=NrEvidence.NSA_INDICATED,
        cell_id="10805003",
        tac="40122",
        rsrp_dbm=-96.0,
        rsrq_db=-14.0,
        sinr_db=5.0,
    )
    four = sample_at(store, "Download/Driving/B_2019.12.16_12.27.05.csv", 339)
    assert four.radio == Radio(
        operator="B",
        rat=Rat.LTE,
        nr_evidence=NrEvidence.NONE,
        cell_id="11016963",
        tac="40122",
        rsrp_dbm=-102.0,
        rsrq_db=-15.0,
        sinr_db=-5.0,
    )
    assert four.reading == Reading(traffic_down_mbps=0.082, traffic_up_mbps=0.009)
    three = sample_at(store, "Download/Driving/B_2019.12.16_11.49.59.csv", 101)
    assert three.radio == Radio(
        operator="B",
        rat=Rat.UMTS,
        nr_evidence=NrEvidence.NONE,
        cell_id="19767027",
        tac="30122",
        level_dbm=-73.0,
    )


@pytest.mark.slow
def test_cork_imported_again_is_all_duplicates(
    cork: tuple[Store, ImportReport], shared: Shared
) -> None:
    store, _ = cork
    again = import_file(store, shared(CORK), DUBLIN)
    assert sum(file.duplicate for file in again.files) == 188_711
    assert sum(file.accepted for file in again.files) == 0


def test_every_row_of_dakar_is_a_sample(dakar: Store) -> None:
    assert counts(dakar, "tool") == {"gnettrack-log": 8_299, "gnettrack-test": 40 + 41 + 41}
    assert counts(dakar, "operator", "kind = 'signal'") == {
        "Orange": 2_625,
        "Yas": 2_719,
        "expresso": 2_955,
    }
    assert counts(dakar, "rat", "kind = 'signal'") == {
        "LTE": 4_038,
        "3G": 3_852,
        "2G": 156,
        None: 253,
    }
    assert dakar.tables["rejected"].count == 0
    assert counts(dakar, "lon IS NULL") == {0: 8_421}


def test_failures_of_dakar_count_against_the_operator_of_the_sim_card(dakar: Store) -> None:
    failed = counts(dakar, "operator, plmn, outcome", "outcome = 'no_signal'")
    assert failed == {("expresso", "60803", "no_signal"): 253}
    levels = "count(level_dbm) + count(rsrp_dbm) + count(rat)"
    (known,) = dakar.connection.execute(
        f"SELECT {levels} FROM sample WHERE outcome = 'no_signal'"
    ).fetchone()
    assert known == 0


def test_tests_of_dakar_that_moved_nothing_are_stalled(dakar: Store) -> None:
    assert counts(dakar, "operator, outcome", "kind = 'speed'") == {
        ("Orange", "ok"): 16,
        ("Orange", "stalled"): 24,
        ("Yas", "ok"): 10,
        ("Yas", "stalled"): 31,
        ("expresso", "ok"): 21,
        ("expresso", "stalled"): 20,
    }
    (speeds,) = dakar.connection.execute(
        "SELECT count(*) FROM sample WHERE outcome = 'stalled' AND coalesce(down_mbps, up_mbps,"
        " rtt_idle_ms, loss_ratio) IS NOT NULL"
    ).fetchone()
    assert speeds == 0


def test_orange_reports_one_3g_level_all_walk_long_and_it_is_none(dakar: Store) -> None:
    assert counts(dakar, "level_dbm", "operator = 'Orange' AND rat = '3G'") == {None: 1_401 + 13}


def test_snr_of_dakar_is_there_for_the_one_phone_that_measured_it(dakar: Store) -> None:
    measured = counts(dakar, "operator", "sinr_db IS NOT NULL AND kind = 'signal'")
    assert measured == {"expresso": 945}


def test_rows_of_dakar_read_by_hand_are_the_same(dakar: Store) -> None:
    first = sample_at(dakar, "Yas_log.txt", 2)
    assert first.started_at.isoformat() == "2025-07-18T22:11:08+00:00"
    assert first.position == Position(lon=-17.436165, lat=14.665338)
    assert first.radio == Radio(
        plmn="60802",
        operator="Yas",
        rat=Rat.LTE,
        nr_evidence=NrEvidence.NONE,
        cell_id=str(1032 * 256 + 1),
        tac="701",
        pci=132,
        rsrp_dbm=-96.0,
        rsrq_db=-15.0,
    )
    older = sample_at(dakar, "Yas_log.txt", 1000)
    assert older.radio == Radio(
        plmn="60802",
        operator="Yas",
        rat=Rat.UMTS,
        nr_evidence=NrEvidence.NONE,
        cell_id=str(5 * 65536 + 10593),
        tac="43",
        level_dbm=-73.0,
    )
    last = sample_at(dakar, "expresso_log.txt", 2954)
    assert last.radio is not None
    assert (last.radio.sinr_db, last.radio.pci, last.radio.rsrp_dbm) == (12.0, 468, -89.0)
    lost = sample_at(dakar, "expresso_log.txt", 312)
    assert (lost.outcome, lost.radio) == (
        Outcome.NO_SIGNAL,
        Radio(plmn="60803", operator="expresso"),
    )


def test_speed_tests_of_dakar_read_by_hand_are_the_same(dakar: Store) -> None:
    best = sample_at(dakar, "expresso_log_datatest.txt", 15)
    assert best.started_at.isoformat() == "2025-07-18T22:43:16+00:00"
    assert best.reading == Reading(
        down_mbps=65.917, up_mbps=9.505, rtt_idle_ms=179.0, loss_ratio=0.16
    )
    first = sample_at(dakar, "Orange_log_datatest.txt", 2)
    assert first.reading == Reading(
        down_mbps=35.925, up_mbps=8.825, rtt_idle_ms=78.0, loss_ratio=0.0
    )
    half = sample_at(dakar, "Yas_log_datatest.txt", 6)
    assert (half.outcome, half.reason, half.reading) == (Outcome.STALLED, "download_stalled", None)
    blank = sample_at(dakar, "expresso_log_datatest.txt", 18)
    assert blank.reading == Reading(up_mbps=0.008, rtt_idle_ms=100.0, loss_ratio=0.0)


def figure(cell: str) -> object:
    try:
        return float(cell)
    except ValueError:
        return None if cell == "-" else cell or None


def raw_and_cleaned(shared: Shared, operator: str, kind: str) -> Iterator[tuple[list, list]]:
    """Give each row as logged and as its author published it, numbers as numbers."""
    raw = shared(f"sn-gnettrack/raw_logs/{operator}_{kind}.txt").read_text("utf-8").splitlines()
    clean = shared(f"sn-gnettrack/processed/{operator}_{kind}_clean.csv")
    with clean.open(encoding="utf-8", newline="") as file:
        published = list(csv.reader(file))
    assert len(raw) == len(published)
    for line, cells in zip(raw[1:], published[1:], strict=True):
        yield line.split("\t"), [figure(cell) for cell in cells[:-1]]


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_authors_cleaned_logs_are_ours_with_empty_cells_closed_up(
    shared: Shared, operator: str
) -> None:
    """
    Their columns are shifted: the technology stands under LAC, or further left.

    So their tables confirm our values and none of their column names after the fifth; a band
    that came to stand under a column of numbers is lost.
    """
    technology: Counter[int] = Counter()
    for cells, published in raw_and_cleaned(shared, operator, "log"):
        closed_up = [figure(cell) for cell in cells if cell]
        for theirs, ours in zip(published, closed_up, strict=False):
            assert theirs == ours or (theirs is None and isinstance(ours, str))
        assert set(published[len(closed_up) :]) <= {None}
        technology[published.index(figure(cells[9]) or "--")] += 1
    lac, network_tech = 8, 9
    assert technology[network_tech] == 0
    assert technology[lac] == {"Orange": 2_625, "Yas": 2_610, "expresso": 2_224}[operator]


def test_the_authors_cleaned_tests_agree_wherever_no_cell_is_empty(
    shared: Shared, dakar: Store
) -> None:
    agreeing, shifted = Counter[str](), Counter[str]()
    for operator in OPERATORS:
        rows = raw_and_cleaned(shared, operator, "log_datatest")
        for line, (cells, published) in enumerate(rows, start=2):
            if "" in cells:
                shifted[operator] += 1
                assert published != [figure(cell) for cell in cells]
                continue
            agreeing[operator] += 1
            ours = sample_at(dakar, f"{operator}_log_datatest.txt", line)
            down, up = published[18:20]
            if ours.reading is None:
                assert 0 in (down, up)
            else:
                assert (ours.reading.down_mbps, ours.reading.up_mbps) == (down / 1000, up / 1000)
                assert ours.reading.rtt_idle_ms == published[13]
    assert agreeing == {"Orange": 40, "Yas": 41, "expresso": 20}
    assert shifted == {"expresso": 21}


def test_rows_that_the_app_wrote_twice_are_duplicates(shared: Shared, store: Store) -> None:
    (log,) = import_file(store, shared("us-netcellinfo/network_cell_info_log.csv"), Options()).files
    assert (log.rows, log.accepted, log.duplicate) == (688, 392, 296)
    (merged,) = import_file(store, shared("us-netcellinfo/combined_cleaned.csv"), Options()).files
    assert (merged.rows, merged.accepted, merged.duplicate) == (8_662, 1_004, 7_658)
    (again,) = import_file(store, shared("us-netcellinfo/combined_cleaned.csv"), Options()).files
    assert (again.accepted, again.duplicate) == (0, 8_662)


def test_rows_of_virginia_read_by_hand_are_the_same(shared: Shared, store: Store) -> None:
    import_file(store, shared("us-netcellinfo/network_cell_info_log.csv"), Options())
    first = sample_at(store, "network_cell_info_log.csv", 3)
    assert first.started_at.isoformat() == "2025-11-17T02:43:21.694000+00:00"
    assert first.position == Position(lon=-77.5256446, lat=38.7590531)
    assert first.radio == Radio(
        plmn="310410", rat=Rat.LTE, cell_id="167172104", tac="5124", pci=330, rsrp_dbm=-95.0
    )
    assert first.reading is None
