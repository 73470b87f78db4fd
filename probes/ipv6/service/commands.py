"""Commands that ask public services whether they answer."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ....console import (
    EXIT_BAD_ANSWER,
    Group,
    Session,
    json_option,
    note,
    number,
    pass_session,
    print_json,
    print_table,
)
from ....data.words import say
from ..commands import committing, settings_of

if TYPE_CHECKING:
    from ....data.sample import Sample

_SERVICE_HEADERS = (
    "service", "family", "outcome", "DNS ms", "connect ms", "TLS ms", "first byte ms", "status",
)  # fmt: skip


@click.group(cls=Group)
def service() -> None:
    """Public services: does each answer from here, over which family, how fast."""


@service.command("check")
@click.argument("catalogue", default="vietnam")
@click.option(
    "--resolver",
    "resolvers",
    multiple=True,
    help="DNS server to ask instead of the system's; may be given again.",
)
@click.option("--lon", type=float, help="Where you are: longitude, in degrees east.")
@click.option("--lat", type=float, help="Where you are: latitude, in degrees north.")
@click.option(
    "--accuracy", "accuracy_m", type=float, help="How far off the position may be, in metres."
)
@click.option(
    "--allow-private", is_flag=True, help="Also connect to private and loopback addresses."
)
@click.option(
    "--ca",
    type=click.Path(path_type=Path),
    help="PEM file of the CA to trust instead of the system's.",
)
@json_option
@pass_session
def service_check(
    session: Session,
    /,
    catalogue: str,
    lon: float | None,
    lat: float | None,
    accuracy_m: float | None,
    as_json: bool,
    **looking: Any,
) -> None:
    """
    Ask each service of a catalogue over IPv4 and IPv6, and keep what came of it.

    The catalogue is a file, or the name of a packaged one: vietnam.
    """
    from ...agent.outfit import named_position
    from .catalogue import check_services, load_catalogue

    listed = load_catalogue(catalogue)
    servers, settings = settings_of({**looking, "parts": ()})
    samples: list[Sample] = []
    with session.store() as store, committing(store, samples.extend) as on_sample:
        check_services(
            listed.services,
            servers,
            settings,
            probe=store.own_probe(),
            position=named_position(lon, lat, accuracy_m),
            on_sample=on_sample,
        )
    if as_json:
        import json

        print_json(json.loads(sample.body()) for sample in samples)
    else:
        print_table([_service_row(sample) for sample in samples], _SERVICE_HEADERS)
        doubtful = sum(not entry.verified for entry in listed.services)
        if doubtful:
            note(
                "{doubtful} of {all} addresses in the catalogue ({as_of}) are not verified",
                doubtful=doubtful,
                all=len(listed.services),
                as_of=listed.as_of,
            )
    if not any(sample.outcome.value == "ok" for sample in samples):
        raise SystemExit(EXIT_BAD_ANSWER)


def _service_row(sample: "Sample") -> list[object]:
    import json

    from ....data.words import language

    record = json.loads(sample.source.record or "{}")
    visit = record.get("visit", {})
    ended = say(sample.outcome.value)
    return [
        record["name_vi" if language() == "vi" else "name"],
        f"IPv{sample.family}",
        f"{ended} ({sample.reason})" if sample.reason else ended,
        number(record["dns_ms"]),
        number(next(iter(visit.get("connect_ms", {}).values()), None)),
        number(visit.get("tls_ms")),
        number(visit.get("first_byte_ms")),
        str(visit["status"]) if "status" in visit else None,
    ]
