"""
Receipts: what the server counted of a test, signed with its key.

The signature is ECDSA over P-256 with SHA-256, of the receipt as JSON with sorted keys, no spaces
and only ASCII: it holds whole numbers, texts and nulls, so that every language writes the same
bytes. Without a key the signature is null, and the receipt is only a claim.
"""

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...data.errors import ConfigError
from ..receipt import ALGORITHM, signed_bytes
from .ledger import Test

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_VERSION = 1
_MAX_KEY_BYTES = 65_536


def receipt_of(test: Test, now: datetime) -> dict[str, Any]:
    """
    Say what was counted of a test that has ended.

    `bytes` is payload that reached the far end: received here for an upload, acknowledged to our
    kernel for a download (null where the kernel cannot say). `bytes_handed_over` is what was
    given to our kernel for a download: no result. The kernel's times tell what held our end of
    it up: the network (`busy_us` without the other two), the client's window, our own buffer.
    """
    counts = [flow.moved if test.direction == "upload" else flow.acked for flow in test.flows]
    known = [count for count in counts if count is not None]
    began = datetime.fromtimestamp(test.began_at_ns / 1e9, UTC)
    duration_us = (test.ended_ns - test.began_ns) // 1000
    kernels = [flow.kernel for flow in test.flows if flow.kernel is not None]
    again = [flow.retransmitted for flow in test.flows if flow.retransmitted is not None]
    controls = sorted({flow.congestion_control or "unknown" for flow in test.flows})
    return {
        "version": _VERSION,
        "test": test.id,
        "engine": test.engine,
        "direction": test.direction,
        "family": test.family,
        "flows": len(test.flows),
        "flows_told": test.told_flows,
        "bytes": sum(known) if len(known) == len(counts) else None,
        "bytes_handed_over": (
            sum(flow.moved for flow in test.flows) if test.direction == "download" else None
        ),
        "bytes_retransmitted": sum(again) if again else None,
        "min_rtt_us": min((info.min_rtt_us for info in kernels), default=None),
        "rtt_us": max((info.rtt_us for info in kernels), default=None),
        "busy_us": max((info.busy_us for info in kernels), default=None),
        "rwnd_limited_us": max((info.rwnd_limited_us for info in kernels), default=None),
        "sndbuf_limited_us": max((info.sndbuf_limited_us for info in kernels), default=None),
        "congestion_control": ",".join(controls),
        "ended_by": ",".join(sorted({flow.ended for flow in test.flows})),
        "began": _utc(began),
        "ended": _utc(began + timedelta(microseconds=duration_us)),
        "duration_us": duration_us,
        "issued": _utc(now),
    }


class Signer:
    """
    The server's key; `public_key` is its PEM text. Without a file nothing is signed.

    A file that is not there yet is made, readable by its owner only.

    Raises
    ------
    ConfigError
        If the file cannot be used, or `cryptography` is not installed.
    """

    def __init__(self, file: Path | None) -> None:
        self.public_key: str | None = None
        self._sign: Callable[[bytes], bytes] | None = None
        if file is None:
            return
        try:
            from cryptography.hazmat.primitives import hashes, serialization
            from cryptography.hazmat.primitives.asymmetric import ec
        except ImportError:
            raise ConfigError(
                "signing receipts needs the package cryptography: pip install phusong[collector]"
            ) from None
        key = _load(file) if file.exists() else _make(file)
        self.public_key = (
            key.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode("ascii")
        )
        self._sign = lambda data: key.sign(data, ec.ECDSA(hashes.SHA256()))

    def answer(self, receipt: dict[str, Any]) -> dict[str, Any]:
        """Give a receipt with its signature and the key that checks it."""
        signature = None if self._sign is None else self._sign(signed_bytes(receipt)).hex()
        return {
            "receipt": receipt,
            "algorithm": ALGORITHM if signature else None,
            "signature": signature,
            "public_key": self.public_key,
        }


def _load(file: Path) -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            data = opened.read(_MAX_KEY_BYTES)
        key = serialization.load_pem_private_key(data, password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            "{file} is no key to sign with: {error} (--signing-key)", file=file, error=error
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ConfigError(
            "{file} is no P-256 key; name a file that is not there yet, to have one made"
            " (--signing-key)",
            file=file,
        )
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError("{file} can be read or changed by other users; say chmod 600", file=file)
    return key


def _make(file: Path) -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    data = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as opened:  # noqa: PTH123 - a descriptor has no path
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        raise ConfigError(
            "the key {file} cannot be written: {error} (--signing-key)", file=file, error=error
        ) from None
    return key


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
