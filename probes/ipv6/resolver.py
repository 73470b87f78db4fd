"""
Asking DNS servers over UDP and TCP, many questions at a time.

Each server has a few connected sockets, so the kernel drops what others send; an answer must
come to the right socket with the right random id and repeat the question. A truncated answer is
asked for again over TCP. Everything ends at a deadline.
"""

import asyncio
import ipaddress
import secrets
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

from ...data.errors import ConfigError
from ...data.sample import Outcome
from ..interface import AttemptError, one_line
from .messages import Answer, answers, query_of, question_of, read_answer

SOCKETS = 4


@dataclass(frozen=True, slots=True)
class Server:
    """A DNS server: a numeric address and a port."""

    ip: str
    port: int = 53

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read ``192.0.2.1``, ``192.0.2.1:5300``, ``2001:db8::1`` or ``[2001:db8::1]:5300``.

        Raises
        ------
        ConfigError
            If it is anything else.
        """
        ip, port = text, "53"
        if text.startswith("["):
            ip, _, rest = text[1:].partition("]")
            port = rest.removeprefix(":") or "53"
        elif text.count(":") == 1:
            ip, _, port = text.partition(":")
        try:
            ipaddress.ip_address(ip)
            if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
                raise ValueError
        except ValueError:
            raise ConfigError(
                "{text} is no DNS server; write a numeric address, such as 192.0.2.1 or"
                " [2001:db8::1]:53",
                text=one_line(text),
            ) from None
        return cls(ip, int(port))


def system_servers(path: Path = Path("/etc/resolv.conf")) -> list[Server]:
    """
    Give the servers that this machine asks.

    Raises
    ------
    ConfigError
        If none is named there.
    """
    found = []
    with suppress(OSError):
        for line in path.read_text("utf-8", errors="replace").splitlines()[:1000]:
            words = line.split()
            if len(words) >= 2 and words[0] == "nameserver":
                with suppress(ConfigError):
                    found.append(Server.parse(f"[{words[1]}]" if ":" in words[1] else words[1]))
    if not found:
        raise ConfigError("{file} names no DNS server; name one with --resolver", file=path)
    return found


class _Waiting(asyncio.DatagramProtocol):
    """One connected socket and the questions that wait for an answer on it."""

    transport: asyncio.DatagramTransport

    def __init__(self) -> None:
        self.waiting: dict[int, tuple[bytes, asyncio.Future[bytes]]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Python 3.11's own transport does not derive from DatagramTransport.
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        if len(data) < 12:
            return
        question, future = self.waiting.get(int.from_bytes(data[:2]), (b"", None))
        if future is not None and not future.done() and answers(data, question):
            future.set_result(data)

    def error_received(self, exc: Exception) -> None:
        for _, future in self.waiting.values():
            if not future.done():
                future.set_exception(exc)

    def free_identity(self) -> int:
        while (identity := secrets.randbelow(65536)) in self.waiting:
            pass
        return identity


class Connection:
    """UDP sockets to one server; use as an asynchronous context manager."""

    def __init__(self, server: Server, *, sockets: int = SOCKETS) -> None:
        self.server = server
        self._sockets = sockets
        self._open: list[_Waiting] = []
        self._turn = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for _ in range(self._sockets):
            _, protocol = await loop.create_datagram_endpoint(
                _Waiting, remote_addr=(self.server.ip, self.server.port)
            )
            self._open.append(protocol)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for protocol in self._open:
            protocol.transport.close()

    async def ask_udp(self, question: bytes, *, timeout_s: float, unchecked: bool) -> Answer:
        """Ask once over UDP. Raises TimeoutError, OSError or AttemptError."""
        self._turn = (self._turn + 1) % len(self._open)
        protocol = self._open[self._turn]
        identity = protocol.free_identity()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        protocol.waiting[identity] = (question, future)
        alarm = loop.call_later(timeout_s, _time_out, future)
        try:
            protocol.transport.sendto(query_of(identity, question, unchecked=unchecked))
            return read_answer(await future, question)
        finally:
            alarm.cancel()
            del protocol.waiting[identity]

    async def ask_tcp(self, question: bytes, *, timeout_s: float, unchecked: bool) -> Answer:
        """Ask once over TCP. Raises TimeoutError, OSError or AttemptError."""
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(self.server.ip, self.server.port)
            try:
                identity = secrets.randbelow(65536)
                query = query_of(identity, question, unchecked=unchecked)
                writer.write(struct.pack("!H", len(query)) + query)
                await writer.drain()
                size = int.from_bytes(await reader.readexactly(2))
                wire = await reader.readexactly(size)
            except asyncio.IncompleteReadError:
                raise AttemptError(Outcome.PROTOCOL_ERROR, "dns_tcp_closed") from None
            finally:
                writer.close()
        if int.from_bytes(wire[:2]) != identity or not answers(wire, question):
            raise AttemptError(Outcome.PROTOCOL_ERROR, "wrong_answer")
        return read_answer(wire, question)


def _time_out(future: "asyncio.Future[bytes]") -> None:
    if not future.done():
        future.set_exception(TimeoutError())


class Resolver:
    """
    The servers that look names up for us; use as an asynchronous context manager.

    Each try goes to the next server. `queries_per_s` bounds what they are asked in all.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        *,
        timeout_s: float = 3.0,
        tries: int = 2,
        queries_per_s: float | None = None,
    ) -> None:
        self.timeout_s = timeout_s
        self.tries = max(tries, 1)
        self.asked = 0
        self.validates = False
        self._connections = [Connection(server) for server in servers]
        self._gap_s = 1 / queries_per_s if queries_per_s else 0.0
        self._next_at = 0.0

    async def __aenter__(self) -> Self:
        for connection in self._connections:
            await connection.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for connection in self._connections:
            await connection.__aexit__()

    async def ask(self, name: str, kind: str, *, unchecked: bool = False) -> Answer:
        """
        Give what the first server that answers says about a name and type.

        Raises
        ------
        AttemptError
            If the text is no name, or no server gave a readable answer in time.
        """
        question = question_of(name, kind)
        problem: Exception = TimeoutError()
        for turn in range(self.tries):
            connection = self._connections[turn % len(self._connections)]
            await self._pause()
            self.asked += 1
            try:
                answer = await connection.ask_udp(
                    question, timeout_s=self.timeout_s, unchecked=unchecked
                )
                if answer.truncated:
                    answer = await connection.ask_tcp(
                        question, timeout_s=self.timeout_s, unchecked=unchecked
                    )
            except (OSError, AttemptError) as error:
                problem = error
                continue
            self.validates = self.validates or (answer.authentic and not unchecked)
            return answer
        if isinstance(problem, AttemptError):
            raise problem
        timed_out = isinstance(problem, TimeoutError)
        raise AttemptError(
            Outcome.DNS_FAILURE, "dns_timeout" if timed_out else "resolver_unreachable", name=name
        )

    async def _pause(self) -> None:
        if not self._gap_s:
            return
        now = time.monotonic()
        start = max(now, self._next_at)
        self._next_at = start + self._gap_s
        if start > now:
            await asyncio.sleep(start - now)
