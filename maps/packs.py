"""
Columns of whole numbers as a page carries them: variable-length bytes, compressed, in base64.

A column says what kind of number it holds: ``u`` counts from 0; ``n`` counts from 0 or has
nothing, which is written as 0 and everything else one higher, so that nothing is never a number;
``z`` has a sign (zigzag); ``s`` has a sign or is nothing; ``t`` is a JSON text. Where no number
takes more than two bytes, the low bytes of all come first and then the high ones (width 1 or 2),
which compresses best; otherwise (width 0) a number takes seven bits a byte, the lowest first, and
the eighth bit says that there is more. The browser undoes it column by column, when it needs one.

A pack stands for itself: its text may stand in the page or in a file beside it.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 6
_LIMIT = 1 << 31


class Pack:
    """Columns put one behind the other; `directory` tells the page where each begins."""

    def __init__(self) -> None:
        self.directory: dict[str, tuple[Any, ...]] = {}
        # Most columns are close to noise: filtered spends no bits on chance repetitions.
        self._compressor = zlib.compressobj(LEVEL, strategy=zlib.Z_FILTERED)
        self._parts: list[bytes] = []
        self._length = 0

    def add(
        self,
        name: str,
        values: ArrayLike | Sequence[int | None],
        kind: str = "u",
        *,
        predicted: tuple[Any, ...] = (),
    ) -> None:
        """
        Add a column of numbers; in one that may have nothing, nothing is NaN or None.

        `predicted` tells the page what the numbers are to be added to: how `predict.py` and
        `predict.js` call it, and what it takes.
        """
        numbers = np.asarray(values, dtype=np.float64 if kind in "ns" else np.int64)
        unsigned = _unsigned(numbers, kind)
        most = int(unsigned.max()) if unsigned.size else 0
        width = 1 if most < 1 << 8 else 2 if most < 1 << 16 else 0
        planes = [(unsigned >> np.uint64(8 * byte)).astype(np.uint8) for byte in range(width)]
        content = b"".join(plane.tobytes() for plane in planes) if width else varints(unsigned)
        self._put(name, (kind, width), content, numbers.size, predicted)

    def add_text(self, name: str, value: Sequence[Any]) -> None:
        """Add a list as JSON."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        self._put(name, ("t", 0), text.encode("utf-8", errors="replace"), len(value))

    def text(self) -> str:
        """Give the whole as base64; nothing can be added afterwards."""
        self._parts.append(self._compressor.flush())
        return base64.b64encode(b"".join(self._parts)).decode("ascii")

    def _put(
        self,
        name: str,
        kind: tuple[str, int],
        content: bytes,
        count: int,
        predicted: tuple[Any, ...] = (),
    ) -> None:
        self.directory[name] = (*kind, self._length, len(content), count, *predicted)
        self._length += len(content)
        self._parts.append(self._compressor.compress(content))


def _unsigned(numbers: NDArray[Any], kind: str) -> NDArray[np.uint64]:
    nothing = np.isnan(numbers) if kind in "ns" else None
    whole = (numbers if nothing is None else np.where(nothing, 0, numbers)).astype(np.int64)
    if kind in "zs":
        whole = (whole << 1) ^ (whole >> 63)
    if nothing is not None:
        whole = np.where(nothing, 0, whole + 1)
    if whole.size and not (int(whole.min()) >= 0 and int(whole.max()) < _LIMIT):
        raise ValueError("a number of a packed column is not within 0 and 2^31")
    return whole.astype(np.uint64)


def varints(numbers: NDArray[np.uint64]) -> bytes:
    """Write numbers in seven bits a byte, the lowest first."""
    sizes = np.ones(numbers.size, dtype=np.int64)
    for bits in (7, 14, 21, 28):
        sizes += numbers >= (1 << bits)
    ends = np.cumsum(sizes)
    written = np.zeros(int(ends[-1]) if ends.size else 0, dtype=np.uint8)
    begins = ends - sizes
    for index in range(int(sizes.max()) if sizes.size else 0):
        has = sizes > index
        more = (sizes[has] > index + 1).astype(np.uint64) << np.uint64(7)
        seven = (numbers[has] >> np.uint64(7 * index)) & np.uint64(0x7F)
        written[begins[has] + index] = (seven | more).astype(np.uint8)
    return written.tobytes()
