"""
What a probe is given, what it gives back, and how a failure becomes an outcome.

A measurement that fails is not an error of the program: `attempt` turns whatever stopped it
into a `Failure` with an outcome and a short reason, so that it can be kept as a sample. Only
what is wrong before anything was tried (a server's address that is no address) raises.
"""

import errno
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar
from urllib.parse import urlsplit

from ..data.errors import ConfigError
from ..data.sample import Outcome

DEFAULT_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443, "iperf3": 5201}
_WEBSOCKET = ("ws", "wss")

Measured = TypeVar("Measured")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    The far end, as the user named it.

    `family` is 4 or 6 to force one, None to take what the name gives first. Private and
    loopback addresses are refused unless the user allowed them. `ca_file` replaces the
    system's certificate authorities; there is no way to switch the check off. `paths` are those
    that a server wants asked for each direction: they may hold access tokens, which are for the
    server alone and never shown or kept.
    """

    host: str
    port: int
    tls: bool = False
    family: int | None = None
    allow_private: bool = False
    ca_file: Path | None = None
    paths: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    scheme: str = ""
    base: str = ""

    @classmethod
    def parse(
        cls,
        url: str,
        *,
        schemes: Sequence[str] = _WEBSOCKET,
        family: int | None = None,
        allow_private: bool = False,
        ca_file: Path | None = None,
    ) -> Self:
        """
        Read ``ws://host:port`` or ``wss://host:port``, or another of an engine's schemes.

        Only ``http`` and ``https`` may have a path: the folder under which their files are.

        Raises
        ------
        ConfigError
            If it is anything else.
        """
        shown = one_line(url)
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigError(
                "{url} is no server address: {error}", url=shown, error=error
            ) from None
        if parts.scheme not in schemes or not parts.hostname:
            raise ConfigError(
                "{url} is no server address; write {forms}",
                url=shown,
                forms=", ".join(f"{scheme}://host:port" for scheme in schemes),
            )
        extra = parts.username or parts.password or parts.query or parts.fragment
        base = parts.path.rstrip("/") if parts.scheme in ("http", "https") else ""
        if extra or parts.path.rstrip("/") != base or not base.isascii() or " " in base:
            raise ConfigError(
                "{url} says more than a server's address; leave out names, paths and queries",
                url=shown,
            )
        return cls(
            host=parts.hostname,
            port=port if port is not None else DEFAULT_PORTS[parts.scheme],
            tls=parts.scheme in ("wss", "https"),
            scheme=parts.scheme,
            base=base,
            family=family,
            allow_private=allow_private,
            ca_file=ca_file,
        )

    @property
    def authority(self) -> str:
        """Give host and port as a Host header writes them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Give the address as the user would write it."""
        scheme = self.scheme or ("wss" if self.tls else "ws")
        return f"{scheme}://{self.authority}{self.base}"


@dataclass(frozen=True, slots=True)
class Address:
    """
    One address that was resolved and passed the address rule: connect to this, not the name.

    With `small_segments` both ends of a connection to it send packets that fit through every
    path: with these a path that loses larger ones carries what it otherwise does not.
    """

    family: int
    sockaddr: tuple[Any, ...]
    small_segments: bool = False

    @property
    def ip(self) -> str:
        """Give the numeric address as text."""
        return str(self.sockaddr[0])

    @property
    def socket_family(self) -> socket.AddressFamily:
        """Give the constant that sockets want."""
        return socket.AF_INET6 if self.family == 6 else socket.AF_INET


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    What one direction of a test may cost, in seconds and bytes.

    `connect_s` covers name, TCP and TLS together; `handshake_s` the answer's head; `stall_s` how
    long nothing may arrive; `max_bytes` is the data budget of one direction. A direction may end
    before `duration_s` as soon as half of its 95 % interval is within `width` of its rate; with
    None it runs to the end.
    """

    duration_s: float = 10.0
    connect_s: float = 6.0
    handshake_s: float = 5.0
    stall_s: float = 7.0
    max_bytes: int = 1_000_000_000
    width: float | None = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """
    What one direction carried, counted where it was received.

    `mbps` is over the window between `start_s` and `end_s` (seconds on the monotonic clock);
    `low_mbps` and `high_mbps` are its 95 % interval, None where the engine cannot tell.
    `bytes_moved` is everything, the ramp included. `cpu_full` says that this machine, not the
    link, may have set the pace. `test_id` is the name under which the far end has counted too,
    None where it has not told or asked for one. `record` is what the engine saw.
    """

    mbps: float
    low_mbps: float | None = None
    high_mbps: float | None = None
    rtt_ms: float | None = None
    cpu_full: bool = False
    test_id: str | None = None
    bytes_moved: int
    start_s: float
    end_s: float
    record: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Round-trip times while nothing else ran: median, variation, loss; None is not measured."""

    rtt_ms: float
    jitter_ms: float | None
    loss_ratio: float | None
    record: dict[str, Any]


class Engine(Protocol):
    """
    One way to measure throughput.

    `times_itself` says that the tool measures the round trip in its own way (`Throughput.rtt_ms`)
    and that the far end is none to ask for an echo.
    """

    name: str
    version: str
    times_itself: bool

    def download(self, target: Target, address: Address, limits: Limits) -> Throughput:
        """Measure towards us. Raises `AttemptError` or `OSError`."""
        ...

    def upload(self, target: Target, address: Address, limits: Limits) -> Throughput:
        """Measure away from us. Raises `AttemptError` or `OSError`."""
        ...


class AttemptError(Exception):
    """An attempt ended without a reading; `record` is what had been seen until then."""

    def __init__(self, outcome: Outcome, reason: str, **record: Any) -> None:
        super().__init__(outcome, reason, record)
        self.outcome = outcome
        self.reason = reason
        self.record = record


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How an attempt failed: an outcome, a short reason, and what had been seen until then."""

    outcome: Outcome
    reason: str
    record: dict[str, Any] = field(default_factory=dict)


def one_line(text: str) -> str:
    """Give a stranger's text as it may be kept and shown: short, one line, printable."""
    return "".join(char if char.isprintable() else "?" for char in text[:200])


def attempt(run: Callable[[], Measured]) -> Measured | Failure:
    """Run one attempt; give what it measured, or how it failed. Ctrl-C is a failure too."""
    try:
        return run()
    except (AttemptError, OSError, MemoryError, KeyboardInterrupt) as error:
        return failure_of(error)


_NO_ROUTE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL}


def failure_of(error: BaseException) -> Failure:
    """Give the outcome and reason that an exception stands for."""
    if isinstance(error, AttemptError):
        return Failure(outcome=error.outcome, reason=error.reason, record=error.record)
    outcome, reason = _classify(error)
    said = one_line(str(error))
    return Failure(outcome=outcome, reason=reason, record={"error": said} if said else {})


def _classify(error: BaseException) -> tuple[Outcome, str]:
    if isinstance(error, KeyboardInterrupt):
        return Outcome.CANCELLED, "cancelled"
    if isinstance(error, TimeoutError):
        return Outcome.TIMEOUT, "timeout"
    if isinstance(error, socket.gaierror):
        return Outcome.DNS_FAILURE, "dns_failure"
    if isinstance(error, ssl.SSLCertVerificationError):
        return Outcome.TLS_FAILURE, "certificate"
    if isinstance(error, ssl.SSLError):
        return Outcome.TLS_FAILURE, "tls_failure"
    if isinstance(error, ConnectionRefusedError):
        return Outcome.REFUSED, "refused"
    if isinstance(error, ConnectionError):
        return Outcome.PROTOCOL_ERROR, "reset"
    if isinstance(error, OSError) and error.errno in _NO_ROUTE:
        return Outcome.NO_ROUTE, "no_route"
    if isinstance(error, OSError) and error.errno == errno.EACCES:
        # What connect gives for an ICMPv6 "administratively prohibited".
        return Outcome.REFUSED, "prohibited"
    return Outcome.DEVICE_ERROR, "device_error"
