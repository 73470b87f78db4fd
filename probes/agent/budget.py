"""
What a visit may cost, said before it is made, and what is left of the SIM's data.

The most that a visit can cost is known: its directions are bounded in bytes. That much is
reserved in the ledger before each phase begins, so that even a killed agent's ledger is never
behind what was used. A cap ends a running test; what is still under way then (a few round trips'
worth) arrives all the same.
"""

from dataclasses import dataclass

from ..interface import Limits
from ..meter import ECHO_BYTES_PER_S, HEARTBEAT_BYTES, WIRE_SHARE
from ..scope import Scope

_DIRECTIONS = {Scope.WHOLE: 2, Scope.DOWNLOAD: 1, Scope.LATENCY: 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """`cap_bytes` is what one SIM may use in a month, None without a cap."""

    cap_bytes: int | None = None

    def left_bytes(self, used_bytes: int) -> int | None:
        """Give what may still be used; None without a cap."""
        return None if self.cap_bytes is None else max(0, self.cap_bytes - used_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a visit on a SIM may cost and usually costs; what the month has used and has left."""

    sim: str
    most_bytes: int
    usual_bytes: int | None
    used_bytes: int
    left_bytes: int | None


def most_bytes(scope: Scope, limits: Limits) -> int:
    """Give the most that one visit can cost, all its phases together."""
    return HEARTBEAT_BYTES + _DIRECTIONS[scope] * direction_bytes(limits)


def direction_bytes(limits: Limits) -> int:
    """Give the most that one direction can cost, headers and echoes included."""
    return int(limits.max_bytes * WIRE_SHARE) + int(limits.duration_s * ECHO_BYTES_PER_S)


def phase_bytes(phase: str, limits: Limits) -> int:
    """Give the most that one phase can cost."""
    return direction_bytes(limits) if phase in ("download", "upload") else HEARTBEAT_BYTES // 2
