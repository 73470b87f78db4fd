"""What a page reads out of its packs is what the result says, down to what was never measured."""

import json
import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from phusong.coverage.interval import wilson
from phusong.coverage.summary import AreaSummary, Result, Verdict
from phusong.maps.columns import DrawnResult
from phusong.maps.page import render_page

pytestmark = pytest.mark.browser

AREAS = 60
NAMES = ("verdict", "share", "share_low", "share_high", "samples", "trials", "successes")
NAMES += ("places", "occasions", "simulated", "further_places", "further_places_at_share")
NAMES += ("down_mbps_median", "up_mbps_median", "rtt_idle_ms_median")
READ = """(names) => {
  const read = {};
  for (const { operator } of state.result.layers) {
    const layer = layerOf(state.result, operator);
    const dense = names.map((name) => valuesOf(layer, name, state.shapes.areas.length));
    for (const area of state.shapes.areas) {
      const values = names.map((name) => valueOf(layer, name, area));
      values.forEach((value, i) => {
        const other = dense[i][area.index];
        if (Object.is(other, value ?? NaN)) return;
        throw new Error(`${operator} ${area.code} ${names[i]}: ${value}`);
      });
      const excluded = Object.fromEntries(countsOf(layer, "excluded", area));
      read[`${operator} ${area.code}`] = [values, excluded];
    }
  }
  return JSON.stringify(read);
}"""


def measured(chance: random.Random) -> dict[str, Any]:
    """Give an area's numbers, some as Wilson's interval has them and some as nothing has."""
    places = chance.randint(1, 400)
    trials = places * chance.randint(1, 3) + chance.randint(0, 5)
    successes = chance.randint(0, trials)
    share = chance.choice([successes / trials, chance.random()])
    worth = chance.choice([float(places), max(1.0, places * chance.random())])
    low, high = wilson(share, worth, 0.95)
    if chance.random() < 0.2:
        low, high = low / 2, (1 + high) / 2

    def maybe(value: float) -> float | None:
        return None if chance.random() < 0.3 else value

    return {
        "verdict": chance.choice([Verdict.COVERED, Verdict.NOT_COVERED, Verdict.UNPROVEN]),
        "share": share,
        "share_low": low,
        "share_high": high,
        "samples": trials + chance.randint(0, 9),
        "trials": trials,
        "successes": successes,
        "places": places,
        "occasions": places + chance.randint(0, 3),
        "simulated": chance.choice([0, trials]),
        "further_places": maybe(chance.randint(0, 900)),
        "further_places_at_share": maybe(chance.randint(0, 100_000)),
        "down_mbps_median": maybe(round(chance.uniform(0, 900), 2)),
        "up_mbps_median": maybe(round(chance.uniform(0, 90), 2)),
        "rtt_idle_ms_median": maybe(round(chance.uniform(1, 900), 2)),
        "excluded": {"cancelled": chance.randint(1, 9)} if chance.random() < 0.3 else {},
    }


def test_every_number_of_every_operator_comes_back(
    open_page: Callable[..., Any],
    make_result: Callable[..., Result],
    squares: Callable[..., Any],
) -> None:
    chance = random.Random(5)
    codes = [f"{number:02}" for number in range(AREAS)]
    rows = []
    for code in codes:
        for operator in ("any", "A", "B"):
            if operator != "any" and chance.random() < 0.4:
                continue
            nothing = chance.random() < 0.2
            values = (
                {"verdict": Verdict.NO_DATA, "further_places": 73} if nothing else measured(chance)
            )
            rows.append(AreaSummary(code=code, name=code, operator=operator, **values))
    drawn = DrawnResult(result=make_result(*rows), geometry=squares(*codes))
    opened = open_page(render_page([drawn]))
    read = json.loads(opened.run(READ, list(NAMES)))
    assert opened.console == []
    order = list(Verdict)
    for row in rows:
        values, excluded = read[f"{row.operator} {row.code}"]
        page = dict(zip(NAMES, values, strict=True))
        assert excluded == row.excluded
        assert order[int(page.pop("verdict"))] is row.verdict
        for name in ("share", "share_low", "share_high"):
            kept, true = page.pop(name), getattr(row, name)
            assert (kept is None) == (true is None)
            if true is not None:
                outward = math.ceil if name == "share_high" else math.floor
                slack = 1e-6 if name != "share_high" else -1e-6
                assert kept == outward(true * 10_000 + slack) / 10_000
        assert page == {name: getattr(row, name) for name in page}
