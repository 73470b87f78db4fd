"""What every test may ask for: the shared real files, a store, the command line."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from phusong.data.sample import Kind, Outcome, Position, Provenance, Radio, Rat, Reading, Sample
from phusong.data.store import Store
from phusong.data.words import use_language

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("PHUSONG_SHARED", ROOT.parent / "shared")) / "data"


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """Give the path of a real file under shared/data, or skip and say which one is missing."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"needs the real file {name}, which is not beside this checkout")
        return path

    return find


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db") as opened:
        yield opened


@pytest.fixture
def phusong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    """Run a command as the shell would, in this process, against a store of the test's own."""

    from phusong.cli import main

    def run(*arguments: object, db: Path | None = None, lang: str = "en") -> Finished:
        capsys.readouterr()
        words = ["--db", str(db or tmp_path / "test.db"), "--lang", lang]
        try:
            main([*words, *map(str, arguments)])
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            use_language("en")
        captured = capsys.readouterr()
        return Finished(code, captured.out, captured.err)

    return run


@pytest.fixture
def make_sample() -> Callable[..., Sample]:
    """Make a valid sample; name what should differ."""

    def make(**changes: object) -> Sample:
        values: dict[str, object] = {
            "probe": "test-probe",
            "seq": 1,
            "kind": Kind.SPEED,
            "started_at": datetime(2026, 7, 1, 1, 30, tzinfo=UTC),
            "outcome": Outcome.OK,
            "duration_s": 10.5,
            "engine": "ndt7",
            "family": 6,
            "reading": Reading(down_mbps=76.86, up_mbps=26.98, rtt_idle_ms=21.5),
            "position": Position(lon=105.85, lat=21.03, accuracy_m=8.0),
            "radio": Radio(plmn="45204", operator="Viettel", rat=Rat.LTE, rsrp_dbm=-95.0),
            "source": Provenance(tool="phusong"),
        }
        return Sample(**(values | changes))

    return make
