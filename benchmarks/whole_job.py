"""
The whole job, from samples to verdicts, beside libraries that only read, and beside geopandas.

A store of simulated rows (its `sample` table only: nobody reads evidence to judge) over polygons
that tile a country, and the same samples as Parquet files. Readers bring the columns that judging
needs into memory, and stop there. geopandas and pandas read the Parquet files, join by the same
rule (a border belongs to its areas, and a sample to one of them), and count: first trials and
successes by area and operator, then places, occasions, shares over places, medians and means too;
they give no interval and no verdict. The index is there from before. Every way runs in a process
of its own: CPU seconds (all threads) without the imports, and that process's peak of memory.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from join import draw_points, draw_polygons

START_US = 1_782_869_400_000_000
DAY_US = 86_400_000_000
PART_ROWS = 1_000_000
DRIVE_S, DRIVE_M_PER_S = 3_600, 5.0
RULE = "vn-4g"
READERS = ("connectorx", "polars", "ADBC", "pandas")


def draw_samples(part: int, count: int, shape: str) -> dict[str, Any]:
    """
    Draw speed tests of three operators on sixty days.

    Scattered ones hardly ever share a place and a day. Driven ones are an hour's drive each, a
    test a second: dozens in a place on a day, as a vehicle brings them home.
    """
    rng = np.random.default_rng(part)
    drive = np.arange(count) // (DRIVE_S if shape == "driven" else 1)
    drives = int(drive[-1]) + 1
    lon, lat = (side[drive] for side in draw_points(drives, seed=1_000 + part))
    if shape == "driven":
        east, north = draw_way(rng, drive)
        lon, lat = lon + east / np.cos(np.radians(lat)), lat + north
        after_s = np.arange(count) % DRIVE_S
    else:
        after_s = rng.integers(0, 3_600, count)
    failed = rng.random(count) < 0.06
    hour = START_US + 3_600_000_000 * rng.integers(0, 60 * 24, drives)
    return {
        "lon": lon,
        "lat": lat,
        "down_mbps": np.where(failed, np.nan, rng.lognormal(3.2, 0.9, count)),
        "started_us": hour[drive] + 1_000_000 * after_s,
        "operator": rng.integers(0, 3, drives)[drive],
    }


def draw_way(rng: Any, drive: Any) -> tuple[Any, Any]:
    """Draw how far in degrees a winding road has led, east and north, from each drive's start."""
    heading = rng.uniform(0, 2 * np.pi, drive[-1] + 1)[drive]
    heading += np.cumsum(rng.normal(0, 0.02, len(drive)))
    step = DRIVE_M_PER_S / 111_195
    first = np.searchsorted(drive, drive)
    gone = [np.cumsum(step * turned) for turned in (np.sin(heading), np.cos(heading))]
    return gone[0] - gone[0][first], gone[1] - gone[1][first]


def parts(samples: int, shape: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for part in range(-(-samples // PART_ROWS)):
        yield part, draw_samples(part, min(PART_ROWS, samples - part * PART_ROWS), shape)


def fill_store(folder: Path, samples: int, shape: str) -> None:
    from phusong.data.store import Store

    names = (
        "id, probe, seq, kind, started_us, outcome, down_mbps, lon, lat, operator, rat, tool,"
        " simulated"
    )
    insert = f"INSERT INTO sample ({names}) VALUES ({','.join('?' * 13)})"
    with Store.open(folder / "bench.db") as store:
        for part, drawn in parts(samples, shape):
            columns = zip(*(drawn[name].tolist() for name in drawn), strict=True)
            first = part * PART_ROWS + 1
            with store.writing() as connection:
                connection.executemany(
                    insert,
                    (
                        (
                            n.to_bytes(32, "big"), "bench", n, "speed", started,
                            "timeout" if speed != speed else "ok",
                            None if speed != speed else speed,
                            lon, lat, f"Op {operator}", "LTE", "bench", 1,
                        )
                        for n, (lon, lat, speed, started, operator) in enumerate(columns, first)
                    ),
                )  # fmt: skip


def write_parquet(folder: Path, samples: int, shape: str) -> None:
    """Write the columns that `phusong data export` gives and judging reads, a file a part."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from phusong.coverage.frame import NAMES, NUMBERS

    (folder / "parts").mkdir()
    for part, drawn in parts(samples, shape):
        count = len(drawn["lon"])
        failed = np.isnan(drawn["down_mbps"])
        moments = (drawn["started_us"] // 1_000_000).astype("datetime64[s]")
        columns = {
            **{name: pa.nulls(count, pa.string()) for name in NAMES},
            **{name: pa.nulls(count, pa.float64()) for name in NUMBERS},
            "lon": drawn["lon"],
            "lat": drawn["lat"],
            "down_mbps": pa.array(drawn["down_mbps"], from_pandas=True),
            "probe": pa.repeat("bench", count),
            "kind": pa.repeat("speed", count),
            "outcome": np.where(failed, "timeout", "ok"),
            "operator": np.array(["Op 0", "Op 1", "Op 2"])[drawn["operator"]],
            "rat": pa.repeat("LTE", count),
            "started_at": np.char.add(np.datetime_as_string(moments), "Z"),
            "origin": pa.repeat("simulated", count),
        }
        pq.write_table(pa.table(columns), folder / "parts" / f"part-{part:05d}.parquet")


def keep_boundaries(folder: Path, polygons: int) -> None:
    from phusong.data.kept import save_boundaries
    from phusong.data.store import Store

    shapes = draw_polygons(polygons)
    header = {
        "id": "bench", "name": "bench", "source": "drawn", "vintage": None,
        "approximate": False, "report": "{}",
    }  # fmt: skip
    rows = (
        {
            "level": "village", "code": f"{n:06d}", "name": f"Village {n}",
            "parent_code": None, "parent_name": None, "wkb": wkb,
        }
        for n, wkb in enumerate(shapely.to_wkb(shapes))
    )  # fmt: skip
    with Store.open(folder / "bench.db") as store:
        save_boundaries(store, header, rows)


def kept_areas(store: Any) -> Any:
    """Give the areas as `phusong coverage compute` does, with the index beside the store."""
    from phusong.coverage.boundary_sets.commands import find_areas

    return find_areas(store, "village", "bench")


def given_store(store: Any, rules: Any) -> Any:
    """Give a store's samples as `phusong coverage compute` does."""
    from phusong.coverage.asked import need_more_than_download, unasked_metrics
    from phusong.coverage.operators import home_operators
    from phusong.coverage.source import Given
    from phusong.coverage.trials import unread_columns
    from phusong.data.columns import load_samples
    from phusong.data.kept import load_probe_metrics, load_probe_operators

    homes = home_operators(load_probe_operators(store))
    unasked = unasked_metrics(load_probe_metrics(store)) if need_more_than_download(rules) else {}
    return Given(load_samples(store, without=unread_columns(rules)), None, homes, unasked)


def judge(folder: Path, *, from_parquet: bool) -> dict[str, float]:
    """Do the whole job as `phusong coverage compute` does it, but for keeping the result."""
    from phusong.coverage.compute import compute
    from phusong.coverage.rules import load_rule
    from phusong.coverage.source import from_files
    from phusong.coverage.trials import unread_columns
    from phusong.data.store import Store

    with Store.open(folder / "bench.db") as store:
        begun = time.process_time()
        areas = kept_areas(store)
        ready_s = time.process_time() - begun
        rules = [load_rule(RULE)]
        if from_parquet:
            source = from_files(str(folder / "parts"), unread_columns(rules))
        else:
            source = nullcontext(given_store(store, rules))
        with source as given:
            (result,) = compute(
                given.chunks,
                [areas],
                rules,
                homes=given.homes,
                unasked=given.unasked,
                software="bench",
                computed_at=datetime.now(UTC),
            )
    settled = sum(each in ("covered", "not_covered") for each in result.areas.column("verdict"))
    return {"ready_s": ready_s, "trials": result.inputs["trials"], "settled": settled}


def read_alone(folder: Path, reader: str) -> dict[str, float]:
    from phusong.coverage.rules import load_rule
    from phusong.coverage.trials import unread_columns
    from phusong.data.columns import SAMPLE_COLUMNS

    needless = unread_columns([load_rule(RULE)])
    names = [name for name in SAMPLE_COLUMNS if name not in needless]
    file = folder / "bench.db"
    question = f"SELECT {', '.join(names)} FROM sample"
    if reader == "connectorx":
        import connectorx

        begun = time.process_time()
        table = connectorx.read_sql(f"sqlite://{file}", question, return_type="arrow")
    elif reader == "polars":
        import polars

        begun = time.process_time()
        table = polars.read_database_uri(question, f"sqlite://{file}")
    elif reader == "ADBC":
        import adbc_driver_sqlite.dbapi

        begun = time.process_time()
        with adbc_driver_sqlite.dbapi.connect(file.as_uri()) as open_file:
            cursor = open_file.cursor()
            cursor.execute(question)
            table = cursor.fetch_arrow_table()
            cursor.close()
    else:
        import sqlite3

        import pandas as pd

        begun = time.process_time()
        table = pd.read_sql_query(question, sqlite3.connect(file))
    return {"cpu_s": time.process_time() - begun, "rows": len(table)}


def count_with_pandas(folder: Path) -> dict[str, float]:
    import geopandas as gpd
    import h3.api.basic_int as h3
    import pandas as pd

    begun = time.process_time()
    areas = gpd.read_parquet(folder / "areas.parquet")
    needed = ["kind", "outcome", "rat", "operator", "down_mbps", "lon", "lat", "started_at"]
    table = pd.read_parquet(folder / "parts", columns=needed)
    points = gpd.points_from_xy(table["lon"], table["lat"])
    places = gpd.GeoDataFrame(table, geometry=points, crs="EPSG:4326")
    joined = lowest_code(gpd.sjoin(places, areas))
    joined = joined[(joined["kind"] == "speed") & (joined["rat"] == "LTE")]
    joined = joined.assign(passed=(joined["outcome"] == "ok") & (joined["down_mbps"] >= 5))
    groups = joined.groupby(["code", "operator"])
    counts = groups["passed"].agg(["size", "sum"])
    bare_s = time.process_time() - begun
    joined["place"] = [
        h3.latlng_to_cell(y, x, 10) for x, y in zip(joined["lon"], joined["lat"], strict=True)
    ]
    joined["day"] = joined["started_at"].str.slice(0, 10)
    occasions = joined.groupby(["code", "operator", "place", "day"])[["passed", "down_mbps"]].mean()
    counts["occasions"] = occasions.groupby(level=[0, 1]).size()
    rates = occasions.groupby(level=[0, 1, 2]).mean()
    counts["places"] = rates.groupby(level=[0, 1]).size()
    counts[["share", "equal_place_mbps"]] = rates.groupby(level=[0, 1]).mean()
    speeds = joined.groupby(["code", "operator"])["down_mbps"]
    counts["median_mbps"], counts["crowd_mbps"] = speeds.median(), speeds.mean()
    return {
        "bare_s": bare_s,
        "cpu_s": time.process_time() - begun,
        "trials": int(counts["size"].sum()),
    }


def lowest_code(joined: Any) -> Any:
    """Keep one area for each sample, as we do: of several that hold it, the lowest code."""
    import pandas as pd

    several = joined.index.duplicated(keep=False)
    lowest = joined[several].sort_values("code").groupby(level=0).head(1)
    return pd.concat([joined[~several], lowest])


def do(way: str, folder: Path) -> dict[str, float]:
    """Do one way in this process; give its CPU seconds, its peak of memory and what it found."""
    begun = time.process_time()
    if way in READERS:
        done = read_alone(folder, way)
    elif way == "geopandas":
        done = count_with_pandas(folder)
    else:
        import geopandas  # noqa: F401

        import phusong.coverage.compute  # noqa: F401

        begun = time.process_time()
        done = judge(folder, from_parquet=way == "Parquet")
    done.setdefault("cpu_s", time.process_time() - begun)
    done["peak_mb"] = peak_mb()
    return done


def peak_mb() -> float:
    """Give this process's peak of memory; `getrusage` would count the parent's before exec."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


def in_a_process(way: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def rounds_of(way: str, title: str, folder: Path, rounds: int) -> dict[str, float]:
    """Do a way some times; print and give the medians."""
    seen = [in_a_process(way, folder) for _ in range(rounds)]
    middle = {name: statistics.median(each[name] for each in seen) for name in seen[0]}
    line = f"  {title:44} {middle['cpu_s']:8.1f} CPU s   peak {middle['peak_mb']:6,.0f} MB"
    if "ready_s" in middle:
        line += f"   ({middle['ready_s']:.1f} s of it boundaries and index, from before)"
    if "bare_s" in middle:
        line += f"   ({middle['bare_s']:.1f} s until trials and successes)"
    print(line, flush=True)
    return middle


def prepare(folder: Path, samples: int, polygons: int, shape: str, *, store: bool) -> None:
    """Draw what is not there yet, and keep the index as a first run does."""
    from phusong.coverage.boundaries import frame_from_rows
    from phusong.data.kept import load_boundaries
    from phusong.data.store import Store

    if not (folder / "bench.db").exists():
        keep_boundaries(folder, polygons)
        if store:
            fill_store(folder, samples, shape)
    if not (folder / "parts").exists():
        write_parquet(folder, samples, shape)
    if not (folder / "areas.parquet").exists():
        with Store.open(folder / "bench.db") as opened:
            areas = frame_from_rows(load_boundaries(opened, "bench", "village"))
        areas[["code", "geometry"]].to_parquet(folder / "areas.parquet")
    with Store.open(folder / "bench.db") as opened:
        kept_areas(opened)


def compare(folder: Path, samples: int, polygons: int, options: argparse.Namespace) -> None:
    print(f"\n{samples:,} samples, {polygons:,} areas, median of {options.rounds}", flush=True)
    prepare(folder, samples, polygons, options.shape, store=True)
    best = min(
        rounds_of(reader, f"{reader}: SQLite into memory", folder, options.rounds)["cpu_s"]
        for reader in options.readers
    )
    whole = rounds_of("SQLite", "phusong: SQLite to verdicts", folder, options.rounds)["cpu_s"]
    judged = rounds_of("Parquet", "phusong: Parquet to verdicts", folder, options.rounds)
    files = judged["cpu_s"]
    print(f"  from SQLite, {whole / best:.2f}x the fastest reader")
    if options.peers:
        peer = rounds_of("geopandas", "geopandas and pandas: Parquet to shares", folder, 1)
        if peer["trials"] != judged["trials"]:
            print(f"  they count {peer['trials']:,} trials, we {judged['trials']:,}", flush=True)
        print(
            f"  from Parquet, geopandas and pandas need {peer['cpu_s'] / files:.1f}x our CPU time"
            f" ({peer['bare_s'] / files:.1f}x for trials and successes alone)",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--samples", type=int, nargs="*", default=[1_000_000])
    parser.add_argument("--polygons", type=int, nargs="*", default=[10_000])
    parser.add_argument("--shape", choices=("scattered", "driven"), default="scattered")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--readers", nargs="*", default=READERS, choices=READERS)
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument(
        "--growth", action="store_true", help="our own way from Parquet alone, at every size"
    )
    parser.add_argument("--folder", type=Path, help="keep what is drawn here, for another run")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(do(options.way, options.folder)))
        return
    for polygons in options.polygons:
        for samples in options.samples:
            with tempfile.TemporaryDirectory() as scratch:
                folder = options.folder or Path(scratch)
                folder.mkdir(exist_ok=True)
                if options.growth:
                    prepare(folder, samples, polygons, options.shape, store=False)
                    title = f"{samples:,} samples, {polygons:,} areas"
                    rounds_of("Parquet", title, folder, options.rounds)
                else:
                    compare(folder, samples, polygons, options)


if __name__ == "__main__":
    main()
