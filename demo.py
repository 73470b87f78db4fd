"""
The whole pipeline in one command: measure, keep, join, judge, draw; no network needed.

The measurements are real, between this machine and itself. The campaign over Vietnam is
simulated, by invented operators, and everything it touches says so.
"""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .console import (
    EXIT_BAD_ANSWER,
    Command,
    json_option,
    note,
    number,
    print_json,
    print_table,
)
from .data.words import say

if TYPE_CHECKING:
    from .coverage.summary import Result
    from .data.sample import Sample
    from .data.store import Store

RULES = ("vn-4g", "vn-5g", "signal-only")
SEED = 2026
CAMPAIGN_START = datetime(2026, 7, 1, tzinfo=UTC)
_SECONDS_A_DIRECTION = 1.5
_POINTS = 5_000


@click.command(cls=Command)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder for the store and the map; made where there is none.",
)
@json_option
def demo(out: Path, as_json: bool) -> None:
    """
    Show the whole pipeline in under a minute, without a network.

    Measures this machine against itself over IPv4 and IPv6, simulates a campaign over Vietnam's
    communes, judges it and draws the map. Nothing simulated is taken for a measurement.
    """
    from .data.store import Store

    out.mkdir(parents=True, exist_ok=True)
    with Store.open(out / "demo.db") as store:
        note("1/4 Measuring this machine against itself")
        measured = _measure(store)
        note("2/4 Simulating a campaign over Vietnam's communes")
        simulated = _simulate(store)
        note("3/4 Judging coverage")
        results = _judge(store)
        note("4/4 Drawing the map")
        page = _draw(store, [kept_as for kept_as, _ in results], out / "index.html")
    if as_json:
        print_json([_record(measured, simulated, [result for _, result in results], page)])
    else:
        _summarise(measured, simulated, [result for _, result in results], page)
    if not any(sample.reading for sample in measured):
        raise SystemExit(EXIT_BAD_ANSWER)


def _measure(store: "Store") -> "list[Sample]":
    """Run real measurements over loopback, one for each family that this machine has."""
    from .probes.interface import Target
    from .probes.server.service import MeasurementServer
    from .probes.speed import measure_visit

    name = store.own_probe()
    kept = []
    with MeasurementServer() as server:
        for place in server.listening:
            sample = measure_visit(
                Target.parse(server.url_of(place), family=place.family, allow_private=True),
                probe=name,
                started_at=datetime.now(UTC),
                duration_s=_SECONDS_A_DIRECTION,
            )
            kept += store.append([sample])
        for host, why in server.unavailable.items():
            note("not listening on {host}: {why}", host=host, why=why)
    return kept


def _simulate(store: "Store") -> int:
    """Add the simulated campaign; the same one each time, so a second demo adds nothing."""
    from .coverage.approximate import vietnam_communes
    from .probes.commands import add_campaign
    from .probes.simulate import OPERATORS, PLACES_PER_AREA
    from .probes.simulated_area import areas_from_frame

    _, new, duplicate = add_campaign(
        store,
        areas_from_frame(vietnam_communes()),
        start=CAMPAIGN_START,
        seed=SEED,
        operators=OPERATORS,
        places=PLACES_PER_AREA,
    )
    return new + duplicate


def _judge(store: "Store") -> "list[tuple[int, Result]]":
    from .coverage.commands import compute_kept
    from .coverage.rules import load_rule

    return compute_kept(store, [load_rule(name) for name in RULES], "commune")


def _draw(store: "Store", numbers: list[int], path: Path) -> Path:
    from .data.sample_points import sample_points
    from .maps.commands import load_drawn
    from .maps.page import PageOptions, render_page, write_page

    title = "phusong demo · Việt Nam"
    points = sample_points(store, most=_POINTS)
    write_page(path, render_page(load_drawn(store, numbers), points, PageOptions(title=title)))
    return path


def _counts(result: "Result") -> Counter[str]:
    from .coverage.summary import ANY_OPERATOR

    return Counter(area.verdict.value for area in result.areas if area.operator == ANY_OPERATOR)


def _record(
    measured: "list[Sample]", simulated: int, results: "list[Result]", page: Path
) -> dict[str, Any]:
    return {
        "measured": [
            {
                "family": sample.family,
                "outcome": sample.outcome,
                "down_mbps": sample.reading.down_mbps if sample.reading else None,
                "up_mbps": sample.reading.up_mbps if sample.reading else None,
                "rtt_idle_ms": sample.reading.rtt_idle_ms if sample.reading else None,
            }
            for sample in measured
        ],
        "simulated_samples": simulated,
        "approximate_boundaries": all(result.boundary_approximate for result in results),
        "verdicts": {result.rule: _counts(result) for result in results},
        "map": page,
    }


def _summarise(
    measured: "list[Sample]", simulated: int, results: "list[Result]", page: Path
) -> None:
    """Print what a minister and an engineer both understand."""
    from .coverage.overview import overviews
    from .coverage.summary import Verdict
    from .coverage.wording import title

    click.echo(say("Measured: this machine against itself (the instrument, not a network)"))
    print_table(
        [
            (
                f"IPv{sample.family}",
                say(sample.outcome.value),
                number(reading.down_mbps, 0) if reading else None,
                number(reading.up_mbps, 0) if reading else None,
                number(reading.rtt_idle_ms, 2) if reading else None,
            )
            for sample in measured
            for reading in (sample.reading,)
        ],
        ["family", "outcome", "down Mbit/s", "up Mbit/s", "RTT ms"],
    )
    click.echo()
    click.echo(
        say(
            "SIMULATED: {samples} samples by invented operators; no figure below is about a real"
            " network",
            samples=number(simulated, 0),
        )
    )
    counts = [(result, _counts(result)) for result in results]
    print_table(
        [
            (title(result), *(number(count[verdict.value], 0) for verdict in Verdict))
            for result, count in counts
        ],
        ["Communes (approximate shapes), best operator", *Verdict],
    )
    click.echo()
    best = overviews(results[0])[0]
    click.echo(
        say(
            "In plain words: of {areas} communes, 4G is proven in {low} and disproven in {lost}."
            " For the others the samples do not suffice to say: the true number of covered communes"
            " lies between {low} and {high}.",
            areas=number(best.areas, 0),
            low=number(best.covered, 0),
            lost=number(best.not_covered, 0),
            high=number(best.not_disproven, 0),
        )
    )
    note("The map is {page}: open it in any browser; it needs no network.", page=page)
