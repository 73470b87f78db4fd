"""
The one rule for every address that a probe connects to.

A name is looked up once, every answer is checked, and the connection goes to the checked
address itself: a second lookup could give another answer. The text that the user or a server
wrote is never judged (``127.1``, ``0x7f000001`` and full-width digits all mean a loopback
address); what it resolves to is.

`ipaddress.is_private` and `is_global` are not enough: they let mapped, translated and tunnelled
addresses through, behind which an inside address can hide. So only plain global unicast
passes, as the IANA special-purpose registries describe it.
"""

import socket
import threading
import time
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from ..data.sample import Outcome
from .interface import Address, AttemptError, one_line

MAX_ADDRESSES = 16

_PRIVATE_4 = tuple(
    map(
        IPv4Network,
        ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
    )
)
_PRIVATE_6 = tuple(map(IPv6Network, ("::1/128", "fc00::/7", "fe80::/10")))

_SPECIAL_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT
            "192.0.0.0/24",
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # 6to4 relays
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_GLOBAL_6 = IPv6Network("2000::/3")
_SPECIAL_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarking, AMT
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",  # AS112
            "3ffe::/16",  # the former 6bone
            "3fff::/20",  # documentation
        ),
    )
)
# RFC 5214: an IPv4 address behind these 32 bits of an interface identifier is a tunnel's.
_ISATAP = (0x00005EFE, 0x02005EFE)


def check_address(ip: str | IPv4Address | IPv6Address, *, allow_private: bool) -> None:
    """
    Refuse every address that is not plain global unicast.

    `allow_private` also admits loopback, RFC 1918, unique local and link-local addresses, and
    nothing else: never multicast, unspecified, documentation or translated ones.

    Raises
    ------
    AttemptError
        With outcome `ADDRESS_REFUSED`.
    """
    try:
        address = ip_address(ip)
    except ValueError:
        raise _refused(str(ip), private=False) from None
    if isinstance(address, IPv4Address):
        private = any(address in network for network in _PRIVATE_4)
        plain = not private and not any(address in network for network in _SPECIAL_4)
    else:
        bare = IPv6Address(int(address))
        private = any(bare in network for network in _PRIVATE_6)
        plain = (
            bare in _GLOBAL_6
            and not any(bare in network for network in _SPECIAL_6)
            and (int(bare) >> 32) & 0xFFFFFFFF not in _ISATAP
        )
    if not (plain or (private and allow_private)):
        raise _refused(str(address), private=private)


def resolve(
    host: str, port: int, family: int | None, *, allow_private: bool, timeout_s: float
) -> list[Address]:
    """
    Give the addresses of a host that may be connected to, at most `MAX_ADDRESSES` of them.

    Raises
    ------
    AttemptError
        If no answer passes the rule, or none came in time.
    OSError
        If the name does not resolve.
    """
    found: list[Address] = []
    refusal: AttemptError | None = None
    until_s = time.monotonic() + timeout_s
    try:
        answers = _look_up(host, port, family, timeout_s)
    except socket.gaierror:
        if family is not None and _is_of_another_family(host, port, until_s - time.monotonic()):
            raise AttemptError(Outcome.DNS_FAILURE, f"no_ipv{family}_address") from None
        raise
    for address in answers[:MAX_ADDRESSES]:
        try:
            check_address(address.ip, allow_private=allow_private)
        except AttemptError as error:
            refusal = refusal or error
        else:
            found.append(address)
    if not found:
        raise refusal or AttemptError(Outcome.DNS_FAILURE, "dns_failure", error="no addresses")
    return found


def _is_of_another_family(host: str, port: int, timeout_s: float) -> bool:
    """Tell whether a name that has no address of the family asked for has one of the other."""
    try:
        return bool(_look_up(host, port, None, max(0.0, timeout_s)))
    except (OSError, AttemptError):
        return False


def _look_up(host: str, port: int, family: int | None, timeout_s: float) -> list[Address]:
    """Ask the system's resolver, which has no deadline of its own, in a thread that is left."""
    wanted = {4: socket.AF_INET, 6: socket.AF_INET6, None: socket.AF_UNSPEC}[family]
    answers: list[list[Address]] = []
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            rows = socket.getaddrinfo(host, port, wanted, socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            errors.append(error)
            return
        plain = [row for row in rows if row[0] in (socket.AF_INET, socket.AF_INET6)]
        answers.append([Address(6 if row[0] == socket.AF_INET6 else 4, row[4]) for row in plain])

    asking = threading.Thread(target=ask, daemon=True, name="resolve")
    asking.start()
    asking.join(timeout_s)
    if answers:
        return list(dict.fromkeys(answers[0]))
    if errors and isinstance(errors[0], UnicodeError):
        raise AttemptError(Outcome.DNS_FAILURE, "bad_name", error=one_line(host))
    if errors:
        raise errors[0]
    raise AttemptError(Outcome.DNS_FAILURE, "dns_timeout")


def _refused(address: str, *, private: bool) -> AttemptError:
    return AttemptError(
        Outcome.ADDRESS_REFUSED, "address_refused", address=one_line(address), private=private
    )
