"""
Colours and classes, safe for colour blindness and for a black-and-white printer.

Covered is dark blue and not covered amber: the pair that every kind of colour blindness keeps
apart, and far apart in lightness, which red and green are not. What the evidence does not
settle is hatched, so that it cannot pass for a colour of the scale. No data has a plain colour
of its own, lighter than all others, and stands in no class of a number: nothing is not zero.

Class colours are viridis, cividis and PuOr with six classes or fewer, dark for more.
"""

from dataclasses import asdict, dataclass
from typing import Any

from ..coverage.summary import Verdict
from ..data.sample import NrEvidence

SEA = "#d3e1ea"
BORDER = "#55606a"
NO_DATA = "#f4f1ea"

# How far areas hide a basemap. Whatever grey lies beneath, a class stays nearer to its own colour
# than to any other plain class; the dark classes of a share are closest to each other.
OVER_BASEMAP = 0.8
OVER_BASEMAP_BY_NAME = {"share": 0.94}

_CIVIDIS = ("#ffea46", "#cbba69", "#958f78", "#666970", "#31446b", "#00204d")
_VIRIDIS = ("#fde725", "#7ad151", "#22a884", "#2a788e", "#414487", "#440154")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """A named class and how its areas are filled; `hatch` is the colour of the lines, if any."""

    key: str
    label: str
    color: str
    hatch: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Classes of a number: `edges` between them, each belonging to the class above it."""

    edges: tuple[float, ...]
    colors: tuple[str, ...]


VERDICTS = (
    Fill(key=Verdict.COVERED, label="Covered", color="#0b4f8a"),
    Fill(key=Verdict.NOT_COVERED, label="Not covered", color="#f2a900"),
    Fill(key=Verdict.UNPROVEN, label="Unproven", color="#dedad2", hatch="#837d73"),
    Fill(key=Verdict.NO_DATA, label="No data", color=NO_DATA),
)

NR_EVIDENCE = (
    Fill(key=NrEvidence.SA, label="5G standalone", color="#3f1a6e"),
    Fill(key=NrEvidence.NSA_MEASURED, label="5G NSA, measured signal", color="#8f83bd"),
    Fill(
        key=NrEvidence.NSA_INDICATED,
        label="5G by the phone's icon only",
        color="#e3e0f0",
        hatch="#7a6bb0",
    ),
    Fill(key=NrEvidence.NONE, label="Samples, but no 5G", color="#e08214"),
)

CHANGES = (
    Fill(key="better", label="From not covered to covered", color="#542788"),
    Fill(key="settled", label="A verdict in B only", color="#b2abd2"),
    Fill(key="same", label="The same verdict", color="#f7f7f7"),
    Fill(key="unsettled", label="A verdict in A only", color="#fdb863"),
    Fill(key="worse", label="From covered to not covered", color="#b35806"),
    Fill(key="neither", label="No verdict in either", color="#dedad2", hatch="#837d73"),
)

STEPS = {
    "share": Steps(edges=(0.25, 0.5, 0.75, 0.9, 0.95), colors=_CIVIDIS),
    "adoption": Steps(edges=(0.1, 0.25, 0.5, 0.75, 0.9), colors=_VIRIDIS),
    "hosts": Steps(edges=(2, 5, 10, 30, 100), colors=_VIRIDIS),
    "down": Steps(edges=(2, 5, 10, 40, 100), colors=_VIRIDIS),
    "up": Steps(edges=(1, 2, 5, 10, 40), colors=_VIRIDIS),
    "rtt": Steps(edges=(10, 20, 50, 100, 300), colors=_VIRIDIS),
    "samples": Steps(edges=(10, 30, 100, 300, 1000), colors=_VIRIDIS),
}


def scales() -> dict[str, Any]:
    """Give every scale as the page's script reads it."""
    return {
        "sea": SEA,
        "border": BORDER,
        "no_data": NO_DATA,
        "over_basemap": {"": OVER_BASEMAP, **OVER_BASEMAP_BY_NAME},
        "verdict": [asdict(fill) for fill in VERDICTS],
        "nr": [asdict(fill) for fill in NR_EVIDENCE],
        "change": [asdict(fill) for fill in CHANGES],
        "steps": {name: asdict(steps) for name, steps in STEPS.items()},
    }
