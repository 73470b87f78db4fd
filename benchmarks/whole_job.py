"""
The whole job, from a store to verdicts, beside reading alone and beside geopandas with pandas.

A store of simulated rows (its `sample` table only: nobody reads evidence to judge) over polygons
that tile a country. Reading alone fetches the columns that judging needs; geopandas and pandas
join the same points and count trials and successes by area and operator, and give no interval. The
index is ready, as it is when it was kept. CPU seconds of this process, one round.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from join import draw_points, draw_polygons

from phusong.coverage.areas import Areas
from phusong.coverage.compute import compute
from phusong.coverage.rules import load_rule
from phusong.data.kept import SAMPLE_COLUMNS, load_samples
from phusong.data.store import Store

START_US = 1_782_869_400_000_000
DAY_US = 86_400_000_000


def fill(store: Store, count: int) -> None:
    """Put rows of speed tests into a store, three operators, sixty days."""
    rng = np.random.default_rng(3)
    lon, lat = draw_points(count)
    speed = np.where(rng.random(count) < 0.06, np.nan, rng.lognormal(3.2, 0.9, count))
    started = START_US + rng.integers(0, 60 * DAY_US, count)
    operators = rng.integers(0, 3, count)
    rows = (
        (
            n.to_bytes(32, "big"), "bench", n, "speed", int(started[n]),
            "timeout" if np.isnan(speed[n]) else "ok",
            None if np.isnan(speed[n]) else float(speed[n]),
            float(lon[n]), float(lat[n]), f"Op {operators[n]}", "LTE", "bench", 1,
        )
        for n in range(count)
    )  # fmt: skip
    names = (
        "id, probe, seq, kind, started_us, outcome, down_mbps, lon, lat, operator, rat, tool,"
        " simulated"
    )
    with store.writing() as connection:
        connection.executemany(f"INSERT INTO sample ({names}) VALUES ({','.join('?' * 13)})", rows)


def spent(name: str, work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"  {name:44} {seconds:8.1f} CPU s   peak so far {peak:6,.0f} MB")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--samples", type=int, default=500_000)
    parser.add_argument("--polygons", type=int, default=10_000)
    options = parser.parse_args()
    shapes = draw_polygons(options.polygons)
    codes = [f"{n:06d}" for n in range(len(shapes))]
    frame = gpd.GeoDataFrame(
        {"code": codes, "name": codes, "parent_code": None, "parent_name": None},
        geometry=shapes,
        crs="EPSG:4326",
    )
    print(f"{options.samples:,} samples, {options.polygons:,} areas")
    areas = Areas(label="village", frame=frame, set_id="bench")
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "bench.db") as store:
        fill(store, options.samples)
        columns = ", ".join(SAMPLE_COLUMNS)

        def peers() -> None:
            table = pd.read_sql_query(f"SELECT {columns} FROM sample", store.connection)
            points = gpd.points_from_xy(table["lon"], table["lat"])
            places = gpd.GeoDataFrame(table, geometry=points, crs="EPSG:4326")
            joined = gpd.sjoin(places, frame[["code", "geometry"]], predicate="intersects")
            passed = joined["down_mbps"] >= 5
            joined.assign(passed=passed).groupby(["code", "operator"])["passed"].agg(
                ["size", "sum"]
            )

        def ours() -> None:
            compute(
                load_samples(store),
                [ready],
                [load_rule("vn-4g")],
                homes={},
                software="bench",
                computed_at=datetime.now(UTC),
            )

        reading = spent("reading the rows alone", lambda: [None for _ in load_samples(store)])
        ready = areas.indexed()
        whole = spent("phusong, from rows to verdicts", ours)
        other = spent("pandas and geopandas, from rows to counts", peers)
    print(
        f"  whole job / reading alone {whole / reading:.1f}; peers / whole job {other / whole:.1f}"
    )


if __name__ == "__main__":
    main()
