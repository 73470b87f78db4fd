"""
What the instrument itself can measure on this machine: its own speed over loopback.

A figure near it is the instrument's, not the network's. It is measured against a server in a
process of its own, as on a real link, and kept until the next start of the machine.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...data.errors import ProbeError
from ..connection import READ, Deadline, reach, ready
from ..interface import AttemptError, Limits, Target
from .ndt7 import VERSION, Ndt7

# From this share of its ceiling on, an instrument no longer follows the link.
NEAR_SHARE = 0.8
_SECONDS = 1.0
_START_S = 20.0
_END_S = 5.0
_MAX_LINE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The rates over loopback, without TLS, in Mbit/s, by our version and this boot's name."""

    down_mbps: float
    up_mbps: float
    version: str
    boot_id: str | None

    def is_near(self, mbps: float, direction: str) -> bool:
        """Tell whether a rate may be the instrument's own."""
        limit = self.down_mbps if direction == "download" else self.up_mbps
        return mbps >= NEAR_SHARE * limit

    def shown(self) -> dict[str, Any]:
        """Give it as it is kept."""
        return {"down_mbps": round(self.down_mbps), "up_mbps": round(self.up_mbps)}


def measure_ceiling(
    boot_id: str | None, *, seconds: float = _SECONDS, command: tuple[str, ...] | None = None
) -> Ceiling:
    """
    Measure over loopback, a second in each direction.

    Raises
    ------
    ProbeError
        If no server could be started or reached.
    """
    serve = command or (
        *(sys.executable, "-m", "phusong", "probe", "serve"),
        *("--bind", "127.0.0.1", "--port", "0", "--json"),
    )
    try:
        with subprocess.Popen(  # noqa: S603 - our own program, no shell
            serve, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as server:
            try:
                target = Target.parse(_first_url(server), allow_private=True)
                limits = Limits(duration_s=seconds, max_bytes=1 << 40, width=None)
                address = reach(target, limits)
                engine = Ndt7()
                down = engine.download(target, address, limits)
                up = engine.upload(target, address, limits)
            finally:
                _end(server)
    except (AttemptError, OSError, ValueError, KeyError) as error:
        raise ProbeError(
            "this machine's own limit could not be measured over loopback: {error}", error=error
        ) from None
    return Ceiling(down_mbps=down.mbps, up_mbps=up.mbps, version=VERSION, boot_id=boot_id)


def kept_ceiling(path: Path, boot_id: str | None) -> Ceiling | None:
    """Give what was measured since this machine was started, by this version; else None."""
    try:
        kept = Ceiling(**json.loads(path.read_text("utf-8")))
        usable = min(float(kept.down_mbps), float(kept.up_mbps)) > 0
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    same = usable and boot_id is not None and (kept.boot_id, kept.version) == (boot_id, VERSION)
    return kept if same else None


def ceiling_of(path: Path, boot_id: str | None, measure: Callable[..., Ceiling]) -> Ceiling | None:
    """Give this machine's ceiling, measured now if it is not kept; None where it cannot be."""
    known = kept_ceiling(path, boot_id)
    if known is not None:
        return known
    try:
        found = measure(boot_id)
    except ProbeError:
        return None
    keep_ceiling(path, found)
    return found


def keep_ceiling(path: Path, ceiling: Ceiling) -> None:
    """Keep it for the next visit; where that cannot be done it is measured again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(ceiling)), "utf-8")
    except OSError:
        return


def cache_path() -> Path:
    """Give the file in which this machine's ceiling is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "phusong" / "ceiling.json"


def _first_url(server: subprocess.Popen[bytes]) -> str:
    deadline = Deadline.after(_START_S)
    if server.stdout is None:
        raise ValueError("the server says nothing")
    descriptor, line = server.stdout.fileno(), b""
    while b"\n" not in line and len(line) < _MAX_LINE_BYTES:
        if not ready(descriptor, READ, deadline.left()):
            raise TimeoutError
        data = os.read(descriptor, _MAX_LINE_BYTES)
        if not data:
            raise ValueError("the server ended")
        line += data
    return str(json.loads(line.split(b"\n")[0])["url"])


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_END_S)
    except subprocess.TimeoutExpired:
        server.kill()
