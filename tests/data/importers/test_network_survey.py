"""Network Survey's CSV and GeoPackage: the serving cell is a sample, its neighbours are not."""

import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from phusong.data.errors import RecordError
from phusong.data.importers.interface import Options
from phusong.data.importers.run import FileReport, check_files, import_file
from phusong.data.sample import NrEvidence, Rat, Sample
from phusong.data.store import Store

Import = Callable[..., tuple[FileReport, list[Sample]]]
MOMENT = datetime(2026, 7, 1, 1, 30, tzinfo=UTC)


def check_lte(sample: Sample) -> None:
    assert sample.position is not None
    assert (sample.position.lon, sample.position.lat) == (105.85, 21.03)
    radio = sample.radio
    assert radio is not None
    assert (radio.plmn, radio.operator, radio.rat) == ("45204", "Viettel", Rat.LTE)
    assert (radio.cell_id, radio.tac, radio.pci) == ("167172104", "5124", 3)
    assert (radio.rsrp_dbm, radio.rsrq_db) == (-95.0, -10.0)


def test_lte_records_are_read_below_the_comment_with_their_version(
    imported: Import, originals: dict[str, bytes]
) -> None:
    report, samples = imported(originals["network-survey-lte"], Options())
    assert (report.tool, report.accepted) == ("network-survey-lte", 4)
    check_lte(samples[0])
    assert samples[0].started_at == MOMENT + timedelta(milliseconds=123)
    assert samples[0].source.line == 3
    assert samples[0].radio is not None
    assert samples[0].radio.sinr_db == 11.5
    assert samples[0].position is not None
    assert samples[0].position.accuracy_m == 8.25


def test_a_neighbouring_cell_is_rejected_by_name(
    imported: Import, originals: dict[str, bytes]
) -> None:
    report, _ = imported(originals["network-survey-lte"].replace(b",true,", b",false,"))
    assert report.rejected == {"neighbour_cell": 4}


def test_where_no_column_tells_a_cell_without_a_network_is_a_neighbour(
    imported: Import, originals: dict[str, bytes]
) -> None:
    unsaid = originals["network-survey-lte"].replace(b",true,", b",,")
    lines = unsaid.splitlines()
    lines[-1] = lines[-1].replace(b",452,4,5124,167172104,", b",,,,,")
    report, _ = imported(b"\n".join(lines))
    assert (report.accepted, report.rejected) == (3, {"neighbour_cell": 1})


def test_a_serving_nr_cell_with_an_identity_is_standalone(
    imported: Import, originals: dict[str, bytes]
) -> None:
    _, samples = imported(originals["network-survey-nr"], Options())
    radio = samples[0].radio
    assert radio is not None
    assert (radio.rat, radio.nr_evidence) == (Rat.NR_SA, NrEvidence.SA)
    assert (radio.cell_id, radio.pci) == ("5729091585", 412)
    assert (radio.rsrp_dbm, radio.sinr_db, radio.nr_rsrp_dbm) == (-88.0, 17.0, None)


def test_a_serving_nr_cell_without_one_is_the_leg_beside_an_lte_anchor(
    imported: Import, originals: dict[str, bytes]
) -> None:
    leg = originals["network-survey-nr"].replace(b",5124,5729091585,", b",,,")
    _, samples = imported(leg, Options())
    radio = samples[0].radio
    assert radio is not None
    assert (radio.rat, radio.nr_evidence) == (Rat.NR_NSA, NrEvidence.NSA_MEASURED)
    assert (radio.nr_rsrp_dbm, radio.rsrp_dbm) == (-88.0, None)


def test_a_geopackage_is_read_table_by_table(store: Store, geopackage: Path) -> None:
    (report,) = import_file(store, geopackage, Options()).files
    assert (report.name, report.tool) == ("survey.gpkg/LTE_MESSAGE", "network-survey-lte-gpkg")
    assert (report.accepted, report.rejected) == (1, {"neighbour_cell": 1})
    ((_, body),) = store.bodies()
    sample = Sample.from_body(body)
    check_lte(sample)
    assert sample.started_at == MOMENT + timedelta(milliseconds=123)
    (again,) = import_file(store, geopackage, Options()).files
    assert (again.accepted, again.duplicate) == (0, 1)


def test_nr_records_of_a_geopackage_say_what_stands_behind_5g(
    store: Store, nr_geopackage: Path
) -> None:
    (report,) = import_file(store, nr_geopackage, Options()).files
    assert (report.name, report.tool) == ("nr.gpkg/NR_MESSAGE", "network-survey-nr-gpkg")
    assert (report.accepted, report.rejected) == (3, {"neighbour_cell": 1})
    alone, leg, unheard = (Sample.from_body(body).radio for _, body in store.bodies())
    assert alone is not None
    assert (alone.rat, alone.nr_evidence, alone.rsrp_dbm) == (Rat.NR_SA, NrEvidence.SA, -88.0)
    assert (alone.cell_id, alone.pci, alone.plmn) == ("5729091585", 412, "45204")
    assert leg is not None
    assert (leg.rat, leg.nr_evidence) == (Rat.NR_NSA, NrEvidence.NSA_MEASURED)
    # NR's quality reaches 20 dB where LTE's ends at 2.5.
    assert (leg.nr_rsrp_dbm, leg.nr_rsrq_db, leg.rsrp_dbm) == (-101.0, 12.5, None)
    assert unheard is not None
    assert (unheard.nr_evidence, unheard.nr_rsrp_dbm) == (NrEvidence.NSA_INDICATED, None)


def test_a_geopackage_is_not_written_to(store: Store, geopackage: Path) -> None:
    before = geopackage.read_bytes()
    import_file(store, geopackage, Options())
    assert geopackage.read_bytes() == before
    assert {path.name for path in geopackage.parent.glob("survey*")} == {"survey.gpkg"}


def test_a_point_in_another_system_or_none_at_all_is_named(store: Store, geopackage: Path) -> None:
    with sqlite3.connect(geopackage) as connection:
        connection.execute("UPDATE LTE_MESSAGE SET geom = X'0011' WHERE id = 1")
        connection.execute('UPDATE LTE_MESSAGE SET geom = NULL, "Serving Cell" = 1 WHERE id = 2')
    connection.close()
    (report,) = import_file(store, geopackage, Options()).files
    assert (report.accepted, report.rejected) == (1, {"bad_geometry": 1})
    assert store.tables["sample"].count_where("lon IS NULL") == 1


def test_a_geopackage_in_an_archive_is_set_aside_and_a_view_is_not_run(
    store: Store, geopackage: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(geopackage, "survey.gpkg")
    report = import_file(store, archive, Options())
    assert [skip.error.reason for skip in report.skipped] == ["packed_database"]
    other = tmp_path / "view.gpkg"
    shutil.copy(geopackage, other)
    with sqlite3.connect(other) as connection:
        connection.executescript(
            "DROP TABLE LTE_MESSAGE; CREATE VIEW LTE_MESSAGE AS WITH RECURSIVE n(i) AS"
            " (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id FROM n;"
        )
    connection.close()
    with pytest.raises(RecordError, match="without any table of points"):
        check_files([other], Options())
