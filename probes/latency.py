"""
Round-trip time, its variation and loss.

Against a server that offers the UDP echo: numbered questions at fixed intervals, each answered or
lost. Against any other server: the time of TCP handshakes, which the kernel repeats after a loss
without telling, so that loss is then unknown (None), not zero. The record names the method.

`rtt_ms` is the median; the record has the 50th, 90th and 99th percentile. A round trip ends when
the kernel took the answer in, where it says when (``SO_TIMESTAMPNS``), and the time that the
server held the question is taken off. `jitter_ms` is the mean absolute difference between the
round-trip times of neighbouring numbers that were both answered: inter-packet delay variation as
in RFC 5481, 4.1, over round trips instead of one way. `loss_ratio` is lost over asked; the record
tells on which way, by the server's count of what it has received.
"""

import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

from .connection import (
    Deadline,
    open_tcp,
)
from .echo_session import Echo, ask_echoes
from .interface import Address, Latency, Limits, Target

JITTER_FORMULA = "mean_abs_ipdv_rfc5481_of_rtt"
PROBES = 20
INTERVAL_S = 0.05
WAIT_S = 1.0
SHARES = (50, 90, 99)
_LOADED_INTERVAL_S = 0.05
# A queue of seconds must be seen; a lost question must not hold a visit up for as long.
_LOADED_WAIT_S = 3.0
_FEWEST_TCP = 5


@dataclass(frozen=True, slots=True)
class Loss:
    """
    Where questions and answers were lost, in counts.

    `up_of` are the questions up to the last one answered, `down_of` those of them that reached
    the server. What was lost after them is in `unplaced`: no count came back to tell the way.
    The ways are None where the server does not count, or counts what cannot be.
    """

    asked: int
    answered: int
    up: int | None
    up_of: int
    down: int | None
    down_of: int
    unplaced: int

    def shown(self) -> dict[str, Any]:
        """Give it as it is kept."""
        ways: dict[str, Any] = {"loss_up": None, "loss_down": None}
        if self.up is not None and self.down is not None and self.down_of:
            ways = {
                "loss_up": round(self.up / self.up_of, 6),
                "loss_down": round(self.down / self.down_of, 6),
                "lost_up": self.up,
                "lost_down": self.down,
                "lost_unplaced": self.unplaced,
            }
        return {"asked": self.asked, "answered": self.answered} | ways


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
    lost = loss_by_way(echoes)
    return Latency(
        rtt_ms=statistics.median(known),
        jitter_ms=jitter_ms(times),
        loss_ratio=(len(times) - len(known)) / len(times),
        record={
            "method": method,
            "jitter_formula": JITTER_FORMULA,
            **lost.shown(),
            "percentiles_ms": percentiles_ms(known),
            "rtts_ms": [None if rtt is None else round(rtt, 3) for rtt in times],
        },
    )


def percentiles_ms(times: Sequence[float]) -> dict[str, float] | None:
    """Give p50, p90 and p99, between the nearest two where need be; None without any time."""
    if not times:
        return None
    many = times if len(times) > 1 else [times[0], times[0]]
    cuts = statistics.quantiles(many, n=100, method="inclusive")
    return {f"p{share}": round(cuts[share - 1], 3) for share in SHARES}


def loss_by_way(echoes: Sequence[Echo]) -> Loss:
    """
    Tell lost questions from lost answers.

    Of the questions up to the last one answered, the server had received so many; the others
    were lost on the way there, and what it answered in vain was lost on the way back.
    """
    answered = [number for number, echo in enumerate(echoes) if echo.rtt_ms is not None]
    counts = [echo.received for echo in echoes if echo.received is not None]
    sent = answered[-1] + 1 if answered else 0
    reached = max(counts, default=0)
    told = len(answered) <= reached <= sent and bool(counts)
    return Loss(
        asked=len(echoes),
        answered=len(answered),
        up=sent - reached if told else None,
        up_of=sent,
        down=reached - len(answered) if told else None,
        down_of=reached,
        unplaced=len(echoes) - sent,
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
    known = [echo.rtt_ms for echo in _between(echoes, start_s, end_s) if echo.rtt_ms is not None]
    return statistics.median(known) if known else None


def loaded_record(echoes: Sequence[Echo], start_s: float, end_s: float) -> dict[str, Any]:
    """Give percentiles, variation and loss of what was asked between two moments, to be kept."""
    times = [echo.rtt_ms for echo in _between(echoes, start_s, end_s)]
    known = [rtt for rtt in times if rtt is not None]
    jitter = jitter_ms(times)
    return {
        "asked_in_window": len(times),
        "answered_in_window": len(known),
        "percentiles_ms": percentiles_ms(known),
        "jitter_ms": None if jitter is None else round(jitter, 3),
        "jitter_formula": JITTER_FORMULA,
        # The server counts from the first question on, so loss by way is of the whole session.
        "session": loss_by_way(echoes).shown(),
    }


def _between(echoes: Sequence[Echo], start_s: float, end_s: float) -> list[Echo]:
    return [echo for echo in echoes if start_s <= echo.sent_s <= end_s]


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
        self._thread.join(2 * _LOADED_WAIT_S)

    def _ask(self) -> None:
        try:
            self.echoes = ask_echoes(
                self._address,
                self._token,
                probes=self._probes,
                interval_s=_LOADED_INTERVAL_S,
                wait_s=_LOADED_WAIT_S,
                stopped=self._stop.is_set,
            )
        except OSError:
            # Loaded latency is extra: without it the visit stands, and its field is None.
            self.echoes = []


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
