"""
What the instrument itself can measure on this machine: its own speed over loopback.

A figure near it is the instrument's, not the network's. It is measured against a server in a
process of its own, as on a real link, and kept until the next start of the machine. Over TLS the
instrument is several times slower, so it is measured both ways: the second one with a certificate
that the program openssl makes for the occasion; where there is none, the limit over TLS is
unknown, and only the processor's share tells (`load`).
"""

import json
import os
import subprocess
import sys
import tempfile
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
_CERTIFICATE = (
    *("req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    *("-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
)
_CERTIFICATE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """
    The rates over loopback in Mbit/s, by our version and this boot's name.

    `tls_down_mbps` and `tls_up_mbps` are None where they could not be measured.
    """

    down_mbps: float
    up_mbps: float
    tls_down_mbps: float | None = None
    tls_up_mbps: float | None = None
    version: str
    boot_id: str | None

    def is_near(self, mbps: float, direction: str, *, tls: bool = False) -> bool:
        """Tell whether a rate may be the instrument's own."""
        down = direction == "download"
        over_tls = self.tls_down_mbps if down else self.tls_up_mbps
        plain = self.down_mbps if down else self.up_mbps
        limit = over_tls if tls and over_tls is not None else plain
        return mbps >= NEAR_SHARE * limit

    def shown(self) -> dict[str, Any]:
        """Give it as it is kept."""
        rates = {
            "down_mbps": self.down_mbps,
            "up_mbps": self.up_mbps,
            "tls_down_mbps": self.tls_down_mbps,
            "tls_up_mbps": self.tls_up_mbps,
        }
        return {name: None if rate is None else round(rate) for name, rate in rates.items()}


def measure_ceiling(
    boot_id: str | None, *, seconds: float = _SECONDS, command: tuple[str, ...] | None = None
) -> Ceiling:
    """
    Measure over loopback, a second in each direction, plain and over TLS.

    Raises
    ------
    ProbeError
        If no server could be started or reached.
    """
    serve = command or (
        *(sys.executable, "-m", "phusong", "probe", "serve"),
        *("--bind", "127.0.0.1", "--port", "0", "--json"),
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            down, up = _rates(serve, seconds, None)
        except (AttemptError, OSError, ValueError, KeyError) as error:
            raise ProbeError(
                "this machine's own limit could not be measured over loopback: {error}",
                error=error,
            ) from None
        tls_down, tls_up = _tls_rates(serve, seconds, Path(folder))
    return Ceiling(
        down_mbps=down,
        up_mbps=up,
        tls_down_mbps=tls_down,
        tls_up_mbps=tls_up,
        version=VERSION,
        boot_id=boot_id,
    )


def _rates(serve: tuple[str, ...], seconds: float, ca: Path | None) -> tuple[float, float]:
    with subprocess.Popen(  # noqa: S603 - our own program, no shell
        serve, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        try:
            target = Target.parse(_first_url(server), allow_private=True, ca_file=ca)
            limits = Limits(duration_s=seconds, max_bytes=1 << 40, width=None)
            address = reach(target, limits)
            engine = Ndt7()
            down = engine.download(target, address, limits)
            up = engine.upload(target, address, limits)
        finally:
            _end(server)
    return down.mbps, up.mbps


def _tls_rates(
    serve: tuple[str, ...], seconds: float, folder: Path
) -> tuple[float | None, float | None]:
    """Measure over TLS; both are None where no certificate can be made, or it fails."""
    certificate, key = folder / "loopback.pem", folder / "loopback.key"
    make = ("openssl", *_CERTIFICATE, "-keyout", str(key), "-out", str(certificate))
    try:
        subprocess.run(  # noqa: S603 - a list, no shell
            make, stdin=subprocess.DEVNULL, capture_output=True, timeout=_CERTIFICATE_S, check=True
        )
        with_tls = (*serve, "--cert", str(certificate), "--key", str(key))
        return _rates(with_tls, seconds, certificate)
    except (subprocess.SubprocessError, AttemptError, OSError, ValueError, KeyError):
        return None, None


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
