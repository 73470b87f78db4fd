"""Answer the UDP echo: who asked, how often, and when it came (`..echo` has the wire)."""

import time
from collections import OrderedDict
from dataclasses import dataclass

from ..echo import QUESTION_BYTES, answer, read_question
from .limits import source_of
from .metrics import Metrics

MAX_SESSIONS = 4096
MAX_SESSIONS_PER_SOURCE = 64
QUESTIONS_PER_S = 500
# How far behind the highest number a late question is still told from a repeated one.
_WINDOW = 256


@dataclass(slots=True)
class _Session:
    highest: int = -1
    seen: int = 0
    received: int = 0
    credit: float = QUESTIONS_PER_S
    credited_s: float = 0.0

    def count(self, number: int) -> int:
        """Count a number that has arrived, once; give how many different ones have."""
        if number > self.highest:
            shift = number - self.highest
            self.seen = ((self.seen << shift) if shift < _WINDOW else 0) | 1
            self.seen &= (1 << _WINDOW) - 1
            self.highest = number
            self.received += 1
        elif self.highest - number < _WINDOW:
            bit = 1 << (self.highest - number)
            if not self.seen & bit:
                self.seen |= bit
                self.received += 1
        return self.received

    def allowed(self, now_s: float) -> bool:
        """Tell whether the session asks slowly enough."""
        gained = (now_s - self.credited_s) * QUESTIONS_PER_S
        self.credit = min(QUESTIONS_PER_S, self.credit + gained) - 1
        self.credited_s = now_s
        if self.credit < 0:
            self.credit = 0.0
            return False
        return True


class EchoDesk:
    """The sessions of one UDP socket; used by its thread only."""

    def __init__(self, secret: bytes, metrics: Metrics) -> None:
        self._secret = secret
        self._metrics = metrics
        # Both orders are by last use: who has asked longest ago makes room.
        self._sources: OrderedDict[str, OrderedDict[tuple[str, bytes], _Session]] = OrderedDict()
        self._count = 0

    def reply(self, data: bytes, ip: str, arrived_ns: int) -> bytes | None:
        """Give the answer to a datagram; None where none is owed."""
        now_s = time.monotonic()
        asked = read_question(data, ip, self._secret, now_s)
        if asked is None:
            reason = "no_token" if len(data) == QUESTION_BYTES else "malformed"
            self._metrics.add("phusong_echoes_total", result=reason)
            return None
        session = self._session((ip, asked.nonce), now_s)
        if not session.allowed(now_s):
            self._metrics.add("phusong_echoes_total", result="too_many")
            return None
        self._metrics.add("phusong_echoes_total", result="answered")
        return answer(
            asked,
            received=session.count(asked.number),
            received_at_ns=arrived_ns,
            held_us=(time.time_ns() - arrived_ns) // 1000,
        )

    def _session(self, key: tuple[str, bytes], now_s: float) -> _Session:
        source = source_of(key[0])
        held = self._sources.setdefault(source, OrderedDict())
        self._sources.move_to_end(source)
        session = held.get(key)
        if session is not None:
            held.move_to_end(key)
            return session
        if len(held) >= MAX_SESSIONS_PER_SOURCE:
            self._forget(source)
        elif self._count >= MAX_SESSIONS:
            self._forget(next(iter(self._sources)))
        session = _Session(credited_s=now_s)
        self._sources.setdefault(source, held)[key] = session
        self._count += 1
        return session

    def _forget(self, source: str) -> None:
        """Drop the session of a source that has asked longest ago."""
        held = self._sources[source]
        held.popitem(last=False)
        self._count -= 1
        if not held:
            del self._sources[source]
