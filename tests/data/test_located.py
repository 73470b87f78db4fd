"""Places joined from a track: beside the evidence, and seen by every question."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from phusong.data.columns import load_samples
from phusong.data.located import Located, Point, locate
from phusong.data.overview import overview
from phusong.data.sample import Position, Sample
from phusong.data.sample_points import sample_points
from phusong.data.store import Store

START = datetime(2026, 7, 1, 1, 30, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


# 0.001 degrees of latitude are 111.2 m.
TRACK: list[Point] = [
    (at(0), 105.85, 21.030, 5.0),
    (at(20), 105.85, 21.032, 8.0),
    (at(100), 105.85, 21.040, 5.0),
    (at(101), 105.85, 21.140, 5.0),
]


@pytest.fixture
def keep(store: Store, make_sample: Callable[..., Sample]) -> Callable[..., None]:
    def add(*seconds: float, **changes: object) -> None:
        values = {"position": None} | changes
        store.append(make_sample(started_at=at(s), **values) for s in seconds)

    return add


def join(store: Store, track: list[Point] | None = None, **options: Any) -> Located:
    points = TRACK if track is None else track
    return locate(store, points, source="gpx:a.gpx", sha256="0" * 64, **options)


def rows(store: Store) -> list[dict[str, Any]]:
    return list(store.tables["located"].rows)


def test_a_sample_between_two_points_is_on_the_line_between_them(
    store: Store, keep: Callable[..., None]
) -> None:
    keep(0, 5)
    assert join(store) == Located(located=2)
    first, second = rows(store)
    assert (first["lat"], first["accuracy_m"], first["age_s"]) == (21.030, 5.0, 0.0)
    # A quarter of the way: 21.0305, and 5 m and a quarter of 222.39 m from where it was known.
    assert second["lat"] == pytest.approx(21.0305)
    assert second["accuracy_m"] == pytest.approx(5 + 222.39 / 4, abs=0.01)
    assert (second["age_s"], second["source"]) == (5.0, "gpx:a.gpx")


def test_gaps_jumps_and_times_outside_the_track_join_nothing(
    store: Store, keep: Callable[..., None]
) -> None:
    keep(-1, 50, 100.5, 200)
    assert join(store) == Located(no_point=2, gap=1, jump=1)
    assert rows(store) == []


def test_a_position_of_its_own_and_a_simulated_sample_are_left_alone(
    store: Store, keep: Callable[..., None]
) -> None:
    keep(5, position=Position(lon=106.0, lat=20.0))
    keep(6, simulated=True)
    assert join(store) == Located()
    assert overview(store).bounds == (106.0, 20.0, 106.0, 20.0)


def test_the_evidence_is_what_it_was(store: Store, keep: Callable[..., None]) -> None:
    keep(5)
    before = list(store.bodies())
    join(store)
    assert list(store.bodies()) == before
    assert list(store.verify()) == []


def test_joining_twice_changes_nothing_and_another_track_only_on_request(
    store: Store, keep: Callable[..., None]
) -> None:
    keep(5)
    join(store)
    assert join(store) == Located(known=1)
    moved: list[Point] = [(moment, 106.0, lat, acc) for moment, _, lat, acc in TRACK]
    assert join(store, moved) == Located(known=1)
    assert rows(store)[0]["lon"] == 105.85
    assert join(store, moved, replace=True) == Located(located=1)
    assert rows(store)[0]["lon"] == 106.0


def test_a_clock_that_was_off_is_shifted(store: Store, keep: Callable[..., None]) -> None:
    keep(-3595)
    assert join(store) == Located(no_point=1)
    assert join(store, shift_s=3600) == Located(located=1)
    assert rows(store)[0]["lat"] == pytest.approx(21.0305)


def test_accuracy_that_the_track_does_not_tell_stays_unknown(
    store: Store, keep: Callable[..., None]
) -> None:
    keep(5)
    join(store, [(moment, lon, lat, None) for moment, lon, lat, _ in TRACK])
    assert rows(store)[0]["accuracy_m"] is None


def test_the_date_line_is_crossed_the_short_way(store: Store, keep: Callable[..., None]) -> None:
    keep(5)
    track: list[Point] = [(at(0), 179.999, 21.0, 5.0), (at(10), -179.999, 21.0, 5.0)]
    assert join(store, track) == Located(located=1)
    assert abs(rows(store)[0]["lon"]) == pytest.approx(180)


def test_every_question_sees_the_place(store: Store, keep: Callable[..., None]) -> None:
    keep(5)
    keep(7, position=Position(lon=106.0, lat=20.0, accuracy_m=3.0))
    assert sample_points(store, most=10).lon == (106.0,)
    join(store)
    (chunk,) = load_samples(store, start_us=0)
    assert chunk["lon"].to_pylist() == [105.85, 106.0]
    assert chunk["accuracy_m"][1].as_py() == 3.0
    assert sorted(sample_points(store, most=10).lon) == [105.85, 106.0]
    seen = overview(store)
    assert (seen.placed, seen.located) == (2, {"gpx:a.gpx": 1})
    attempts = list(store.tables.query("SELECT lon, located_by FROM attempts ORDER BY n"))
    assert attempts == [
        {"lon": 105.85, "located_by": "gpx:a.gpx"},
        {"lon": 106.0, "located_by": None},
    ]


def test_the_command_joins_a_gpx_file_and_the_export_names_it(
    phusong: Callable[..., Any], tmp_path: Path, make_sample: Callable[..., Sample]
) -> None:
    db = tmp_path / "field.db"
    with Store.open(db) as store:
        store.append([make_sample(started_at=at(5), position=None)])
    gpx = tmp_path / "drive.gpx"
    points = "".join(
        f'<trkpt lat="{lat}" lon="{lon}"><time>{moment:%Y-%m-%dT%H:%M:%SZ}</time></trkpt>'
        for moment, lon, lat, _ in TRACK
    )
    gpx.write_text(f"<gpx><trk><trkseg>{points}</trkseg></trk></gpx>")
    done = phusong("data", "locate", gpx, "--json", db=db)
    assert done.code == 0
    assert json.loads(done.out)["located"] == 1
    assert phusong("data", "locate", gpx, "--shift", "86400", db=db).code == 0
    assert phusong("data", "locate", gpx, "--shift", "86400", "--replace", db=db).code == 1
    assert "placed by gpx:drive.gpx" in phusong("data", "info", db=db).out
    target = tmp_path / "out.csv"
    assert phusong("data", "export", target, db=db).code == 0
    (row,) = csv.DictReader(target.open(encoding="utf-8"))
    assert (row["located_by"], row["lon"]) == ("gpx:drive.gpx", "105.85")
