"""
The UDP echo between our probe and our server: what is on the wire.

A question is 32 bytes: 4 of kind, 16 of token, 8 of nonce, 4 of number. An answer is 32 too:

    kind 4 | nonce 8 | number 4 | received 4 | received_at_ns 8 | held_us 4

It is never longer than the question and only given to whoever shows a token, which the server
hands out over TCP and binds to the asking address: the echo cannot be turned on a third party.
The nonce is the probe's own and names a session, so that nobody who does not see the path can
answer.

`received` is how many different numbers of this session have reached the server, this one
included: with the numbers sent and the answers seen it tells on which way questions or answers
were lost. `received_at_ns` is the server's wall clock when its kernel took the question in:
only differences of it mean anything. `held_us` is how long the server kept the question before
answering, which a probe takes off its round trip.

A session may ask 500 times a second; what comes faster is dropped, like in any full queue.
"""

import hashlib
import hmac
import socket
import struct
import sys
import time
from dataclasses import dataclass

OFFER_PATH = "/phusong/v1/echo"
TOKEN_BYTES = 16
NONCE_BYTES = 8
TOKEN_LIFE_S = 120
_ASK = struct.Struct("!4s16s8sI")
_ANSWER = struct.Struct("!4s8sIIQI")
_ASK_KIND = b"psQ2"
_ANSWER_KIND = b"psA2"
_MAX_HELD_US = (1 << 32) - 1
QUESTION_BYTES = _ASK.size
ANSWER_BYTES = _ANSWER.size

# Linux's SO_TIMESTAMPNS, which Python does not name; other systems get no kernel timestamps.
_TIMESTAMP_NS = 35 if sys.platform == "linux" else None
_TIMESPEC = struct.Struct("@ll")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)


@dataclass(frozen=True, slots=True)
class Question:
    """A question whose token holds: from which session, which number."""

    nonce: bytes
    number: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: to which number, and what the server saw (module docstring)."""

    number: int
    received: int
    received_at_ns: int
    held_us: int


def question(token: bytes, nonce: bytes, number: int) -> bytes:
    """Give a question's bytes."""
    return _ASK.pack(_ASK_KIND, token, nonce, number)


def read_question(data: bytes, ip: str, secret: bytes, now_s: float) -> Question | None:
    """Read a question from an address; None if its token does not hold there and now."""
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
    return Question(nonce, number)


def answer(asked: Question, *, received: int, received_at_ns: int, held_us: int) -> bytes:
    """Give an answer's bytes."""
    held = min(max(0, held_us), _MAX_HELD_US)
    return _ANSWER.pack(
        _ANSWER_KIND, asked.nonce, asked.number, received & 0xFFFFFFFF, received_at_ns, held
    )


def read_full_answer(data: bytes, nonce: bytes) -> Answer | None:
    """Read an answer with what the server saw; None if it is no answer to this nonce."""
    if len(data) != _ANSWER.size:
        return None
    kind, seen, number, received, received_at_ns, held_us = _ANSWER.unpack(data)
    if kind != _ANSWER_KIND or seen != nonce:
        return None
    return Answer(number, received, received_at_ns, held_us)


def new_token(secret: bytes, ip: str, now_s: float) -> bytes:
    """Give the token with which an address may ask, for one to two lifetimes."""
    return _token(secret, ip, int(now_s // TOKEN_LIFE_S))


def stamp_arrivals(sock: socket.socket) -> bool:
    """Have the kernel note when each datagram arrives; tell whether it will."""
    if _TIMESTAMP_NS is None:
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, _TIMESTAMP_NS, 1)
    except OSError:
        return False
    return True


def receive_stamped(sock: socket.socket, size: int) -> tuple[bytes, tuple[object, ...], int]:
    """
    Take a datagram.

    Returns
    -------
    data, peer, arrived_ns
        The time of arrival on the wall clock (`time.time_ns`): the kernel's where
        `stamp_arrivals` got it, else that of this call.
    """
    data, ancillary, _, peer = sock.recvmsg(size, _ANCILLARY_BYTES)
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == _TIMESTAMP_NS and len(value) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(value)
            return data, peer, seconds * 1_000_000_000 + nanoseconds
    return data, peer, time.time_ns()


def _token(secret: bytes, ip: str, period: int) -> bytes:
    return hmac.digest(secret, f"{ip} {period}".encode(), hashlib.sha256)[:TOKEN_BYTES]
