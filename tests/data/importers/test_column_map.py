"""Any table is read by a map of its columns, and a map that says something else is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from phusong.data.errors import ConfigError
from phusong.data.importers.columnmap import Term, read_map
from phusong.data.importers.interface import Options, read_timezone
from phusong.data.importers.run import FileReport
from phusong.data.sample import Kind, NrEvidence, Outcome, Rat, Reading, Sample

Import = Callable[..., tuple[FileReport, list[Sample]]]
Run = Callable[..., object]
HEADER = "Time;Longitude;Latitude;DL_kbps;UL Mbit/s;Ping;Net;Operator"
MAP = (
    "time=Time",
    "lon=Longitude",
    "lat=Latitude",
    "down_mbps=DL_kbps/1000",
    "up_mbps=UL Mbit/s",
    "rtt_idle_ms=Ping*1000",
    "rat=Net",
    "operator=Operator",
)
OPTIONS = Options(
    mapping=MAP, time_format="%d/%m/%Y %H:%M:%S", timezone=read_timezone("Asia/Ho_Chi_Minh")
)
ROW = "01/07/2026 08:30:15;105.85;21.03;76860;26.98;0.0215;4G;Viettel"


def test_a_mapped_row_is_a_sample_in_our_units(imported: Import) -> None:
    report, (sample,) = imported(f"{HEADER}\n{ROW}\n", OPTIONS)
    assert (report.tool, report.accepted) == ("column-map", 1)
    assert f"{sample.started_at:%Y-%m-%dT%H:%M:%S}" == "2026-07-01T01:30:15"
    assert sample.kind is Kind.SPEED
    assert sample.reading is not None
    assert sample.reading.down_mbps == 76.86
    assert sample.reading.up_mbps == 26.98
    assert sample.reading.rtt_idle_ms == pytest.approx(21.5)
    assert sample.position is not None
    assert (sample.position.lon, sample.position.lat) == (105.85, 21.03)
    assert sample.radio is not None
    assert (sample.radio.operator, sample.radio.rat) == ("Viettel", Rat.LTE)
    assert sample.source.record == ROW


def test_a_column_that_bears_an_operator_in_its_name_is_that_column() -> None:
    assert read_map(("time=t", "up_mbps=UL Mb/8"), ("t", "UL Mb", "UL Mb/8"))["up_mbps"] == Term(
        "UL Mb/8"
    )
    assert read_map(("time=t", "up_mbps=UL Mb/8"), ("t", "UL Mb"))["up_mbps"] == Term(
        "UL Mb", over=8.0
    )


def test_numbers_with_a_decimal_comma_are_named_until_the_comma_is_named(imported: Import) -> None:
    row = ROW.replace(".", ",")
    report, _ = imported(f"{HEADER}\n{row}\n", OPTIONS)
    assert report.rejected == {"decimal_comma": 1}
    report, (sample,) = imported(f"{HEADER}\n{row}\n\n", replace(OPTIONS, decimal_comma=True))
    assert sample.reading is not None
    assert sample.reading.up_mbps == 26.98


def test_a_speed_of_zero_is_an_attempt_that_stalled(imported: Import) -> None:
    _, (sample,) = imported(f"{HEADER}\n{ROW.replace('76860', '0')}\n", OPTIONS)
    assert (sample.outcome, sample.reason) == (Outcome.STALLED, "download_stalled")
    assert sample.reading is None


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("76860;26.98;0.0215", ";;", "nothing_measured"),
        ("76860", "-5", "bad_reading_down_mbps"),
        ("76860", "9e99", "bad_reading_down_mbps"),
        ("76860", "fast", "bad_number"),
        ("4G", "6G", "unknown_technology"),
        ("105.85", "0", "bad_position_lon"),
        ("105.85;21.03", "0;0", "bad_position"),
        ("105.85;21.03", "21.03;105.85", "bad_position_lat"),
        ("105.85", "", "half_position"),
        ("01/07/2026 08:30:15", "01/07/2026 08:30:15 PM", "twelve_hour_clock"),
    ],
)
def test_a_bad_cell_rejects_its_row_by_name(
    imported: Import, old: str, new: str, reason: str
) -> None:
    content = f"{HEADER}\n{ROW}\n{ROW.replace(old, new)}\n"
    report, _ = imported(content, OPTIONS)
    if reason == "bad_position_lon":
        # A longitude of zero with a latitude is a place in Ghana or in London.
        assert report.accepted == 2
    else:
        assert (report.accepted, report.rejected) == (1, {reason: 1})


def test_a_map_without_speeds_makes_signal_samples(imported: Import) -> None:
    mapping = ("time=t", "rsrp_dbm=p", "rat=n", "traffic_down_mbps=d/1000", "cell_id=c")
    content = "t,p,n,d,c\n2026-07-01T01:30:15Z,-95.5,5G,3000,167172104\n"
    _, (sample,) = imported(content, Options(mapping=mapping))
    assert sample.kind is Kind.SIGNAL
    assert sample.reading == Reading(traffic_down_mbps=3.0)
    assert sample.radio is not None
    assert (sample.radio.rsrp_dbm, sample.radio.cell_id) == (-95.5, "167172104")
    assert sample.radio.nr_evidence is NrEvidence.NSA_INDICATED


def test_a_map_of_latency_only_makes_latency_samples(imported: Import) -> None:
    content = "t,p\n2026-07-01T01:30:15Z,21.5\n2026-07-01T01:30:16Z,\n"
    report, (sample,) = imported(content, Options(mapping=("time=t", "rtt_idle_ms=p")))
    assert (sample.kind, report.rejected) == (Kind.LATENCY, {"nothing_measured": 1})


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (("time=t", "speed=d"), "expected FIELD=COLUMN"),
        (("time=t", "down_mbps"), "expected FIELD=COLUMN"),
        (("time=t", "down_mbps=x"), "the table has no such column"),
        (("time=t", "down_mbps="), "the table has no such column"),
        (("time=t", "down_mbps=d/0"), "the table has no such column"),
        (("time=t", "down_mbps=d/1e3"), "the table has no such column"),
        (("time=t", "down_mbps=d/2/2"), "the table has no such column"),
        (("time=t", "down_mbps=__import__('os')*1"), "the table has no such column"),
        (("time=t", "down_mbps=d", "down_mbps=d"), "is named twice"),
        (("time=t/1000",), "is no number to be multiplied"),
        (("down_mbps=d",), "no column is named for the time"),
        (("time=t", "lon=d"), "name both lon and lat"),
    ],
)
def test_a_map_that_says_something_else_is_refused(terms: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_map(terms, ("t", "d"))


def test_the_command_reads_any_table_by_its_map(phusong: Run, tmp_path: Path) -> None:
    path = tmp_path / "drive.csv"
    path.write_text(f"{HEADER}\n{ROW}\n")
    words = [word for term in MAP for word in ("--map", term)]
    zone = ("--timezone", "Asia/Ho_Chi_Minh")
    done = phusong("data", "import", path, *words, *zone, "--time-format", "%d/%m/%Y %H:%M:%S")
    assert done.code == 0
    assert "column-map" in done.out
    assert phusong("data", "import", path, *words, *zone, "--time-format", "%d/%m/%Y").code == 3
    refused = phusong("data", "import", path, "--map", "time=T", *zone)
    assert (refused.code, "no such column" in refused.err) == (3, True)
