"""
A track recorded beside the measurements: GPX, or a receiver's NMEA sentences.

It is told by its content. Only times and places are read; what has no time or no place is left
out and counted. A document that defines entities of its own is refused: no track needs them, and
they are how a small XML file becomes a large one.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ...data.errors import ConfigError, RecordError
from ...data.sample import Position
from .nmea import reports

MAX_TRACK_BYTES = 64 << 20
# As for NMEA: a dilution tells metres only with the error of one range, and 19 m is gpsd's.
_ERROR_M = 19.0


@dataclass(frozen=True, slots=True)
class TrackPoint:
    """Where the receiver was at one moment; `accuracy_m` is None where the track tells none."""

    taken_at: datetime
    position: Position


@dataclass(frozen=True, slots=True)
class Track:
    """A track: ``gpx:NAME`` or ``nmea:NAME``, its points in the order of time, and what was not."""

    source: str
    sha256: str
    points: tuple[TrackPoint, ...]
    left_out: int


def read_track(path: Path) -> Track:
    """
    Read a track.

    Raises
    ------
    ConfigError
        If the file is not there, too large, no track, or holds no point with a time.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TRACK_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            "{file} cannot be read: {error}", file=path, error=error.strerror or error
        ) from error
    if len(content) > MAX_TRACK_BYTES:
        raise ConfigError(
            "{file} is larger than {limit} MiB; divide the track",
            file=path,
            limit=MAX_TRACK_BYTES >> 20,
        )
    is_xml = content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    kind, found = ("gpx", _read_gpx(path, content)) if is_xml else ("nmea", _read_nmea(content))
    seen: dict[datetime, TrackPoint] = {}
    left_out = 0
    for point in found:
        if point is None:
            left_out += 1
        else:
            seen[point.taken_at] = point
    if not seen:
        raise ConfigError(
            "{file} holds no point with a time and a place; is it a GPX track or an NMEA log?",
            file=path,
        )
    return Track(
        source=f"{kind}:{path.name}"[:200],
        sha256=hashlib.sha256(content).hexdigest(),
        points=tuple(seen[moment] for moment in sorted(seen)),
        left_out=left_out,
    )


def _read_gpx(path: Path, content: bytes) -> Iterator[TrackPoint | None]:
    import gpxpy
    from gpxpy.gpx import GPXException

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("{file} is not UTF-8 text", file=path) from error
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ConfigError("{file} defines entities; that is no GPX track", file=path)
    try:
        gpx = gpxpy.parse(text)
    except (GPXException, ValueError, RecursionError) as error:
        raise ConfigError("{file} is no GPX: {error}", file=path, error=str(error)[:200]) from error
    for track in gpx.tracks:
        for segment in track.segments:
            for point in segment.points:
                yield _point(
                    point.time,
                    point.longitude,
                    point.latitude,
                    _accuracy_m(point.horizontal_dilution),
                )


def _read_nmea(content: bytes) -> Iterator[TrackPoint | None]:
    for report in reports(iter(content.split(b"\n"))):
        yield _point(report.taken_at, report.lon, report.lat, report.accuracy_m)


def _point(
    moment: datetime | None, lon: float | None, lat: float | None, accuracy_m: float | None
) -> TrackPoint | None:
    if moment is None or lon is None or lat is None:
        return None
    # GPX 1.1: "conforms to ISO 8601, Universal Coordinated Time"; one without a zone is UTC too.
    taken_at = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    try:
        return TrackPoint(taken_at, Position(lon=lon, lat=lat, accuracy_m=accuracy_m))
    except RecordError:
        return None


def _accuracy_m(hdop: float | None) -> float | None:
    if hdop is None or not math.isfinite(hdop) or not 0 < hdop < 50:
        return None
    return round(hdop * _ERROR_M, 3)


def points_of(track: Track) -> Iterable[tuple[datetime, float, float, float | None]]:
    """Give (time, longitude, latitude, accuracy in metres) of each point, in the order of time."""
    for point in track.points:
        position = point.position
        yield point.taken_at, position.lon, position.lat, position.accuracy_m
