"""What must be known of probes before files are judged: as much as the rules need, and no more."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from distributed import LocalCluster

from phusong.coverage.rules import load_rule
from phusong.coverage.source import from_files
from phusong.coverage.survey import may_lack_operators, survey_partition, surveyed_columns
from phusong.data.errors import ConfigError
from phusong.data.export import Format, export
from phusong.data.sample import Outcome, Position, Radio, Rat, Reading, Sample
from phusong.data.store import Store

Run = Callable[..., Any]
MakeSample = Callable[..., Sample]
START = datetime(2026, 7, 1, tzinfo=UTC)
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
"""


def on(operator: str) -> Radio:
    return Radio(operator=operator, rat=Rat.LTE)


def drives(make_sample: MakeSample) -> Iterator[Sample]:
    """
    Give tests of two probes, the last four of them the car's.

    The car is on Op 1 for 36 tests by ndt7, then has no signal twice, then is on Op 2 twice. The
    other probe measures the download alone, by another engine, and fails twice of ten times.
    """
    for n in range(10):
        well = {"engine": "multistream", "reading": Reading(down_mbps=50.0)}
        failed = {"engine": None, "reading": None, "outcome": Outcome.TIMEOUT}
        yield make_sample(
            probe="alone",
            seq=n + 1,
            radio=on("Op 1"),
            started_at=START + timedelta(minutes=n),
            position=Position(lon=105.85 + n / 100, lat=21.2),
            **(well if n < 8 else failed),
        )
    for n in range(40):
        lost = {"engine": None, "reading": None, "radio": None, "outcome": Outcome.NO_SIGNAL}
        yield make_sample(
            probe="car",
            seq=n + 1,
            started_at=START + timedelta(hours=1 + n),
            position=Position(lon=105.85 + n / 100, lat=21.0),
            **(lost if n in (36, 37) else {"radio": on("Op 1" if n < 36 else "Op 2")}),
        )


@pytest.fixture
def campaign(tmp_path: Path, make_sample: MakeSample) -> Path:
    """Keep the drives, and export them to three files, the car's last four tests by themselves."""
    with Store.open(tmp_path / "test.db") as store:
        store.append(list(drives(make_sample)))
        export(store, tmp_path / "whole.parquet", Format.PARQUET)
    whole = pq.read_table(tmp_path / "whole.parquet").sort_by("started_at")
    (tmp_path / "parts").mkdir()
    for name, first, count in (("a", 46, 4), ("b", 0, 23), ("c", 23, 23)):
        pq.write_table(whole.slice(first, count), tmp_path / "parts" / f"{name}.parquet")
    (tmp_path / "own.toml").write_text(OWN, "utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with LocalCluster(
        n_workers=1, processes=False, dashboard_address=None, protocol="tcp://", silence_logs=50
    ) as made:
        yield made.scheduler_address


@pytest.mark.parametrize(
    ("rule", "trials"),
    [
        # The car's attempts without a signal are of the operator that all files together name.
        ("vn-4g", {"Op 1": 48, "Op 2": 2}),
        # Who measures no upload is out, with the timeouts.
        ("fcc-5-1", {"Op 1": 38, "Op 2": 2}),
        # Who uses another engine is out, with the timeouts.
        ("own.toml", {"Op 1": 38, "Op 2": 2}),
    ],
)
def test_files_are_judged_as_the_store_is(
    phusong: Run, campaign: Path, scheduler: str, rule: str, trials: dict[str, int]
) -> None:
    named = campaign / rule if rule.endswith(".toml") else rule
    source = ["--from", campaign / "parts"]
    ways = [[], source, [*source, "--scheduler", scheduler]]
    for way in ways:
        done = phusong("coverage", "compute", "--rule", named, "--by", "h3:6", *way)
        assert done.code == 0, done.err
    question = (
        "SELECT code, operator, trials, successes, verdict, share_low, share_high, summary"
        " FROM result_area WHERE result_id = ? ORDER BY 1, 2"
    )
    with closing(sqlite3.connect(campaign / "test.db")) as kept:
        tables = [kept.execute(question, (n + 1,)).fetchall() for n in range(len(ways))]
        inputs = kept.execute("SELECT DISTINCT inputs FROM result").fetchall()
    assert tables[1:] == tables[:1] * 2
    assert len(inputs) == 1
    found = {name: sum(row[2] for row in tables[0] if row[1] == name) for name in trials}
    assert found == trials


def test_no_more_columns_are_looked_at_than_rules_need(campaign: Path) -> None:
    plain, uplink = load_rule("vn-4g"), load_rule("fcc-5-1")
    own = load_rule(str(campaign / "own.toml"))
    names, tests = ("operator", "plmn"), ("kind", "outcome")
    measured = ("up_mbps", "rtt_idle_ms")
    for rules, operators, columns in (
        ([plain], False, ()),
        ([plain], True, names),
        ([plain, uplink], False, (*tests, *measured)),
        ([own], False, (*tests, "engine")),
        ([own, uplink], True, (*names, *tests, *measured, "engine")),
    ):
        probe = ("probe",) if columns else ()
        assert surveyed_columns(rules, operators=operators) == (*probe, *columns)


def test_what_is_not_looked_at_is_not_counted(campaign: Path) -> None:
    own = load_rule(str(campaign / "own.toml"))
    seen = survey_partition(
        surveyed_columns([own], operators=False), str(campaign / "whole.parquet")
    )
    assert (seen.homes(), seen.unasked()) == ({}, {})
    assert ("alone", "multistream", 8, 8) in seen.tested()


@pytest.mark.parametrize(
    ("operator", "plmn", "options", "lacking"),
    [
        (["a", "b", "a", "b"], [None] * 4, {}, False),
        ([None] * 4, ["45201"] * 4, {}, False),
        (["a", "b", None, None], [None, None, "45201", "45201"], {}, True),
        (["a", "b", None, None], [None, None, "45201", "45201"], {"row_group_size": 2}, False),
        (["a", "b", "a", None], [None] * 4, {"row_group_size": 2}, True),
        (["a", "b", "a", "b"], ["45201"] * 4, {"write_statistics": False}, True),
    ],
)
def test_statistics_tell_whether_every_sample_names_a_network(
    campaign: Path,
    operator: list[str | None],
    plmn: list[str | None],
    options: dict[str, Any],
    lacking: bool,
) -> None:
    part = pq.read_table(campaign / "whole.parquet").slice(0, len(operator))
    for name, values in (("operator", operator), ("plmn", plmn)):
        column = pa.array(values, pa.string())
        part = part.set_column(part.schema.get_field_index(name), name, column)
    # A foreign column whose parts come before ours among the columns of the file.
    nested = pa.array([{"operator": "x", "n": 1}] * len(operator))
    pq.write_table(part.add_column(0, "of", nested), campaign / "part.parquet", **options)
    assert may_lack_operators((), str(campaign / "part.parquet")) is lacking


def test_files_that_leave_nothing_to_ask_are_not_read_before_they_are_judged(
    campaign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def survey(columns: Any, address: str) -> Any:
        asked.append(address.rsplit("/", 1)[-1])
        return survey_partition(columns, address)

    monkeypatch.setattr("phusong.coverage.survey.survey_partition", survey)
    rules = [load_rule("vn-4g")]
    with from_files(str(campaign / "parts"), rules) as given:
        assert given.homes == {"alone": "Op 1", "car": "Op 1"}
    # One sample that names no network, and the operators of every file are counted.
    assert asked == ["a.parquet", "b.parquet", "c.parquet"]
    (campaign / "parts" / "a.parquet").unlink()
    with from_files(str(campaign / "parts"), rules) as given:
        assert (given.homes, given.unasked, given.tested) == ({}, {}, [])
        assert sum(len(chunk["probe"]) for chunk in given.chunks) == 46
    assert len(asked) == 3


@pytest.mark.parametrize("name", ["lat", "operator", "tool"])
@pytest.mark.parametrize("clustered", [False, True])
def test_a_missing_column_is_named_before_anything_is_judged(
    campaign: Path,
    scheduler: str,
    name: str,
    clustered: bool,
) -> None:
    own = OWN + 'sources = ["phusong"]\n'
    (campaign / "own.toml").write_text(own, "utf-8")
    last = campaign / "parts" / "c.parquet"
    pq.write_table(pq.read_table(last).drop_columns([name]), last)
    (campaign / "parts" / "a.parquet").unlink()
    rules = [load_rule(str(campaign / "own.toml"))]
    judging = partial(from_files, str(campaign / "parts"), rules)
    with (
        pytest.raises(ConfigError, match=f'c.parquet: there is no column "{name}"'),
        judging(scheduler=scheduler if clustered else None),
    ):
        pytest.fail("judging has begun")
