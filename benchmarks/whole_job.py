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
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drawn_samples import fill_store, keep_boundaries, write_parquet

RULE = "vn-4g"
READERS = ("connectorx", "polars", "ADBC", "pandas")


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
    """Do the whole job as `phusong coverage compute` does it; keeping the result counts apart."""
    from phusong.coverage.compute import compute
    from phusong.coverage.rules import load_rule
    from phusong.coverage.source import from_files
    from phusong.data.store import Store

    with Store.open(folder / "bench.db") as store:
        begun = time.process_time()
        areas = kept_areas(store)
        ready_s = time.process_time() - begun
        rules = [load_rule(RULE)]
        if from_parquet:
            source = from_files(str(folder / "parts"), rules)
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
        cpu_s = time.process_time() - begun
        peak = peak_mb()
    settled = sum(each in ("covered", "not_covered") for each in result.areas.column("verdict"))
    return {
        "cpu_s": cpu_s,
        "peak_mb": peak,
        "ready_s": ready_s,
        "keep_s": keep(result),
        "rows": len(result.areas),
        "trials": result.inputs["trials"],
        "settled": settled,
    }


def keep(result: Any) -> float:
    """Keep a result in a store that is thrown away; give the CPU seconds."""
    from phusong.coverage.record import result_to_rows
    from phusong.data.kept import save_result
    from phusong.data.store import Store

    with tempfile.TemporaryDirectory() as scratch, Store.open(Path(scratch) / "kept.db") as store:
        begun = time.process_time()
        header, rows = result_to_rows(result)
        save_result(store, header | {"boundary_set_id": None}, rows)
        return time.process_time() - begun


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
    if way in READERS:
        done = read_alone(folder, way)
    elif way == "geopandas":
        done = count_with_pandas(folder)
    else:
        import geopandas  # noqa: F401

        import phusong.coverage.compute  # noqa: F401

        done = judge(folder, from_parquet=way == "Parquet")
    done.setdefault("peak_mb", peak_mb())
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
    if "keep_s" in middle:
        line += f", and {middle['keep_s']:.1f} s more to keep {middle['rows']:,.0f} rows"
    if "bare_s" in middle:
        line += f"   ({middle['bare_s']:.1f} s until trials and successes)"
    print(line, flush=True)
    return middle


def prepare(folder: Path, samples: int, polygons: int, shape: str, *, store: bool) -> None:
    """Draw what is not there yet, and keep the index as a first run does."""
    from phusong.coverage.boundary_rows import frame_from_rows
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
