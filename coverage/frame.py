"""
Samples as arrays: the one place where kept columns become numbers.

A chunk maps the names of `COLUMNS` to equally long columns (lists, or arrays of Arrow or numpy),
None for what was not measured; an Arrow batch is one. A column that is not there was not
measured at all. In the frame, numbers are float64 with NaN
for missing, and names are codes into the few texts that occur, so that nothing later compares
texts sample by sample. `uncertain` is false until the sample has been placed: whether its
position's error crosses a border.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
# A mapping from names to columns, or an Arrow batch, which is asked in the same way.
Chunk = Any

NAMES = (
    *("probe", "kind", "outcome", "reason", "plmn", "operator", "rat", "nr_evidence"),
    *("engine", "tool"),
)
NUMBERS = (
    *("down_mbps", "up_mbps", "rtt_idle_ms", "lon", "lat", "accuracy_m"),
    *("rsrp_dbm", "nr_rsrp_dbm", "near_ceiling"),
)
WHOLE = ("started_us", "simulated")
COLUMNS = (*NAMES, *NUMBERS, *WHOLE)
MISSING = -1


@dataclass(frozen=True, slots=True)
class Names:
    """A column of texts: for each sample the number of its text, `MISSING` for none."""

    codes: Small
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: npt.NDArray[Any]) -> "Names":
        return Names(self.codes[rows], self.texts)

    @property
    def missing(self) -> Flags:
        """Whether a sample has no text."""
        return np.asarray(self.codes == MISSING)

    def among(self, wanted: Collection[str]) -> Flags:
        """Whether a sample's text is one of those wanted."""
        return np.asarray(self.numbered(lambda text: int(text in wanted), 0) == 1)

    def numbered(self, number: Callable[[str], int], missing: int) -> Small:
        """Give each sample the number of its text; asked once for each text that occurs."""
        # The code of a missing text is -1: the last entry.
        table = [*map(number, self.texts), missing]
        return np.asarray(np.array(table, dtype=np.int32)[self.codes])


@dataclass(frozen=True, slots=True)
class Frame:
    """Samples by column, equally long."""

    probe: Names
    kind: Names
    outcome: Names
    reason: Names
    plmn: Names
    operator: Names
    rat: Names
    nr_evidence: Names
    engine: Names
    tool: Names
    down_mbps: Floats
    up_mbps: Floats
    rtt_idle_ms: Floats
    lon: Floats
    lat: Floats
    accuracy_m: Floats
    rsrp_dbm: Floats
    nr_rsrp_dbm: Floats
    near_ceiling: Floats
    started_us: Ints
    simulated: Ints
    uncertain: Flags

    def __len__(self) -> int:
        return len(self.started_us)

    def __getitem__(self, rows: npt.NDArray[Any]) -> "Frame":
        return Frame(*(getattr(self, each.name)[rows] for each in fields(self)))


def sample_frame(chunk: Chunk) -> Frame:
    """Give a chunk of samples as a frame, in the same order."""
    held = chunk.schema.names if isinstance(chunk, pa.RecordBatch) else chunk
    values: dict[str, Any] = {name: _arrow(chunk[name], pa.int64()).to_numpy() for name in WHOLE}
    count = len(values["simulated"])
    for name in NAMES:
        values[name] = to_names(chunk[name] if name in held else pa.nulls(count))
    for name in NUMBERS:
        column = _arrow(chunk[name] if name in held else pa.nulls(count), pa.float64())
        values[name] = (column.fill_null(np.nan) if column.null_count else column).to_numpy()
    return Frame(**values, uncertain=np.zeros(count, dtype=np.bool_))


def to_names(column: Any) -> Names:
    """Give a column of texts, or of None, as names."""
    if not isinstance(column, pa.DictionaryArray):
        column = _arrow(column, pa.string()).dictionary_encode()
    codes = column.indices.cast(pa.int32()).fill_null(MISSING).to_numpy()
    return Names(codes, tuple(column.dictionary.to_pylist()))


def _arrow(column: Any, kind: pa.DataType) -> Any:
    if not isinstance(column, pa.Array):
        return pa.array(column, type=kind)
    return column if column.type == kind else column.cast(kind)
