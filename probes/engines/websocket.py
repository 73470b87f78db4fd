"""
The part of WebSocket (RFC 6455) that a speed test needs, and nothing beyond it.

The bytes of binary messages are counted and thrown away; text and control frames are kept,
and both are bounded, whether a message comes whole or in fragments. Extensions, reserved bits,
lengths written in more bytes than they need and frames masked the wrong way round end the
connection: a measuring peer needs none of them, and each is a way to make a parser work for
nothing.
"""

import base64
import hashlib
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from ...data.sample import Outcome
from ..interface import AttemptError, one_line

MAX_BINARY_BYTES = 1 << 24
MAX_TEXT_BYTES = 1 << 16
MAX_CONTROL_BYTES = 125
NORMAL_CLOSE = 1000
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MAX_HEAD_LINES = 100


class Opcode(IntEnum):
    """The kinds of frame."""

    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


@dataclass(frozen=True, slots=True)
class Message:
    """A text or control frame with its payload, unmasked; a binary one without it."""

    opcode: Opcode
    payload: bytes


def header(opcode: Opcode, length: int, mask: bytes | None = None) -> bytes:
    """Give the header of a frame; with `mask`, the payload has to be masked with it."""
    flag = 0x80 if mask is not None else 0
    if length < 126:
        head = struct.pack("!BB", 0x80 | opcode, flag | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, flag | 126, length)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, flag | 127, length)
    return head + (mask or b"")


def frame(opcode: Opcode, payload: bytes, *, masked: bool) -> bytes:
    """Give a whole short frame: text or control."""
    mask = secrets.token_bytes(4) if masked else None
    body = payload if mask is None else apply_mask(payload, mask)
    return header(opcode, len(payload), mask) + body


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """Mask or unmask a payload: the same operation."""
    whole = mask * (len(payload) // 4 + 1)
    length = len(payload)
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole[:length], "big")).to_bytes(
        length, "big"
    )


class FrameDecoder:
    """
    Take frames apart as their bytes arrive.

    `payload_left` bytes of a binary message are still to come: their reader may drop them
    unseen and report them with `skip`. `binary_bytes` counts binary payload, `other_bytes`
    everything else: headers, text, control frames. A message in fragments obeys the limits of a
    whole one.
    """

    def __init__(self, *, masked: bool, max_binary_bytes: int = MAX_BINARY_BYTES) -> None:
        self._masked = masked
        self._max_binary_bytes = max_binary_bytes
        self._buffer = bytearray()
        self._unfinished: Opcode | None = None
        self._unfinished_bytes = 0
        self._unfinished_text = b""
        self.payload_left = 0
        self.binary_bytes = 0
        self.other_bytes = 0

    def skip(self, count: int) -> None:
        """Note bytes of binary payload that were dropped."""
        self.payload_left -= count
        self.binary_bytes += count

    def feed(self, data: bytes) -> list[Message]:
        """
        Take the next bytes; give the text and control frames that they complete.

        Raises
        ------
        AttemptError
            With outcome `PROTOCOL_ERROR` and the rule that the peer broke.
        """
        messages = []
        self._buffer += data
        while self._buffer:
            if self.payload_left:
                dropped = min(self.payload_left, len(self._buffer))
                del self._buffer[:dropped]
                self.skip(dropped)
                continue
            message = self._next_frame()
            if message is None:
                break
            if message.opcode is not Opcode.BINARY:
                messages.append(message)
        return messages

    def _next_frame(self) -> Message | None:
        """
        Read one header, and the payload too unless it is binary; None: not all here yet.

        What is no message by itself (binary, or text that goes on) comes as an empty binary one.
        """
        read = self._read_header()
        if read is None:
            return None
        opcode, final, head_bytes, size = read
        if opcode is not Opcode.BINARY and len(self._buffer) < head_bytes + size:
            return None
        taken = head_bytes if opcode is Opcode.BINARY else head_bytes + size
        payload = bytes(self._buffer[head_bytes:taken])
        if self._masked:
            payload = apply_mask(payload, bytes(self._buffer[head_bytes - 4 : head_bytes]))
        del self._buffer[:taken]
        self.other_bytes += taken
        if opcode >= Opcode.CLOSE:
            return Message(opcode, payload)
        if opcode is Opcode.BINARY:
            self.payload_left = size
        text = self._unfinished_text + payload
        self._unfinished = None if final else opcode
        self._unfinished_bytes = 0 if final else self._unfinished_bytes + size
        self._unfinished_text = b"" if final else text
        whole_text = opcode is Opcode.TEXT and final
        return Message(opcode, text) if whole_text else Message(Opcode.BINARY, b"")

    def _read_header(self) -> tuple[Opcode, bool, int, int] | None:
        """Give a frame's kind, whether it ends a message, the length of header and payload."""
        if len(self._buffer) < 2:
            return None
        opcode = self._check_first(self._buffer[0], self._buffer[1])
        final = bool(self._buffer[0] & 0x80)
        size = self._buffer[1] & 0x7F
        extra = {126: 2, 127: 8}.get(size, 0)
        head_bytes = 2 + extra + (4 if self._masked else 0)
        if opcode >= Opcode.CLOSE and (size > MAX_CONTROL_BYTES or not final):
            raise _broken("long_control_frame")
        if len(self._buffer) < head_bytes:
            return None
        if extra:
            size = int.from_bytes(self._buffer[2 : 2 + extra], "big")
            if size < (126 if extra == 2 else 1 << 16):
                raise _broken("bad_frame_length")
        limit = self._max_binary_bytes if opcode is Opcode.BINARY else MAX_TEXT_BYTES
        if size > limit:
            raise _broken("oversized_frame")
        if opcode < Opcode.CLOSE and self._unfinished_bytes + size > limit:
            raise _broken("oversized_message")
        return opcode, final, head_bytes, size

    def _check_first(self, first: int, second: int) -> Opcode:
        if first & 0x70:
            raise _broken("reserved_bits")
        kind = first & 0x0F
        if kind < Opcode.CLOSE and (kind == 0) != (self._unfinished is not None):
            raise _broken("misplaced_fragment")
        try:
            opcode = self._unfinished if kind == 0 and self._unfinished else Opcode(kind)
        except ValueError:
            raise _broken("unknown_frame") from None
        if bool(second & 0x80) != self._masked:
            raise _broken("wrong_masking")
        return opcode


def accept_key(key: str) -> str:
    """Give what a server answers to a client's key (RFC 6455, 4.2.2)."""
    digest = hashlib.sha1((key + _GUID).encode("ascii"), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def new_key() -> str:
    """Give a fresh key for a handshake."""
    return base64.b64encode(secrets.token_bytes(16)).decode("ascii")


def parse_head(head: bytes) -> tuple[str, dict[str, str]]:
    """
    Take an HTTP head apart.

    Returns
    -------
    first, headers
        The first line, and the headers by their lower-case names. A repeated header is
        joined with a comma, as HTTP has it.
    """
    lines = head.decode("latin-1").split("\r\n")
    if len(lines) > _MAX_HEAD_LINES:
        raise _broken("endless_head")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or "\n" in line or "\0" in line:
            raise _broken("bad_head", line=one_line(line))
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return lines[0], headers


def upgrade_request(
    path: str, authority: str, user_agent: str, subprotocol: str, key: str
) -> bytes:
    """Give the head with which a client asks for a WebSocket."""
    lines = (
        f"GET {path} HTTP/1.1",
        f"Host: {authority}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Protocol: {subprotocol}",
        f"User-Agent: {user_agent}",
        "Accept-Encoding: identity",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def upgrade_response(key: str, subprotocol: str) -> bytes:
    """Give the head with which a server agrees."""
    lines = (
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(key)}",
        f"Sec-WebSocket-Protocol: {subprotocol}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def check_response(head: bytes, *, key: str, subprotocol: str) -> None:
    """
    Check what a server answered to `upgrade_request`.

    Raises
    ------
    AttemptError
        `SERVER_ERROR` for an HTTP status that is a refusal, `PROTOCOL_ERROR` for everything else
        that is not the promised WebSocket. Redirects are never followed.
    """
    status = status_of(head)
    _, headers = parse_head(head)
    refuse_other_answers(status, headers, promised=101)
    if not asks_upgrade(headers):
        raise _broken("no_upgrade")
    if headers.get("sec-websocket-accept") != accept_key(key):
        raise _broken("wrong_accept_key")
    if headers.get("sec-websocket-protocol") != subprotocol:
        raise _broken("wrong_subprotocol")
    if "sec-websocket-extensions" in headers:
        raise _broken("unasked_extension")


def is_page(headers: Mapping[str, str]) -> bool:
    """Tell whether an answer is a page for a person."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "text/html"


def refuse_other_answers(status: int, headers: Mapping[str, str], *, promised: int) -> None:
    """
    Refuse every answer but the promised one; a redirect is never followed.

    Raises
    ------
    AttemptError
        `captive_portal` for a page or a redirect to one where a test was asked for: what a
        hotel's or an operator's sign-in gives instead of the far end.
    """
    if status == promised:
        return
    if status == 511 or (is_page(headers) and status < 400):
        raise _broken("captive_portal", status=status)
    if 300 <= status < 400:
        # Only where to, not the path: it may hold what is for one browser alone.
        where = one_line(headers.get("location", "")).split("/")
        raise _broken("redirected", to="/".join(where[:3]))
    if status == 204 or status >= 400:
        wait = headers.get("retry-after", "")
        after = {"retry_after_s": int(wait)} if wait.isascii() and wait.isdigit() else {}
        raise AttemptError(Outcome.SERVER_ERROR, f"http_{status}", **after)
    raise _broken(f"http_{status}")


def status_of(head: bytes) -> int:
    """Give the status of an HTTP answer."""
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or len(words[1]) != 3:
        raise _broken("not_http")
    if not words[1].isdigit():
        raise _broken("not_http")
    return int(words[1])


def asks_upgrade(headers: Mapping[str, str]) -> bool:
    """Tell whether a head's headers turn HTTP into a WebSocket."""
    connection = {word.strip().lower() for word in headers.get("connection", "").split(",")}
    return headers.get("upgrade", "").lower() == "websocket" and "upgrade" in connection


def _broken(reason: str, **record: object) -> AttemptError:
    return AttemptError(Outcome.PROTOCOL_ERROR, reason, **record)
