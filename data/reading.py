"""What a sample says was measured; part of its evidence."""

from dataclasses import dataclass
from operator import attrgetter

from .check import check_number, check_optional_integer, refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """
    What was measured. At least one value; what was not measured is `None`.

    Throughput in Mbit/s (10^6 bit/s) of payload counted at the receiver, times in ms, loss as
    a ratio 0 to 1, bytes as moved on the connection. `traffic_*_mbps` is what the device's own
    traffic meter showed while other programs used the link: a floor of what the link carries,
    never evidence that it is slow, and never judged as a speed test. `*_low_mbps` and
    `*_high_mbps` are a throughput's 95 % interval. `near_ceiling` says that a throughput came near
    what the instrument itself can do on that machine, or that its processor was full: then a low
    one says nothing about the network. Loss up is of questions, loss down of answers.
    """

    down_mbps: float | None = None
    up_mbps: float | None = None
    rtt_idle_ms: float | None = None
    rtt_loaded_ms: float | None = None
    jitter_ms: float | None = None
    loss_ratio: float | None = None
    bytes_down: int | None = None
    bytes_up: int | None = None
    traffic_down_mbps: float | None = None
    traffic_up_mbps: float | None = None
    down_low_mbps: float | None = None
    down_high_mbps: float | None = None
    up_low_mbps: float | None = None
    up_high_mbps: float | None = None
    loss_up_ratio: float | None = None
    loss_down_ratio: float | None = None
    near_ceiling: bool | None = None

    def __post_init__(self) -> None:
        measured = False
        for value, (name, low, high) in zip(_numbers_of(self), _READING_RANGES, strict=True):
            if value is not None:
                measured = True
                check_number(name, value, low, high)
        check_optional_integer("reading.bytes_down", self.bytes_down, 0, 1 << 62)
        check_optional_integer("reading.bytes_up", self.bytes_up, 0, 1 << 62)
        if not measured:
            refuse("reading", "nothing", "at least one value; without one, leave it out")
        _check_interval("down", self.down_mbps, self.down_low_mbps, self.down_high_mbps)
        _check_interval("up", self.up_mbps, self.up_low_mbps, self.up_high_mbps)
        if self.near_ceiling is not None and not isinstance(self.near_ceiling, bool):
            refuse("reading.near_ceiling", self.near_ceiling, "true or false")
        if self.down_mbps == 0 or self.up_mbps == 0:
            refuse("reading", "a throughput of 0", "the outcome that says why nothing came")


def _check_interval(way: str, rate: float | None, low: float | None, high: float | None) -> None:
    if low is None and high is None:
        return
    if rate is None or low is None or high is None or not low <= rate <= high:
        refuse(f"reading.{way}_mbps", f"{rate} in {low} to {high}", "a value in its interval")


_READING_RANGES = (
    ("reading.down_mbps", 0.0, 1e6),
    ("reading.up_mbps", 0.0, 1e6),
    ("reading.rtt_idle_ms", 0.0, 1e6),
    ("reading.rtt_loaded_ms", 0.0, 1e6),
    ("reading.jitter_ms", 0.0, 1e6),
    ("reading.loss_ratio", 0.0, 1.0),
    ("reading.traffic_down_mbps", 0.0, 1e6),
    ("reading.traffic_up_mbps", 0.0, 1e6),
    ("reading.down_low_mbps", 0.0, 1e6),
    ("reading.down_high_mbps", 0.0, 1e7),
    ("reading.up_low_mbps", 0.0, 1e6),
    ("reading.up_high_mbps", 0.0, 1e7),
    ("reading.loss_up_ratio", 0.0, 1.0),
    ("reading.loss_down_ratio", 0.0, 1.0),
)
_numbers_of = attrgetter(*(name.removeprefix("reading.") for name, _, _ in _READING_RANGES))
