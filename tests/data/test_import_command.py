"""`data import`: one clear message and the documented exit code, and the store as it was."""

import codecs
import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from phusong.data.store import Store

Run = Callable[..., object]

HEADER = "Timestamp,Longitude,Latitude,Operatorname,NetworkMode,RSRP,RSRQ,SNR,DL_bitrate,UL_bitrate"
ROW = "2026.07.01_08.30.00,105.85,21.03,Viettel,LTE,-95,-10,12.0,30,4"
ZONE = ("--timezone", "Asia/Ho_Chi_Minh")


def log(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("".join(f"{line}\n" for line in (header, *rows)))
    return path


def samples(path: Path) -> int:
    with Store.open(path, create=False) as store:
        return int(store.tables["sample"].count)


def test_an_import_prints_what_became_of_every_row(phusong: Run, tmp_path: Path) -> None:
    path = log(tmp_path / "log.csv", ROW, ROW.replace("105.85", "nan"), "torn")
    done = phusong("data", "import", path, *ZONE)
    assert done.code == 0
    assert "rejected: bad_number" in done.out
    assert "rejected: wrong_cell_count" in done.out
    record = json.loads(phusong("data", "import", path, *ZONE, "--json").out)
    assert (record["rows"], record["accepted"], record["duplicate"]) == (3, 0, 1)
    assert record["rejected"] == {"bad_number": 1, "wrong_cell_count": 1}


def test_an_import_of_nothing_but_rejected_rows_ends_with_one(phusong: Run, tmp_path: Path) -> None:
    assert phusong("data", "import", log(tmp_path / "log.csv", "torn"), *ZONE).code == 1
    assert phusong("data", "import", log(tmp_path / "bare.csv"), *ZONE).code == 1


def test_an_import_of_duplicates_only_ends_with_zero(phusong: Run, tmp_path: Path) -> None:
    path = log(tmp_path / "log.csv", ROW)
    assert phusong("data", "import", path, *ZONE).code == 0
    assert phusong("data", "import", path, *ZONE).code == 0
    assert samples(tmp_path / "test.db") == 1


def make_gigabyte(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


BAD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "an empty file": (Path.touch, "bad.csv is empty"),
    "blank lines": (lambda path: path.write_text("\n\r\n \n"), "bad.csv is empty"),
    "a directory": (Path.mkdir, "bad.csv is a folder; name the files in it"),
    "a line of a gigabyte": (make_gigabyte, "line 1: the line is longer than 1 MiB"),
    "NUL bytes": (
        lambda path: path.write_bytes(f"{HEADER}\n{ROW}\n".encode("utf-16-le")),
        "line 1: the line holds NUL bytes",
    ),
    "Latin-1 in the header": (
        lambda path: path.write_bytes(f"Opérateur,{HEADER}\n".encode("latin-1")),
        "line 1: the line is not text in the encoding named (--encoding)",
    ),
    "UTF-16": (
        lambda path: path.write_bytes(codecs.BOM_UTF16_LE + HEADER.encode("utf-16-le")),
        "bad.csv is UTF-16 text; read it with --encoding utf-16",
    ),
    "a missing column": (
        lambda path: log(path, ROW, header=HEADER.replace("Latitude", "Lat")),
        "bad.csv looks like gnettrack-csv, but has no column Latitude",
    ),
    "another table": (
        lambda path: path.write_text("a,b\n1,2\n"),
        "it holds the columns a, b; known are gnettrack-csv",
    ),
    "a database": (
        lambda path: sqlite3.connect(path).execute("CREATE TABLE t (x)"),
        "bad.csv is a database, but no GeoPackage",
    ),
    "totals": (
        lambda path: path.write_text("Event\tStats\n"),
        "bad.csv holds G-NetTrack's totals, no measurements",
    ),
    "a cut zip": (lambda path: path.write_bytes(b"PK\x03\x04cut"), "is a damaged zip file"),
    "a zip without files": (
        lambda path: zipfile.ZipFile(path, "w").close(),
        "bad.csv holds no file of records",
    ),
    "nothing": (lambda path: None, "bad.csv: there is no such file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_one_message_and_three_and_the_store_as_it_was(
    phusong: Run, tmp_path: Path, name: str
) -> None:
    make, message = BAD_FILES[name]
    phusong("data", "import", log(tmp_path / "good.csv", ROW), *ZONE)
    with Store.open(tmp_path / "test.db") as store:
        before = list(store.connection.iterdump())
    bad = tmp_path / "bad.csv"
    make(bad)
    other = log(tmp_path / "other.csv", ROW, ROW)
    # Beside a log, totals are set aside; the other files stop even what could be imported.
    files = [bad] if name == "totals" else [other, bad]
    done = phusong("data", "import", *files, *ZONE)
    assert done.code == 3
    assert done.err.startswith("phusong: ")
    assert done.err.count("\n") == 1
    assert message in done.err
    with Store.open(tmp_path / "test.db") as store:
        assert list(store.connection.iterdump()) == before


def test_a_bad_file_makes_no_store(phusong: Run, tmp_path: Path) -> None:
    assert phusong("data", "import", tmp_path, *ZONE).code == 3
    assert not (tmp_path / "test.db").exists()


def test_a_zip_bomb_is_one_message(phusong: Run, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * (80 << 20))
    done = phusong("data", "import", tmp_path / "bomb.zip", *ZONE)
    assert (done.code, done.err.count("\n")) == (3, 1)
    assert "would unpack to" in done.err


def test_local_times_without_a_zone_name_the_option(phusong: Run, tmp_path: Path) -> None:
    done = phusong("data", "import", log(tmp_path / "log.csv", ROW))
    assert done.code == 3
    assert "--timezone Asia/Ho_Chi_Minh" in done.err
    assert "múi giờ" in phusong("data", "import", tmp_path / "log.csv", lang="vi").err


def test_a_zone_or_a_tool_that_is_none_ends_with_three(phusong: Run, tmp_path: Path) -> None:
    path = log(tmp_path / "log.csv", ROW)
    assert "is not a time zone" in phusong("data", "import", path, "--timezone", "Mars").err
    assert "no importer x" in phusong("data", "import", path, *ZONE, "--tool", "x").err


def test_an_unknown_encoding_is_a_wrong_command_line(phusong: Run, tmp_path: Path) -> None:
    path = log(tmp_path / "log.csv", ROW)
    assert phusong("data", "import", path, *ZONE, "--encoding", "ebcdic").code == 2
    assert phusong("data", "import").code == 2


def test_an_encoding_named_is_read(phusong: Run, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(f"{HEADER}\n{ROW}\n".replace("Viettel", "Opérateur").encode("utf-16"))
    assert phusong("data", "import", path, *ZONE, "--encoding", "utf-16").code == 0
    path.write_bytes(f"{HEADER}\n{ROW}\n".replace("Viettel", "Opérateur").encode("latin-1"))
    assert phusong("data", "import", path, *ZONE, "--encoding", "latin-1").code == 0
    with Store.open(tmp_path / "test.db") as store:
        names = [row["operator"] for row in store.tables.query("SELECT operator FROM sample")]
    assert names == ["Opérateur", "Opérateur"]


def test_totals_beside_a_log_are_set_aside_by_name(phusong: Run, tmp_path: Path) -> None:
    path = log(tmp_path / "log.csv", ROW)
    stats = log(tmp_path / "stats.txt", "Voice Calls\t40", header="Event\tStats")
    done = phusong("data", "import", path, stats, *ZONE)
    assert done.code == 0
    assert "Set aside: stats.txt holds G-NetTrack's totals" in done.err


def test_a_foreign_database_is_left_as_it_is(phusong: Run, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "theirs.db") as theirs:
        theirs.execute("CREATE TABLE t (x)")
    before = (tmp_path / "theirs.db").read_bytes()
    path = log(tmp_path / "log.csv", ROW)
    done = phusong("data", "import", path, *ZONE, db=tmp_path / "theirs.db")
    assert done.code == 3
    assert "of another program" in done.err
    assert (tmp_path / "theirs.db").read_bytes() == before


def test_a_hostile_file_name_stays_on_one_line(phusong: Run, tmp_path: Path) -> None:
    path = log(tmp_path / "a\x1b[31m\nb.csv", ROW)
    done = phusong("data", "import", path, *ZONE)
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "a\\x1b[31m\\nb.csv" in done.out
