"""Whatever --db points at: one clear message, exit code 3, and the file as it was."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from phusong.data.schema import SCHEMA_VERSION
from phusong.data.store import Store

Run = Callable[..., Any]

LOG = (
    "Timestamp\tLongitude\tLatitude\tOperatorname\tOperator\tCellname\tNode\tCellID\tLAC\t"
    "NetworkTech\tLevel\tQual\tSNR\tCQI\tLTERSSI\tARFCN\tPSC\tAltitude\tDistance\tTA\tBAND\t\n"
)
ROW = (
    "2025.07.18_22.11.{:02d}\t105.8{:04d}\t21.03\tViettel\t45204\t\t21\t11\t7000\t4G\t-81\t-8\t"
    "1.0\t10\t-73\t2850\t325\t74\t-1\t0\tL7\t\n"
)

COMMANDS = {
    "info": ["data", "info"],
    "import": ["data", "import", "log.txt", "--timezone", "Asia/Ho_Chi_Minh"],
    "export": ["data", "export", "out.csv"],
    "load": ["boundaries", "load", "areas.geojson"],
    "compute": ["coverage", "compute", "--rule", "signal-only", "--by", "h3:8"],
    "show": ["coverage", "show"],
    "map": ["map", "build", "out.html"],
    "run": ["probe", "run", "--server", "ws://127.0.0.1:9", "--allow-private"],
}


def text_file(path: Path) -> str:
    path.write_text("notes, not a store")
    return "not a SQLite file"


def foreign(path: Path) -> str:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    return "another program"


def newer(path: Path) -> str:
    Store.open(path).close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    return "newer phusong"


def damaged(path: Path) -> str:
    path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5_000)
    return "not a database"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.txt").write_text(LOG + ROW.format(8, 1))
    (tmp_path / "areas.geojson").write_text(
        '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"code":"1",'
        '"name":"A"},"geometry":{"type":"Polygon","coordinates":'
        "[[[105,21],[106,21],[106,22],[105,22],[105,21]]]}}]}"
    )
    return tmp_path


@pytest.mark.parametrize("kind", [text_file, foreign, newer, damaged], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_that_is_no_store_of_ours_is_left_alone(
    phusong: Run, folder: Path, kind: Callable[[Path], str], name: str
) -> None:
    path = folder / "bad.db"
    words = kind(path)
    before, beside = path.read_bytes(), set(folder.iterdir())
    done = phusong(*COMMANDS[name], db=path)
    assert done.code == 3, done.err
    assert words in done.err
    (line,) = done.err.splitlines()
    assert line.startswith("phusong: ")
    assert str(path) in line
    assert path.read_bytes() == before
    assert set(folder.iterdir()) == beside


@pytest.mark.parametrize("name", COMMANDS)
def test_the_message_is_there_in_vietnamese(phusong: Run, folder: Path, name: str) -> None:
    path = folder / "bad.db"
    text_file(path)
    assert "không phải tệp SQLite" in phusong(*COMMANDS[name], db=path, lang="vi").err


@pytest.mark.parametrize("name", ["info", "export", "compute", "show", "map"])
def test_a_question_makes_no_store(phusong: Run, folder: Path, name: str) -> None:
    done = phusong(*COMMANDS[name], db=folder / "none.db")
    assert done.code == 3
    assert "no store" in done.err
    assert not (folder / "none.db").exists()


def test_a_folder_as_store_is_named(phusong: Run, folder: Path) -> None:
    done = phusong("data", "info", db=folder)
    assert (done.code, "is a folder" in done.err) == (3, True)


AS_NOBODY = """
import os, sys
import zoneinfo
from phusong.cli import main
from phusong.data import commands, store
from phusong.data.importers import run, registry
import phusong.data.overview, sqlite_utils, tabulate
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
main(sys.argv[1:])
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter (pytest's own are closed to them)."""
    folder = Path("/tmp") / f"phusong-bad-store-{os.getpid()}"
    folder.mkdir(mode=0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_read_only_store_answers_questions_and_refuses_new_rows(open_folder: Path) -> None:
    path, log = open_folder / "kept.db", open_folder / "log.txt"
    log.write_text(LOG + ROW.format(8, 1))
    Store.open(path).close()
    path.chmod(0o444)
    open_folder.chmod(0o555)
    before = path.read_bytes()

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", AS_NOBODY, "--db", str(path), *words],
            capture_output=True,
            text=True,
            timeout=60,
            cwd="/",
        )

    assert run("data", "info").returncode == 0
    done = run("data", "import", str(log), "--timezone", "Asia/Ho_Chi_Minh")
    assert done.returncode == 3
    assert "read-only" in done.stderr
    assert "Traceback" not in done.stderr
    assert path.read_bytes() == before


def test_an_import_onto_a_full_disk_keeps_whole_batches_and_can_be_finished(
    tmp_path: Path,
) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk], capture_output=True
    ).returncode:
        pytest.skip("this machine does not let a small file system be mounted")
    try:
        log = tmp_path / "log.txt"
        log.write_text(LOG + "".join(ROW.format(n % 60, n) for n in range(9_000)))
        words = ["data", "import", str(log), "--timezone", "Asia/Ho_Chi_Minh"]
        command = [sys.executable, "-m", "phusong", "--db", str(disk / "s.db"), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/")
        assert done.returncode == 3, done.stdout
        assert "is full" in done.stderr
        with Store.open(disk / "s.db") as store:
            kept = store.connection.execute("SELECT count(*) FROM sample").fetchone()[0]
            assert 0 < kept < 9_000
            assert kept % 1_000 == 0
            assert list(store.verify()) == []
        subprocess.run(["mount", "-o", "remount,size=60m", disk], check=True)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/")
        assert done.returncode == 0, done.stderr
        with Store.open(disk / "s.db") as store:
            assert store.connection.execute("SELECT count(*) FROM sample").fetchone() == (9_000,)
    finally:
        subprocess.run(["umount", disk], check=True)
