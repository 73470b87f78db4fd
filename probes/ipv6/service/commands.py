"""Commands that ask public services whether they answer."""

from collections.abc import Mapping, Sequence
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
    progress,
)
from ....data.words import say
from ...options import allow_private_option, ca_option
from ..commands import committing, settings_of

if TYPE_CHECKING:
    from ....data.sample import Position, Sample
    from ....data.store import Store

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
@allow_private_option
@ca_option
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
    from ...visits import named_position

    place = named_position(lon, lat, accuracy_m)
    with session.store() as store:
        samples = ask_services(store, catalogue, place, None, looking)
    show_services(samples, as_json=as_json)
    if not any(sample.outcome.value == "ok" for sample in samples):
        raise SystemExit(EXIT_BAD_ANSWER)


def ask_services(
    store: "Store",
    catalogue: str | None,
    position: "Position | None",
    operator: str | None,
    looking: "Mapping[str, Any]",
) -> "list[Sample]":
    """Ask each service of a catalogue, if one is named, and keep what came of it."""
    from ....data.sample import Radio
    from .catalogue import Here, check_services, load_catalogue

    if catalogue is None:
        return []
    listed = load_catalogue(catalogue)
    servers, settings = settings_of({"resolvers": (), **looking, "parts": ()})
    doubtful = sum(not entry.verified for entry in listed.services)
    if doubtful:
        note(
            "{doubtful} of {all} {all:address|addresses} in the catalogue ({as_of})"
            " {doubtful:is|are} not verified",
            doubtful=doubtful,
            all=len(listed.services),
            as_of=listed.as_of,
        )
    samples: list[Sample] = []
    with (
        committing(store, samples.extend) as on_sample,
        progress("Asking services", 2 * len(listed.services)) as step,
    ):

        def keep(sample: "Sample") -> None:
            on_sample(sample)
            step(1)

        check_services(
            listed.services,
            servers,
            settings,
            Here(
                probe=store.own_probe(),
                position=position,
                radio=Radio(operator=operator) if operator else None,
            ),
            on_sample=keep,
        )
    order = [entry.url[:200] for entry in listed.services]
    return sorted(samples, key=lambda kept: (order.index(kept.server or ""), kept.family or 0))


def show_services(samples: "Sequence[Sample]", *, as_json: bool) -> None:
    import json

    if as_json:
        print_json(json.loads(sample.body()) for sample in samples)
    elif samples:
        print_table([_service_row(sample) for sample in samples], _SERVICE_HEADERS)


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
