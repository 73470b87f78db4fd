"""
The UDP echo between our probe and our server: what is on the wire.

A question is 32 bytes: 4 of kind, 16 of token, 8 of nonce, 4 of number. An answer is 16: kind,
nonce, number. It is half as long as the question and only given to whoever shows a token, which
the server hands out over TCP and binds to the asking address: the echo cannot be turned on a
third party. The nonce is the probe's own, so that nobody who does not see the path can answer.
"""

import hashlib
import hmac
import struct

OFFER_PATH = "/phusong/v1/echo"
TOKEN_BYTES = 16
NONCE_BYTES = 8
TOKEN_LIFE_S = 120
_ASK = struct.Struct("!4s16s8sI")
_ANSWER = struct.Struct("!4s8sI")
_ASK_KIND = b"psQ1"
_ANSWER_KIND = b"psA1"
QUESTION_BYTES = _ASK.size


def question(token: bytes, nonce: bytes, number: int) -> bytes:
    """Give a question's bytes."""
    return _ASK.pack(_ASK_KIND, token, nonce, number)


def read_answer(data: bytes, nonce: bytes) -> int | None:
    """Give the number that an answer is for; None if it is no answer to this nonce."""
    if len(data) != _ANSWER.size:
        return None
    kind, seen, number = _ANSWER.unpack(data)
    if kind != _ANSWER_KIND or seen != nonce:
        return None
    return int(number)


def answer(data: bytes, ip: str, secret: bytes, now_s: float) -> bytes | None:
    """Give the answer to a question from an address; None if it is owed none."""
    if len(data) != _ASK.size:
        return None
    kind, token, nonce, number = _ASK.unpack(data)
    if kind != _ASK_KIND:
        return None
    period = int(now_s // TOKEN_LIFE_S)
    if not any(
        hmac.compare_digest(token, _token(secret, ip, when)) for when in (period, period - 1)
    ):
        return None
    return _ANSWER.pack(_ANSWER_KIND, nonce, number)


def new_token(secret: bytes, ip: str, now_s: float) -> bytes:
    """Give the token with which an address may ask, for one to two lifetimes."""
    return _token(secret, ip, int(now_s // TOKEN_LIFE_S))


def _token(secret: bytes, ip: str, period: int) -> bytes:
    return hmac.digest(secret, f"{ip} {period}".encode(), hashlib.sha256)[:TOKEN_BYTES]
