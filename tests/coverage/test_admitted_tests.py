"""A rule may admit tests by some engines, or from some sources, without bending the share."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from phusong.coverage.areas import hexagon_areas
from phusong.coverage.asked import Tested, misfit_probes
from phusong.coverage.compute import compute
from phusong.coverage.rules import Rule, load_rule
from phusong.coverage.summary import AreaSummary
from phusong.coverage.trials import unread_columns
from phusong.data.export import Format, export
from phusong.data.sample import Outcome, Position, Provenance, Reading, Sample
from phusong.data.store import Store

MakeChunk = Callable[..., dict[str, Any]]
RULE = replace(load_rule("vn-4g"), engines=("ndt7",))
# Probe, engine, its speed tests, those of them that ended well.
TESTED: list[Tested] = [
    ("fits", "ndt7", 9, 9),
    ("fits", "multistream", 1, 1),
    ("fits", None, 3, 0),
    ("mixed", "ndt7", 8, 8),
    ("mixed", "multistream", 2, 2),
    ("mixed", None, 1, 0),
    ("mixed but named", "ndt7", 5, 4),
    ("mixed but named", "multistream", 5, 5),
    ("never says", None, 6, 5),
    ("never well", None, 6, 0),
]
OWN = """
id = "own"
version = 1
title_en = "Own"
title_vi = "Riêng"
source = "here"
technologies = ["LTE"]
required_share = 0.9
[thresholds]
down_mbps = 5
[test]
engines = ["ndt7"]
sources = ["phusong", "mlab"]
"""


def judged(chunk: dict[str, Any], rule: Rule, tested: list[Tested]) -> AreaSummary:
    (result,) = compute(
        [chunk],
        [hexagon_areas("h3:3")],
        [rule],
        homes={},
        tested=tested,
        software="test",
        computed_at=datetime.now(UTC),
    )
    return next(area for area in result.areas if area.operator == "Viettel")


def test_a_probe_is_left_out_whole_where_nobody_knows_whose_its_failures_are() -> None:
    assert misfit_probes(TESTED, RULE) == ["mixed", "never says"]
    both = replace(RULE, engines=("ndt7", "multistream"))
    assert misfit_probes(TESTED, both) == ["never says"]


def test_a_failure_that_names_no_engine_goes_with_its_probe(chunk: MakeChunk) -> None:
    """Each probe: eight places that pass by ndt7, one that fails before an engine was chosen."""

    def drive(probe: str, lat: float) -> list[dict[str, Any]]:
        failed = {"outcome": "timeout", "engine": None, "lon": 105.84}
        passed = [{"engine": "ndt7", "lon": 105.85 + n / 100} for n in range(8)]
        return [{"probe": probe, "lat": lat, **each} for each in (failed, *passed)]

    other = {"probe": "fits", "engine": "multistream", "down_mbps": 1.0}
    area = judged(chunk(*drive("fits", 21.03), *drive("mixed", 21.2), other), RULE, TESTED)
    assert area.excluded == {"other_engine": 10}
    assert (area.trials, area.successes, area.share) == (9, 8, pytest.approx(8 / 9))


def test_a_test_by_another_engine_is_no_trial_however_it_ended(chunk: MakeChunk) -> None:
    ends = [{"outcome": outcome, "engine": "ookla"} for outcome in ("ok", "timeout", "cancelled")]
    area = judged(chunk({"engine": "ndt7"}, *ends), RULE, [])
    assert (area.trials, area.excluded) == (1, {"other_engine": 3})


@pytest.mark.parametrize("name", ["vn-4g", "signal-lte"])
def test_a_sample_from_another_source_is_no_trial_however_it_ended(
    chunk: MakeChunk, name: str
) -> None:
    rule = replace(load_rule(name), sources=("phusong",))
    others = [{"outcome": outcome, "tool": "ookla"} for outcome in ("ok", "timeout")]
    area = judged(chunk({"tool": "phusong"}, {"tool": None}, *others), rule, [])
    assert (area.trials, area.excluded) == (1, {"other_source": 3})


def test_columns_are_read_only_where_a_rule_asks_for_them() -> None:
    plain = load_rule("vn-4g")
    assert {"engine", "tool"} <= unread_columns([plain])
    assert {"engine", "tool"} & unread_columns([plain, RULE]) == {"tool"}
    assert {"engine", "tool"} & unread_columns([replace(plain, sources=("x",))]) == {"engine"}


@pytest.fixture
def campaign(tmp_path: Path, make_sample: Callable[..., Sample]) -> Path:
    """Keep and export ten places of three probes, the last two of each probe failed."""
    engines = {"fits": ("ndt7", "ndt7"), "mixed": ("ndt7", "multistream"), "far": ("ndt7", "ndt7")}
    samples = [
        make_sample(
            probe=probe,
            seq=n + 1,
            engine=None if n > 7 else names[n % 2],
            outcome=Outcome.TIMEOUT if n > 7 else Outcome.OK,
            reading=None if n > 7 else Reading(down_mbps=50.0),
            position=Position(lon=105.85 + n / 100, lat=21.0),
            source=Provenance(tool="elsewhere" if probe == "far" else "phusong"),
        )
        for probe, names in engines.items()
        for n in range(10)
    ]
    with Store.open(tmp_path / "test.db") as store:
        store.append(samples)
        export(store, tmp_path / "whole.parquet", Format.PARQUET)
    (tmp_path / "own.toml").write_text(OWN, "utf-8")
    return tmp_path


def test_every_way_of_counting_leaves_out_the_same(phusong: Any, campaign: Path) -> None:
    source = ["--from", campaign / "whole.parquet"]
    ways = [[], ["--workers", 2], source, [*source, "--scheduler", "local", "--workers", 1]]
    options = ["--rule", campaign / "own.toml", "--by", "h3:3"]
    told = [phusong("coverage", "compute", *options, *way) for way in ways]
    assert [done.code for done in told] == [0, 0, 0, 0], told[-1].err
    assert "by an engine that the rule does not admit 10" in told[0].err
    with sqlite3.connect(campaign / "test.db") as kept:
        rows = kept.execute("SELECT result_id, code, trials, successes, summary FROM result_area")
        tables: dict[int, list[Any]] = {}
        for number, *row in rows.fetchall():
            tables.setdefault(number, []).append(row)
        inputs = kept.execute("SELECT DISTINCT inputs FROM result").fetchall()
    assert all(table == tables[1] for table in tables.values())
    (counts,) = (json.loads(text)["inputs"] for (text,) in inputs)
    assert counts["excluded"] == {"other_source": 10, "other_engine": 10}
    assert (counts["trials"], counts["successes"]) == (10, 8)


def test_files_without_the_columns_serve_the_rules_that_do_not_ask(
    phusong: Any, campaign: Path
) -> None:
    whole = pq.read_table(campaign / "whole.parquet").drop_columns(["engine", "tool"])
    pq.write_table(whole, campaign / "old.parquet")
    options = ["--by", "h3:3", "--from", campaign / "old.parquet"]
    assert phusong("coverage", "compute", "--rule", "vn-4g", *options).code == 0
    refused = phusong("coverage", "compute", "--rule", campaign / "own.toml", *options)
    assert (refused.code, 'there is no column "engine"' in refused.err) == (3, True)
    pq.write_table(whole.drop_columns(["operator"]), campaign / "old.parquet")
    refused = phusong("coverage", "compute", "--rule", "vn-4g", *options)
    assert (refused.code, 'there is no column "operator"' in refused.err) == (3, True)


def test_what_a_rule_admits_is_shown(phusong: Any, campaign: Path) -> None:
    file = campaign / "own.toml"
    assert phusong("coverage", "rules", "check", file).code == 0
    (shown,) = json.loads(f"[{phusong('coverage', 'rules', 'show', file, '--json').out}]")
    assert (shown["engines"], shown["sources"]) == (["ndt7"], ["phusong", "mlab"])
    assert "phusong, mlab" in phusong("coverage", "rules", "show", file).out
    vietnamese = phusong("coverage", "rules", "show", file, lang="vi").out
    assert "công cụ đo được chấp nhận" in vietnamese
