"""The sources of a position by the word that picks one: what `--position` takes."""

import re
from pathlib import Path

from ...data.errors import ConfigError, RecordError
from .fix import PositionSource
from .fixed import FixedPoint, Nowhere

_PLACE = re.compile(r"\s*(-?[0-9]{1,3}(?:\.[0-9]+)?)\s*,\s*(-?[0-9]{1,3}(?:\.[0-9]+)?)\s*\Z")
_BAUD = 9600


def open_position(spec: str) -> PositionSource:
    """
    Open ``gpsd[:host[:port]]``, ``nmea:PATH``, ``serial:DEVICE[@baud]``, ``LON,LAT`` or ``none``.

    A receiver that does not answer yet is no error: its fixes say so until it does.

    Raises
    ------
    ConfigError
        If the word is none of these, or names a place off the globe or a file that is not there.
    """
    word, _, rest = spec.partition(":")
    if word == "gpsd":
        return _gpsd(spec, rest)
    if word == "nmea" and rest:
        return _nmea(Path(rest))
    if word == "serial" and rest:
        return _serial(spec, rest)
    if spec == "none":
        return Nowhere()
    place = _PLACE.match(spec)
    if place is None:
        raise _unknown(spec)
    try:
        return FixedPoint(float(place[1]), float(place[2]))
    except RecordError as error:
        raise ConfigError(
            "{spec} is no place: {error}. Write the longitude first: 105.85,21.03",
            spec=spec,
            error=error,
        ) from error


def _gpsd(spec: str, rest: str) -> PositionSource:
    from .gpsd import PORT, gpsd_reading
    from .receiver import Receiver

    # An IPv6 address stands in brackets, as in a URL.
    parts = re.fullmatch(r"(\[[0-9A-Fa-f:.%a-z]+\]|[^:\[\]]*)(?::([0-9]{1,5}))?", rest)
    if parts is None:
        raise _unknown(spec)
    host = parts[1].strip("[]") or "localhost"
    port = int(parts[2] or PORT)
    if not 0 < port < 65_536:
        raise _unknown(spec)
    return Receiver("gpsd", gpsd_reading(host, port))


def _nmea(path: Path) -> PositionSource:
    from .nmea import file_reading
    from .receiver import Receiver

    if not path.exists() or path.is_dir():
        raise ConfigError("{file} is no file of NMEA sentences", file=path)
    return Receiver(f"nmea:{path.name}", file_reading(path))


def _serial(spec: str, rest: str) -> PositionSource:
    from .nmea import serial_reading
    from .receiver import Receiver

    device, _, baud = rest.rpartition("@") if "@" in rest else (rest, "", str(_BAUD))
    if not baud.isascii() or not baud.isdigit() or not 0 < int(baud) <= 4_000_000:
        raise _unknown(spec)
    return Receiver(f"serial:{Path(device).name}", serial_reading(device, int(baud)))


def _unknown(spec: str) -> ConfigError:
    return ConfigError(
        "{spec} is no source of a position; write gpsd, gpsd:host:port, nmea:FILE,"
        " serial:/dev/ttyUSB0@9600, a place such as 105.85,21.03, or none",
        spec=spec,
    )
