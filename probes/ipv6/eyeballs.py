"""
What a user would get: both families raced as RFC 8305 (Happy Eyeballs) has clients do it.

IPv6 is tried first; the other family after 250 ms, or at once when the first is refused
(sections 5 and 8). aiohappyeyeballs runs the race over addresses that passed the rule; when each
attempt began is what its user waited for in vain.
"""

import asyncio
import socket
import time
from collections.abc import Sequence
from typing import Any

import aiohappyeyeballs

from ..interface import failure_of
from .pace import Pace
from .settings import Settings

ATTEMPT_DELAY_S = 0.25
TRIED_ADDRESSES = 4


async def race(
    six: Sequence[str], four: Sequence[str], port: int, settings: Settings, pace: Pace
) -> dict[str, Any]:
    """
    Connect to whichever family is there first.

    Returns
    -------
    result
        ``family`` (None where neither came), ``address``, ``wait_ms`` until the connection and
        ``lost_ms``: how late the attempt that won was begun.
    """
    # One lone turn for each server: the attempts themselves may not wait.
    for ip in (six[0], four[0]):
        await pace.turn(ip)
    began: dict[int, float] = {}
    started = time.perf_counter()

    def opened(info: Any) -> socket.socket:
        made = socket.socket(info[0], info[1], info[2])
        began[made.fileno()] = time.perf_counter()
        return made

    places = [(socket.AF_INET6, ip) for ip in six[:TRIED_ADDRESSES]]
    places += [(socket.AF_INET, ip) for ip in four[:TRIED_ADDRESSES]]
    infos = [
        (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (ip, port)) for family, ip in places
    ]
    try:
        async with asyncio.timeout(settings.connect_s):
            sock = await aiohappyeyeballs.start_connection(
                infos,
                happy_eyeballs_delay=ATTEMPT_DELAY_S,
                interleave=1,
                socket_factory=opened,
            )
    except OSError as error:
        return {"family": None, "reason": failure_of(error).reason}
    with sock:
        done = time.perf_counter()
        return {
            "family": 6 if sock.family == socket.AF_INET6 else 4,
            "address": str(sock.getpeername()[0]),
            "wait_ms": round((done - started) * 1000, 2),
            "lost_ms": round((began[sock.fileno()] - started) * 1000, 2),
        }
