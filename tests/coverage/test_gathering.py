"""What is too large for memory goes through files, and comes to the same bytes."""

import resource
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely

from phusong.coverage.areas import Areas, hexagon_areas
from phusong.coverage.compute import compute
from phusong.coverage.counting import Counted, Job, count_chunk, merge_counted
from phusong.coverage.gathering import gather
from phusong.coverage.reduce import Tally, merge_tallies
from phusong.coverage.rules import load_rule
from phusong.coverage.summary import Result
from phusong.data.errors import DiskFullError

MakeChunk = Callable[..., dict[str, Any]]
RULES = (load_rule("vn-4g"), load_rule("signal-only"))
# A row of five communes; the third is never visited.
FRAME = gpd.GeoDataFrame(
    {"code": list("abcde"), "name": list("ABCDE"), "parent_name": [None] * 5},
    geometry=[shapely.box(105 + x, 21, 106 + x, 22) for x in range(5)],
    crs="EPSG:4326",
)
LEVELS = (Areas(label="commune", frame=FRAME, set_id="abc").indexed(), hexagon_areas("h3:3"))


@pytest.fixture
def chunks(chunk: MakeChunk) -> list[dict[str, Any]]:
    rng = np.random.default_rng(7)

    def attempt() -> dict[str, Any]:
        speed = rng.random() < 0.8
        return {
            "lon": 105 + float(rng.choice([0, 1, 3, 4])) + 0.2 * rng.random(),
            "lat": 21.1 + 0.2 * rng.random(),
            "operator": str(rng.choice(["Viettel", "VNPT", "Môbi"])),
            "outcome": str(rng.choice(["ok", "ok", "ok", "timeout", "cancelled"])),
            "kind": "speed" if speed else "signal",
            "down_mbps": float(rng.lognormal(2, 1)),
            "started_us": 1_782_869_400_000_000 + 3_600_000_000 * int(rng.integers(0, 200)),
        }

    return [chunk(*(attempt() for _ in range(50))) for _ in range(8)]


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def counts_of(chunks: list[dict[str, Any]]) -> Iterator[Counted]:
    job = Job(areas=LEVELS, rules=RULES)
    return (count_chunk(job, each) for each in chunks)


def bytes_of(tally: Tally) -> list[Any]:
    return [tally.operators] + [
        (name, column.dtype.str, column.tobytes())
        for sums in (tally.totals, tally.occasions, tally.bins)
        for name, column in [*enumerate(sums.keys), *sorted(sums.values.items())]
    ]


@pytest.mark.parametrize("rows_at_once", [1, 300, 2_000])
def test_stretches_of_areas_from_files_are_the_whole_cut_up(
    chunks: list[dict[str, Any]], scratch: Path, rows_at_once: int
) -> None:
    whole = merge_counted(counts_of(chunks))
    with gather(counts_of(chunks), rows_at_once) as gathered:
        assert len(list(scratch.iterdir())) == 1
        for level, placed in enumerate(whole.placed):
            for rule, tally in placed.tallies.items():
                long = gathered.tally(level, rule)
                stretches = list(long)
                areas = [np.unique(each.totals.keys[0]) for each in stretches]
                assert np.concatenate(areas).tolist() == np.unique(tally.totals.keys[0]).tolist()
                assert len(stretches) > 1 or rows_at_once > 1
                assert bytes_of(merge_tallies(stretches)) == bytes_of(tally)
                assert sorted(long.operators) == list(tally.operators)
                for name in ("samples", "trials", "successes", "cancelled"):
                    assert long.counts[name] == tally.count(name).sum()
        assert gathered.counted == replace(
            whole, placed=tuple(replace(each, tallies={}) for each in whole.placed)
        )
    assert list(scratch.iterdir()) == []


def test_what_fits_in_memory_touches_no_file(chunks: list[dict[str, Any]], scratch: Path) -> None:
    with gather(counts_of(chunks)) as gathered:
        assert list(scratch.iterdir()) == []
        assert len(list(gathered.tally(0, 0))) == 1


def test_a_result_is_the_same_however_little_is_held(
    chunks: list[dict[str, Any]], scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def results() -> list[Result]:
        return compute(
            chunks, LEVELS, RULES, homes={}, software="test", computed_at=datetime.now(UTC)
        )

    in_memory = results()
    monkeypatch.setattr("phusong.coverage.compute.gather", partial(gather, rows_at_once=100))
    through_files = results()
    assert len(in_memory[0].areas) > 5
    for one, other in zip(in_memory, through_files, strict=True):
        assert list(one.areas) == list(other.areas)
        assert one.inputs == other.inputs


def test_a_full_disk_is_said_and_leaves_nothing(
    chunks: list[dict[str, Any]], scratch: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As on a full disk, a write comes to an end halfway.
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    try:
        with (
            pytest.raises(DiskFullError, match="make room, or name another folder in TMPDIR"),
            gather(counts_of(chunks), 100),
        ):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(scratch.iterdir()) == []
