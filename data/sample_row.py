"""A sample as a narrow row of the store, copies of its body for questions; times as numbers."""

import time
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

from .sample import Sample, sample_id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SAMPLE_COLUMNS = (
    "id, probe, seq, kind, started_us, outcome, reason, duration_s, engine, server, family,"
    " down_mbps, up_mbps, rtt_idle_ms, rtt_loaded_ms, jitter_ms, loss_ratio, bytes_down, bytes_up,"
    " traffic_down_mbps, traffic_up_mbps, lon, lat, accuracy_m, plmn, operator, rat, nr_evidence,"
    " cell_id, level_dbm, rsrp_dbm, rsrq_db, sinr_db, nr_rsrp_dbm, tool, file_sha256, line,"
    " simulated, down_low_mbps, down_high_mbps, up_low_mbps, up_high_mbps, loss_up_ratio,"
    " loss_down_ratio, near_ceiling"
)
_reading_of = attrgetter(
    *("down_mbps", "up_mbps", "rtt_idle_ms", "rtt_loaded_ms", "jitter_ms", "loss_ratio"),
    *("bytes_down", "bytes_up", "traffic_down_mbps", "traffic_up_mbps"),
)
_bounds_of = attrgetter(
    *("down_low_mbps", "down_high_mbps", "up_low_mbps", "up_high_mbps"),
    *("loss_up_ratio", "loss_down_ratio"),
)
_radio_of = attrgetter(
    *("plmn", "operator", "rat", "nr_evidence", "cell_id"),
    *("level_dbm", "rsrp_dbm", "rsrq_db", "sinr_db", "nr_rsrp_dbm"),
)


def now_us() -> int:
    """Give the wall clock in microseconds since 1970."""
    return time.time_ns() // 1000


def to_us(moment: datetime) -> int:
    """Give an aware time in microseconds since 1970, exactly."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_us(us: int) -> datetime:
    """Give microseconds since 1970 as an aware time."""
    return _EPOCH + timedelta(microseconds=us)


def to_row(sample: Sample, body: bytes) -> tuple[Any, ...]:
    """Give the narrow columns of a sample: copies of its body, for questions."""
    reading, position, radio, source = (
        sample.reading,
        sample.position,
        sample.radio,
        sample.source,
    )
    return (
        sample_id(body),
        sample.probe,
        sample.seq,
        sample.kind.value,
        to_us(sample.started_at),
        sample.outcome.value,
        sample.reason,
        sample.duration_s,
        sample.engine,
        sample.server,
        sample.family,
        *((None,) * 10 if reading is None else _reading_of(reading)),
        *((None,) * 3 if position is None else (position.lon, position.lat, position.accuracy_m)),
        *((None,) * 10 if radio is None else _radio_of(radio)),
        source.tool,
        source.file_sha256,
        source.line,
        int(sample.simulated),
        *((None,) * 6 if reading is None else _bounds_of(reading)),
        None if reading is None or reading.near_ceiling is None else int(reading.near_ceiling),
    )
