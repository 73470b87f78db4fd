"""Real drive tests travel the whole way: imported, joined, judged, drawn."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def page_data(page: Path) -> dict[str, Any]:
    text = page.read_text("utf-8")
    start = text.index('id="data">') + len('id="data">')
    return dict(json.loads(text[start : text.index("</script>", start)]))


@pytest.mark.slow
def test_cork_shows_5g_by_the_phones_indication_and_says_so(
    phusong: Run, shared: Callable[[str], Path], tmp_path: Path
) -> None:
    log = shared("ie-5g-gnettrack/5G-production-dataset.zip")
    done = phusong("data", "import", log, "--timezone", "Europe/Dublin", "--json")
    assert done.code == 0
    assert sum(row["accepted"] for row in records(done.out) if row.get("tool")) == 188_711

    done = phusong(
        *("coverage", "compute", "--by", "h3:8", "--json"),
        *("--rule", "signal-5g-indicated", "--rule", "vn-5g"),
    )
    indicated, measured = records(done.out)
    assert indicated["inputs"]["samples"] == 188_711
    assert indicated["inputs"]["trials"] > 180_000
    # A speed rule finds no speed test in a log of signals: nothing is proven by it.
    assert measured["inputs"]["trials"] == 0
    assert indicated["inputs"]["simulated"] == 0

    page = tmp_path / "cork.html"
    assert phusong("map", "build", page, "--result", 1).code == 0
    data = page_data(page)
    (result,) = data["results"]
    assert result["nr"]["nsa_indicated"] == 136_403
    assert result["nr"].get("nsa_measured", 0) == result["nr"].get("sa", 0) == 0


def test_dakar_counts_no_coverage_as_failure_of_the_operator_walked_with(
    phusong: Run, shared: Callable[[str], Path]
) -> None:
    folder = shared("sn-gnettrack/raw_logs")
    logs = [folder / f"{name}_log.txt" for name in ("Orange", "Yas", "expresso")]
    assert phusong("data", "import", *logs, "--timezone", "Africa/Dakar").code == 0
    done = phusong("coverage", "compute", "--rule", "signal-only", "--by", "h3:8", "--json")
    (result,) = records(done.out)
    operators = {row["operator"]: row for row in result["operators"]}
    counted = {name: (row["trials"], row["successes"]) for name, row in operators.items()}
    assert counted["expresso"] == (2_955, 2_955 - 253)
    assert counted["Orange"] == (2_625, 2_625)
    assert counted["Yas"] == (2_719, 2_719)
    # Even a walk without one failure has too few places to prove 95 % anywhere.
    assert all(row["covered"] == 0 for row in operators.values())


def test_virginia_joins_its_counties(
    phusong: Run, shared: Callable[[str], Path], tmp_path: Path
) -> None:
    counties = shared("us-counties/counties-10m.json")
    assert phusong("boundaries", "load", counties).code == 0
    log = shared("us-netcellinfo/network_cell_info_log.csv")
    assert phusong("data", "import", log).code == 0
    done = phusong("coverage", "compute", "--rule", "signal-lte", "--by", "county", "--json")
    (result,) = records(done.out)
    assert result["inputs"]["outside"] == result["inputs"]["without_position"] == 0
    shown = records(phusong("coverage", "show", "--json").out)
    names = {row["name"] for row in shown if row["trials"]}
    assert "Prince William" in names
    assert phusong("map", "build", tmp_path / "virginia.html").code == 0


def test_vietnams_communes_of_2025_load_and_the_campaign_joins_them(
    phusong: Run, shared: Callable[[str], Path]
) -> None:
    for name, repaired in (("asis", 0), ("clean", 42)):
        path = shared(f"vn-communes-2025/vn_communes_2025_{name}.geojson")
        (loaded,) = records(phusong("boundaries", "load", path, "--json").out)
        (layer,) = loaded["layers"]
        assert layer["areas"] == 3_321
        assert len(layer["repaired"]) == repaired
    simulated = phusong("probe", "simulate", "--places", 2, "--operators", 1)
    assert simulated.code == 0
    sets = records(phusong("boundaries", "list", "--json").out)
    done = phusong(
        *("coverage", "compute", "--rule", "signal-only", "--json"),
        *("--by", "commune", "--boundaries", sets[-1]["id"]),
    )
    (result,) = records(done.out)
    inputs = result["inputs"]
    assert inputs["samples"] == inputs["simulated"] > 4_000
    assert inputs["outside"] < 0.05 * inputs["samples"]
    assert not result["boundary_approximate"]
