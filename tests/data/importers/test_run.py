"""Every row becomes a sample, a duplicate or a named rejection, however often it is imported."""

import gzip
import random
import shutil
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from phusong.data.errors import ConfigError, RecordError, StoreError
from phusong.data.importers import run
from phusong.data.importers.interface import Options, read_timezone
from phusong.data.importers.registry import IMPORTERS
from phusong.data.importers.run import FileReport, check_files, import_file
from phusong.data.sample import Sample
from phusong.data.store import Store

HANOI = Options(timezone=read_timezone("Asia/Ho_Chi_Minh"))
HEADER = "Timestamp,Longitude,Latitude,Operatorname,NetworkMode,RSRP,RSRQ,SNR,DL_bitrate,UL_bitrate"


def row(second: int, lon: str = "105.85", mode: str = "LTE") -> str:
    return f"2026.07.01_08.30.{second:02d},{lon},21.03,Viettel,{mode},-95,-10,12.0,30,4"


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("".join(f"{line}\n" for line in (header, *rows)))
    return path


def only(store: Store, path: Path, options: Options = HANOI) -> FileReport:
    (report,) = import_file(store, path, options).files
    return report


def kept(store: Store) -> int:
    return int(store.tables["sample"].count)


def test_rows_add_up_and_rejected_ones_are_kept_with_their_line(
    store: Store, tmp_path: Path
) -> None:
    rows = [row(1), row(2, lon="nan"), "", row(3), HEADER, "torn,row", row(4, mode="6G")]
    report = only(store, write(tmp_path / "log.csv", *rows))
    assert (report.accepted, report.duplicate) == (2, 0)
    assert report.rejected == {
        "bad_number": 1,
        "repeated_header": 1,
        "wrong_cell_count": 1,
        "unknown_technology": 1,
    }
    assert report.rows == 6
    rejected = list(store.tables.query("SELECT * FROM rejected ORDER BY line"))
    assert [(r["line"], r["reason"]) for r in rejected] == [
        (3, "bad_number"),
        (6, "repeated_header"),
        (7, "wrong_cell_count"),
        (8, "unknown_technology"),
    ]
    assert rejected[0]["record"] == row(2, lon="nan")
    assert rejected[0]["message"] == "position.lon: nan is not a number"
    assert {r["file"] for r in rejected} == {"log.csv"}


def test_a_sample_names_its_file_its_line_and_keeps_the_row_as_it_was(
    store: Store, tmp_path: Path
) -> None:
    report = only(store, write(tmp_path / "log.csv", "", row(1)))
    ((_, body),) = store.bodies()
    sample = Sample.from_body(body)
    assert (sample.source.file, sample.source.line) == ("log.csv", 3)
    assert sample.source.file_sha256 == report.sha256
    assert sample.source.record == row(1)
    assert (sample.probe, sample.seq) == (f"gnettrack-csv-{report.sha256[:16]}", 3)


@pytest.mark.parametrize("repack", ["again", "renamed", "gzip", "zip"])
def test_the_same_content_imported_again_changes_nothing(
    store: Store, tmp_path: Path, repack: str
) -> None:
    path = write(tmp_path / "log.csv", row(1), row(2), "bad")
    only(store, path)
    other = path if repack == "again" else tmp_path / f"other.{repack}"
    if repack == "renamed":
        shutil.copy(path, other)
    elif repack == "gzip":
        other.write_bytes(gzip.compress(path.read_bytes()))
    elif repack == "zip":
        with zipfile.ZipFile(other, "w") as archive:
            archive.write(path, "walk/a.csv")
    report = only(store, other)
    assert (report.accepted, report.duplicate) == (0, 2)
    assert report.rejected == {"wrong_cell_count": 1}
    assert (kept(store), store.tables["rejected"].count) == (2, 1)


def test_an_import_cut_short_is_completed_by_the_next(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "log.csv", *(row(i) for i in range(50)))
    monkeypatch.setattr(run, "BATCH_ROWS", 20)
    merge, calls = store.merge_records, iter(range(10))

    def stop_at_the_second(*args: object) -> object:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return merge(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "merge_records", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        import_file(store, path, HANOI)
    assert kept(store) == 20
    report = only(store, path)
    assert (report.accepted, report.duplicate) == (30, 20)


def test_a_log_that_grows_while_it_is_read_ends_where_it_was_fingerprinted(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "log.csv", row(1), row(2))
    fingerprint = run.fingerprint

    def then_grow(content: object) -> object:
        seen = fingerprint(content)  # type: ignore[arg-type]
        with path.open("a") as file:
            file.write(row(3) + "\n")
        return seen

    monkeypatch.setattr(run, "fingerprint", then_grow)
    assert only(store, path).rows == 2


def test_a_full_disk_stops_the_import_and_keeps_what_was_committed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "log.csv", *(row(i % 60) for i in range(4_000)))
    monkeypatch.setattr(run, "BATCH_ROWS", 200)
    pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
    store.connection.execute(f"PRAGMA max_page_count = {pages + 200}")
    with pytest.raises(StoreError, match="is full"):
        import_file(store, path, HANOI)
    assert kept(store) % 200 == 0
    assert 0 < kept(store) < 4_000
    store.connection.execute("PRAGMA max_page_count = 1000000")
    report = only(store, path)
    assert report.accepted + report.duplicate == 4_000
    assert kept(store) == 4_000


def test_a_store_that_cannot_be_written_stops_the_import(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", row(1))
    store.connection.execute("PRAGMA query_only = 1")
    with pytest.raises(StoreError, match="read-only"):
        import_file(store, path, HANOI)
    assert kept(store) == 0


def test_a_member_that_is_no_log_is_set_aside_by_name(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "logs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", f"{HEADER}\n{row(1)}\n")
        archive.writestr("README.txt", "read me\n")
        archive.writestr("e.txt", "Event\tStats\n")
        archive.writestr("empty.csv", "")
    report = import_file(store, path, HANOI)
    assert [file.accepted for file in report.files] == [1]
    assert {skip.name: skip.error.reason for skip in report.skipped} == {
        "logs.zip/README.txt": "unknown_format",
        "logs.zip/e.txt": "gnettrack_stats",
        "logs.zip/empty.csv": "empty_file",
    }


def test_a_missing_column_is_named_before_anything_is_kept(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", row(1), header=HEADER.replace("RSRP", "Rx"))
    with pytest.raises(RecordError, match="looks like gnettrack-csv, but has no column RSRP"):
        import_file(store, path, HANOI)
    assert (kept(store), store.tables["source_file"].count) == (0, 0)


def test_an_unknown_table_is_refused_with_its_columns_and_the_tools(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "1,2", header="apples,pears")
    with pytest.raises(RecordError) as caught:
        check_files([path], HANOI)
    assert "apples, pears" in str(caught.value)
    for importer in IMPORTERS:
        assert importer.tool in str(caught.value)


def test_a_tool_named_must_exist_and_fit(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", row(1))
    with pytest.raises(ConfigError, match="no importer gnuplot"):
        check_files([path], Options(tool="gnuplot"))
    with pytest.raises(RecordError, match="looks like netcellinfo, but has no column mcc"):
        check_files([path], Options(tool="netcellinfo"))


def test_local_times_without_a_zone_are_refused_with_the_option(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", row(1))
    with pytest.raises(ConfigError, match="--timezone"):
        check_files([path], Options())


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "", "Europe", "/etc/passwd"])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="is not a time zone"):
        read_timezone(name)


def test_a_header_with_a_column_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", row(1), header=f"{HEADER},RSRP")
    with pytest.raises(RecordError, match="the column RSRP stands twice"):
        check_files([path], HANOI)


@pytest.mark.parametrize("delimiter", ["\t", ";"])
def test_tabs_and_semicolons_part_cells_too(store: Store, tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"{HEADER}\n{row(1)}\n".replace(",", delimiter))
    assert only(store, path).accepted == 1


def test_quoted_cells_are_read_and_unmatched_quotes_rejected(store: Store, tmp_path: Path) -> None:
    good, bad = row(1).replace("Viettel", '"Viettel, 4G"'), row(2).replace("Viettel", '"Viettel')
    report = only(store, write(tmp_path / "log.csv", good, bad))
    assert (report.accepted, dict(report.rejected)) == (1, {"bad_quotes": 1})
    assert (
        next(iter(store.tables.query("SELECT operator FROM sample")))["operator"] == "Viettel, 4G"
    )


def test_an_empty_cell_too_many_is_understood_and_a_filled_one_rejected(
    store: Store, tmp_path: Path
) -> None:
    report = only(store, write(tmp_path / "log.csv", row(1) + ",,", row(2) + ",7"))
    assert (report.accepted, dict(report.rejected)) == (1, {"wrong_cell_count": 1})


def test_a_very_long_line_and_other_damage_spoil_only_themselves(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "log.csv"
    long = b"9" * (3 << 20)
    damaged = [long, b"a\0b", "Độ".encode("utf-16-le") + b"\xff", row(2).encode()]
    path.write_bytes(b"\n".join([HEADER.encode(), row(1).encode(), *damaged]))
    report = only(store, path)
    assert report.accepted == 2
    assert report.rejected == {"line_too_long": 1, "nul_byte": 1, "bad_encoding": 1}
    kept_bytes = store.connection.execute("SELECT max(length(record)) FROM rejected").fetchone()[0]
    assert kept_bytes <= 200


def test_progress_ends_at_the_size_of_the_file(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", *(row(i) for i in range(10)))
    steps: list[int] = []
    import_file(store, path, HANOI, steps.append)
    assert sum(steps) == path.stat().st_size


def test_every_importer_reads_its_own_file(
    store: Store, tmp_path: Path, originals: dict[str, bytes]
) -> None:
    for tool, data in originals.items():
        path = tmp_path / tool
        path.write_bytes(data)
        report = only(store, path, replace(HANOI, at=datetime(2026, 7, 1, tzinfo=UTC)))
        assert (report.tool, report.accepted, report.rows) == (tool, 4, 4)


def test_a_last_line_cut_off_is_named(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"{HEADER}\n{row(1)}\n{row(2)}"[:-9])
    report = only(store, path)
    assert (report.accepted, report.rejected) == (1, {"torn_last_line": 1})


def test_a_last_line_without_its_end_is_a_row(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"{HEADER}\n{row(1)}\n{row(2)}")
    assert only(store, path).accepted == 2


def test_every_importer_has_its_place_in_the_document() -> None:
    text = (Path(__file__).parents[3] / "docs" / "importers.md").read_text("utf-8")
    for importer in IMPORTERS:
        short = importer.tool.replace("network-survey-nr", "-nr")
        assert f"`{importer.tool}`" in text or f"`{short}`" in text


def test_random_files_cost_one_message_each(store: Store, tmp_path: Path) -> None:
    source = random.Random(1)
    path = tmp_path / "noise"
    for size in islice((1, 2, 3, 10, 100, 10_000), 6):
        path.write_bytes(source.randbytes(size))
        with pytest.raises(RecordError):
            import_file(store, path, HANOI)
    assert kept(store) == 0
