"""
The join beside its peers: one million points among polygons of about 200 vertices.

Polygons tile a country: Voronoi cells whose borders are bent at every scale, the same for both
neighbours. Points crowd in towns like people, and a few lie outside. Peers find pairs (a point
on a border is in two areas), and take their points as objects: making them from coordinates is
part of their time, and printed apart. Trees and prepared polygons are ready, like our index. CPU
seconds of this process, median of the rounds; every way must find the same area for every point.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely

from phusong.coverage.cell_builder import build_index

SIZE_DEG = 10.0
BENDS = 5
Floats = npt.NDArray[np.float64]


def draw_polygons(count: int, seed: int = 7) -> npt.NDArray[np.object_]:
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


def cpu_s(work: Callable[[], object]) -> tuple[float, object]:
    started = time.process_time()
    done = work()
    return time.process_time() - started, done


def lowest(
    points: npt.NDArray[np.integer], areas: npt.NDArray[np.integer], count: int, outside: int
):
    found = np.full(count, outside)
    np.minimum.at(found, points, areas)
    return found


def points_alone(lon: Floats, lat: Floats) -> None:
    shapely.points(lon, lat)


def compare(polygons: int, points: int, rounds: int) -> None:
    shapes = draw_polygons(polygons)
    lon, lat = draw_points(points)
    vertices = shapely.get_num_coordinates(shapes).mean()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    build_s, index = cpu_s(lambda: build_index(shapes))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"\n{polygons:,} polygons of {vertices:.0f} vertices, {points:,} points")
    print(f"  index: built in {build_s:.1f} CPU s, {index.nbytes / 1e6:,.0f} MB;"
          f" the process grew from {memory / 1e3:,.0f} to {peak / 1e3:,.0f} MB")  # fmt: skip
    frame = gpd.GeoDataFrame(geometry=shapes, crs="EPSG:4326")
    order = np.lexsort((lat.round(1), lon.round(1)))
    prepared = shapes.copy()
    shapely.prepare(prepared)
    tree = shapely.STRtree(prepared)

    def by_sjoin(predicate: str) -> npt.NDArray[np.integer]:
        places = gpd.GeoDataFrame(geometry=gpd.points_from_xy(lon, lat), crs="EPSG:4326")
        pairs = gpd.sjoin(places, frame, predicate=predicate)
        return lowest(pairs.index.to_numpy(), pairs["index_right"].to_numpy(), points, polygons)

    def by_tree() -> npt.NDArray[np.integer]:
        which, area = tree.query(shapely.points(lon[order], lat[order]), predicate="intersects")
        return lowest(order[which], area, points, polygons)

    ways: dict[str, Callable[[], npt.NDArray[np.integer] | None]] = {
        "cell index": lambda: index.locate(lon, lat),
        "STRtree, prepared, sorted": by_tree,
        "(making the points alone)": lambda: points_alone(lon, lat),
        "geopandas.sjoin within": lambda: by_sjoin("within"),
        "geopandas.sjoin intersects": lambda: by_sjoin("intersects"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    want = None
    for _ in range(rounds):
        for name, way in ways.items():
            spent, found = cpu_s(way)
            seconds[name].append(spent)
            want = found if want is None else want
            assert found is None or np.array_equal(found, want), name
    ours = statistics.median(seconds["cell index"])
    for name, spent in seconds.items():
        ratio = statistics.median(spent) / ours
        print(f"  {name:28} {statistics.median(spent):7.2f} CPU s   {ratio:6.1f}x")
    saved = statistics.median(seconds["geopandas.sjoin intersects"]) - ours
    print(f"  the build pays for itself within {build_s / saved * points / 1e6:.1f} M points")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--polygons", type=int, nargs="*", default=[10_000, 90_000])
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for polygons in options.polygons:
        compare(polygons, options.points, options.rounds)


if __name__ == "__main__":
    main()
