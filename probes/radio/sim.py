"""
A SIM card's name: always the same on this machine, and no way back to the card's number.

An IMSI has fifteen digits of which the first five are the network's, so a plain hash of one is
undone in seconds. The hash is keyed with a secret that this machine makes once and that goes
nowhere else: neither into a store nor into an export.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

_KEY_BYTES = 32


def sim_name(number: str | None, key: bytes | None) -> str | None:
    """Give the name of the card with this IMSI or ICCID, or None without a number or a key."""
    if not number or key is None:
        return None
    digest = hmac.new(key, number.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
    return f"sim-{digest[:16]}"


def device_key(folder: Path | None = None) -> bytes | None:
    """Give this machine's secret, made when it is first asked for; None where none can be kept."""
    file = (folder or _state_folder()) / "device.key"
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
        if not file.exists():
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as new:
                new.write(secrets.token_bytes(_KEY_BYTES))
                new.flush()
                os.fsync(new.fileno())
            try:
                # Whoever links first has made the key; a second program takes that one.
                os.link(part, file)
            except FileExistsError:
                pass
            finally:
                part.unlink()
        with file.open("rb") as kept:
            key = kept.read(_KEY_BYTES)
    except OSError:
        return None
    return key if len(key) == _KEY_BYTES else None


def _state_folder() -> Path:
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "phusong"
