"""What a sample says was measured; part of its evidence."""

from dataclasses import dataclass

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
        for name, low, high in _READING_RANGES:
            value = getattr(self, name)
            if value is not None:
                measured = True
                check_number(f"reading.{name}", value, low, high)
        for name in ("bytes_down", "bytes_up"):
            check_optional_integer(f"reading.{name}", getattr(self, name), 0, 1 << 62)
        if not measured:
            refuse("reading", "nothing", "at least one value; without one, leave it out")
        for way in ("down", "up"):
            self._check_interval(way)
        if self.near_ceiling is not None and not isinstance(self.near_ceiling, bool):
            refuse("reading.near_ceiling", self.near_ceiling, "true or false")
        if self.down_mbps == 0 or self.up_mbps == 0:
            refuse("reading", "a throughput of 0", "the outcome that says why nothing came")

    def _check_interval(self, way: str) -> None:
        rate = getattr(self, f"{way}_mbps")
        low, high = getattr(self, f"{way}_low_mbps"), getattr(self, f"{way}_high_mbps")
        if low is None and high is None:
            return
        if rate is None or low is None or high is None or not low <= rate <= high:
            refuse(f"reading.{way}_mbps", f"{rate} in {low} to {high}", "a value in its interval")


_READING_RANGES = (
    ("down_mbps", 0.0, 1e6),
    ("up_mbps", 0.0, 1e6),
    ("rtt_idle_ms", 0.0, 1e6),
    ("rtt_loaded_ms", 0.0, 1e6),
    ("jitter_ms", 0.0, 1e6),
    ("loss_ratio", 0.0, 1.0),
    ("traffic_down_mbps", 0.0, 1e6),
    ("traffic_up_mbps", 0.0, 1e6),
    ("down_low_mbps", 0.0, 1e6),
    ("down_high_mbps", 0.0, 1e7),
    ("up_low_mbps", 0.0, 1e6),
    ("up_high_mbps", 0.0, 1e7),
    ("loss_up_ratio", 0.0, 1.0),
    ("loss_down_ratio", 0.0, 1.0),
)
