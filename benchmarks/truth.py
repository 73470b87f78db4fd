"""
How often a verdict is wrong, found out where the truth is known.

Campaigns over invented villages, each with a radio field of its own: log-distance path loss to
the nearest of several sites, shadowing that neighbouring places share (exponential correlation),
hills and dead zones. The true share is the chance of passing, over a dense grid of points of the
village. Visits are drawn as people make them: scattered places, a lattice, some drives, a single
road, a corner only; with parked cars that repeat one place, several days and faults of the device.
Half of the villages are drawn near the required share, where a verdict is hardest.

Every attempt goes through the code that judges real samples. Printed: how often the interval
holds the true share, how often a village truly below the rule is called covered (and above it,
not covered), the share of villages settled, and the same for the naive interval, which takes
every attempt for an answer of its own.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from phusong.coverage.frame import COLUMNS, sample_frame
from phusong.coverage.hexagons import cells_of
from phusong.coverage.interval import wilson
from phusong.coverage.measures import spreads
from phusong.coverage.reduce import tally_samples
from phusong.coverage.rules import Rule, load_rule
from phusong.coverage.sectors import sectors_of
from phusong.coverage.summary import Verdict
from phusong.coverage.trials import judge_samples
from phusong.coverage.verdict import judge, suffices

CAMPAIGNS = 1_500
M_PER_DEGREE = 111_320.0
DAY_US = 86_400_000_000
GRID_POINTS = 1_500
WAVES = 150
NOISE_DB = 1.8
MISHAP_SHARE = 0.002
FAULT_SHARE = 0.01
Flat = npt.NDArray[np.float64]

DRIVES = {"scattered": 0.3, "lattice": 0.15, "drives": 0.35, "one road": 0.1, "corner": 0.1}


@dataclass(frozen=True)
class Village:
    """An ellipse, in metres around its centre."""

    lat: float
    half_x_m: float
    half_y_m: float

    @property
    def area_km2(self) -> float:
        return math.pi * self.half_x_m * self.half_y_m / 1e6

    def holds(self, xy: Flat) -> npt.NDArray[np.bool_]:
        return (xy[:, 0] / self.half_x_m) ** 2 + (xy[:, 1] / self.half_y_m) ** 2 <= 1

    def grid(self, points: int) -> Flat:
        step = math.sqrt(self.area_km2 * 1e6 / points)
        x, y = (np.arange(-half + step / 2, half, step) for half in (self.half_x_m, self.half_y_m))
        xy = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        return xy[self.holds(xy)]

    def scatter(self, rng: np.random.Generator, count: int) -> Flat:
        angle, radius = rng.uniform(0, math.tau, count), np.sqrt(rng.uniform(0, 1, count))
        xy = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None]
        return xy * (self.half_x_m, self.half_y_m)


@dataclass(frozen=True)
class Field:
    """How far above what the rule needs the network is at a point, in dB."""

    sites: Flat
    waves: Flat
    shadowing_db: float
    dead_zones: Flat
    hill: Flat
    level_db: float = 0.0

    def margin_db(self, xy: Flat) -> Flat:
        nearest = np.full(len(xy), np.inf)
        for site in self.sites:
            nearest = np.minimum(nearest, np.hypot(*(xy - site).T))
        margin = self.level_db - 37.6 * np.log10(np.maximum(nearest, 35) / 1000)
        fade = np.cos(xy @ self.waves[:, :2].T + self.waves[:, 2]).sum(axis=1)
        margin += self.shadowing_db * math.sqrt(2 / len(self.waves)) * fade
        for x, y, radius in self.dead_zones:
            margin[np.hypot(xy[:, 0] - x, xy[:, 1] - y) < radius] -= 25
        behind = xy @ self.hill[:2] > self.hill[2]
        margin[behind] -= self.hill[3]
        return margin

    def chance(self, xy: Flat) -> Flat:
        """Give the chance that one attempt at a point passes: the normal integral of its margin."""
        z = self.margin_db(xy) / NOISE_DB
        return (1 - MISHAP_SHARE) * 0.5 * (1 + np.array([math.erf(v / math.sqrt(2)) for v in z]))


def draw_village(rng: np.random.Generator) -> Village:
    area_m2, aspect = 1e6 * np.exp(rng.uniform(np.log(1.5), np.log(60))), rng.uniform(1, 2.5)
    short = math.sqrt(area_m2 / math.pi / aspect)
    return Village(rng.uniform(9, 23), *rng.permutation([short, short * aspect]))


def draw_field(rng: np.random.Generator, village: Village) -> Field:
    """Build a network whose level makes a drawn share of the village pass."""
    reach = max(village.half_x_m, village.half_y_m)
    spacing = rng.uniform(900, 5000)
    steps = math.ceil(reach / spacing) + 1
    lattice = np.stack(np.meshgrid(*[np.arange(-steps, steps + 1.0)] * 2), axis=-1).reshape(-1, 2)
    sites = (
        lattice + rng.uniform(-0.25, 0.25, lattice.shape) + rng.uniform(-0.5, 0.5, 2)
    ) * spacing
    # Wave numbers whose spectrum is that of exponential correlation in the plane.
    length = np.exp(rng.uniform(np.log(50), np.log(800)))
    number = np.sqrt(rng.uniform(0.002, 1, WAVES) ** -2 - 1) / length
    angle = rng.uniform(0, math.tau, WAVES)
    waves = np.stack([number * np.cos(angle), number * np.sin(angle), angle * 0], axis=1)
    waves[:, 2] = rng.uniform(0, math.tau, WAVES)
    zones = village.scatter(rng, rng.poisson(0.7))
    dead = np.column_stack([zones, rng.uniform(100, 600, len(zones))])
    side = rng.uniform(0, math.tau)
    hill_db = rng.uniform(5, 20) if rng.random() < 0.25 else 0.0
    hill = np.array([np.cos(side), np.sin(side), rng.uniform(0, 0.8) * reach, hill_db])
    field = Field(sites, waves, rng.uniform(4, 9), dead, hill)
    target = float(
        rng.choice(
            [rng.uniform(0.3, 0.9), rng.uniform(0.9, 0.98), rng.uniform(0.98, 1)],
            p=[0.25, 0.5, 0.25],
        )
    )
    # Out in the village, the level that the wanted share of its points exceeds.
    return replace(
        field, level_db=-float(np.quantile(field.margin_db(village.grid(600)), 1 - target))
    )


def draw_visits(rng: np.random.Generator, village: Village, drive: str) -> Flat:
    """Give where attempts are made, in order, repeats included."""
    count = int(np.exp(rng.uniform(np.log(8), np.log(300))))
    if drive == "scattered":
        xy = np.repeat(village.scatter(rng, count), rng.integers(1, 4, count), axis=0)
    elif drive == "lattice":
        xy = village.grid(count) + rng.normal(0, 30, 2)
    elif drive == "corner":
        centre, share = village.scatter(rng, 1) * 0.6, rng.uniform(0.35, 0.5)
        xy = centre + village.scatter(rng, count) * share
    elif drive == "one road":
        along, side = rng.uniform(0, math.tau), rng.uniform(-0.3, 0.3)
        steps = np.linspace(-1, 1, count * 2)
        turn = np.array([[math.cos(along), math.sin(along)], [-math.sin(along), math.cos(along)]])
        xy = np.stack([steps, np.full_like(steps, side)], axis=1) @ turn
        xy = xy * (village.half_x_m, village.half_y_m)
    else:
        xy = np.concatenate([_route(rng, village, count) for _ in range(rng.integers(1, 7))])
    xy = xy[village.holds(xy)]
    if len(xy) and rng.random() < 0.3:
        stops = xy[rng.integers(len(xy), size=rng.integers(1, 4))]
        parked = np.repeat(stops, rng.integers(20, 200, len(stops)), axis=0)
        xy = np.concatenate([xy, parked + rng.normal(0, 4, parked.shape)])
    return xy


def _route(rng: np.random.Generator, village: Village, count: int) -> Flat:
    """Drive at random, turning slowly, and turning back at the village's edge."""
    at, heading, step = village.scatter(rng, 1)[0], rng.uniform(0, math.tau), rng.uniform(60, 250)
    visited = []
    for turn in rng.normal(0, 0.35, count):
        heading += turn
        ahead = at + step * np.array([math.cos(heading), math.sin(heading)])
        if village.holds(ahead[None])[0]:
            at = ahead
        else:
            heading += math.pi * rng.uniform(0.6, 1.4)
        visited.append(at)
    return np.array(visited)


@dataclass(frozen=True)
class Campaign:
    """A village, its true share, and the attempts made there, as columns of samples."""

    code: str
    drive: str
    area_km2: float
    truth: float
    columns: dict[str, list[Any]]


def draw_campaigns(count: int, seed: int) -> Iterator[Campaign]:
    """Draw campaigns, the same for the same seed; one without any attempt is drawn again."""
    number = 0
    while count:
        rng = np.random.default_rng([seed, number])
        number += 1
        village = draw_village(rng)
        field = draw_field(rng, village)
        drive = str(rng.choice(list(DRIVES), p=list(DRIVES.values())))
        visits = draw_visits(rng, village, drive)
        if len(visits):
            count -= 1
            truth = float(field.chance(village.grid(GRID_POINTS)).mean())
            columns = _attempts(rng, village, field, visits)
            yield Campaign(str(number), drive, village.area_km2, truth, columns)


def _attempts(
    rng: np.random.Generator, village: Village, field: Field, visits: Flat
) -> dict[str, list[Any]]:
    passed = rng.random(len(visits)) < field.chance(visits)
    faulty = rng.random(len(visits)) < FAULT_SHARE
    days = np.sort(rng.integers(0, rng.integers(1, 4), len(visits)))
    east_m = M_PER_DEGREE * math.cos(math.radians(village.lat))
    columns: dict[str, list[Any]] = {name: [None] * len(visits) for name in COLUMNS}
    columns |= {
        "probe": ["truth"] * len(visits),
        "kind": ["speed"] * len(visits),
        "operator": ["simulated"] * len(visits),
        "rat": ["LTE"] * len(visits),
        "outcome": [
            "device_error" if bad else "ok" if good else "timeout"
            for bad, good in zip(faulty, passed, strict=True)
        ],
        "down_mbps": [50.0 if good else None for good in passed],
        "up_mbps": [20.0 if good else None for good in passed],
        "lon": (105 + visits[:, 0] / east_m).tolist(),
        "lat": (village.lat + visits[:, 1] / M_PER_DEGREE).tolist(),
        "started_us": ((20_000 + days) * DAY_US + 3 * DAY_US // 24).tolist(),
        "simulated": [1] * len(visits),
    }
    return columns


@dataclass(frozen=True)
class Judged:
    """What came out for one campaign, by one way of judging."""

    drive: str
    truth: float
    required: float
    holds: bool
    verdict: Verdict
    refused: bool


def judge_campaign(campaign: Campaign, rule: Rule) -> tuple[Judged, Judged, Judged]:
    """Judge as phusong does, by places without their sectors, and by every attempt for itself."""
    samples = sample_frame(campaign.columns)
    judged = judge_samples(samples, rule)
    area = np.zeros(len(samples), dtype=np.int64)
    places = cells_of(samples.lon, samples.lat, rule.place_resolution).astype(np.int64)
    tally = tally_samples(samples, judged, area, samples.operator, places)
    cut = sectors_of([campaign.area_km2], rule.place_resolution)
    spread, alone = spreads(tally, cut), spreads(tally)
    ours, plain = judge(spread, rule), judge(alone, rule)
    trials, successes = (int(tally.count(name)[0]) for name in ("trials", "successes"))
    naive = wilson(successes / max(trials, 1), max(trials, 1), rule.confidence)
    return (
        _result(campaign, rule, (ours.low, ours.high), ours.verdict, not suffices(spread, rule)),
        _result(campaign, rule, (plain.low, plain.high), plain.verdict, not suffices(alone, rule)),
        _result(campaign, rule, naive, _by_interval(*naive, rule), refused=False),
    )


def _by_interval(low: float, high: float, rule: Rule) -> Verdict:
    if low >= rule.required_share:
        return Verdict.COVERED
    return Verdict.NOT_COVERED if high < rule.required_share else Verdict.UNPROVEN


def _result(
    campaign: Campaign,
    rule: Rule,
    interval: tuple[float | None, float | None],
    verdict: Verdict,
    refused: bool,
) -> Judged:
    low, high = interval
    holds = low is None or high is None or low <= campaign.truth <= high
    return Judged(campaign.drive, campaign.truth, rule.required_share, holds, verdict, refused)


def describe(results: list[Judged]) -> str:
    """Give the figures of some campaigns as cells of one line."""
    judged = [r for r in results if not r.refused]
    below = [r for r in results if r.truth < r.required]
    above = [r for r in results if r.truth >= r.required]
    settled = [r for r in results if r.verdict in (Verdict.COVERED, Verdict.NOT_COVERED)]
    wrong = sum(r.verdict is Verdict.COVERED for r in below)
    lost = sum(r.verdict is Verdict.NOT_COVERED for r in above)
    cells = (
        _per_cent(sum(r.holds for r in results), len(results)),
        _per_cent(sum(r.holds for r in judged), len(judged)),
        _per_cent(wrong, len(below)),
        _per_cent(lost, len(above)),
        _per_cent(len(settled), len(results)),
        _per_cent(len(results) - len(judged), len(results)),
    )
    return f"{len(results):6d}" + "".join(f"{cell:>12}" for cell in cells)


def _per_cent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--campaigns", type=int, default=CAMPAIGNS)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--rule", default="vn-4g")
    options = parser.parse_args()
    rule = load_rule(options.rule)
    judged = [
        judge_campaign(each, rule) for each in draw_campaigns(options.campaigns, options.seed)
    ]
    ours, alone, naive = ([each[way] for each in judged] for way in range(3))
    near = [r for r in ours if rule.required_share - 0.05 <= r.truth < rule.required_share]
    titles = ("held", "held where", "false", "false not", "settled", "refused")
    print(f"{'':32}{'n':>6}" + "".join(f"{title:>12}" for title in titles))
    print(f"{'':32}{'':>6}{'':>12}{'judged':>12}{'covered':>12}{'covered':>12}")
    by_drive = {"phusong": ours, "places without sectors": alone, "every attempt counts": naive}
    for name, results in by_drive.items():
        print(f"{name:32}{describe(results)}")
        for drive in DRIVES:
            print(f"{'  ' + drive:32}{describe([r for r in results if r.drive == drive])}")
    print(f"{'phusong, true share 90 to 95 %':32}{describe(near)}")
    print("Goals: held at least 94 %, false covered at most 2.5 %.")


if __name__ == "__main__":
    main()
