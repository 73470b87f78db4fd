"""Tracks as files: GPX and NMEA, told by their content, hostile ones refused."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from phusong.data.errors import ConfigError
from phusong.probes.position.track import MAX_TRACK_BYTES, read_track

GPX = """<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" creator="by hand" xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>
<trkpt lat="21.03" lon="105.85"><time>2026-07-01T01:30:00Z</time><hdop>1.5</hdop></trkpt>
<trkpt lat="21.04" lon="105.86"><time>2026-07-01T08:30:20+07:00</time></trkpt>
<trkpt lat="21.05" lon="105.87"></trkpt>
<trkpt lat="0" lon="0"><time>2026-07-01T01:31:00Z</time></trkpt>
</trkseg></trk></gpx>"""


def write(tmp_path: Path, content: str | bytes, name: str = "drive.gpx") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_gpx_track_is_read_in_utc_and_what_is_no_fix_is_left_out(tmp_path: Path) -> None:
    track = read_track(write(tmp_path, GPX))
    assert (track.source, track.left_out, len(track.points)) == ("gpx:drive.gpx", 2, 2)
    first, last = track.points
    assert first.taken_at == datetime(2026, 7, 1, 1, 30, tzinfo=UTC)
    assert (first.position.lon, first.position.lat) == (105.85, 21.03)
    assert first.position.accuracy_m == 28.5
    assert last.taken_at == datetime(2026, 7, 1, 1, 30, 20, tzinfo=UTC)
    assert last.position.accuracy_m is None


def test_a_real_nmea_log_is_a_track(shared: Callable[[str], Path]) -> None:
    track = read_track(shared("format-samples/gpsd/telit-he910.log"))
    assert track.source == "nmea:telit-he910.log"
    assert len(track.points) == 187
    assert track.points[0].position.lat == pytest.approx(50.8402, abs=0.001)
    assert [p.taken_at for p in track.points] == sorted(p.taken_at for p in track.points)


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE gpx [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    "<gpx><trk><name>&b;</name></trk></gpx>"
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LAUGHS, "defines entities"),
        (GPX[:300], "is no GPX"),
        ("<html></html>", "no GPX|no point"),
        ("", "no point"),
        ("time,lat,lon\n1,2,3\n", "no point"),
        (b"\xff\xfe<\x00g\x00", "no point|UTF-8"),
        (b"<gpx>\xff</gpx>", "UTF-8"),
        (GPX.replace("<time>", "<desc>").replace("</time>", "</desc>"), "no point"),
    ],
)
def test_a_file_that_is_no_track_is_refused_by_name(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read_track(write(tmp_path, content))


def test_a_track_larger_than_any_day_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "large.gpx"
    with path.open("wb") as file:
        file.truncate(MAX_TRACK_BYTES + 1)
    with pytest.raises(ConfigError, match="larger than 64 MiB"):
        read_track(path)


def test_a_track_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_track(tmp_path / "none.gpx")
