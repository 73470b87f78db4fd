"""
Which network interface a test would go out by, and whether the user has excluded it.

Connecting a UDP socket sends nothing: it asks the kernel for the route. The interface is the one
that has the address which the kernel chose.
"""

import fcntl
import socket
import struct
from collections.abc import Sequence
from fnmatch import fnmatchcase
from ipaddress import IPv6Address, ip_address
from pathlib import Path

UNKNOWN = "?"
_SIOCGIFADDR = 0x8915
_IFF_UP = 0x1
_NET = Path("/sys/class/net")
_IPV6 = Path("/proc/net/if_inet6")
# Documentation addresses: they take the default route, and nothing is ever sent to them.
_ANYWHERE = {4: "198.51.100.1", 6: "2001:db8::1"}


def link_to(host: str, family: int | None) -> str | None:
    """
    Give the interface by which a host would be reached; None where there is no route, `UNKNOWN`
    where there is one and nobody can say by which interface.

    A name is not looked up, which would cost data: it is taken to lie behind the default route.
    """
    try:
        addresses = [str(ip_address(host))]
    except ValueError:
        addresses = [_ANYWHERE[each] for each in ((family,) if family else (4, 6))]
    for address in addresses:
        local = _local_address(address)
        if local is not None:
            return _owner(local) or UNKNOWN
    return None


def is_excluded(link: str | None, excluded: Sequence[str]) -> bool:
    """
    Tell whether an interface matches one of the user's patterns, such as ``wlan*``.

    One that cannot be told may be any of them, so that it is excluded as soon as one is.
    """
    if link is None or not excluded:
        return False
    return link == UNKNOWN or any(fnmatchcase(link, pattern) for pattern in excluded)


def has_link() -> bool:
    """Tell whether any interface but loopback is up, with a carrier as far as it tells."""
    names = _names()
    return names is None or any(
        name != "lo" and is_up(name) and _read(name, "operstate") in ("up", "unknown", None)
        for name in names
    )


def is_up(name: str) -> bool:
    """Tell whether an interface is there and switched on, whatever its network says."""
    names = _names()
    if names is None or name == UNKNOWN:
        return True
    if name not in names:
        return False
    flags = _read(name, "flags")
    return flags is None or bool(int(flags, 16) & _IFF_UP)


def _names() -> list[str] | None:
    """Give the interfaces; None where an ordinary program may not see them, as on a phone."""
    try:
        return [name for _, name in socket.if_nameindex()]
    except OSError:
        return None


def _read(name: str, file: str) -> str | None:
    try:
        return (_NET / name / file).read_text("ascii").strip()
    except (OSError, ValueError):
        return None


def _local_address(address: str) -> str | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((address, 9))
            return str(sock.getsockname()[0])
    except OSError:
        return None


def _owner(local: str) -> str | None:
    if ":" in local:
        return _owner_6(IPv6Address(local.split("%")[0]))
    if local.startswith("127."):
        return "lo"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for name in _names() or ():
            asked = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(sock.fileno(), _SIOCGIFADDR, asked)
            except OSError:
                continue
            if socket.inet_ntoa(answer[20:24]) == local:
                return name
    return None


def _owner_6(local: IPv6Address) -> str | None:
    try:
        rows = _IPV6.read_text("ascii").splitlines()
    except OSError:
        return None
    for row in rows:
        columns = row.split()
        if len(columns) == 6 and int(columns[0], 16) == int(local):
            return columns[5]
    return None
