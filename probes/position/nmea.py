"""
NMEA 0183: a receiver's own sentences, from a serial line, or from a file as it grows.

A sentence counts only with its checksum. RMC gives time, date, place and speed together and
makes the report; GGA does where a receiver sends no RMC. GSA says whether the fix has a height.
Accuracy is HDOP times 19 m, or times 4.75 m with differential corrections: what gpsd reckons
from the same sentences, so that both ways to read a receiver say the same.
"""

import math
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pynmea2

from .belief import Report
from .receiver import Reading

_POLL_S = 0.5
# The standard allows 82 characters; receivers add to it, and a modem's line may be no receiver's.
_MAX_SENTENCE_BYTES = 1024
_TAIL_BYTES = 16_384
_ERROR_M = 19.0
_CORRECTED_ERROR_M = 4.75
_DIFFERENTIAL = 2
_KNOTS_MPS = 1852 / 3600
_MODES = {"2": "2d", "3": "3d"}
# GGA speaks for itself once so many sentences have passed without an RMC.
_NO_RMC_AFTER = 30


class Sentences:
    """Puts a receiver's sentences together into reports, and counts what could not be read."""

    def __init__(self) -> None:
        self.bad: Counter[str] = Counter()
        self._mode = "none"
        self._accuracy_m: float | None = None
        self._since_rmc = _NO_RMC_AFTER
        self._last: Report | None = None

    def hear(self, line: bytes, mono_s: float) -> Report | None:
        """Take in one line; give a report where it completes one."""
        sentence = self._parse(line)
        if sentence is None:
            return None
        kind = sentence.sentence_type
        self._since_rmc += 1
        if kind == "GSA":
            self._mode = _MODES.get(sentence.mode_fix_type, "none")
        elif kind == "GGA":
            self._accuracy_m = _accuracy_m(sentence)
            if self._since_rmc > _NO_RMC_AFTER:
                return self._report(sentence, mono_s, valid=_quality(sentence) > 0)
            return self._completed(sentence)
        elif kind == "RMC":
            self._since_rmc = 0
            self._last = self._report(sentence, mono_s, valid=sentence.status == "A")
            return self._last
        return None

    def _completed(self, gga: Any) -> Report | None:
        """Give the last report again where GGA of the same moment has its accuracy."""
        last = self._last
        if last is None or last.taken_at is None or last.lon is None:
            return None
        if last.accuracy_m == self._accuracy_m or last.taken_at.timetz() != gga.timestamp:
            return None
        return replace(last, accuracy_m=self._accuracy_m)

    def _parse(self, line: bytes) -> Any:
        text = line.strip()
        if not text or text.startswith(b"#"):
            return None
        try:
            return pynmea2.parse(text[:_MAX_SENTENCE_BYTES].decode("ascii"), check=True)
        except UnicodeDecodeError:
            self.bad["not_ascii"] += 1
        except pynmea2.ChecksumError:
            self.bad["bad_checksum"] += 1
        except pynmea2.SentenceTypeError:
            self.bad["unknown_sentence"] += 1
        except pynmea2.ParseError:
            self.bad["not_nmea"] += 1
        return None

    def _report(self, sentence: Any, mono_s: float, *, valid: bool) -> Report:
        place = _place(sentence) if valid else None
        if place is None:
            return Report(mono_s=mono_s, taken_at=_moment(sentence))
        lon, lat = place
        return Report(
            mono_s=mono_s,
            lon=lon,
            lat=lat,
            accuracy_m=self._accuracy_m,
            taken_at=_moment(sentence),
            speed_mps=_speed_mps(sentence),
            # A valid fix has two dimensions whatever GSA said of the moment before.
            mode=self._mode if self._mode != "none" else "2d",
        )


def reports(lines: Iterator[bytes]) -> Iterator[Report]:
    """Give the reports that a recording holds; their `mono_s` counts lines, not seconds."""
    sentences = Sentences()
    for number, line in enumerate(lines):
        report = sentences.hear(line, float(number))
        if report is not None:
            yield report


def serial_reading(device: str, baud: int) -> Reading:
    """Give what reads a receiver on a serial line."""

    def read(closing: threading.Event) -> Iterator[Report | None]:
        import serial

        # SerialException is an OSError: an unplugged receiver is opened again.
        with serial.Serial(device, baud, timeout=_POLL_S) as port:
            yield from _heard(lambda: port.read(max(1, port.in_waiting)), closing)

    return read


def file_reading(path: Path, clock: Callable[[], float] = time.time) -> Reading:
    """
    Give what follows a file of sentences that another program writes, or a pipe or device.

    A file may have been written long ago, so its fixes are as old as their own times say by
    this machine's clock.
    """

    def read(closing: threading.Event) -> Iterator[Report | None]:
        with path.open("rb", buffering=0) as file:
            if path.is_file() and path.stat().st_size > _TAIL_BYTES:
                file.seek(-_TAIL_BYTES, os.SEEK_END)

            def more() -> bytes:
                chunk = file.read(4096)
                if not chunk:
                    closing.wait(_POLL_S)
                return chunk or b""

            for report in _heard(more, closing):
                yield None if report is None else _aged(report, clock())

    return read


def _heard(more: Callable[[], bytes], closing: threading.Event) -> Iterator[Report | None]:
    sentences = Sentences()
    buffer = bytearray()
    while not closing.is_set():
        buffer += more()
        *lines, rest = bytes(buffer).split(b"\n")
        buffer = bytearray(rest[-_MAX_SENTENCE_BYTES:])
        for line in lines:
            yield sentences.hear(line, time.monotonic())
        yield None


def _aged(report: Report, now_s: float) -> Report:
    if report.taken_at is None:
        return report
    age_s = now_s - report.taken_at.timestamp()
    return replace(report, mono_s=report.mono_s - max(0.0, age_s))


def _place(sentence: Any) -> tuple[float, float] | None:
    if not (sentence.lat and sentence.lon and sentence.lat_dir and sentence.lon_dir):
        return None
    try:
        return round(sentence.longitude, 9), round(sentence.latitude, 9)
    except ValueError:
        return None


def _moment(sentence: Any) -> datetime | None:
    try:
        day, time_of_day = getattr(sentence, "datestamp", None), sentence.timestamp
        if day is None or time_of_day is None:
            return None
        return datetime.combine(day, time_of_day).replace(tzinfo=UTC)
    except (TypeError, ValueError):
        return None


def _speed_mps(sentence: Any) -> float | None:
    knots = getattr(sentence, "spd_over_grnd", None)
    if not isinstance(knots, float) or not math.isfinite(knots):
        return None
    return round(knots * _KNOTS_MPS, 3)


def _quality(gga: Any) -> int:
    """Give the kind of fix, 0 for none: pynmea2 gives a cell that is no number as its text."""
    quality = gga.gps_qual
    return quality if isinstance(quality, int) else 0


def _accuracy_m(sentence: Any) -> float | None:
    try:
        hdop = float(sentence.horizontal_dil)
    except (TypeError, ValueError):
        return None
    # 99.99 is how receivers write that they have no dilution to report.
    if not 0 < hdop < 50:
        return None
    corrected = _quality(sentence) == _DIFFERENTIAL
    return round(hdop * (_CORRECTED_ERROR_M if corrected else _ERROR_M), 3)
