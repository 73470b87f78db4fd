"""What clients of the server may take, and who counts as one client."""

from dataclasses import dataclass
from ipaddress import IPv6Address

MAX_FLOWS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """
    What clients may take, in seconds, bytes and connections.

    `runtime_s` is the length of an ndt7 test; `max_runtime_s` bounds every transfer; `idle_s`
    is how long nothing may move; `max_test_bytes` is for a test with all its flows. A place
    among `connections` is for anybody who connects; `tests` of them may move bytes at one time,
    so that there is always a place left in which to say that the server is full.
    """

    runtime_s: float = 10.0
    max_runtime_s: float = 15.0
    idle_s: float = 7.0
    head_s: float = 5.0
    keep_alive_s: float = 10.0
    connection_s: float = 180.0
    requests_per_connection: int = 1000
    max_head_bytes: int = 16_384
    max_test_bytes: int = 10_000_000_000
    connections: int = 256
    connections_per_address: int = 64
    tests: int = 192
    retry_after_s: int = 15


def source_of(ip: str) -> str:
    """Give whom an address counts for: itself, or the /64 that an IPv6 host can pick from."""
    if ":" not in ip:
        return ip
    address = IPv6Address(ip.split("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"
