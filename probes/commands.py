"""Commands that measure: one visit, the far end of one, a simulated campaign."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..console import (
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
from ..data.words import say
from .agent.commands import (
    budget,
    drive,
    gaps,
    measure_once,
    schedule,
    show_plan,
)
from .agent.options import field_options
from .doctor.commands import doctor
from .engines.commands import calibrate, engines
from .options import load_options, run_options
from .server.commands import serve

if TYPE_CHECKING:
    from ..data.sample import Sample
    from ..data.store import Store
    from .simulated_area import SimulatedArea
    from .working import UnderLoad

_BATCH_SAMPLES = 5_000
_HEADERS = ("family", "outcome", "down Mbit/s", "up Mbit/s", "RTT ms", "loaded ms", "loss %", "MB")
_LOADED_HEADERS = (
    "direction",
    "RTT ms",
    "loaded ms",
    "p90 ms",
    "p99 ms",
    "RPM",
    "foreign RPM",
    "self RPM",
    "confidence",
)


@click.group(cls=Group)
def probe() -> None:
    """Measure: probe the network, serve the far end, simulate a campaign."""


@probe.command()
@run_options(max_mb=1_000)
@field_options
@click.option(
    "--services",
    is_flag=False,
    flag_value="vietnam",
    help="Also ask the public services of a catalogue (a file; without a value, Vietnam's).",
)
@json_option
@pass_session
def run(session: Session, /, services: str | None, as_json: bool, **options: Any) -> None:
    """
    Measure download, upload and latency once, and keep what came of it.

    The far end is a server such as: phusong probe serve. A failed attempt is kept too. A private
    or loopback address is refused unless you say --allow-private.
    """
    from .ipv6.service.commands import ask_services, show_services

    kept = measure_once(session, **options)
    for sample in kept:
        _remark(sample)
    with session.store() as store:
        looking = {name: options[name] for name in ("allow_private", "ca")}
        place = kept[0].position if kept else None
        asked = ask_services(store, services, place, options["operator"], looking)
    _show(kept, as_json=as_json)
    show_services(asked, as_json=as_json)
    if not any(sample.reading for sample in kept):
        raise SystemExit(EXIT_BAD_ANSWER)


@probe.command()
@load_options
@json_option
@pass_session
def responsiveness(
    session: Session,
    url: str,
    family: str | None,
    max_mb: int,
    interval_s: float,
    allow_private: bool,
    ca: Path | None,
    as_json: bool,
) -> None:
    """
    Measure what a full link does to everything else: round trips under load, and RPM.

    Each direction is filled twice, for up to half a minute in all, first by four flows that fill
    any queue. The far end must be: phusong probe serve.
    """
    from .connection import client_context
    from .interface import Limits, Target
    from .responsiveness import Parameters
    from .working import measure_under_load

    client_context(ca)
    target = Target.parse(
        url, family=int(family) if family else None, allow_private=allow_private, ca_file=ca
    )
    with session.store() as store:
        sample, seen = measure_under_load(
            target,
            probe=store.own_probe(),
            started_at=datetime.now(UTC),
            parameters=Parameters.of_interval(interval_s),
            limits=Limits(max_bytes=max_mb * 1_000_000),
            on_phase=lambda phase: note("measuring: {phase}", phase=say(phase)),
        )
        kept = _keep(store, sample)
        _remark(sample)
    if as_json:
        _show(kept, as_json=True)
    else:
        print_table([_loaded_row(seen, way) for way in seen.bloat], _LOADED_HEADERS)
    if sample.reading is None:
        note("{outcome} ({reason})", outcome=say(sample.outcome.value), reason=sample.reason)
        raise SystemExit(EXIT_BAD_ANSWER)


@probe.command()
@click.option(
    "--boundaries",
    "set_id",
    help="Set of boundaries to measure in; without it, Vietnam's communes.",
)
@click.option("--level", help="Level of the boundaries; without it, the one with most areas.")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Another seed is another campaign."
)
@click.option(
    "--places",
    type=click.FloatRange(1, 200),
    default=16.0,
    show_default=True,
    help="Places measured in an area, on average.",
)
@click.option(
    "--operators",
    type=click.IntRange(1, 9),
    default=3,
    show_default=True,
    help="How many invented operators are measured at each place.",
)
@click.option(
    "--dead-zones",
    type=click.FloatRange(0, 20),
    default=0.7,
    show_default=True,
    help="Discs without any signal in an area, on average.",
)
@click.option(
    "--faults",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="Share of attempts that the device spoils.",
)
@click.option(
    "--period-start",
    type=click.DateTime(("%Y-%m-%d",)),
    default="2026-07-01",
    show_default=True,
    help="First day of the campaign, UTC.",
)
@json_option
@pass_session
def simulate(
    session: Session,
    set_id: str | None,
    level: str | None,
    seed: int,
    places: float,
    operators: int,
    dead_zones: float,
    faults: float,
    period_start: datetime,
    as_json: bool,
) -> None:
    """
    Add a simulated campaign; nothing in it is a measurement, and every sample says so.

    The same options give the same samples: doing it twice changes nothing.
    """
    start = period_start.replace(tzinfo=UTC)
    with session.store() as store:
        areas = _areas(store, set_id, level)
        name, new, duplicate = add_campaign(
            store,
            areas,
            start=start,
            seed=seed,
            operators=operators,
            places=places,
            dead_zones=dead_zones,
            fault_share=faults,
        )
    if as_json:
        print_json([{"probe": name, "areas": len(areas), "new": new, "duplicate": duplicate}])
    else:
        note(
            "{new} simulated {new:sample|samples} added, {duplicate} {duplicate:was|were} there"
            " already ({areas} {areas:area|areas})",
            new=number(new, 0),
            duplicate=number(duplicate, 0),
            areas=number(len(areas), 0),
        )


def _remark(sample: "Sample") -> None:
    """Say what a figure alone does not."""
    from .visits import disagreements, was_private

    if was_private(sample):
        note("that is a private or loopback address; to measure it, say --allow-private")
    for phase, theirs, ours in disagreements(sample):
        note(
            "{phase}: the far end counted {theirs} bytes, we {ours}; both are kept, ours is used",
            phase=say(phase),
            theirs=number(theirs, 0),
            ours=number(ours, 0),
        )


def _keep(store: "Store", sample: "Sample") -> "list[Sample]":
    """Commit a visit before anybody sees it; end here if the user broke it off."""
    from ..data.sample import Outcome

    kept = store.append([sample])
    if sample.outcome is Outcome.CANCELLED and (sample.reason or "").endswith("_cancelled"):
        raise KeyboardInterrupt
    return kept


def _show(samples: "Sequence[Sample]", *, as_json: bool) -> None:
    import json

    if as_json:
        print_json(json.loads(sample.body()) for sample in samples)
    else:
        print_table([_row(sample) for sample in samples], _HEADERS)


def _row(sample: "Sample") -> list[object]:
    family = f"IPv{sample.family}" if sample.family else None
    reading = sample.reading
    if reading is None:
        ended = f"{say(sample.outcome.value)} ({sample.reason})"
        return [family, ended, *[None] * (len(_HEADERS) - 2)]
    loss = None if reading.loss_ratio is None else 100 * reading.loss_ratio
    moved = (reading.bytes_down or 0) + (reading.bytes_up or 0)
    return [
        family,
        say(sample.outcome.value),
        number(reading.down_mbps, 2),
        number(reading.up_mbps, 2),
        number(reading.rtt_idle_ms, 1),
        number(reading.rtt_loaded_ms, 1),
        number(loss, 1),
        number(moved / 1e6, 1),
    ]


def _loaded_row(seen: "UnderLoad", way: str) -> list[object]:
    bloat, rpm = seen.bloat[way], seen.responsiveness.get(way)
    times = (bloat.rtt_idle_ms, bloat.rtt_loaded_ms, bloat.p90_ms, bloat.p99_ms)
    rates = (rpm.rpm, rpm.foreign_rpm, rpm.loaded_rpm) if rpm else (None,) * 3
    return [
        say(way),
        *(number(each, 1) for each in times),
        *(number(each, 0) for each in rates),
        say(rpm.confidence.value) if rpm else None,
    ]


def _areas(store: "Store", set_id: str | None, level: str | None) -> "list[SimulatedArea]":
    import geopandas as gpd

    from ..coverage.approximate import vietnam_communes
    from ..data.errors import ConfigError
    from ..data.kept import load_boundaries, load_boundary_set
    from .simulated_area import areas_from_frame

    found = load_boundary_set(store, set_id) if set_id is not None else None
    if found is None:
        return areas_from_frame(vietnam_communes())
    level = level or next(reversed(found["levels"]), "")
    rows = list(load_boundaries(store, found["id"], level))
    if not rows:
        raise ConfigError(
            "the set of boundaries has no level {level}; it has {levels} (--level)",
            level=level,
            levels=", ".join(found["levels"]),
        )
    shapes = gpd.GeoSeries.from_wkb([row["wkb"] for row in rows], crs="EPSG:4326")
    return areas_from_frame(
        gpd.GeoDataFrame({"code": [row["code"] for row in rows]}, geometry=shapes)
    )


def add_campaign(
    store: "Store",
    areas: "Sequence[SimulatedArea]",
    *,
    start: datetime,
    seed: int,
    operators: int,
    places: float,
    dead_zones: float = 0.0,
    fault_share: float = 0.0,
) -> tuple[str, int, int]:
    """Keep a simulated campaign; give its name, how many samples were new, how many not."""
    from .simulate import Hazards, campaign_probe, simulate_campaign

    shape: dict[str, Any] = {
        "start": start,
        "seed": seed,
        "operators": operators,
        "places_per_area": places,
        "hazards": Hazards(dead_zones, fault_share),
    }
    name = campaign_probe(areas, **shape)
    samples = simulate_campaign(areas, probe=name, **shape)
    new = duplicate = 0
    with progress("Simulating", round(len(areas) * operators * places)) as step:
        while batch := list(islice(samples, _BATCH_SAMPLES)):
            merged = store.merge(batch)
            new, duplicate = new + merged.new, duplicate + merged.duplicate
            step(len(batch))
    return name, new, duplicate


for command in (drive, schedule, show_plan, gaps, budget, doctor, engines, calibrate, serve):
    probe.add_command(command)
