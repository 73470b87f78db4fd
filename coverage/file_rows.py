"""
Rows of files that no sample of ours is like: refused, for nobody could say what they count as.

An outcome or kind that is not known would count against the network or not at all, a sample
without origin would pass for measured, and an infinite position ends nowhere.
"""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..data.errors import ConfigError
from ..data.sample import Kind, NrEvidence, Outcome, Rat
from .frame import NUMBERS, Flags, to_names

# What a sample may hold: these texts, always something, numbers from here to there.
_TEXTS: Mapping[str, frozenset[str]] = {
    "kind": frozenset(Kind),
    "outcome": frozenset(Outcome),
    "rat": frozenset(Rat),
    "nr_evidence": frozenset(NrEvidence),
    "origin": frozenset({"measured", "simulated"}),
}
_NOWHERE: Flags = np.zeros(1, dtype=np.bool_)
_NEVER_MISSING = ("probe", "kind", "outcome", "origin", "started_at")
_MOST = sys.float_info.max
_LIMITS = {
    "lon": (-180.0, 180.0),
    "lat": (-90.0, 90.0),
    "rsrp_dbm": (-_MOST, _MOST),
    "nr_rsrp_dbm": (-_MOST, _MOST),
}


def refuse_strange_rows(address: str, first: int, batch: pa.RecordBatch) -> None:
    """Refuse what no sample of ours holds: it would be counted, and nobody could say as what."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        wrong = _strange_number(name, column) if name in NUMBERS else _strange_text(name, column)
        if len(rows := np.flatnonzero(wrong)):
            value = column[int(rows[0])].as_py()
            raise ConfigError(
                "{file}: row {row}: {name} is {value}, which no sample has; write it with: phusong"
                " data export",
                file=address,
                row=first + int(rows[0]),
                name=quoted(name),
                value="missing" if value is None else str(value)[:40],
            )
    half = pc.xor(*(batch.column(name).is_null(nan_is_null=True) for name in ("lon", "lat")))
    if pc.any(half).as_py():
        raise ConfigError(
            "{file}: row {row}: of lon and lat one is missing; write it with: phusong data export",
            file=address,
            row=first + pc.index(half, True).as_py(),
        )


def _strange_number(name: str, column: Any) -> Flags:
    if column.null_count == len(column):
        return _NOWHERE
    low, high = _LIMITS.get(name, (0.0, _MOST))
    values = column.to_numpy(zero_copy_only=False)
    # What is missing is NaN here, and neither.
    return np.asarray((values < low) | (values > high))


def _strange_text(name: str, column: Any) -> Flags:
    if name in _NEVER_MISSING and column.null_count:
        return np.asarray(column.is_null().to_numpy(zero_copy_only=False))
    if name not in _TEXTS or not set(_texts(column)) - _TEXTS[name]:
        return _NOWHERE
    # A text of the dictionary need not be any row's.
    return np.asarray(to_names(column).numbered(lambda text: int(text not in _TEXTS[name]), 0) == 1)


def _texts(column: Any) -> list[str]:
    """Give the different texts of a column, and perhaps some that it does not hold."""
    held = column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode()
    texts: list[str] = held.dictionary.to_pylist()
    return texts


def quoted(name: str) -> str:
    """Give a column's name as it stands in the file, where a word would be said in Vietnamese."""
    return f'"{name}"'
