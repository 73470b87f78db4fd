"""Frames and handshakes of RFC 6455."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phusong.data.sample import Outcome
from phusong.probes.engines.websocket import (
    MAX_BINARY_BYTES,
    MAX_TEXT_BYTES,
    FrameDecoder,
    Message,
    Opcode,
    accept_key,
    apply_mask,
    check_response,
    frame,
    header,
    parse_head,
    upgrade_response,
)
from phusong.probes.interface import AttemptError

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
short_frames = st.tuples(
    st.sampled_from([Opcode.CLOSE, Opcode.PING, Opcode.PONG]), st.binary(max_size=125)
) | st.tuples(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), st.binary(max_size=70_000))


def fragments(opcode: Opcode, sizes: list[int], *, whole: bool = True) -> bytes:
    """Cut a message into frames; without `whole`, leave the last one's payload out."""
    wire = b""
    for number, size in enumerate(sizes):
        last = number == len(sizes) - 1
        head = bytearray(header(opcode if number == 0 else Opcode.TEXT, size))
        if number:
            head[0] &= 0xF0
        if not last:
            head[0] &= 0x7F
        wire += bytes(head) + (bytes(size) if whole or not last else b"")
    return wire


def test_a_message_in_fragments_is_one_message_with_a_ping_between_them() -> None:
    decoder = FrameDecoder(masked=False)
    ping = frame(Opcode.PING, b"?", masked=False)
    wire = bytes([0x01, 0x02]) + b"He" + ping + bytes([0x00, 0x00]) + bytes([0x80, 0x03]) + b"llo"
    seen = [message for byte in wire for message in decoder.feed(bytes([byte]))]
    assert seen == [Message(Opcode.PING, b"?"), Message(Opcode.TEXT, b"Hello")]
    assert decoder.other_bytes == len(wire)
    assert decoder.feed(fragments(Opcode.BINARY, [300, 0, 70_000])) == []
    assert decoder.binary_bytes == 70_300
    assert decoder.feed(frame(Opcode.TEXT, b"{}", masked=False)) == [Message(Opcode.TEXT, b"{}")]


def test_the_accept_key_is_the_one_of_the_rfc() -> None:
    assert accept_key(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_the_frames_are_those_of_the_rfc() -> None:
    assert frame(Opcode.TEXT, b"Hello", masked=False) == bytes.fromhex("810548656c6c6f")
    masked = bytes.fromhex("818537fa213d7f9f4d5158")
    assert FrameDecoder(masked=True).feed(masked) == [Message(Opcode.TEXT, b"Hello")]
    assert header(Opcode.BINARY, 256) == bytes.fromhex("827e0100")
    assert header(Opcode.BINARY, 65536) == bytes.fromhex("827f0000000000010000")


@given(st.lists(short_frames, max_size=5), st.booleans(), st.data())
def test_whatever_is_framed_comes_out_again_however_it_is_cut(
    messages: list[tuple[Opcode, bytes]], masked: bool, data: st.DataObject
) -> None:
    wire = b"".join(frame(opcode, payload, masked=masked) for opcode, payload in messages)
    decoder = FrameDecoder(masked=masked)
    seen = []
    while wire:
        cut = data.draw(st.integers(1, len(wire)))
        seen += decoder.feed(wire[:cut])
        wire = wire[cut:]
    kept = [Message(opcode, payload) for opcode, payload in messages if opcode != Opcode.BINARY]
    assert seen == kept
    assert decoder.binary_bytes == sum(len(p) for o, p in messages if o == Opcode.BINARY)
    assert decoder.payload_left == 0


@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_do_more_than_break_the_protocol(junk: bytes, masked: bool) -> None:
    try:
        FrameDecoder(masked=masked).feed(junk)
    except AttemptError as error:
        assert error.outcome is Outcome.PROTOCOL_ERROR


@given(st.binary(max_size=50), st.binary(min_size=4, max_size=4))
def test_masking_twice_gives_the_payload_back(payload: bytes, mask: bytes) -> None:
    assert apply_mask(apply_mask(payload, mask), mask) == payload


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (bytes([0x80, 0x01, 0x00]), "misplaced_fragment"),
        (bytes([0x02, 0x00, 0x82, 0x00]), "misplaced_fragment"),
        (bytes([0x01, 0x00, 0x81, 0x00]), "misplaced_fragment"),
        (bytes([0x09, 0x00]), "long_control_frame"),
        (fragments(Opcode.TEXT, [MAX_TEXT_BYTES, 1]), "oversized_message"),
        (fragments(Opcode.BINARY, [9, MAX_BINARY_BYTES - 8], whole=False), "oversized_message"),
        (bytes([0xC2, 0x01, 0x00]), "reserved_bits"),
        (bytes([0x83, 0x00]), "unknown_frame"),
        (bytes([0x82, 0x81, 1, 2, 3, 4, 0]), "wrong_masking"),
        (bytes([0x89, 126, 0, 200]), "long_control_frame"),
        (bytes([0x82, 126, 0, 5]), "bad_frame_length"),
        (bytes([0x82, 127]) + (65535).to_bytes(8, "big"), "bad_frame_length"),
        (header(Opcode.BINARY, MAX_BINARY_BYTES + 1), "oversized_frame"),
        (bytes([0x82, 127]) + b"\xff" * 8, "oversized_frame"),
        (header(Opcode.TEXT, MAX_TEXT_BYTES + 1), "oversized_frame"),
    ],
)
def test_a_frame_that_breaks_a_rule_is_refused_by_name(wire: bytes, reason: str) -> None:
    with pytest.raises(AttemptError) as refused:
        FrameDecoder(masked=False).feed(wire)
    assert refused.value.reason == reason


def test_an_unmasked_frame_from_a_client_is_refused() -> None:
    with pytest.raises(AttemptError, match="wrong_masking"):
        FrameDecoder(masked=True).feed(frame(Opcode.TEXT, b"{}", masked=False))


def test_a_large_message_is_never_held_in_memory() -> None:
    decoder = FrameDecoder(masked=False)
    decoder.feed(header(Opcode.BINARY, MAX_BINARY_BYTES))
    decoder.skip(MAX_BINARY_BYTES - 10)
    assert decoder.feed(bytes(10)) == []
    assert (decoder.binary_bytes, decoder.payload_left) == (MAX_BINARY_BYTES, 0)


def answer(**changes: str | None) -> bytes:
    first = changes.pop("first", "HTTP/1.1 101 Switching Protocols")
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": accept_key(KEY),
        "Sec-WebSocket-Protocol": "p",
    } | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([str(first), *lines]).encode()


def test_a_good_answer_passes() -> None:
    check_response(answer(), key=KEY, subprotocol="p")
    check_response(upgrade_response(KEY, "p").removesuffix(b"\r\n\r\n"), key=KEY, subprotocol="p")


@pytest.mark.parametrize(
    ("head", "outcome", "reason"),
    [
        (answer(first="HTTP/1.1 403 Forbidden"), Outcome.SERVER_ERROR, "http_403"),
        (answer(first="HTTP/1.1 503 Busy"), Outcome.SERVER_ERROR, "http_503"),
        (answer(first="HTTP/1.1 204 No Content"), Outcome.SERVER_ERROR, "http_204"),
        (answer(first="HTTP/1.1 302 Found"), Outcome.PROTOCOL_ERROR, "redirected"),
        (answer(first="HTTP/1.1 200 OK"), Outcome.PROTOCOL_ERROR, "http_200"),
        (answer(first="220 smtp ready"), Outcome.PROTOCOL_ERROR, "not_http"),
        (answer(first="HTTP/1.1 ١٠١ OK"), Outcome.PROTOCOL_ERROR, "not_http"),
        (answer(Upgrade=None), Outcome.PROTOCOL_ERROR, "no_upgrade"),
        (answer(Connection="close"), Outcome.PROTOCOL_ERROR, "no_upgrade"),
        (answer(Sec_WebSocket_Accept="x"), Outcome.PROTOCOL_ERROR, "wrong_accept_key"),
        (answer(Sec_WebSocket_Protocol=None), Outcome.PROTOCOL_ERROR, "wrong_subprotocol"),
        (answer(Sec_WebSocket_Extensions="x"), Outcome.PROTOCOL_ERROR, "unasked_extension"),
    ],
)
def test_every_other_answer_is_an_outcome(head: bytes, outcome: Outcome, reason: str) -> None:
    with pytest.raises(AttemptError) as refused:
        check_response(head, key=KEY, subprotocol="p")
    assert (refused.value.outcome, refused.value.reason) == (outcome, reason)


def test_a_repeated_header_is_joined_so_that_it_cannot_hide() -> None:
    _, headers = parse_head(b"HTTP/1.1 101 x\r\nA: 1\r\na: 2")
    assert headers == {"a": "1, 2"}


@pytest.mark.parametrize(
    "line", [b"no colon", b": empty", b"name : space", b"a: b\nc: d", b"a: \0"]
)
def test_a_bent_header_is_refused(line: bytes) -> None:
    with pytest.raises(AttemptError, match="bad_head"):
        parse_head(b"HTTP/1.1 101 x\r\n" + line)
