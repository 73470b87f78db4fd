"""What is handed over is complete, says what was simulated, and harms no spreadsheet."""

import csv
import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from phusong.data.errors import ConfigError, StoreError
from phusong.data.export import Format, export, format_of, safe_cell
from phusong.data.sample import Kind, Outcome, Position, Radio, Sample
from phusong.data.store import Store

MakeSample = Callable[..., Sample]


@pytest.fixture
def filled(store: Store, make_sample: MakeSample) -> Store:
    """Give a store with a reading, a failure without a position, and a simulated sample."""
    store.merge(
        [
            make_sample(seq=1, server="Độ trễ"),
            make_sample(seq=2, outcome=Outcome.TIMEOUT, reading=None, position=None, radio=None),
            make_sample(seq=3, simulated=True, position=Position(lon=106.0, lat=10.5)),
        ]
    )
    return store


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_csv_file_has_a_row_for_every_attempt_and_marks_the_simulated(
    filled: Store, tmp_path: Path
) -> None:
    assert export(filled, tmp_path / "out.csv", Format.CSV) == 3
    rows = read_csv(tmp_path / "out.csv")
    assert [row["origin"] for row in rows] == ["measured", "measured", "simulated"]
    assert [row["outcome"] for row in rows] == ["ok", "timeout", "ok"]
    assert (rows[1]["down_mbps"], rows[1]["lon"]) == ("", "")
    assert (rows[0]["server"], rows[0]["lon"]) == ("Độ trễ", "105.85")
    assert rows[0]["started_at"] == "2026-07-01T01:30:00Z"


@pytest.mark.parametrize("start", list("=+-@\t\r＝＋－＠"))
def test_no_cell_starts_a_formula(start: str) -> None:
    assert safe_cell(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"


@pytest.mark.parametrize("value", ["-95", "+84", "-1.5e3", "plain", "", None, -95.0, 12])
def test_plain_numbers_and_texts_stay_as_they_are(value: object) -> None:
    assert safe_cell(value) == value


@pytest.mark.parametrize("value", ["-1+1", "+84 A1", "-１", "=1", "-95\n=1"])
def test_what_only_starts_like_a_number_is_quoted(value: str) -> None:
    assert safe_cell(value) == "'" + value


def test_a_hostile_operator_is_harmless_in_csv(
    store: Store, make_sample: MakeSample, tmp_path: Path
) -> None:
    store.merge([make_sample(radio=Radio(operator='=HYPERLINK("http://x","y")'))])
    export(store, tmp_path / "out.csv", Format.CSV)
    assert read_csv(tmp_path / "out.csv")[0]["operator"] == '\'=HYPERLINK("http://x","y")'


def test_each_json_line_is_the_evidence_whose_hash_is_the_id(filled: Store, tmp_path: Path) -> None:
    assert export(filled, tmp_path / "out.jsonl", Format.JSONL) == 3
    lines = (tmp_path / "out.jsonl").read_bytes().split(b"\n")
    assert lines.pop() == b""
    ids = [row["id"] for row in filled.tables.query("SELECT id FROM sample ORDER BY n")]
    assert [hashlib.sha256(line).digest() for line in lines] == ids
    assert [Sample.from_body(line).seq for line in lines] == [1, 2, 3]


@pytest.mark.parametrize("form", [Format.PARQUET, Format.GPKG])
def test_points_are_wgs84_and_an_attempt_without_a_position_stays(
    filled: Store, tmp_path: Path, form: Format
) -> None:
    geopandas = pytest.importorskip("geopandas")
    path = tmp_path / f"out.{form}"
    assert export(filled, path, form) == 3
    read = geopandas.read_parquet if form is Format.PARQUET else geopandas.read_file
    frame = read(path)
    assert frame.crs.to_epsg() == 4326
    assert list(frame.geometry.isna()) == [False, True, False]
    first = frame.geometry.iloc[0]
    assert (first.x, first.y) == (105.85, 21.03)
    assert list(frame["origin"]) == ["measured", "measured", "simulated"]
    assert list(frame["seq"]) == [1, 2, 3]
    assert frame["down_mbps"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("form", [Format.PARQUET, Format.GPKG])
def test_points_in_several_chunks_are_all_there(
    store: Store,
    make_sample: MakeSample,
    tmp_path: Path,
    form: Format,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    geopandas = pytest.importorskip("geopandas")
    monkeypatch.setattr("phusong.data.points.CHUNK_ROWS", 2)
    store.merge(
        [make_sample(seq=i, radio=None if i < 3 else Radio(plmn="45204")) for i in range(5)]
    )
    steps: list[int] = []
    export(store, tmp_path / f"out.{form}", form, on_progress=steps.append)
    read = geopandas.read_parquet if form is Format.PARQUET else geopandas.read_file
    assert list(read(tmp_path / f"out.{form}")["seq"]) == [0, 1, 2, 3, 4]
    assert steps == [2, 2, 1]


@pytest.mark.parametrize("form", list(Format))
def test_an_empty_store_gives_an_empty_file_and_no_error(
    store: Store, tmp_path: Path, form: Format
) -> None:
    assert export(store, tmp_path / f"out.{form}", form) == 0
    assert (tmp_path / f"out.{form}").exists()


def test_a_store_file_opens_as_a_store(filled: Store, tmp_path: Path) -> None:
    assert export(filled, tmp_path / "copy.db", Format.STORE) == 3
    with Store.open(tmp_path / "copy.db", create=False) as copy:
        assert list(copy.bodies()) == list(filled.bodies())


@pytest.mark.parametrize("form", list(Format))
def test_a_file_that_is_there_is_replaced_only_when_asked(
    filled: Store, tmp_path: Path, form: Format
) -> None:
    path = tmp_path / f"out.{form}"
    path.write_text("mine")
    with pytest.raises(StoreError, match="is there already"):
        export(filled, path, form)
    assert path.read_text() == "mine"
    export(filled, path, form, overwrite=True)
    assert path.stat().st_size > 4


def test_the_store_itself_is_never_the_target(filled: Store) -> None:
    with pytest.raises(StoreError, match="is the store itself"):
        export(filled, filled.path, Format.CSV, overwrite=True)
    assert filled.tables["sample"].count == 3


@pytest.mark.parametrize("form", list(Format))
def test_a_target_that_cannot_be_written_is_one_error_and_leaves_nothing(
    filled: Store, tmp_path: Path, form: Format
) -> None:
    with pytest.raises(StoreError, match="cannot write"):
        export(filled, tmp_path / "nowhere" / f"out.{form}", form)
    with pytest.raises(StoreError, match="is a folder"):
        export(filled, tmp_path, form)


def test_an_export_that_fails_midway_leaves_the_old_file(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.csv"
    path.write_text("mine")

    def no_space(value: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("phusong.data.export.safe_cell", no_space)
    with pytest.raises(StoreError, match="No space left on device"):
        export(filled, path, Format.CSV, overwrite=True)
    assert path.read_text() == "mine"
    assert not list(tmp_path.glob(".out*"))


def test_evidence_of_several_lines_is_not_cut_into_them(store: Store, tmp_path: Path) -> None:
    body = b'{"v":1,\n"probe":"p","seq":1,"kind":"signal","ts":"2026-07-01T01:30:00Z"}'
    with store.writing() as connection:
        connection.execute(
            "INSERT INTO sample (id, probe, seq, kind, started_us, outcome, tool, simulated)"
            " VALUES (?, 'p', 1, 'signal', 0, 'ok', 't', 0)",
            (hashlib.sha256(body).digest(),),
        )
        connection.execute("INSERT INTO evidence VALUES (1, ?)", (body.decode(),))
    with pytest.raises(StoreError, match="has several lines"):
        export(store, tmp_path / "out.jsonl", Format.JSONL)
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.csv", "csv"), ("a.JSONL", "jsonl"), ("a.geoparquet", "parquet"), ("a.gpkg", "gpkg")],
)
def test_the_ending_names_the_format(name: str, form: str) -> None:
    assert format_of(Path(name)) == form


def test_an_unknown_ending_is_refused_with_the_formats_known() -> None:
    with pytest.raises(ConfigError, match="csv, jsonl, parquet, gpkg, db"):
        format_of(Path("out.xlsx"))


def test_a_csv_file_holds_every_column_of_the_view(filled: Store, tmp_path: Path) -> None:
    export(filled, tmp_path / "out.csv", Format.CSV)
    with sqlite3.connect(filled.path) as other:
        names = [column[1] for column in other.execute("PRAGMA table_info(attempts)")]
    assert list(read_csv(tmp_path / "out.csv")[0]) == names
    assert Kind.SPEED in read_csv(tmp_path / "out.csv")[0].values()
