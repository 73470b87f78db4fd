"""
Round-trip time, its variation and loss.

Against a server that offers the UDP echo: numbered questions at fixed intervals, each answered or
lost. Against any other server: the time of TCP handshakes, which the kernel repeats after a loss
without telling, so that loss is then unknown (None), not zero. The record names the method.

`rtt_ms` is the median. `jitter_ms` is the mean absolute difference between the round-trip times
of neighbouring numbers that were both answered: inter-packet delay variation as in RFC 5481, 4.1,
over round trips instead of one way. `loss_ratio` is lost over asked.
"""

import json
import secrets
import socket
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

from .connection import (
    READ,
    Deadline,
    open_connection,
    open_tcp,
    read_head,
    ready,
    receive_some,
    send_all,
)
from .echo import NONCE_BYTES, OFFER_PATH, TOKEN_BYTES, question, read_answer
from .engines.ndt7 import USER_AGENT
from .engines.websocket import parse_head, status_of
from .interface import Address, Latency, Limits, Target

JITTER_FORMULA = "mean_abs_ipdv_rfc5481_of_rtt"
PROBES = 20
INTERVAL_S = 0.05
WAIT_S = 1.0
_LOADED_INTERVAL_S = 0.02
_FEWEST_TCP = 5
_MAX_OFFER_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Echo:
    """One question: when it was sent (monotonic seconds), and its round trip, None if lost."""

    sent_s: float
    rtt_ms: float | None


def measure_idle(
    target: Target,
    address: Address,
    token: bytes | None,
    *,
    probes: int = PROBES,
    wait_s: float = WAIT_S,
    limits: Limits | None = None,
) -> Latency:
    """
    Measure while nothing else runs; with a token by UDP echo, else by TCP handshakes.

    Raises
    ------
    OSError
        If too little came back to tell.
    """
    echoes: list[Echo] = []
    if token is not None:
        echoes = ask_echoes(address, token, probes=probes, interval_s=INTERVAL_S, wait_s=wait_s)
        if any(echo.rtt_ms is not None for echo in echoes):
            return summarise(echoes, method="udp_echo")
    latency = _by_handshakes(address, probes, limits or Limits())
    if token is not None:
        latency.record["udp_echo"] = f"0 of {len(echoes)} answered"
    return latency


def summarise(echoes: Sequence[Echo], *, method: str) -> Latency:
    """Give median, variation and loss of numbered questions, of which one at least came back."""
    times = [echo.rtt_ms for echo in echoes]
    known = [rtt for rtt in times if rtt is not None]
    return Latency(
        rtt_ms=statistics.median(known),
        jitter_ms=jitter_ms(times),
        loss_ratio=(len(times) - len(known)) / len(times),
        record={
            "method": method,
            "jitter_formula": JITTER_FORMULA,
            "asked": len(times),
            "answered": len(known),
            "rtts_ms": [None if rtt is None else round(rtt, 3) for rtt in times],
        },
    )


def jitter_ms(times: Sequence[float | None]) -> float | None:
    """Give the mean absolute difference of neighbours that both came back; None without any."""
    steps = [
        abs(after - before)
        for before, after in pairwise(times)
        if before is not None and after is not None
    ]
    return statistics.fmean(steps) if steps else None


def loaded_rtt_ms(echoes: Sequence[Echo], start_s: float, end_s: float) -> float | None:
    """Give the median of what was asked between two moments; None where nothing came back."""
    known = [e.rtt_ms for e in echoes if e.rtt_ms is not None and start_s <= e.sent_s <= end_s]
    return statistics.median(known) if known else None


class LoadedEcho:
    """Ask for echoes on a flow of their own, beside a test: ``with LoadedEcho(...) as loaded``."""

    def __init__(self, address: Address, token: bytes, *, at_most_s: float) -> None:
        self.echoes: list[Echo] = []
        self._address = address
        self._token = token
        self._probes = max(1, int(at_most_s / _LOADED_INTERVAL_S))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True, name="loaded-echo")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(2 * WAIT_S)

    def _ask(self) -> None:
        try:
            self.echoes = ask_echoes(
                self._address,
                self._token,
                probes=self._probes,
                interval_s=_LOADED_INTERVAL_S,
                wait_s=WAIT_S / 2,
                stopped=self._stop.is_set,
            )
        except OSError:
            # Loaded latency is extra: without it the visit stands, and its field is None.
            self.echoes = []


def ask_echoes(
    address: Address,
    token: bytes,
    *,
    probes: int,
    interval_s: float,
    wait_s: float,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Echo]:
    """Ask at fixed intervals, wait for the last answers, and give all that was asked."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    sent: list[float] = []
    rtts: dict[int, float] = {}
    with socket.socket(address.socket_family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0)
        sock.connect(address.sockaddr)
        turn = time.monotonic()
        while True:
            now = time.monotonic()
            asking = len(sent) < probes and not stopped()
            if asking and now >= turn:
                turn = now + interval_s
                sent.append(now)
                if not _send_question(sock, question(token, nonce, len(sent) - 1)):
                    break
                continue
            until = turn if asking else (sent[-1] if sent else now) + wait_s
            if not asking and (len(rtts) == len(sent) or now >= until):
                break
            if ready(sock, READ, min(until - now, interval_s)) and not _take_answers(
                sock, nonce, sent, rtts
            ):
                break
    return [Echo(moment, rtts.get(number)) for number, moment in enumerate(sent)]


def _send_question(sock: socket.socket, data: bytes) -> bool:
    """Send one; a full buffer loses it like any other queue. False: nobody listens there."""
    try:
        sock.send(data)
    except BlockingIOError:
        pass
    except ConnectionRefusedError:
        return False
    return True


def _take_answers(
    sock: socket.socket, nonce: bytes, sent: list[float], rtts: dict[int, float]
) -> bool:
    while True:
        try:
            data = sock.recv(64)
        except BlockingIOError:
            return True
        except ConnectionRefusedError:
            return False
        now = time.monotonic()
        number = read_answer(data, nonce)
        if number is not None and number < len(sent):
            rtts.setdefault(number, (now - sent[number]) * 1000)


def _by_handshakes(address: Address, probes: int, limits: Limits) -> Latency:
    """Time TCP handshakes: SYN to SYN-ACK is one round trip."""
    times: list[float | None] = []
    deadline = Deadline.after(limits.connect_s + probes * INTERVAL_S)
    failed: OSError | None = None
    for _ in range(probes):
        started = time.monotonic()
        if deadline.passed():
            break
        try:
            open_tcp(address, deadline).close()
        except OSError as error:
            failed = error
            times.append(None)
        else:
            times.append((time.monotonic() - started) * 1000)
        time.sleep(min(INTERVAL_S, deadline.left()))
    known = [rtt for rtt in times if rtt is not None]
    if len(known) < min(_FEWEST_TCP, probes):
        raise failed or TimeoutError
    shown = summarise([Echo(0.0, rtt) for rtt in times], method="tcp_handshake")
    return Latency(
        rtt_ms=shown.rtt_ms, jitter_ms=shown.jitter_ms, loss_ratio=None, record=shown.record
    )


def ask_offer(target: Target, address: Address, limits: Limits) -> bytes | None:
    """
    Ask a server for its UDP echo.

    Returns
    -------
    token
        What to show with each question; None where the server has no echo, as M-Lab's have
        none. The echo is at the same address and port number, wherever the answer points.
    """
    deadline = Deadline.after(limits.handshake_s)
    sock = open_connection(target, address, Deadline.after(limits.connect_s))
    with sock:
        request = (
            f"GET {OFFER_PATH} HTTP/1.1\r\nHost: {target.authority}\r\n"
            f"User-Agent: {USER_AGENT}\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
        )
        send_all(sock, request.encode("ascii"), deadline)
        head, body = read_head(sock, deadline)
        if status_of(head) != 200:
            return None
        _, headers = parse_head(head)
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()) or int(length[:9]) > _MAX_OFFER_BYTES:
            return None
        while len(body) < int(length):
            chunk = receive_some(sock, _MAX_OFFER_BYTES, deadline)
            if not chunk:
                return None
            body += chunk
    return _read_token(body[: int(length)])


def _read_token(body: bytes) -> bytes | None:
    try:
        offer: Any = json.loads(body)
        token = bytes.fromhex(offer["token"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return token if len(token) == TOKEN_BYTES else None
