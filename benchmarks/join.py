"""
The join beside its peers: one million points among polygons of about 200 vertices.

Polygons tile a country: Voronoi cells whose borders are bent at every scale, the same for both
neighbours. Points crowd in towns like people, and a few lie outside. Peers find pairs (a point
on a border is in two areas), and take their points as objects: making them from coordinates is
part of their time, and printed apart. What can be ready is ready, like our index: trees, prepared
polygons, tables of polygons. CPU seconds of this process with all its threads, median of the
rounds, all ways in turn in every round; every way must find the same area for every point. A peer
that is not installed is said to be missing (they are on PyPI: polars-st, sedonadb, duckdb with
duckdb-extension-spatial).

The index is built in a process of its own, which loads the boundaries from a store as
`phusong coverage compute` does and nothing else: its peak is what the program needs.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely

from phusong.coverage.boundary_rows import frame_from_rows, make_set, set_to_rows
from phusong.coverage.cell_builder import build_index
from phusong.coverage.join import index_areas
from phusong.data.kept import load_boundaries, save_boundaries
from phusong.data.store import Store

SIZE_DEG = 10.0
BENDS = 5
Floats = npt.NDArray[np.float64]
Polygons = npt.NDArray[np.object_]
Pairs = tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]
Way = Callable[[], Pairs]


def draw_polygons(count: int, seed: int = 7) -> Polygons:
    """Draw polygons that tile a square, with six borders of 32 pieces each on the average."""
    rng = np.random.default_rng(seed)
    country = shapely.box(100, 10, 100 + SIZE_DEG, 10 + SIZE_DEG)
    seeds = shapely.multipoints(rng.uniform((100, 10), (100 + SIZE_DEG, 10 + SIZE_DEG), (count, 2)))
    cells = shapely.get_parts(shapely.voronoi_polygons(seeds, extend_to=country))
    rings = shapely.get_exterior_ring(shapely.intersection(cells, country))
    corners, of_ring = shapely.get_coordinates(rings, return_index=True)
    first = np.flatnonzero(of_ring[1:] == of_ring[:-1])
    start, end = corners[first], corners[first + 1]
    turned = (start[:, 0] > end[:, 0]) | ((start[:, 0] == end[:, 0]) & (start[:, 1] > end[:, 1]))
    pieces = _bend(np.where(turned[:, None], end, start), np.where(turned[:, None], start, end))
    pieces[turned] = pieces[turned, ::-1]
    of_piece = np.repeat(of_ring[first], 1 << BENDS)
    bent = shapely.linearrings(pieces[:, :-1].reshape(-1, 2), indices=of_piece)
    return shapely.polygons(bent)


def _bend(start: Floats, end: Floats) -> Floats:
    """Bend each border at its middle, then each half; by numbers that its ends determine."""
    line = np.stack([start, end], axis=1)
    for _ in range(BENDS):
        a, b = line[:, :-1], line[:, 1:]
        chance = np.sin((a + b).sum(axis=-1, keepdims=True) * 91_234.5678) * 0.12
        across = np.stack([a[..., 1] - b[..., 1], b[..., 0] - a[..., 0]], axis=-1)
        middle = (a + b) / 2 + across * chance
        bent = np.empty((len(line), 2 * line.shape[1] - 1, 2))
        bent[:, ::2], bent[:, 1::2] = line, middle
        line = bent
    return line


def draw_points(count: int, seed: int = 8) -> tuple[Floats, Floats]:
    """Draw points: three in four in towns of very different size, the others anywhere.

    The towns are the same for every seed.
    """
    rng = np.random.default_rng(8)
    towns = rng.uniform((100, 10), (100 + SIZE_DEG, 10 + SIZE_DEG), (3_000, 2))
    weights = rng.pareto(1.2, len(towns)) + 0.05
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(towns), count, p=weights / weights.sum())
    xy = towns[chosen] + rng.normal(0, 0.04, (count, 2))
    anywhere = rng.random(count) < 0.25
    xy[anywhere] = rng.uniform(
        (99.8, 9.8), (100.2 + SIZE_DEG, 10.2 + SIZE_DEG), (anywhere.sum(), 2)
    )
    return np.ascontiguousarray(xy[:, 0]), np.ascontiguousarray(xy[:, 1])


def cpu_s(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    done = work()
    return time.process_time() - started, done


def by_shapely(shapes: Polygons, lon: Floats, lat: Floats) -> Way:
    order = np.lexsort((lat.round(1), lon.round(1)))
    prepared = shapes.copy()
    shapely.prepare(prepared)
    tree = shapely.STRtree(prepared)

    def find() -> Pairs:
        which, area = tree.query(shapely.points(lon[order], lat[order]), predicate="intersects")
        return order[which], area

    return find


def by_geopandas(shapes: Polygons, lon: Floats, lat: Floats, predicate: str) -> Way:
    frame = gpd.GeoDataFrame(geometry=shapes, crs="EPSG:4326")

    def find() -> Pairs:
        places = gpd.GeoDataFrame(geometry=gpd.points_from_xy(lon, lat), crs="EPSG:4326")
        pairs = gpd.sjoin(places, frame, predicate=predicate)
        return pairs.index.to_numpy(), pairs["index_right"].to_numpy()

    return find


def by_polars(shapes: Polygons, lon: Floats, lat: Floats) -> Way:
    import polars as pl
    import polars_st as st

    areas = pl.DataFrame({"area": np.arange(len(shapes)), "geometry": shapely.to_wkb(shapes)})

    def find() -> Pairs:
        columns = pl.DataFrame({"point": np.arange(len(lon)), "x": lon, "y": lat})
        points = columns.select("point", geometry=st.point(pl.concat_list("x", "y")))
        pairs = points.st.sjoin(areas, on="geometry", predicate="intersects")
        return pairs["point"].to_numpy(), pairs["area"].to_numpy()

    return find


def by_duckdb(shapes: Polygons, lon: Floats, lat: Floats) -> Way:
    import duckdb
    import duckdb_extension_spatial
    import pyarrow as pa

    extension = next(Path(duckdb_extension_spatial.__file__).parent.rglob("*.duckdb_extension"))
    database = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    database.execute(f"LOAD '{extension}'")
    database.register("held", as_wkb(shapes))
    database.execute("CREATE TABLE area AS SELECT area, ST_GeomFromWKB(wkb) AS shape FROM held")
    database.unregister("held")

    def find() -> Pairs:
        columns = {"point": np.arange(len(lon)), "x": lon, "y": lat}
        database.register("place", pa.table(columns))
        found = database.execute(JOINED).fetchnumpy()
        return found["point"], found["area"]

    return find


def by_sedona(shapes: Polygons, lon: Floats, lat: Floats) -> Way:
    import pyarrow as pa
    import sedonadb

    session = sedonadb.connect()
    session.create_data_frame(as_wkb(shapes)).to_view("held")
    made = session.sql("SELECT area, ST_GeomFromWKB(wkb) AS shape FROM held")
    made.to_memtable().to_view("area")

    def find() -> Pairs:
        columns = {"point": np.arange(len(lon)), "x": lon, "y": lat}
        session.create_data_frame(pa.table(columns)).to_view("place", overwrite=True)
        found = pa.table(session.sql(JOINED))
        return found["point"].to_numpy(), found["area"].to_numpy()

    return find


JOINED = (
    "SELECT p.point, a.area FROM (SELECT point, ST_Point(x, y) AS place FROM place) AS p"
    " JOIN area AS a ON ST_Intersects(a.shape, p.place)"
)
WITHIN, INTERSECTS = "geopandas.sjoin within", "geopandas.sjoin intersects"
PEERS: dict[str, tuple[tuple[str, ...], Callable[[Polygons, Floats, Floats], Way]]] = {
    "STRtree, prepared, sorted": ((), by_shapely),
    WITHIN: ((), partial(by_geopandas, predicate="within")),
    INTERSECTS: ((), partial(by_geopandas, predicate="intersects")),
    "polars-st": (("polars_st",), by_polars),
    "DuckDB spatial": (("duckdb", "duckdb_extension_spatial"), by_duckdb),
    "SedonaDB": (("sedonadb",), by_sedona),
}


def as_wkb(shapes: Polygons) -> Any:
    import pyarrow as pa

    content = pa.array(shapely.to_wkb(shapes).tolist(), pa.large_binary())
    return pa.table({"area": np.arange(len(shapes)), "wkb": content})


def keep(shapes: Polygons, file: Path) -> None:
    """Keep polygons in a store, as `phusong boundaries load` does."""
    codes = [f"{n:06d}" for n in range(len(shapes))]
    nobody = {"parent_code": None, "parent_name": None}
    frame = gpd.GeoDataFrame(
        {"code": codes, "name": codes, "level": "village", **nobody},
        geometry=shapes,
        crs="EPSG:4326",
    )
    made = make_set(frame, name="drawn", source="drawn", vintage=None, report={"layers": []})
    with Store.open(file) as store:
        save_boundaries(store, *set_to_rows(made))


def peak_mb() -> float:
    """Give the most memory that this process has held, without what its parent had."""
    status = Path("/proc/self/status").read_text("ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def build_alone(file: Path) -> None:
    """Load the boundaries of a store, build their index, keep it, and take it from there again."""
    told = {"imports_mb": peak_mb()}
    kept = file.with_suffix(".cells")

    def load() -> gpd.GeoDataFrame:
        with Store.open(file) as store:
            (set_id,) = (row["id"] for row in store.tables["boundary_set"].rows)
            return frame_from_rows(load_boundaries(store, set_id, "village"))

    told["load_s"], frame = cpu_s(load)
    told["load_mb"] = peak_mb()
    told["build_s"], index = cpu_s(lambda: index_areas(frame, kept=kept))
    told["index_mb"] = index.cells.nbytes / 1e6
    told["build_mb"] = peak_mb()
    del index
    told["again_s"], _ = cpu_s(lambda: index_areas(frame, kept=kept))
    print(json.dumps(told), flush=True)


def in_its_own_process(shapes: Polygons, rounds: int) -> dict[str, float]:
    """Have the index built `rounds` times; give the median of everything that is told."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "drawn.db"
        keep(shapes, file)
        command = [sys.executable, __file__, "--build", str(file)]
        told = []
        for _ in range(rounds):
            ended = subprocess.run(command, check=True, capture_output=True, text=True)
            told.append(json.loads(ended.stdout))
            file.with_suffix(".cells").unlink()
    return {name: statistics.median(each[name] for each in told) for name in told[0]}


def ready(shapes: Polygons, lon: Floats, lat: Floats) -> dict[str, Way]:
    """Give every peer that is installed, ready to be asked."""
    ways: dict[str, Way] = {}
    for name, (modules, prepare) in PEERS.items():
        missing = [module for module in modules if not find_spec(module)]
        if missing:
            print(f"  {name}: not installed ({', '.join(missing)})")
        else:
            ways[name] = prepare(shapes, lon, lat)
    return ways


def compare(polygons: int, points: int, rounds: int) -> None:
    shapes = draw_polygons(polygons)
    lon, lat = draw_points(points)
    vertices = shapely.get_num_coordinates(shapes).mean()
    print(f"\n{polygons:,} polygons of {vertices:.0f} vertices, {points:,} points")
    built = in_its_own_process(shapes, rounds)
    index, peers = build_index(shapes), ready(shapes, lon, lat)
    names = ["cell index", "(making the points alone)", *peers]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        spent, want = cpu_s(lambda: index.locate(lon, lat))
        seconds["cell index"].append(spent)
        spent, _ = cpu_s(lambda: shapely.points(lon, lat))
        seconds["(making the points alone)"].append(spent)
        for name, find in peers.items():
            spent, (point, area) = cpu_s(find)
            seconds[name].append(spent)
            found = np.full(points, polygons)
            np.minimum.at(found, point, area)
            assert np.array_equal(found, want), name
    median = {name: statistics.median(spent) for name, spent in seconds.items()}
    for name, spent in median.items():
        print(f"  {name:28} {spent:7.2f} CPU s   {spent / median['cell index']:6.1f}x")
    print("  in a process of its own:", ", ".join(f"{key} {x:,.1f}" for key, x in built.items()))
    for name in (WITHIN, INTERSECTS):
        saved = (median[name] - median["cell index"]) / points
        print(f"  pays for itself within {built['build_s'] / saved / 1e6:.1f} M points ({name})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--polygons", type=int, nargs="*", default=[10_000, 90_000])
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        build_alone(options.build)
        return
    for polygons in options.polygons:
        compare(polygons, options.points, options.rounds)


if __name__ == "__main__":
    main()
