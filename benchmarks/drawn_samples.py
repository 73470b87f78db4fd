"""Simulated rows for the whole job: a store of them, the same as Parquet files, and areas."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from join import draw_points, draw_polygons

START_US = 1_782_869_400_000_000
PART_ROWS = 1_000_000
DRIVE_S, DRIVE_M_PER_S = 3_600, 5.0


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
