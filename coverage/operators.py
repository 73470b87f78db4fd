"""
Whose network an attempt was on.

A sample names its operator, or at least its network's number (PLMN). An attempt that found no
signal names neither, although it is the strongest evidence there is: it is given to the operator
that its probe was otherwise on, where that is nine samples in ten. Where it is not (a probe with
several SIM cards), the attempt belongs to `UNKNOWN`, and the count of those is reported.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from .frame import MISSING, Frame, Names

UNKNOWN = "unknown"
HOME_SHARE = 0.9


def home_operators(counts: Iterable[tuple[str, str, int]]) -> dict[str, str]:
    """Give each probe's operator from (probe, operator, samples), where one has nearly all."""
    named: dict[str, dict[str, int]] = {}
    for probe, operator, samples in counts:
        named.setdefault(probe, {})[operator] = samples
    homes = {}
    for probe, seen in named.items():
        operator = max(sorted(seen), key=seen.__getitem__)
        if seen[operator] >= HOME_SHARE * sum(seen.values()):
            homes[probe] = operator
    return homes


def name_operators(samples: Frame, homes: Mapping[str, str]) -> Names:
    """Give each sample's operator: its own name, its PLMN, its probe's home, or `UNKNOWN`."""
    texts: dict[str, int] = {}

    def number(text: str) -> int:
        return texts.setdefault(text, len(texts))

    codes = samples.operator.numbered(number, MISSING)
    if (codes == MISSING).any():
        by_plmn = samples.plmn.numbered(number, MISSING)
        by_home = samples.probe.numbered(lambda probe: number(homes.get(probe, UNKNOWN)), 0)
        codes = np.where(codes == MISSING, by_plmn, codes)
        codes = np.where(codes == MISSING, by_home, codes)
    return Names(codes, tuple(texts))
