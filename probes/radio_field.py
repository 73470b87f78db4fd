"""
A radio field that is known everywhere: what a simulated campaign measures, and its truth.

One operator's network around one area, in metres from the area's centre:

- **Path loss** is log-distance, ``A + 37.6 log10(d / km)`` dB, the exponent as in 3GPP TR 36.942's
  macro cell; whoever draws a field chooses A.
- **Shadowing** is a smooth field of mean 0: a sum of plane waves, so that neighbouring places fade
  together over a part of the waves' length.
- **Dead zones** are discs in which every signal loses so much that little or nothing is left.
- **SINR** compares the best site with noise and with the second site under its load;
  **throughput** is a share of the Shannon bound, capped by the device, less the cell's load.
- **Failures** grow as SINR falls; below the device's sensitivity there is no signal.
- **5G** is non-standalone, beside the LTE anchor, where the field has it and the anchor is strong.

An attempt adds noise to the level and to SINR and draws a part of the cell's free capacity.
`RadioField.pass_chance` takes the mean over these three, so the truth of a place needs no attempt.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

RSRP_NOISE_DB = 1.5
SINR_NOISE_DB = 1.0
FREE_FROM, FREE_TO = 0.85, 1.1
SENSITIVITY_DBM = -124.0
DEAD_ZONE_DB = 45.0
SITE_DBM = 30.0  # per resource element, antenna gain included

_NOISE_DBM = -125.0  # 15 kHz of thermal noise and a receiver's 7 dB
_UPLINK_NOISE_DBM = -105.0
_IMPLEMENTATION_DB = 3.0
_NEIGHBOUR_DB = 5.0
_NR_BELOW_DB = 9.0
_NR_ANCHOR_DBM = -103.0
# Gauss-Hermite: the mean over a normal variable, as weights at deviations (Abramowitz and Stegun,
# table 25.10, brought to variance 1).
_NODES = (
    (-2.8569700, 0.0112574),
    (-1.3556262, 0.2220759),
    (0.0, 0.5333333),
    (1.3556262, 0.2220759),
    (2.8569700, 0.0112574),
)


@dataclass(frozen=True, slots=True)
class Site:
    """A mast, and which part of its capacity others use."""

    x_m: float
    y_m: float
    load: float


@dataclass(frozen=True, slots=True)
class DeadZone:
    """A disc in which next to nothing is received: a valley, a tunnel, a thick roof."""

    x_m: float
    y_m: float
    radius_m: float


@dataclass(frozen=True, slots=True)
class RadioField:
    """One network around one area; a wave is (wave number east, north in rad/m, phase)."""

    loss_at_1_km_db: float
    shadowing_db: float
    sites: tuple[Site, ...]
    waves: tuple[tuple[float, float, float], ...]
    has_nr: bool = False
    dead_zones: tuple[DeadZone, ...] = ()

    def levels(self, x: float, y: float) -> tuple[float, float, float]:
        """Give RSRP in dBm, SINR in dB and the load of the serving site at a place."""
        best = second = math.inf
        load = other_load = 0.0
        for site in self.sites:
            dx, dy = site.x_m - x, site.y_m - y
            squared = dx * dx + dy * dy
            if squared < best:
                best, second, load, other_load = squared, best, site.load, load
            elif squared < second:
                second, other_load = squared, site.load
        cos = math.cos
        fade = sum(cos(kx * x + ky * y + phase) for kx, ky, phase in self.waves)
        shadow_db = self.shadowing_db * math.sqrt(2 / len(self.waves)) * fade
        # log10 of a squared distance: half the exponent; nobody measures within 35 m of a mast.
        reference = SITE_DBM - self.loss_at_1_km_db + 18.8 * 6 - self._dead_db(x, y)
        rsrp = reference - 18.8 * math.log10(max(best, 1225.0)) + shadow_db
        # The neighbour's fading is another one, so only the server's own shadowing moves its level.
        other = reference - 18.8 * math.log10(max(second, 1225.0)) - _NEIGHBOUR_DB
        interference = 10 ** (_NOISE_DBM / 10) + other_load * 10 ** (other / 10)
        return rsrp, rsrp - 10 * math.log10(interference) - _IMPLEMENTATION_DB, load

    def nr_level(self, rsrp: float) -> float | None:
        """Give the RSRP of the NR cell beside an anchor of a level, None where there is none."""
        return rsrp - _NR_BELOW_DB if self.has_nr and rsrp > _NR_ANCHOR_DBM else None

    def pass_chance(self, x: float, y: float, down_mbps: float = 0.0) -> float:
        """Give the chance that one attempt at a place ends well with at least such a download."""
        rsrp, sinr, load = self.levels(x, y)
        if not self.has_nr:
            heard = _normal((rsrp - SENSITIVITY_DBM) / RSRP_NOISE_DB)
            return heard * _chance_at(sinr, load, None, down_mbps)
        chance = 0.0
        for off, weight in _NODES:
            level = rsrp + off * RSRP_NOISE_DB
            if level >= SENSITIVITY_DBM:
                chance += weight * _chance_at(sinr, load, self.nr_level(level), down_mbps)
        return chance

    def true_share(self, places: Iterable[tuple[float, float]], down_mbps: float = 0.0) -> float:
        """Give the mean over places of the chance to pass: what a campaign tries to find out."""
        chances = [self.pass_chance(x, y, down_mbps) for x, y in places]
        return sum(chances) / len(chances)

    def _dead_db(self, x: float, y: float) -> float:
        inside = any(
            math.hypot(zone.x_m - x, zone.y_m - y) < zone.radius_m for zone in self.dead_zones
        )
        return DEAD_ZONE_DB if inside else 0.0


def failure_chance(sinr: float) -> float:
    """Give the chance that an attempt fails although there is a signal."""
    return 0.0003 + 0.7 / (1 + math.exp(min(sinr + 4, 50)))


def free_capacity(sinr: float, rsrp: float, nr_rsrp: float | None) -> tuple[float, float]:
    """Give Mbit/s down and up of a cell that nobody else uses."""
    per_hz = min(0.75 * math.log2(1 + 10 ** (sinr / 10)), 5.0)
    down = 20 * 1.5 * per_hz
    headroom_db = rsrp - SITE_DBM + 36 - _UPLINK_NOISE_DBM
    up = 8 * min(0.75 * math.log2(1 + 10 ** (headroom_db / 10)), 4.5)
    if nr_rsrp is not None:
        nr_per_hz = min(0.75 * math.log2(1 + 10 ** ((nr_rsrp + 108) / 10)), 6.0)
        down += 80 * 0.9 * nr_per_hz
        up += 10 * nr_per_hz
    return down, up


def _chance_at(sinr: float, load: float, nr_rsrp: float | None, down_mbps: float) -> float:
    chance = 0.0
    for off, weight in _NODES:
        noisy = sinr + off * SINR_NOISE_DB
        down, _ = free_capacity(noisy, 0.0, nr_rsrp)
        needed = down_mbps / max((1 - load) * down, 1e-9)
        fast = min(1.0, max(0.0, (FREE_TO - needed) / (FREE_TO - FREE_FROM)))
        chance += weight * (1 - failure_chance(noisy)) * fast
    return chance


def _normal(deviations: float) -> float:
    return 0.5 * (1 + math.erf(deviations / math.sqrt(2)))
