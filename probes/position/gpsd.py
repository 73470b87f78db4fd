"""
gpsd's JSON protocol: https://gpsd.io/gpsd_json.html, protocol 3 of gpsd 3.0 to 3.26.

Only TPV reports are read. Accuracy is `eph`, the estimated horizontal error, or the two of
longitude and latitude together where gpsd gives only those.
"""

import json
import math
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from .belief import Report
from .receiver import Reading

PORT = 2947
_WATCH = b'?WATCH={"enable":true,"json":true};\n'
_CONNECT_S = 5.0
_POLL_S = 1.0
# A SKY report of a receiver that hears every constellation has some 12 kB.
_MAX_LINE_BYTES = 1 << 17
_MODES = {2: "2d", 3: "3d"}


def gpsd_reading(host: str, port: int = PORT) -> Reading:
    """Give what reads a gpsd."""

    def read(closing: threading.Event) -> Iterator[Report | None]:
        with socket.create_connection((host, port), timeout=_CONNECT_S) as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            link.settimeout(_POLL_S)
            greeted = False
            for line in _lines(link, closing):
                if line is None:
                    # Whoever has not said what it is may be no gpsd at all.
                    if greeted:
                        yield None
                    continue
                message = _message(line)
                kind = message.get("class")
                if kind == "VERSION":
                    if message.get("proto_major") != 3:
                        # Tried again later, like a link that was lost.
                        raise OSError("not protocol 3 of gpsd")
                    greeted = True
                    link.sendall(_WATCH)
                elif kind == "TPV" and greeted:
                    yield read_tpv(message, time.monotonic())
                if greeted:
                    yield None

    return read


def read_tpv(message: dict[str, Any], mono_s: float) -> Report:
    """Make a report of a TPV object; what is missing or of another type is None."""
    eph, epx, epy = (_number(message.get(name)) for name in ("eph", "epx", "epy"))
    if eph is None and epx is not None and epy is not None:
        eph = math.hypot(epx, epy)
    mode = message.get("mode")
    return Report(
        mono_s=mono_s,
        lon=_number(message.get("lon")),
        lat=_number(message.get("lat")),
        accuracy_m=None if eph is None else round(eph, 3),
        taken_at=_time(message.get("time")),
        speed_mps=_number(message.get("speed")),
        mode=_MODES.get(mode, "none") if isinstance(mode, int) else "none",
    )


def _lines(link: socket.socket, closing: threading.Event) -> Iterator[bytes | None]:
    """Give each line that arrives, and None for each second without one."""
    buffer = bytearray()
    while not closing.is_set():
        try:
            chunk = link.recv(16_384)
        except TimeoutError:
            yield None
            continue
        if not chunk:
            return
        buffer += chunk
        *lines, rest = bytes(buffer).split(b"\n")
        buffer = bytearray(rest)
        if len(buffer) > _MAX_LINE_BYTES:
            raise OSError("a line without an end")
        yield from lines


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        # gpsd passes on what a receiver garbled; the next line is another matter.
        return {}
    return message if isinstance(message, dict) else {}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _time(value: object) -> datetime | None:
    if not isinstance(value, str) or not value.endswith("Z"):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except ValueError:
        return None
