"""
Some samples as points for a map: which, when there are more than a map can carry.

A sample's id is the hash of its evidence, so the first of them in the order of ids are as good
as drawn by lot, are the same ones every time, and come straight from an index. Measured samples
come before simulated ones: three measurements are not lost among a simulated campaign.
"""

from dataclasses import dataclass

from .located import PLACED, has_located
from .sample import Outcome
from .store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePoints:
    """Parallel columns of the points chosen, and how many samples with a position there are."""

    lon: tuple[float, ...]
    lat: tuple[float, ...]
    ok: tuple[bool, ...]
    simulated: tuple[bool, ...]
    measured_total: int
    simulated_total: int


def sample_points(store: Store, *, most: int) -> SamplePoints:
    """Give at most `most` samples that have a position, longitude first, in WGS 84."""
    table = PLACED if has_located(store) else "sample"
    totals = dict(
        store.connection.execute(
            f"SELECT simulated, count(*) FROM {table} WHERE lon IS NOT NULL GROUP BY simulated"
        ).fetchall()
    )
    rows: list[tuple[float, float, str, int]] = []
    for simulated in (0, 1):
        rows += store.connection.execute(
            f"SELECT lon, lat, outcome, simulated FROM {table}"
            " WHERE lon IS NOT NULL AND simulated = ? ORDER BY id LIMIT ?",
            (simulated, max(most - len(rows), 0)),
        ).fetchall()
    return SamplePoints(
        lon=tuple(row[0] for row in rows),
        lat=tuple(row[1] for row in rows),
        ok=tuple(row[2] == Outcome.OK for row in rows),
        simulated=tuple(bool(row[3]) for row in rows),
        measured_total=totals.get(0, 0),
        simulated_total=totals.get(1, 0),
    )
