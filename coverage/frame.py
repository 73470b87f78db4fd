"""
Samples as a frame: the one place where kept columns become arrays.

A chunk maps the names of `COLUMNS` to equally long sequences, None for what was not measured.
In the frame, numbers are float64 with NaN for missing and names are text with None. `uncertain`
is false until the sample has been placed: whether its position's error crosses a border.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

NAMES = ("probe", "kind", "outcome", "plmn", "operator", "rat", "nr_evidence")
NUMBERS = (
    *("down_mbps", "up_mbps", "rtt_idle_ms", "lon", "lat", "accuracy_m"),
    *("rsrp_dbm", "nr_rsrp_dbm", "near_ceiling"),
)
COLUMNS = (*NAMES, *NUMBERS, "started_us", "simulated")


def sample_frame(chunk: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Give a chunk of samples as a frame of `COLUMNS`, in the same order."""
    values: dict[str, Any] = {}
    for name in NAMES:
        column = np.empty(len(chunk[name]), dtype=object)
        column[:] = chunk[name]
        values[name] = column
    for name in NUMBERS:
        values[name] = np.array(chunk[name], dtype=np.float64)
    values["started_us"] = np.array(chunk["started_us"], dtype=np.int64)
    values["simulated"] = np.array(chunk["simulated"], dtype=np.int64)
    values["uncertain"] = np.zeros(len(chunk["simulated"]), dtype=np.bool_)
    return pd.DataFrame(values)
