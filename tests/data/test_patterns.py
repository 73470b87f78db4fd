"""What real measurements rarely do is pointed at, by source and file; the rest is left alone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from phusong.data.overview import overview
from phusong.data.patterns import find_patterns
from phusong.data.sample import Kind, Outcome, Position, Provenance, Radio, Reading, Sample
from phusong.data.store import Store

MakeSample = Callable[..., Sample]
Add = Callable[..., None]
Run = Callable[..., object]
POINT = "all at one point"
SAME = "the same speeds again and again"
COPIED = "the same measurement in several files"
CEILING = "downloads at one highest speed"
ROUND = "downloads of round numbers"


@pytest.fixture
def add(store: Store, make_sample: MakeSample) -> Add:
    """Keep speed tests of one file; name what differs in each."""

    def run(
        downs: list[float], *, file: str = "a.csv", still: bool = False, simulated: bool = False
    ) -> None:
        sha256 = file[0] * 64
        store.add_source_file(sha256=sha256, name=file, tool="t")
        store.merge(
            make_sample(
                probe=f"t-{file}",
                seq=i + 1,
                reading=Reading(down_mbps=down, up_mbps=1.5 + i / 7),
                position=Position(lon=105.85 + (0 if still else i / 1000), lat=21.03),
                source=Provenance(tool="t", file=file, file_sha256=sha256, line=i + 1),
                simulated=simulated,
            )
            for i, down in enumerate(downs)
        )

    return run


def names(store: Store) -> list[str]:
    return [pattern.name for pattern in find_patterns(store)]


def test_a_drive_with_speeds_of_its_own_is_no_pattern(store: Store, add: Add) -> None:
    add([3.1 + i * 1.37 for i in range(40)])
    assert names(store) == []


def test_many_samples_at_one_point_are_pointed_at(store: Store, add: Add) -> None:
    add([3.1 + i * 1.37 for i in range(20)], still=True)
    (pattern,) = find_patterns(store)
    assert (pattern.name, pattern.source, pattern.file) == (POINT, "t", "a.csv")
    assert (pattern.samples, pattern.of) == (20, 20)


def test_fewer_samples_at_one_point_are_not(store: Store, add: Add) -> None:
    add([3.1 + i * 1.37 for i in range(19)], still=True)
    assert names(store) == []


def test_what_is_simulated_is_left_out(store: Store, add: Add) -> None:
    add([50.0] * 40, still=True, simulated=True)
    assert names(store) == []


def test_speeds_that_pile_up_at_the_highest_are_pointed_at(store: Store, add: Add) -> None:
    add([3.1 + i * 1.37 for i in range(30)] + [93.27 - i / 1000 for i in range(10)])
    (pattern,) = find_patterns(store)
    assert (pattern.name, pattern.samples, pattern.of) == (CEILING, 10, 40)


def test_speeds_of_whole_megabits_are_pointed_at(store: Store, add: Add) -> None:
    add([float(10 + i) for i in range(20)] + [3.37 + i for i in range(20)])
    (pattern,) = find_patterns(store)
    assert (pattern.name, pattern.samples, pattern.of) == (ROUND, 20, 40)


def test_one_result_repeated_is_pointed_at(store: Store, make_sample: MakeSample) -> None:
    reading = Reading(down_mbps=76.86, up_mbps=26.98, rtt_idle_ms=21.5)
    store.merge(make_sample(seq=i, reading=reading) for i in range(1, 4))
    store.merge([make_sample(seq=9, reading=Reading(down_mbps=1.23, up_mbps=2.5))])
    (pattern,) = find_patterns(store)
    assert (pattern.name, pattern.samples, pattern.of) == (SAME, 3, 4)


def test_one_measurement_in_two_files_is_pointed_at(store: Store, add: Add) -> None:
    add([3.1, 4.7, 9.2], file="a.csv")
    add([3.1, 4.7, 8.8], file="b.csv")
    (pattern,) = find_patterns(store)
    assert (pattern.name, pattern.file, pattern.samples) == (COPIED, None, 2)


def test_signal_samples_without_speeds_make_no_pattern_of_speeds(
    store: Store, make_sample: MakeSample
) -> None:
    store.merge(
        make_sample(
            seq=i,
            kind=Kind.SIGNAL,
            reading=None,
            outcome=Outcome.OK,
            radio=Radio(rsrp_dbm=-95.0),
            position=Position(lon=105 + i / 100, lat=21.03),
        )
        for i in range(1, 40)
    )
    assert names(store) == []


def test_areas_are_square_degrees_on_both_sides_of_zero(
    store: Store, make_sample: MakeSample
) -> None:
    places = [(105.85, 21.03), (105.01, 21.99), (-17.43, 14.66), (-17.0, -0.5)]
    store.merge(
        make_sample(seq=i, position=Position(lon=lon, lat=lat))
        for i, (lon, lat) in enumerate(places, 1)
    )
    seen = [(area.lon, area.lat, area.measured) for area in overview(store).areas]
    assert seen == [(105, 21, 2), (-18, 14, 1), (-17, -1, 1)]


def test_info_shows_areas_and_patterns_in_the_readers_language(
    phusong: Run, tmp_path: Path, make_sample: MakeSample
) -> None:
    with Store.open(tmp_path / "test.db") as store:
        store.merge(make_sample(seq=i) for i in range(1, 30))
    shown = phusong("data", "info").out
    assert "105 … 106" in shown
    assert POINT in shown
    assert "tất cả ở cùng một điểm" in phusong("data", "info", lang="vi").out
    assert '"patterns": [{"name": "all at one point"' in phusong("data", "info", "--json").out
