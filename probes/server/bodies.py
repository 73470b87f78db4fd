"""The body of a request as it arrives: counted, never kept."""

from ...data.sample import Outcome
from ..interface import AttemptError

_MAX_LINE_BYTES = 256
_MAX_TRAILER_LINES = 16
_MAX_SIZE_DIGITS = 15
# Far smaller chunks than any client sends are there to make a server work for nothing.
_FREE_CHUNKS = 64
_SMALLEST_MEAN_BYTES = 128


class LengthBody:
    """
    A body whose length was told.

    `left` bytes of payload are still to come before anything has to be read: their reader may
    drop them unseen and report them with `skip`. `count` is the payload so far.
    """

    def __init__(self, length: int) -> None:
        self.left = length
        self.count = 0

    @property
    def done(self) -> bool:
        """Tell whether all of it has arrived."""
        return not self.left

    def skip(self, count: int) -> None:
        """Note payload that was dropped."""
        self.left -= count
        self.count += count

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; give those that come after the body."""
        taken = min(self.left, len(data))
        self.skip(taken)
        return data[taken:]


class ChunkedBody:
    """A body in chunks (RFC 9112, 7.1); the same methods as `LengthBody`."""

    def __init__(self) -> None:
        self.left = 0
        self.count = 0
        self.done = False
        self._line = bytearray()
        self._chunks = 0
        self._awaits = "size"
        self._trailers = 0

    def skip(self, count: int) -> None:
        """Note payload that was dropped."""
        self.left -= count
        self.count += count
        if not self.left:
            self._awaits = "end"

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; give those that come after the body."""
        while data and not self.done:
            if self.left:
                taken = min(self.left, len(data))
                self.skip(taken)
                data = data[taken:]
                continue
            line, newline, rest = data.partition(b"\n")
            self._line += line + newline
            if len(self._line) > _MAX_LINE_BYTES:
                raise _broken("endless_chunk_line")
            if not newline:
                return b""
            data = rest
            whole = bytes(self._line)
            self._line.clear()
            if not whole.endswith(b"\r\n"):
                raise _broken("bad_chunk")
            self._take_line(whole[:-2])
        return data

    def _take_line(self, line: bytes) -> None:
        if self._awaits == "end":
            if line:
                raise _broken("bad_chunk")
            self._awaits = "size"
        elif self._awaits == "size":
            self._begin_chunk(line.split(b";", 1)[0])
        elif line:
            self._trailers += 1
            if self._trailers > _MAX_TRAILER_LINES:
                raise _broken("endless_trailers")
        else:
            self.done = True

    def _begin_chunk(self, digits: bytes) -> None:
        # int() would also take signs, underscores and blanks.
        if not 0 < len(digits) <= _MAX_SIZE_DIGITS or digits.strip(b"0123456789abcdefABCDEF"):
            raise _broken("bad_chunk")
        self._chunks += 1
        if self._chunks > _FREE_CHUNKS and self.count < _SMALLEST_MEAN_BYTES * self._chunks:
            raise _broken("tiny_chunks")
        self.left = int(digits, 16)
        if not self.left:
            self._awaits = "trailer"


Body = LengthBody | ChunkedBody


def _broken(reason: str) -> AttemptError:
    return AttemptError(Outcome.PROTOCOL_ERROR, reason)
