"""
Kept IPv6 and service checks, read back for judging.

They are samples like any other; what they found stands in the record of their evidence. Nothing
here changes a row.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .store import Store


@dataclass(frozen=True, slots=True)
class KeptCheck:
    """One check: when, how it ended, and the record that the probe or the import wrote."""

    at: datetime
    outcome: str
    reason: str | None
    record: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One audit or import: its id, its first and last check, and how many hosts it has."""

    id: str
    first: datetime
    last: datetime
    hosts: int


def kept_checks(
    store: Store, *, kind: str = "ipv6", audit: str | None = None
) -> Iterator[KeptCheck]:
    """Give the checks of a kind in the order they were made; of one audit where it is named."""
    rows = store.connection.execute(
        "SELECT s.started_us, s.outcome, s.reason,"
        " json_extract(e.body, '$.source.record')"
        " FROM sample AS s JOIN evidence AS e USING (n)"
        " WHERE s.kind = ? ORDER BY s.started_us, s.n",
        (kind,),
    )
    for started_us, outcome, reason, text in rows:
        try:
            record = json.loads(text or "")
        except ValueError:
            # Somebody else's sample of this kind, with a record of another form.
            continue
        if not isinstance(record, dict) or not isinstance(record.get("host"), str):
            continue
        if audit is None or record.get("audit") == audit:
            yield KeptCheck(datetime.fromtimestamp(started_us / 1e6, UTC), outcome, reason, record)


def list_audits(store: Store) -> list[Audit]:
    """Give every audit in the store, by its last check, the latest last."""
    seen: dict[str, tuple[datetime, datetime, set[str]]] = {}
    for check in kept_checks(store):
        name = check.record.get("audit")
        if not isinstance(name, str):
            continue
        first, _, hosts = seen.get(name, (check.at, check.at, set()))
        hosts.add(check.record["host"])
        seen[name] = (first, check.at, hosts)
    audits = [
        Audit(id=name, first=first, last=last, hosts=len(hosts))
        for name, (first, last, hosts) in seen.items()
    ]
    return sorted(audits, key=lambda audit: (audit.last, audit.id))


def hosts_done(store: Store, audit: str) -> set[str]:
    """Give the hosts that an audit has checked already: where it continues."""
    return {check.record["host"] for check in kept_checks(store, audit=audit)}
