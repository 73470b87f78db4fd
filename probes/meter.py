"""
What a visit costs while it runs, and where it must stop.

The flows of a test write here, other threads read: a screen that shows the speed as it is
measured, a ledger that books what was used. The figures are bytes at the IP layer where the
kernel tells them, and payload with a share for headers where it does not.
"""

import time
from dataclasses import dataclass, field

# TCP/IP headers of full segments are 2.7 to 5 % of the payload, acknowledgements another 1 or 2 %.
WIRE_SHARE = 1.06
# Name, connection with TLS, the server's offer and twenty echoes.
HEARTBEAT_BYTES = 30_000
# Fifty questions and answers a second beside a transfer.
ECHO_BYTES_PER_S = 10_000


@dataclass(slots=True)
class Meter:
    """`cap_bytes` is what may still be used in all, None without a cap."""

    cap_bytes: int | None = None
    phase: str = ""
    began_s: float = 0.0
    ended_bytes: int = 0
    payload_bytes: int = field(default=0)

    def begin(self, phase: str) -> None:
        """Note that a phase begins."""
        self.phase, self.began_s, self.payload_bytes = phase, time.monotonic(), 0

    def allows(self, payload_bytes: int) -> bool:
        """Note what the running transfer has moved; tell whether it may go on."""
        self.payload_bytes = payload_bytes
        return self.cap_bytes is None or self.used_bytes() < self.cap_bytes

    def end(self, wire_bytes: int | None) -> None:
        """Book what the phase that ended has cost; None where nobody counted."""
        moved = int(self.payload_bytes * WIRE_SHARE)
        took_s = time.monotonic() - self.began_s
        beside = int(took_s * ECHO_BYTES_PER_S) if moved else HEARTBEAT_BYTES // 2
        self.ended_bytes += max(moved, wire_bytes or 0) + beside
        self.phase, self.payload_bytes = "", 0

    def used_bytes(self) -> int:
        """Give what has been used so far."""
        return self.ended_bytes + int(self.payload_bytes * WIRE_SHARE)
