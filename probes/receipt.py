"""
The far end's own count of a test: fetched, checked, set beside ours, and kept.

A receipt never becomes a figure. What is measured stands on our own counters; the receipt is kept
as it came, with its signature, as evidence that somebody else has counted too. One that says
something else than we do is marked, and its sample's reading stays ours.

It agrees if it is neither less than what we know to have arrived, nor more than can have been
under way when we stopped counting. An upload: no more than we sent. A download: no more than half
a second brings. 2 % and 64 KiB are let pass for what TLS and the last acknowledgements blur.
"""

import json
import re
import time
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ..data.errors import ConfigError
from ..data.sample import Outcome
from .connection import Deadline
from .fetch import fetch
from .interface import Address, AttemptError, Failure, Limits, Target, Throughput, attempt

RECEIPT_PATH = "/phusong/v1/receipt"
ALGORITHM = "ecdsa-p256-sha256"
_ID = re.compile(r"[A-Za-z0-9_-]{22,64}")
# The server says goodbye to each flow for a second before it closes the account.
_WAIT_S = 3.0
_AGAIN_S = 0.1
_SLACK_SHARE, _SLACK_BYTES, _UNDER_WAY_S = 0.02, 65_536, 0.5
_MAX_FIELDS, _MAX_KEY_BYTES = 40, 4096


class Check(StrEnum):
    """What a receipt's signature is worth."""

    SIGNED = "signed"
    SIGNED_BY_UNKNOWN_KEY = "signed_by_unknown_key"
    ANOTHER_KEY = "another_key"
    BAD_SIGNATURE = "bad_signature"
    UNSIGNED = "unsigned"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt as it came, what its signature is worth, and whether it agrees with our count."""

    said: dict[str, Any]
    algorithm: str | None
    signature: str | None
    public_key: str | None
    check: Check
    counted_bytes: int
    agrees: bool | None

    def shown(self) -> dict[str, Any]:
        """Give it as it is kept: whoever has the key can check it again."""
        key = self.public_key
        return {
            "check": self.check.value,
            "agrees": self.agrees,
            "counted_bytes": self.counted_bytes,
            "receipt": self.said,
            "algorithm": self.algorithm,
            "signature": self.signature,
            "public_key": key,
            "key_sha256": sha256(key.encode("ascii")).hexdigest() if key else None,
        }


def is_test_id(text: object) -> bool:
    """Tell whether a text can be the name of a test."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def signed_bytes(receipt: dict[str, Any]) -> bytes:
    """Give the bytes that a signature is of."""
    return json.dumps(receipt, sort_keys=True, separators=(",", ":")).encode("ascii")


def read_key(file: Path) -> bytes:
    """
    Read the public key that an operator has told: P-256, in PEM.

    Raises
    ------
    ConfigError
        If it is none, or `cryptography` is not installed.
    """
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise ConfigError(
            "checking receipts needs the package cryptography: pip install phusong[collector]"
        ) from None
    try:
        with file.open("rb") as opened:
            pem = opened.read(_MAX_KEY_BYTES)
        key = serialization.load_pem_public_key(pem)
    except (OSError, ValueError) as error:
        raise ConfigError(
            "{file} is no public key: {error} (--receipt-key)", file=file, error=error
        ) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise ConfigError(
            "{file} is no public key of P-256; ask the server's operator (--receipt-key)",
            file=file,
        )
    return pem


def ask_receipt(
    target: Target,
    address: Address,
    moved: Throughput,
    direction: str,
    *,
    limits: Limits,
    key: bytes | None = None,
) -> dict[str, Any]:
    """
    Fetch the receipt of a direction that was measured, check it, and give what is to be kept.

    A receipt that is not to be had, or is none, is kept as the reason why: it is beside the
    measurement, which stands without it. Ctrl-C still ends everything.

    Parameters
    ----------
    key
        The public key, in PEM, that the receipt has to be signed with. Without it a good
        signature only says that the receipt is whole.
    """

    def whole() -> Receipt:
        answer = _fetch(target, address, moved.test_id or "", limits)
        return read_receipt(answer, moved, direction, key)

    found = attempt(whole)
    if not isinstance(found, Failure):
        return found.shown()
    if found.outcome is Outcome.CANCELLED:
        raise KeyboardInterrupt
    return {"missing": found.reason}


def read_receipt(answer: Any, moved: Throughput, direction: str, key: bytes | None) -> Receipt:
    """
    Take an answer for what it is.

    Raises
    ------
    AttemptError
        `bad_receipt` if it is no receipt, `another_tests_receipt` if it is of another test.
    """
    try:
        said = answer["receipt"]
        texts = [answer.get(name) for name in ("algorithm", "signature", "public_key")]
        whole = all(_is_plain(name, value) for name, value in said.items())
        counted = said["bytes"]
    except (KeyError, TypeError, AttributeError):
        raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_receipt") from None
    usable = counted is None or (isinstance(counted, int) and counted >= 0)
    if not (whole and usable and len(said) <= _MAX_FIELDS and all(map(_is_text, texts))):
        raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_receipt")
    if (said.get("test"), said.get("direction")) != (moved.test_id, direction):
        raise AttemptError(Outcome.PROTOCOL_ERROR, "another_tests_receipt")
    algorithm, signature, public_key = texts
    return Receipt(
        said=said,
        algorithm=algorithm,
        signature=signature,
        public_key=public_key,
        check=check_signature(said, algorithm, signature, public_key, key),
        counted_bytes=moved.bytes_moved,
        agrees=None if counted is None else agrees(counted, moved, direction),
    )


def agrees(counted: int, moved: Throughput, direction: str) -> bool:
    """Tell whether the far end's count and ours can both be true (module docstring)."""
    ours = moved.bytes_moved
    slack = _SLACK_SHARE * ours + _SLACK_BYTES
    if direction == "upload":
        most = max(ours, int(moved.record.get("payload_bytes") or 0))
    else:
        most = ours + int(_UNDER_WAY_S * moved.mbps * 125_000)
    return ours - slack <= counted <= most + slack


def check_signature(
    said: dict[str, Any],
    algorithm: str | None,
    signature: str | None,
    public_key: str | None,
    known_key: bytes | None,
) -> Check:
    """Tell what a receipt's signature is worth, with the operator's key where that is known."""
    if signature is None:
        return Check.UNSIGNED
    if algorithm != ALGORITHM:
        return Check.BAD_SIGNATURE
    own = public_key.encode("ascii", "replace") if public_key else None
    try:
        if known_key is not None and _holds(said, signature, known_key):
            return Check.SIGNED
        if own is None or not _holds(said, signature, own):
            return Check.BAD_SIGNATURE
    except ImportError:
        return Check.UNCHECKED
    return Check.SIGNED_BY_UNKNOWN_KEY if known_key is None else Check.ANOTHER_KEY


def _holds(said: dict[str, Any], signature: str, key: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        public = serialization.load_pem_public_key(key)
        if not isinstance(public, ec.EllipticCurvePublicKey):
            return False
        public.verify(bytes.fromhex(signature), signed_bytes(said), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _fetch(target: Target, address: Address, test_id: str, limits: Limits) -> Any:
    """Ask until the last flow has ended there too."""
    path = f"{RECEIPT_PATH}?{urlencode({'test': test_id})}"
    until = Deadline.after(_WAIT_S)
    while True:
        answer = fetch(target, address, path, limits)
        if answer.status == 200:
            break
        if answer.status != 409 or until.passed():
            raise AttemptError(Outcome.SERVER_ERROR, f"http_{answer.status}")
        time.sleep(min(_AGAIN_S, until.left()))
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise AttemptError(Outcome.PROTOCOL_ERROR, "bad_receipt") from None


def _is_plain(name: object, value: object) -> bool:
    """Tell whether a field is what receipts are made of: whole numbers, texts and nulls."""
    number = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63
    return isinstance(name, str) and name.isascii() and (number or _is_text(value))


def _is_text(value: object) -> bool:
    return value is None or (
        isinstance(value, str) and value.isascii() and len(value) <= _MAX_KEY_BYTES
    )
