"""What a check may do and how long it may take."""

from dataclasses import dataclass, field
from pathlib import Path

from ... import __version__

USER_AGENT = f"phusong/{__version__} (IPv6 audit; front page only; honours robots.txt)"
PARTS = ("web", "dns", "mail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where services listen; others than these only in a laboratory."""

    http: int = 80
    https: int = 443
    smtp: int = 25
    dns: int = 53


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    Deadlines in seconds, sizes in bytes; `parts` are what is asked of a host.

    `address_gap_s` and `network_gap_s` are the mean pauses between visits to one address and
    one network. `patience_s` is how long is waited for a server that asks to come back later;
    one that asks for more is left alone until then.
    """

    allow_private: bool = False
    ca_file: Path | None = None
    parts: tuple[str, ...] = PARTS
    ports: Ports = field(default_factory=Ports)
    connect_s: float = 6.0
    page_s: float = 12.0
    dns_s: float = 3.0
    max_page_bytes: int = 500_000
    max_redirects: int = 5
    address_gap_s: float = 0.2
    network_gap_s: float = 0.05
    patience_s: float = 10.0
    look_at_path: bool = False
    user_agent: str = USER_AGENT
