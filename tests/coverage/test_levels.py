"""Several levels in one pass, several processes, and samples near a border."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely

from phusong.coverage.areas import Areas, hexagon_areas
from phusong.coverage.compute import compute
from phusong.coverage.parallel import count_by
from phusong.coverage.rules import load_rule, read_rule
from phusong.coverage.summary import AreaSummary, Result
from phusong.coverage.wording import result_lines
from phusong.data.errors import ConfigError
from phusong.data.sample import Kind, Outcome, Position, Provenance, Radio, Rat, Reading, Sample
from phusong.data.store import Store

MakeChunk = Callable[..., dict[str, Any]]
RULE = load_rule("vn-4g")
MOMENT = datetime(2026, 7, 1, tzinfo=UTC)


def level(name: str, columns: int, parents: list[str | None]) -> Areas:
    """Cut the square from 105.8, 21 into upright strips."""
    width = 0.2 / columns
    frame = gpd.GeoDataFrame(
        {
            "code": [f"{name[0]}{n}" for n in range(columns)],
            "name": [f"{name} {n}" for n in range(columns)],
            "parent_code": parents,
            "parent_name": parents,
        },
        geometry=[
            shapely.box(105.8 + n * width, 21, 105.8 + (n + 1) * width, 21.2)
            for n in range(columns)
        ],
        crs="EPSG:4326",
    )
    return Areas(label=name, frame=frame, set_id="one")


VILLAGES = level("village", 4, ["c0", "c0", "c1", "c1"])
COMMUNES = level("commune", 2, [None, None])


def judged(chunks: list[dict[str, Any]], areas: list[Areas], **options: Any) -> list[Result]:
    values = {"homes": {}, "software": "test", "computed_at": MOMENT, **options}
    return compute(chunks, areas, values.pop("rules", [RULE]), **values)


def row(result: Result, code: str) -> AreaSummary:
    return next(area for area in result.areas if area.code == code)


def drive(count: int = 200) -> list[dict[str, Any]]:
    rng = np.random.default_rng(3)
    return [
        {"lon": lon, "lat": lat, "down_mbps": speed, "operator": f"Op {n % 2}"}
        for n, (lon, lat, speed) in enumerate(
            zip(
                rng.uniform(105.79, 106.01, count).tolist(),
                rng.uniform(20.99, 21.21, count).tolist(),
                rng.uniform(2, 90, count).tolist(),
                strict=True,
            )
        )
    ]


def digest(results: list[Result]) -> str:
    how = ("found_by", "nested_level", "not_nested")
    plain = [
        [asdict(area) for area in result.areas]
        + [{name: count for name, count in result.inputs.items() if name not in how}]
        for result in results
    ]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def test_levels_that_nest_are_found_by_code_and_give_what_shapes_give(chunk: MakeChunk) -> None:
    made = [chunk(*drive())]
    together = judged(made, [VILLAGES, COMMUNES, hexagon_areas("h3:7")])
    assert together[1].inputs["found_by"] == "codes"
    assert together[1].inputs["nested_level"] == "village"
    assert together[2].inputs["found_by"] == "cells"
    assert [result.area for result in together] == ["village", "commune", "h3:7"]
    apart = [judged(made, [each])[0] for each in (VILLAGES, COMMUNES, hexagon_areas("h3:7"))]
    assert digest(together) == digest(apart)


def test_the_order_in_which_levels_are_asked_for_changes_nothing(chunk: MakeChunk) -> None:
    made = [chunk(*drive())]
    forth = judged(made, [VILLAGES, COMMUNES, hexagon_areas("h3:7")])
    back = judged(made, [hexagon_areas("h3:7"), COMMUNES, VILLAGES])
    assert [result.area for result in back] == ["h3:7", "commune", "village"]
    assert back[1].inputs["found_by"] == "codes"
    assert digest(back[::-1]) == digest(forth)
    assert not any("not_nested" in result.inputs for result in back)


def test_levels_that_name_each_others_codes_are_judged_all_the_same(chunk: MakeChunk) -> None:
    one, other = level("village", 1, ["v0"]), replace(level("village", 1, ["v0"]), label="commune")
    made = [chunk(*drive(20))]
    results = judged(made, [one, other])
    assert [result.inputs["found_by"] for result in results] == ["shapes", "codes"]
    assert results[0].inputs["outside"] == results[1].inputs["outside"]


def test_codes_that_do_not_nest_are_joined_by_shape(chunk: MakeChunk) -> None:
    astray = level("village", 4, ["c0", "c0", "c1", "c9"])
    made = [chunk(*drive())]
    apart = judged(made, [COMMUNES])
    together = judged(made, [astray, COMMUNES])[1:]
    assert digest(together) == digest(apart)
    assert together[0].inputs["found_by"] == apart[0].inputs["found_by"] == "shapes"
    assert together[0].inputs["not_nested"] == {
        "level": "village", "areas": 1, "of": 4, "first": "v3",
    }  # fmt: skip
    told = list(result_lines(together[0], lambda value, digits: f"{value:.{digits}f}"))
    assert any("1 of 4 areas of level village (first: v3) names no area" in line for line in told)
    # Another set's codes mean something else, whatever they look like.
    other = judged(made, [replace(VILLAGES, set_id="another"), COMMUNES])[1]
    assert (other.inputs["found_by"], "not_nested" in other.inputs) == ("shapes", False)


def test_a_position_whose_error_crosses_the_border_is_uncertain(chunk: MakeChunk) -> None:
    # Half a degree of 1/1000 east of the border: 52 m. Between the strips' outer ends: the sea.
    near = {"lon": 105.8505, "lat": 21.1}
    made = chunk(
        near | {"accuracy_m": 40.0},
        near | {"accuracy_m": 60.0},
        near | {"accuracy_m": None},
        {"lon": 105.875, "lat": 21.0003, "accuracy_m": 60.0},
        {"lon": 105.875, "lat": 21.1, "accuracy_m": 60.0},
    )
    result = judged([made], [VILLAGES])[0]
    assert (row(result, "v1").trials, row(result, "v1").uncertain) == (5, 2)
    assert result.inputs["uncertain"] == 2


def test_a_rule_may_leave_uncertain_samples_out(chunk: MakeChunk) -> None:
    near = {"lon": 105.8505, "lat": 21.1, "accuracy_m": 60.0}
    strict = replace(RULE, leave_out_uncertain=True)
    result = judged([chunk(near, {"lon": 105.875, "lat": 21.1})], [VILLAGES], rules=[strict])[0]
    assert row(result, "v1").trials == 1
    assert row(result, "v1").excluded == {"uncertain_area": 1}


def test_a_rule_file_says_true_or_false_about_it() -> None:
    text = 'id="x"\nversion=1\ntitle_en="a"\ntitle_vi="b"\nsource="c"\ntechnologies=["LTE"]\n'
    content = text + "required_share=0.9\nleave_out_uncertain=true\n"
    assert read_rule("x.toml", content.encode()).leave_out_uncertain
    with pytest.raises(Exception, match="expected true or false"):
        read_rule("x.toml", content.replace("=true", '="yes"').encode())


@pytest.mark.parametrize("size", [1, 13])
def test_shuffled_chunks_give_the_same_result_table_to_the_byte(
    chunk: MakeChunk, size: int
) -> None:
    attempts = drive(40)
    whole = judged([chunk(*attempts)], [VILLAGES], rules=[RULE, load_rule("vn-plan-40")])
    order = np.random.default_rng(size).permutation(len(attempts))
    shuffled = [attempts[n] for n in order]
    parts = [chunk(*shuffled[n : n + size]) for n in range(0, len(shuffled), size)]
    cut = judged(parts, [VILLAGES], rules=[RULE, load_rule("vn-plan-40")])
    assert digest(cut) == digest(whole)


def test_several_processes_give_the_same_result_table_to_the_byte(chunk: MakeChunk) -> None:
    attempts = drive()
    parts = [chunk(*attempts[n : n + 30]) for n in range(0, len(attempts), 30)]
    here = judged(parts, [VILLAGES, COMMUNES])
    seen: list[int] = []
    there = judged(parts, [VILLAGES, COMMUNES], count=count_by(2), on_progress=seen.append)
    assert digest(there) == digest(here)
    assert sum(seen) == len(attempts)


def with_kept_index(areas: Areas, folder: Path) -> Areas:
    assert areas.frame is not None
    areas.indexed(folder / f"{areas.label}.cells")
    named = replace(areas, frame=areas.frame.drop(columns="geometry"))
    found = named.with_kept_index(folder / f"{areas.label}.cells")
    assert found is not None
    return found


def test_several_processes_take_an_index_from_where_it_is_kept(
    chunk: MakeChunk, tmp_path: Path
) -> None:
    attempts = drive()
    parts = [chunk(*attempts[n : n + 30]) for n in range(0, len(attempts), 30)]
    levels = [with_kept_index(each, tmp_path) for each in (VILLAGES, COMMUNES)]
    there = judged(parts, levels, count=count_by(2))
    assert digest(there) == digest(judged(parts, [VILLAGES, COMMUNES]))
    # What a process is given has no index in it, and gets one from the file; others keep theirs.
    sent = levels[0].without_kept_index()
    assert (sent.index, sent.again_with_index().index is None) == (None, False)
    built = VILLAGES.indexed()
    assert built.without_kept_index().again_with_index() is built


def test_an_index_that_is_removed_meanwhile_is_a_message(chunk: MakeChunk, tmp_path: Path) -> None:
    villages = with_kept_index(VILLAGES, tmp_path)
    (tmp_path / "village.cells").unlink()
    with pytest.raises(ConfigError, match="index of village was removed or replaced"):
        judged([chunk(*drive())], [villages], count=count_by(1))


def test_the_mean_of_places_is_not_bent_by_one_place_tested_often(chunk: MakeChunk) -> None:
    often = [{"lon": 105.81, "lat": 21.05, "down_mbps": 90.0}] * 18
    once = [{"lon": 105.82, "lat": 21.05, "down_mbps": 10.0}] * 2
    other_day = {"lon": 105.82, "lat": 21.05, "down_mbps": 20.0, "started_us": 1}
    area = row(judged([chunk(*often, *once, other_day)], [VILLAGES])[0], "v0")
    assert area.down_mbps_mean == pytest.approx((18 * 90 + 2 * 10 + 20) / 21)
    # The second place has two days, of 10 and of 20.
    assert area.down_mbps_place_mean == pytest.approx((90 + 15) / 2)
    assert (area.down_mbps_median_low, area.down_mbps_median_high) == (None, None)


def test_a_medians_interval_takes_each_place_for_one_value(chunk: MakeChunk) -> None:
    speeds = [10.0, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    made = [
        {"lon": 105.801 + 0.004 * n, "lat": 21.05, "down_mbps": speed}
        for n, speed in enumerate(speeds)
        for _ in range(5)
    ]
    area = row(judged([chunk(*made)], [VILLAGES])[0], "v0")
    # Of ten places the second and the ninth: 20 and 90.
    assert area.down_mbps_median_low == pytest.approx(20, rel=0.006)
    assert area.down_mbps_median_high == pytest.approx(90, rel=0.006)


def kept_drive(db: Path) -> None:
    samples = [
        Sample(
            probe="car",
            seq=n + 1,
            kind=Kind.SPEED,
            started_at=MOMENT,
            outcome=Outcome.TIMEOUT if n % 3 == 0 else Outcome.OK,
            reading=None if n % 3 == 0 else Reading(down_mbps=20.0 + n, up_mbps=5.0),
            position=Position(lon=105.81 + 0.005 * (n % 5), lat=21.01 + 0.005 * (n // 5)),
            radio=Radio(operator="Viettel", rat=Rat.LTE),
            source=Provenance(tool="test"),
        )
        for n in range(40)
    ]
    with Store.open(db) as store:
        store.append(samples)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    kept_drive(tmp_path / "test.db")
    return tmp_path / "test.db"


def test_one_command_judges_several_levels_with_several_processes(
    phusong: Callable[..., Any], kept: Path
) -> None:
    levels = ["--by", "h3:4", "--by", "province", "--by", "h3:5"]
    one = phusong("coverage", "compute", "--rule", "vn-4g", *levels, "--json")
    two = phusong("coverage", "compute", "--rule", "vn-4g", *levels, "--json", "--workers", 2)
    plain = [[json.loads(line) for line in done.out.splitlines()] for done in (one, two)]
    assert [each["area"] for each in plain[0]] == ["h3:4", "province", "h3:5"]
    for mine, theirs in zip(*plain, strict=True):
        assert mine["operators"] == theirs["operators"]
        assert mine["inputs"] == theirs["inputs"]


def test_an_index_is_kept_beside_the_store(phusong: Callable[..., Any], kept: Path) -> None:
    phusong("coverage", "compute", "--rule", "vn-4g", "--by", "province")
    (file,) = (kept.parent / "test.db-kept").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    again = phusong("coverage", "compute", "--rule", "vn-4g", "--by", "province")
    assert again.code == 0
    assert file.stat().st_size == len(whole)


def test_a_verdict_is_explained(phusong: Callable[..., Any], kept: Path) -> None:
    phusong("coverage", "compute", "--rule", "vn-4g", "--by", "h3:5")
    code = json.loads(phusong("coverage", "show", "--json").out.splitlines()[0])["code"]
    told = phusong("coverage", "explain", code)
    assert told.code == 0
    assert "Any operator: the best of them is Viettel." in told.err
    assert "Viettel: The places lie in" in told.err
    assert "Samples from 2026-07-01 00:00Z to 2026-07-01 00:00Z" in told.err
    assert "down Mbit/s, mean of places" in told.out
    (best, viettel) = map(
        json.loads, phusong("coverage", "explain", code, "--json").out.split("\n")[:2]
    )
    assert best["best_operator"] == viettel["operator"] == "Viettel"
    assert viettel["reason"].startswith("The places lie in")
    vietnamese = phusong("coverage", "explain", code, lang="vi")
    assert "phân khu" in vietnamese.err
    missing = phusong("coverage", "explain", "nowhere")
    assert (missing.code, "has no area with the code nowhere" in missing.err) == (3, True)


@pytest.mark.parametrize(
    ("rate", "count", "told"),
    [
        (1.0, 100, "Even the lower end"),
        (0.5, 100, "Even the upper end"),
        (0.95, 100, "lies inside the interval"),
        (1.0, 5, "too few for any verdict"),
    ],
)
def test_every_verdict_has_its_reason(chunk: MakeChunk, rate: float, count: int, told: str) -> None:
    from phusong.coverage.results.explain import reason

    summary = AreaSummary(
        code="a", name="a", verdict=judge_of(rate, count).verdict, share=rate,
        share_low=judge_of(rate, count).low, share_high=judge_of(rate, count).high,
        places=count, sectors=20, sectors_of=20,
    )  # fmt: skip
    result = judged([chunk({})], [VILLAGES])[0]
    required = replace(result, required_share=0.4 if count == 5 else 0.95)
    assert told in reason(summary, required, lambda value, digits: f"{value:.{digits}f}")


def judge_of(rate: float, count: int) -> Any:
    from phusong.coverage.interval import Spread
    from phusong.coverage.verdict import judge

    return judge(Spread(count, rate * count, rate * count), RULE)
