"""Many hosts: a bounded number at a time, each handed over as soon as it is done."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ... import __version__
from ...data.sample import MAX_RECORD_CHARS, Kind, Outcome, Provenance, Sample
from ..interface import one_line
from .host import Examiner, HostCheck
from .resolver import Resolver, Server
from .settings import Settings
from .targets import ListedHost
from .vantage import REFERENCES, Lookout, Vantage, prove_vantage

ENGINE = "ipv6"
WORKERS = 32


def run_audit(
    hosts: Iterable[ListedHost],
    servers: Sequence[Server],
    settings: Settings,
    *,
    probe: str,
    audit: str | None = None,
    references: Sequence[str] = REFERENCES,
    signed_name: str = ".",
    workers: int = WORKERS,
    queries_per_s: float | None = None,
    on_vantage: Callable[[Vantage], None] = lambda vantage: None,
    on_sample: Callable[[Sample], None],
) -> Vantage:
    """
    Check hosts and hand over a sample for each, in the order they are done.

    The vantage is proven first. Breaking it off loses only what was not handed over yet.
    """

    async def run() -> Vantage:
        async with Resolver(
            servers, timeout_s=settings.dns_s, queries_per_s=queries_per_s
        ) as resolver:
            prove = partial(prove_vantage, resolver, settings, references, signed_name=signed_name)
            lookout = Lookout(await prove(), prove)
            on_vantage(lookout.vantage)
            examiner = Examiner.make(resolver, settings, lookout)
            waiting = iter(hosts)
            about = {"audit": audit} if audit else {}

            async def work() -> None:
                for listed in waiting:
                    started = datetime.now(UTC)
                    check = await examiner.check(listed.host)
                    told = {"vantage": lookout.vantage.record(), **about, **listed.about}
                    on_sample(sample_of(check, probe=probe, started_at=started, about=told))

            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(work())
            return lookout.vantage

    return asyncio.run(run())


def sample_of(
    check: HostCheck, *, probe: str, started_at: datetime, about: Mapping[str, Any]
) -> Sample:
    """Give a check as a sample; the record of a host that says too much keeps its findings only."""
    content = {**about, **check.record()}
    record = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    if len(record) > MAX_RECORD_CHARS:
        marks = [{**finding.record(), "facts": {}} for finding in check.findings]
        short = {**about, "host": check.host, "findings": marks, "cut": True}
        record = json.dumps(short, ensure_ascii=False, separators=(",", ":"))
    return Sample(
        probe=probe,
        kind=Kind.IPV6,
        started_at=started_at,
        outcome=check.outcome,
        reason=check.reason,
        duration_s=check.duration_s,
        engine=ENGINE,
        engine_version=__version__,
        server=one_line(check.host) or None,
        source=Provenance(tool="phusong", record=record),
    )


def imported_sample(
    listed: ListedHost, *, probe: str, at: datetime, audit: str, file: str, sha256: str
) -> Sample:
    """Give what somebody else found as a sample, under the same findings as our own checks."""
    findings = [_told("web_aaaa", listed.aaaa, "aaaa", "no_aaaa")]
    if listed.reachable is not None:
        findings.append(_told("web_reach", listed.reachable, "reached", "aaaa_dead"))
    content = {**listed.about, "audit": audit, "host": listed.host, "findings": findings}
    if listed.site != listed.host:
        content["site"] = listed.site
    return Sample(
        probe=probe,
        seq=listed.line,
        kind=Kind.IPV6,
        started_at=at,
        outcome=Outcome.OK,
        reason="imported",
        server=listed.host,
        source=Provenance(
            tool="ipv6-list",
            file=file,
            file_sha256=sha256,
            line=listed.line,
            record=json.dumps(content, ensure_ascii=False, separators=(",", ":")),
        ),
    )


def _told(test: str, value: bool | None, good: str, bad: str) -> dict[str, str]:
    if value is None:
        return {"test": test, "mark": "unknown", "reason": "not_asked"}
    return {"test": test, "mark": "good" if value else "fail", "reason": good if value else bad}
