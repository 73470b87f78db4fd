"""Ask numbered questions of a server's UDP echo, and time the answers."""

import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from .connection import READ, ready
from .echo import (
    ANSWER_BYTES,
    NONCE_BYTES,
    question,
    read_full_answer,
    receive_stamped,
    stamp_arrivals,
)
from .interface import Address

_PATIENCE_S, _PATIENCE_RTTS = 0.5, 4.0


@dataclass(frozen=True, slots=True)
class Echo:
    """
    One question: when it was sent (monotonic seconds), and its round trip, None if lost.

    `received` is how many of the session's questions the server had when it answered this one.
    """

    sent_s: float
    rtt_ms: float | None
    received: int | None = None


def ask_echoes(
    address: Address,
    token: bytes,
    *,
    probes: int,
    interval_s: float,
    wait_s: float,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Echo]:
    """
    Ask at fixed intervals, wait for the last answers, and give all that was asked.

    `wait_s` is the longest wait; it is shorter where far less has always been enough.
    """
    session = _Session(token)
    with socket.socket(address.socket_family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0)
        sock.connect(address.sockaddr)
        stamp_arrivals(sock)
        turn = time.monotonic()
        while True:
            now = time.monotonic()
            asking = len(session.sent) < probes and not stopped()
            if asking and now >= turn:
                turn = max(turn + interval_s, now)
                if not session.ask(sock):
                    break
                continue
            until = turn if asking else session.patience_ends(now, wait_s)
            if not asking and (session.all_answered() or now >= until):
                break
            if ready(sock, READ, min(until - now, interval_s)) and not session.take(sock):
                break
    return session.echoes()


class _Session:
    """Questions under one nonce, and what came back."""

    def __init__(self, token: bytes) -> None:
        self._token = token
        self._nonce = secrets.token_bytes(NONCE_BYTES)
        self.sent: list[tuple[float, int]] = []
        self._rtts: dict[int, float] = {}
        self._received: dict[int, int] = {}

    def ask(self, sock: socket.socket) -> bool:
        """Send one; a full buffer loses it like any other queue. False: nobody listens there."""
        data = question(self._token, self._nonce, len(self.sent))
        self.sent.append((time.monotonic(), time.time_ns()))
        try:
            sock.send(data)
        except BlockingIOError:
            pass
        except ConnectionRefusedError:
            return False
        return True

    def take(self, sock: socket.socket) -> bool:
        """Take the answers that are there. False: nobody listens there."""
        while True:
            try:
                data, _, arrived_ns = receive_stamped(sock, 2 * ANSWER_BYTES)
            except BlockingIOError:
                return True
            except ConnectionRefusedError:
                return False
            took_ms = time.monotonic() * 1000
            answer = read_full_answer(data, self._nonce)
            if answer is None or answer.number >= len(self.sent) or answer.number in self._rtts:
                continue
            sent_s, sent_ns = self.sent[answer.number]
            self._received[answer.number] = answer.received
            self._rtts[answer.number] = _round_trip_ms(
                took_ms - sent_s * 1000, (arrived_ns - sent_ns) / 1e6, answer.held_us / 1000
            )

    def all_answered(self) -> bool:
        """Tell whether nothing is under way."""
        return len(self._rtts) == len(self.sent)

    def patience_ends(self, now_s: float, wait_s: float) -> float:
        """Give until when the last answers are waited for."""
        last_s = self.sent[-1][0] if self.sent else now_s
        if not self._rtts:
            return last_s + wait_s
        longest_s = max(self._rtts.values()) / 1000
        return last_s + min(wait_s, max(_PATIENCE_S, _PATIENCE_RTTS * longest_s))

    def echoes(self) -> list[Echo]:
        """Give all that was asked."""
        return [
            Echo(sent_s, self._rtts.get(number), self._received.get(number))
            for number, (sent_s, _) in enumerate(self.sent)
        ]


def _round_trip_ms(steady_ms: float, stamped_ms: float, held_ms: float) -> float:
    """
    Choose between two clocks, and take off what the far end held.

    The kernel's stamp is of the wall clock, which may be set meanwhile; what it says must be
    shorter than what the steady clock saw, or it is not believed. Nor is a far end that claims
    to have held a question for longer than everything took.
    """
    whole_ms = stamped_ms if 0 < stamped_ms <= steady_ms else steady_ms
    return whole_ms - held_ms if held_ms < whole_ms else whole_ms
