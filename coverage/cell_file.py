"""
An index in a file, beside the boundaries that it was made from.

The file is mapped into memory and its arrays are used where they lie: nothing is copied, and all
processes of a machine share one copy. It is a stream of Arrow with one row, a column of bytes for
each array, whose dtype stands beside the column's name; after it comes the checksum of all of it,
so that no byte can differ unnoticed.

The file can be made again at any time, so nothing about it is an error: what is cut, damaged, of
another format or made for other areas counts as missing, and what cannot be written is done
without. Nothing in it is executed.
"""

import os
import zlib
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .cells import Border, CellIndex, Grid
from .outlines import Outlines

# Raise it with every change to what the arrays mean.
FORMAT = 3
_BORDER, _OUTLINES = (tuple(each.name for each in fields(part)) for part in (Border, Outlines))
_CHECKSUM_BYTES = 4
_BLOCK_BYTES = 1 << 20


def save_index(path: Path, key: str, index: CellIndex) -> None:
    """Keep an index for areas named by `key`: complete, or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    grid = np.array(tuple(asdict(index.grid).values()), dtype=np.float64)
    arrays = {
        "grid": grid,
        "table": index.table,
        **{name: getattr(index.border, name) for name in _BORDER},
        **{name: getattr(index.outlines, name) for name in _OUTLINES},
    }
    columns = [
        pa.field(name, pa.large_binary(), metadata={"dtype": array.dtype.str})
        for name, array in arrays.items()
    ]
    schema = pa.schema(columns, {"name": _name(key)})
    batch = pa.record_batch(list(map(_as_column, arrays.values())), schema=schema)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w+b") as file:
            with pa.ipc.new_stream(file, schema) as stream:
                stream.write_batch(batch)
            file.seek(0)
            # Block by block: who has just built the index has no room for all of it once more.
            checksum = 0
            while block := file.read(_BLOCK_BYTES):
                checksum = zlib.crc32(block, checksum)
            file.write(_as_bytes(checksum))
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def load_index(path: Path, key: str) -> CellIndex | None:
    """
    Give the index that was kept for these areas; None where there is none to rely on.

    Its arrays cannot be written to.
    """
    try:
        whole = _mapped(path)
        held, checksum = whole[:-_CHECKSUM_BYTES], whole[-_CHECKSUM_BYTES:]
        if checksum.to_pybytes() != _as_bytes(zlib.crc32(held)):
            return None
        batch = pa.ipc.open_stream(held).read_next_batch()
        if batch.schema.metadata != {b"name": _name(key)}:
            return None
        arrays = {field.name: _as_array(field, batch[field.name]) for field in batch.schema}
        x, y, per_x, per_y, top, depth = arrays["grid"].tolist()
        return CellIndex(
            Grid(x, y, per_x, per_y, int(top), int(depth)),
            arrays["table"],
            Border(**{name: arrays[name] for name in _BORDER}),
            Outlines(**{name: arrays[name] for name in _OUTLINES}),
        )
    except (OSError, ValueError, LookupError, TypeError, StopIteration, pa.ArrowException):
        return None


def is_there(path: Path) -> bool:
    """Tell whether a file is there, whatever it holds; where nobody may look, there is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _name(key: str) -> bytes:
    return f"phusong cells {FORMAT}: {key}".encode()


def _mapped(path: Path) -> Any:
    with pa.memory_map(str(path)) as file:
        return file.read_buffer()


def _as_bytes(checksum: int) -> bytes:
    return checksum.to_bytes(_CHECKSUM_BYTES, "big")


def _as_column(array: npt.NDArray[Any]) -> Any:
    """Give an array as a column of one row, without a copy."""
    ends = pa.py_buffer(np.array([0, array.nbytes], dtype=np.int64))
    held = pa.py_buffer(np.ascontiguousarray(array))
    return pa.Array.from_buffers(pa.large_binary(), 1, [None, ends, held])


def _as_array(field: Any, column: Any) -> npt.NDArray[Any]:
    # An array of no length is read as no buffer at all.
    held = column.buffers()[2] or b""
    return np.frombuffer(held, dtype=field.metadata[b"dtype"].decode())
