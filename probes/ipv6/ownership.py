"""
Whose name servers and mail hosts they are: the organisation's own, or somebody else's.

Own is a host under the same registrable domain as the name that was checked, the one a person
registers directly below a public suffix: ``dns1.moet.gov.vn`` is that of ``www.moet.gov.vn``
(the suffix is ``gov.vn``), ``ns1.vnnic.vn`` is not. Only the ICANN section of the Public Suffix
List counts, as it came with the package; nothing is fetched. Where the name is itself a public
suffix, own is whatever lies below its zone. An organisation that registered two domains looks
outsourced: who stands behind a domain is not in DNS.
"""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


@cache
def _suffixes() -> "PublicSuffixList":
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(only_icann=True)


def registrable_domain(name: str) -> str | None:
    """Give the part of a name that somebody registered; None for a public suffix itself."""
    found = _suffixes().privatesuffix(name.rstrip(".").lower())
    return found if isinstance(found, str) else None


def own_hosts(name: str, zone: str, hosts: Iterable[str]) -> list[str]:
    """Give those of some hosts that belong to the organisation of a name."""
    domain = registrable_domain(name)
    if domain is None:
        return [host for host in hosts if host == zone or host.endswith(f".{zone}")]
    return [host for host in hosts if registrable_domain(host) == domain]
