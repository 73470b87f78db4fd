"""
Where samples without a position were, by a track that was recorded beside them.

Evidence is never rewritten: a joined place stands in a table of its own with its source, the
track's content and how far in time its nearest point was, and every question sees it (`PLACED`).
A sample's own position always wins. Between two points of the track the place is on the straight
line between them; its accuracy is the nearer point's and the distance to it, and unknown where
the track tells no accuracy.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from .store import Store, now_us, to_us

MAX_GAP_S = 30.0
MAX_SPEED_MPS = 100.0
_EARTH_RADIUS_M = 6_371_008.8
_BATCH_ROWS = 2_000

# A sample with its place, its own or a joined one: to be read from in place of `sample`.
PLACED = (
    "(SELECT s.n, s.id, s.outcome, s.simulated,"
    " coalesce(s.lon, l.lon) AS lon, coalesce(s.lat, l.lat) AS lat"
    " FROM sample AS s LEFT JOIN located AS l ON l.n = s.n)"
)
# The columns of a sample that a joined place changes, as expressions over `s` and `l`.
PLACED_COLUMNS = {
    "lon": "coalesce(s.lon, l.lon)",
    "lat": "coalesce(s.lat, l.lat)",
    "accuracy_m": "CASE WHEN s.lon IS NULL THEN l.accuracy_m ELSE s.accuracy_m END",
}

Point = tuple[datetime, float, float, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """
    What became of the samples without a position.

    `no_point` were outside the track, `gap` between two points too far apart in time, `jump`
    between two that no vehicle gets between, and `known` had a joined place already.
    """

    located: int = 0
    known: int = 0
    no_point: int = 0
    gap: int = 0
    jump: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    lon: float
    lat: float
    accuracy_m: float | None
    age_s: float


def locate(
    store: Store,
    points: Iterable[Point],
    *,
    source: str,
    sha256: str,
    max_gap_s: float = MAX_GAP_S,
    shift_s: float = 0.0,
    replace: bool = False,
    on_progress: Callable[[int], None] = lambda steps: None,
) -> Located:
    """
    Give measured samples without a position the track's place at their start.

    `shift_s` is added to the samples' times, where the clock of the device was off. With
    `replace` a place that was joined earlier gives way.
    """
    track = [(to_us(moment), lon, lat, accuracy_m) for moment, lon, lat, accuracy_m in points]
    moments = [point[0] for point in track]
    counts = dict.fromkeys(("located", "known", "no_point", "gap", "jump"), 0)
    after = 0
    while rows := _unplaced(store, after):
        after = rows[-1][0]
        found: list[tuple[int, _Place]] = []
        for n, started_us, is_known in rows:
            if is_known and not replace:
                counts["known"] += 1
                continue
            place = _at(track, moments, started_us + round(shift_s * 1e6), max_gap_s)
            if isinstance(place, _Place):
                counts["located"] += 1
                found.append((n, place))
            else:
                counts[place] += 1
        _keep(store, found, source, sha256)
        on_progress(len(rows))
    return Located(**counts)


def count_unplaced(store: Store) -> int:
    """Count the measured samples that have no position of their own."""
    row = store.connection.execute(
        "SELECT count(*) FROM sample WHERE lon IS NULL AND simulated = 0"
    ).fetchone()
    return int(row[0])


def has_located(store: Store) -> bool:
    """Tell whether any sample has a joined place."""
    return store.connection.execute("SELECT 1 FROM located LIMIT 1").fetchone() is not None


def _unplaced(store: Store, after: int) -> list[tuple[int, int, int]]:
    return store.connection.execute(
        "SELECT s.n, s.started_us, l.n IS NOT NULL FROM sample AS s"
        " LEFT JOIN located AS l ON l.n = s.n"
        " WHERE s.n > ? AND s.lon IS NULL AND s.simulated = 0 ORDER BY s.n LIMIT ?",
        (after, _BATCH_ROWS),
    ).fetchall()


def _keep(store: Store, found: list[tuple[int, _Place]], source: str, sha256: str) -> None:
    if not found:
        return
    moment = now_us()
    with store.writing() as connection:
        connection.executemany(
            "INSERT OR REPLACE INTO located"
            " (n, lon, lat, accuracy_m, age_s, source, track_sha256, located_us)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (n, at.lon, at.lat, at.accuracy_m, at.age_s, source, sha256, moment)
                for n, at in found
            ),
        )


def _at(
    track: list[tuple[int, float, float, float | None]],
    moments: list[int],
    moment: int,
    max_gap_s: float,
) -> _Place | str:
    after = bisect_right(moments, moment)
    if after and moments[after - 1] == moment:
        _, lon, lat, accuracy_m = track[after - 1]
        return _Place(lon, lat, accuracy_m, 0.0)
    if after in (0, len(track)):
        return "no_point"
    first, last = track[after - 1], track[after]
    passed_s = (last[0] - first[0]) / 1e6
    if passed_s > max_gap_s:
        return "gap"
    way_m = _distance_m(first, last)
    if way_m > MAX_SPEED_MPS * max(1.0, passed_s):
        return "jump"
    share = (moment - first[0]) / (last[0] - first[0])
    nearer, part = (first, share) if share <= 0.5 else (last, 1 - share)
    return _Place(
        lon=first[1] + share * _eastwards(first[1], last[1]),
        lat=first[2] + share * (last[2] - first[2]),
        accuracy_m=None if nearer[3] is None else round(nearer[3] + part * way_m, 3),
        age_s=round(part * passed_s, 3),
    )


def _eastwards(first: float, last: float) -> float:
    """Give the shorter way from one longitude to another; over the date line it is wrapped."""
    return (last - first + 180) % 360 - 180


def _distance_m(
    first: tuple[int, float, float, float | None], last: tuple[int, float, float, float | None]
) -> float:
    """Give the distance of two points less than a minute apart, on a plane that touches there."""
    north = math.radians(last[2] - first[2])
    east = math.radians(_eastwards(first[1], last[1])) * math.cos(math.radians(first[2]))
    return _EARTH_RADIUS_M * math.hypot(north, east)


def sources(store: Store) -> Iterator[tuple[str, int]]:
    """Give each track that places were joined from, and how many."""
    yield from store.connection.execute(
        "SELECT source, count(*) FROM located GROUP BY source ORDER BY source"
    )
