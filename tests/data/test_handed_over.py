"""What an export handed over is no longer unsent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phusong.data.handed_over import count_unsent
from phusong.data.store import Store


@pytest.fixture
def db(tmp_path: Path, make_sample: Callable[..., Any]) -> Path:
    path = tmp_path / "test.db"
    with Store.open(path) as store:
        store.append([make_sample(seq=0), make_sample(seq=0), make_sample(seq=0, probe="other")])
    return path


def unsent(db: Path, probe: str | None = None) -> int:
    with Store.open(db) as store:
        return count_unsent(store, probe)


@pytest.mark.parametrize("name", ["copy.db", "samples.jsonl"])
def test_an_export_of_evidence_hands_over_what_there_is(
    phusong: Callable[..., Any], db: Path, tmp_path: Path, name: str, make_sample: Any
) -> None:
    assert (unsent(db), unsent(db, "other")) == (3, 1)
    assert phusong("data", "export", tmp_path / name).code == 0
    assert unsent(db) == 0
    with Store.open(db) as store:
        store.append([make_sample(seq=0)])
    assert unsent(db) == 1


def test_a_table_is_a_look_and_no_handing_over(
    phusong: Callable[..., Any], db: Path, tmp_path: Path
) -> None:
    assert phusong("data", "export", tmp_path / "samples.csv").code == 0
    assert unsent(db) == 3


def test_an_export_that_fails_hands_nothing_over(
    phusong: Callable[..., Any], db: Path, tmp_path: Path
) -> None:
    assert phusong("data", "export", tmp_path / "nowhere" / "copy.db").code == 3
    assert unsent(db) == 3


def test_a_store_that_cannot_be_written_is_exported_all_the_same(
    phusong: Callable[..., Any], db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "is_writable", False)
    assert phusong("data", "export", tmp_path / "copy.db").code == 0
    assert unsent(db) == 3
