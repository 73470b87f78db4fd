"""What a store holds is counted, measured and simulated apart, and damage is seen."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from phusong.data.overview import overview
from phusong.data.sample import NrEvidence, Outcome, Position, Radio, Rat, Sample
from phusong.data.store import Rejected, Store

MakeSample = Callable[..., Sample]
Run = Callable[..., object]


@pytest.fixture
def filled(tmp_path: Path, make_sample: MakeSample) -> Path:
    """Give the path of a store of four samples and two rejected rows."""
    five = Radio(operator="Viettel", rat=Rat.NR_NSA, nr_evidence=NrEvidence.NSA_INDICATED)
    with Store.open(tmp_path / "test.db") as store:
        store.merge(
            [
                make_sample(seq=1),
                make_sample(seq=2, radio=five, position=Position(lon=106.5, lat=10.75)),
                make_sample(seq=3, outcome=Outcome.NO_SIGNAL, reading=None, position=None),
                make_sample(seq=4, simulated=True),
            ]
        )
        store.merge_records(
            "p",
            [],
            [
                Rejected(
                    tool="t",
                    file="a.csv",
                    file_sha256="0" * 64,
                    line=line,
                    reason="bad_time",
                    message="no time\x1b[31m",
                    record="x\ty\x1b[31m",
                )
                for line in (7, 9)
            ],
        )
    return tmp_path / "test.db"


def test_samples_are_counted_by_what_they_say(filled: Path) -> None:
    with Store.open(filled) as store:
        seen = overview(store)
    assert (seen.samples, seen.simulated, seen.placed) == (4, 1, 3)
    assert seen.bounds == (105.85, 10.75, 106.5, 21.03)
    assert seen.rejected == {"bad_time": 2}
    counted = {(c.by, c.value): (c.measured, c.simulated) for c in seen.counts}
    assert counted["operator", "Viettel"] == (3, 1)
    assert counted["technology", "LTE"] == (2, 1)
    assert counted["evidence of 5G", "nsa_indicated"] == (1, 0)
    assert counted["evidence of 5G", None] == (2, 1)
    assert counted["outcome", "no_signal"] == (1, 0)
    assert counted["outcome", "ok"] == (2, 1)
    assert str(seen.first_at) == "2026-07-01 01:30:00+00:00"


def test_an_empty_store_has_no_bounds_and_no_times(store: Store) -> None:
    seen = overview(store)
    assert (seen.samples, seen.bounds, seen.first_at, seen.counts) == (0, None, None, ())


def test_info_prints_counts_or_json(filled: Path, phusong: Run) -> None:
    words = phusong("data", "info")
    assert (words.code, words.err) == (0, "")
    assert "Viettel" in words.out
    assert "simulated" in words.out
    figures = json.loads(phusong("data", "info", "--json").out)
    assert (figures["samples"], figures["simulated"]) == (4, 1)
    assert "mô phỏng" in phusong("data", "info", lang="vi").out


def test_of_many_square_degrees_the_first_are_shown_and_all_are_counted(
    phusong: Run, make_sample: MakeSample, tmp_path: Path
) -> None:
    with Store.open(tmp_path / "test.db") as store:
        store.merge(
            make_sample(seq=1 + number, position=Position(lon=80.5 + number, lat=10.5))
            for number in range(21)
        )
    done = phusong("data", "info")
    assert "99 … 100 " in done.out
    assert "100 … 101 " not in done.out
    assert done.err == "20 of 21 square degrees.\n"


def test_info_makes_no_store_where_there_is_none(phusong: Run, tmp_path: Path) -> None:
    done = phusong("data", "info", db=tmp_path / "none.db")
    assert done.code == 3
    assert "there is no store" in done.err
    assert not (tmp_path / "none.db").exists()


def test_rejected_rows_are_shown_by_file_and_reason(filled: Path, phusong: Run) -> None:
    done = phusong("data", "rejected", "--limit", 1)
    assert done.code == 0
    assert "bad_time" in done.out
    assert "1 of 2 rejected rows." in done.err
    assert "0 of 0" in phusong("data", "rejected", "--file", "b.csv").err
    assert "2 of 2" in phusong("data", "rejected", "--reason", "bad_time").err
    rows = [json.loads(line) for line in phusong("data", "rejected", "--json").out.splitlines()]
    assert [(row["line"], row["record"]) for row in rows] == [
        (7, "x\ty\x1b[31m"),
        (9, "x\ty\x1b[31m"),
    ]


def test_a_rejected_row_cannot_steer_the_terminal(filled: Path, phusong: Run) -> None:
    assert "\x1b" not in phusong("data", "rejected").out


def test_verify_names_changed_evidence_and_ends_with_one(filled: Path, phusong: Run) -> None:
    clean = phusong("data", "verify")
    assert (clean.code, clean.out) == (0, "")
    assert "4 samples checked, 0 with changed evidence." in clean.err
    with Store.open(filled) as store:
        store.connection.execute("DROP TRIGGER evidence_no_update")
        store.connection.execute("UPDATE evidence SET body = replace(body, '76.86', '96.86')")
    changed = phusong("data", "verify")
    assert changed.code == 1
    assert changed.out.count("its evidence was changed") == 3
    assert "4 samples checked, 3 with changed evidence." in changed.err


def test_export_by_command_writes_and_says_how_many(
    filled: Path, phusong: Run, tmp_path: Path
) -> None:
    done = phusong("data", "export", tmp_path / "out.csv")
    assert (done.code, done.out) == (0, "")
    assert "4 samples." in done.err
    again = phusong("data", "export", tmp_path / "out.csv")
    assert again.code == 3
    assert "is there already" in again.err
    assert phusong("data", "export", tmp_path / "out.csv", "--overwrite").code == 0
    assert phusong("data", "export", tmp_path / "out.txt").code == 3
    assert phusong("data", "export", tmp_path / "out.txt", "--format", "jsonl").code == 0
