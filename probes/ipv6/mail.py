"""Mail over IPv6: does a mail server take a connection on port 25 and greet."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from ...data.sample import Outcome
from ..interface import AttemptError, failure_of
from .pace import Pace
from .settings import Settings

TRIED_ADDRESSES = 2


async def greet(addresses: Sequence[str], settings: Settings, pace: Pace) -> dict[str, Any]:
    """Give the first address that greets with 220, and how long it took; or how it failed."""
    failed = "no_address"
    for ip in addresses[:TRIED_ADDRESSES]:
        await pace.turn(ip)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(settings.connect_s):
                code = await _greeting(ip, settings.ports.smtp)
        except (AttemptError, OSError) as error:
            failed = failure_of(error).reason
            continue
        took_ms = round((time.perf_counter() - started) * 1000, 2)
        # 4xx and 5xx are a mail server's answer too: it is reached, and says so.
        return {"address": ip, "code": code, "greeting_ms": took_ms}
    return {"failure": failed}


async def _greeting(ip: str, port: int) -> int:
    reader, writer = await asyncio.open_connection(ip, port, limit=4096)
    try:
        line = await reader.readuntil(b"\n")
        if not line[:3].isdigit():
            raise AttemptError(Outcome.PROTOCOL_ERROR, "not_smtp")
        writer.write(b"QUIT\r\n")
        await writer.drain()
        return int(line[:3])
    except (asyncio.LimitOverrunError, asyncio.IncompleteReadError):
        raise AttemptError(Outcome.PROTOCOL_ERROR, "not_smtp") from None
    finally:
        writer.close()
