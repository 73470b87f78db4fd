"""Each kind of bad input that the field brings: named, and no good row beside it lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phusong.data.errors import RecordError
from phusong.data.importers.interface import Options, read_timezone
from phusong.data.importers.run import check_files
from phusong.data.sample import Sample

Import = Callable[..., tuple[Any, list[Sample]]]

HEADER = "Timestamp,Lon,Lat,Net,DL_kbps"
GOOD = "2026-07-01T08:30:00+07:00,105.85,21.03,Viettel,76860"
MAPPING = (
    "time=Timestamp",
    "lon=Lon",
    "lat=Lat",
    "operator=Net",
    "down_mbps=DL_kbps/1000",
)


def options(**changes: Any) -> Options:
    return Options(mapping=MAPPING, **changes)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("2026-07-01T08:30:00,105.85,21.03,Viettel,76860", "no_time_zone"),
        ("08:30 PM,105.85,21.03,Viettel,76860", "twelve_hour_clock"),
        ("01/07/2026 08:30,105.85,21.03,Viettel,76860", "date_order_unknown"),
        ("07/13/2026 08:30,105.85,21.03,Viettel,76860", "date_order_unknown"),
        ("2026-07-01T08:30:00+07:00,21.03,105.85,Viettel,76860", "bad_position_lat"),
        ("2026-07-01T08:30:00+07:00,0,0,Viettel,76860", "bad_position"),
        ("2026-07-01T08:30:00+07:00,105.85,,Viettel,76860", "half_position"),
        ("2026-07-01T08:30:00+07:00,105.85,21.03,Viettel,-5", "bad_reading_down_mbps"),
        ("2026-07-01T08:30:00+07:00,105.85,21.03,Viettel,9e15", "bad_reading_down_mbps"),
        ("2026-07-01T08:30:00+07:00,105.85,21.03,Viettel,nan", "bad_number"),
        ('2026-07-01T08:30:00+07:00,105.85,21.03,Viettel,"76,86"', "decimal_comma"),
        ("2026-07-01T08:30:00+07:00,105.85,21.03,Vi\0ettel,76860", "nul_byte"),
        (b"2026-07-01T08:30:00+07:00,105.85,21.03,Vi\xe9ttel,76860", "bad_encoding"),
        (HEADER, "repeated_header"),
        ("2026-07-01T08:30:00+07:00,105.85,21.03", "wrong_cell_count"),
    ],
)
def test_a_bad_row_is_named_and_costs_no_good_one(
    imported: Import, bad: str | bytes, reason: str
) -> None:
    row = bad if isinstance(bad, bytes) else bad.encode()
    content = b"\n".join([HEADER.encode(), GOOD.encode(), row, GOOD.encode(), b""])
    report, samples = imported(content, options())
    assert (report.accepted, dict(report.rejected)) == (2, {reason: 1})
    assert {sample.source.line for sample in samples} == {2, 4}


def test_a_torn_last_line_is_named(imported: Import) -> None:
    report, _ = imported("\n".join([HEADER, GOOD, GOOD[:40]]), options())
    assert (report.accepted, dict(report.rejected)) == (1, {"torn_last_line": 1})


@pytest.mark.parametrize(
    ("written", "time_format"),
    [
        ("13/07/2026 20:30:00", "%d/%m/%Y %H:%M:%S"),
        ("07/13/2026 20:30:00", "%m/%d/%Y %H:%M:%S"),
        ("2026/07/13 20:30:00", "%Y/%m/%d %H:%M:%S"),
        ("13.07.2026 08:30:00 PM", "%d.%m.%Y %I:%M:%S %p"),
    ],
)
def test_an_order_of_dates_or_a_clock_of_twelve_hours_is_read_when_it_is_said(
    imported: Import, written: str, time_format: str
) -> None:
    zone = read_timezone("Asia/Ho_Chi_Minh")
    row = GOOD.replace("2026-07-01T08:30:00+07:00", written)
    _, (sample,) = imported(f"{HEADER}\n{row}\n", options(time_format=time_format, timezone=zone))
    assert sample.started_at.isoformat() == "2026-07-13T13:30:00+00:00"


def test_decimal_commas_are_read_when_they_are_said(imported: Import) -> None:
    row = '2026-07-01T08:30:00+07:00,"105,85","21,03",Viettel,"76860,5"'
    _, (sample,) = imported(f"{HEADER}\n{row}\n", options(decimal_comma=True))
    assert sample.reading is not None
    assert sample.reading.down_mbps == pytest.approx(76.8605)


@pytest.mark.parametrize(
    "content",
    [
        "Date;Kunde;Betrag\n01.07.2026;A;5\n",
        '{"type": "FeatureCollection", "features": []}\n',
        "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "GIF89a\x01\x00\x01\x00",
    ],
)
def test_another_programs_file_with_a_logs_ending_is_refused_by_name(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(RecordError, match=r"log\.csv"):
        check_files([path], Options())
