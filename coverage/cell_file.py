"""
An index in a file, beside the boundaries that it was made from.

The file can be made again at any time, so nothing about it is an error: what is cut, damaged, of
another format or made for other areas counts as missing, and what cannot be written is done
without. It is numpy's own container, whose parts carry checksums; nothing in it is executed.
"""

import os
import zipfile
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from .cells import Border, CellIndex, Grid
from .outlines import Outlines

# Raise it with every change to what the arrays mean.
FORMAT = 2
_BORDER, _OUTLINES = (tuple(each.name for each in fields(part)) for part in (Border, Outlines))


def save_index(path: Path, key: str, index: CellIndex) -> None:
    """Keep an index for areas named by `key`: complete, or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    arrays = {
        **{name: getattr(index.border, name) for name in _BORDER},
        **{name: getattr(index.outlines, name) for name in _OUTLINES},
    }
    grid = np.array([tuple(asdict(index.grid).values())], dtype=np.float64)
    name = np.frombuffer(_name(key), dtype=np.uint8)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            np.savez(file, name=name, grid=grid, table=index.table, **arrays)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def load_index(path: Path, key: str) -> CellIndex | None:
    """Give the index that was kept for these areas; None where there is none to rely on."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            if held["name"].tobytes() != _name(key):
                return None
            x, y, per_x, per_y, top, depth = held["grid"][0].tolist()
            return CellIndex(
                Grid(x, y, per_x, per_y, int(top), int(depth)),
                held["table"],
                Border(**{name: held[name] for name in _BORDER}),
                Outlines(**{name: held[name] for name in _OUTLINES}),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def is_there(path: Path) -> bool:
    """Tell whether a file is there, whatever it holds; where nobody may look, there is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _name(key: str) -> bytes:
    return f"phusong cells {FORMAT}: {key}".encode()
