"""
Public services: does each answer from here, over which family, and how fast.

A catalogue is a TOML file: a title, the day it was true, and services with an id, names, a URL
and whether somebody has checked it. Each service and family is one sample of kind ``service``;
what took how long stands in its record.
"""

import asyncio
import json
import re
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .... import __version__
from ....data.errors import ConfigError
from ....data.sample import Kind, Outcome, Position, Provenance, Radio, Sample
from ...interface import Failure
from ..names import HostCache, addresses_of
from ..pace import Pace
from ..resolver import Resolver, Server
from ..settings import Settings
from ..web import Visit, Visitor

MAX_CATALOGUE_BYTES = 1_000_000
MAX_SERVICES = 1_000
# Few: on a village's thin line, services asked together would slow each other.
WORKERS = 4
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """
    One service of a catalogue.

    `unit` is the code of its administrative unit; `verified` says that somebody has checked its
    address.
    """

    id: str
    name_en: str
    name_vi: str
    url: str
    level: str = ""
    unit: str = ""
    verified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """A list of services and the day on which it was true."""

    title_en: str
    title_vi: str
    as_of: date
    services: tuple[Service, ...]


def load_catalogue(name: str) -> Catalogue:
    """
    Load a catalogue by the name of a packaged one (``vietnam``) or the path of a file.

    Raises
    ------
    ConfigError
        If there is none, or an entry is wrong; the message names it.
    """
    packaged = resources.files("phusong.data").joinpath("files", "services", f"{name}.toml")
    try:
        if _ID.match(name) and packaged.is_file():
            content = packaged.read_bytes()
        else:
            with Path(name).open("rb") as file:
                content = file.read(MAX_CATALOGUE_BYTES + 1)
        if len(content) > MAX_CATALOGUE_BYTES:
            raise ValueError(f"more than {MAX_CATALOGUE_BYTES} bytes")
        table = tomllib.loads(content.decode("utf-8"))
        return _catalogue(table)
    except OSError as error:
        raise ConfigError(
            "no catalogue of services {name}: {error}", name=name, error=error.strerror or error
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            "the catalogue of services {name} cannot be used: {error}", name=name, error=error
        ) from None


def _catalogue(table: dict[str, Any]) -> Catalogue:
    as_of = table["as_of"]
    if not isinstance(as_of, date):
        raise ValueError("as_of is no date")
    services = tuple(_service(entry) for entry in table["service"][:MAX_SERVICES])
    if not services:
        raise ValueError("it has no service")
    if len({service.id for service in services}) != len(services):
        raise ValueError("an id stands twice")
    return Catalogue(
        title_en=str(table["title_en"]),
        title_vi=str(table["title_vi"]),
        as_of=as_of,
        services=services,
    )


def _service(entry: dict[str, Any]) -> Service:
    name = str(entry["id"])
    parts = urlsplit(str(entry["url"]))
    if not _ID.match(name):
        raise ValueError(f"{name!r} is no id")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ValueError(f"{name}: its url is no http or https address")
    return Service(
        id=name,
        name_en=str(entry["name_en"])[:200],
        name_vi=str(entry["name_vi"])[:200],
        url=str(entry["url"]),
        level=str(entry.get("level", ""))[:64],
        unit=str(entry.get("unit", ""))[:64],
        verified=entry.get("verified", False) is True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """Who asks, from where, over whose network."""

    probe: str
    position: Position | None = None
    radio: Radio | None = None


def check_services(
    services: Sequence[Service],
    servers: Sequence[Server],
    settings: Settings,
    here: Here,
    *,
    families: Sequence[int] = (4, 6),
    on_sample: Callable[[Sample], None],
) -> None:
    """Ask each service over each family, a few at a time, and hand over a sample for each."""

    async def run() -> None:
        async with Resolver(servers, timeout_s=settings.dns_s) as resolver:
            hosts = HostCache(resolver, settings.allow_private)
            pace = Pace(settings.address_gap_s, settings.network_gap_s)
            visitor = Visitor.make(hosts, settings, pace)
            waiting = iter([(service, family) for service in services for family in families])

            async def work() -> None:
                for service, family in waiting:
                    on_sample(await _ask(visitor, service, family, here))

            async with asyncio.TaskGroup() as group:
                for _ in range(WORKERS):
                    group.create_task(work())

    asyncio.run(run())


async def _ask(visitor: Visitor, service: Service, family: int, here: Here) -> Sample:
    started_at, started = datetime.now(UTC), time.perf_counter()
    host = urlsplit(service.url).hostname or ""
    record: dict[str, Any] = {"host": host, "service": service.id, "name": service.name_en}
    record |= {"name_vi": service.name_vi, "level": service.level, "unit": service.unit}
    record["verified"] = service.verified
    found = await addresses_of(
        visitor.hosts.resolver, host, family, allow_private=visitor.settings.allow_private
    )
    record["dns_ms"] = round((time.perf_counter() - started) * 1000, 2)
    record["addresses"] = found.record()
    failure = found.failure
    if not found.usable:
        if failure is None and found.refused:
            failure = Failure(outcome=Outcome.ADDRESS_REFUSED, reason="address_refused")
        failure = failure or Failure(outcome=Outcome.DNS_FAILURE, reason="no_address")
    else:
        visit = await visitor.fetch(service.url, family, found.usable)
        record["visit"] = visit.record()
        failure = _why_not(visit)
    return Sample(
        probe=here.probe,
        kind=Kind.SERVICE,
        started_at=started_at,
        outcome=failure.outcome if failure else Outcome.OK,
        reason=failure.reason if failure else None,
        duration_s=time.perf_counter() - started,
        engine="service",
        engine_version=__version__,
        server=service.url[:200],
        family=family,
        position=here.position,
        radio=here.radio,
        source=Provenance(tool="phusong", record=json.dumps(record, ensure_ascii=False)),
    )


def _why_not(visit: Visit) -> Failure | None:
    """Give what stopped a visit; a server that says 5xx is there but does not serve."""
    if visit.failures and not visit.connect_ms:
        return next(iter(visit.failures.values()))
    if visit.failure:
        return visit.failure
    if visit.status is not None and visit.status >= 500:
        return Failure(outcome=Outcome.SERVER_ERROR, reason=f"status_{visit.status}")
    return None
