"""Answers of strangers: read, refused by name, or ignored; never an escape."""

import asyncio
import struct
from collections.abc import Callable

import dns.message
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phusong.probes.interface import AttemptError
from phusong.probes.ipv6.messages import answers, query_of, question_of, read_answer
from phusong.probes.ipv6.resolver import Resolver, Server

from .conftest import Zone

QUESTION = question_of("www.gov.lab", "AAAA")


def reply(*rrsets: dns.rrset.RRset) -> bytes:
    message = dns.message.make_response(dns.message.from_wire(query_of(7, QUESTION)))
    message.answer.extend(rrsets)
    return message.to_wire()


def test_a_query_is_one_that_dnspython_reads() -> None:
    query = dns.message.from_wire(query_of(7, QUESTION, unchecked=True))
    assert query.id == 7
    assert query.question[0].to_text() == "www.gov.lab. IN AAAA"
    assert query.payload == 1232
    assert {"RD", "AD", "CD"} == set(dns.flags.to_text(query.flags).split())


def test_every_type_that_an_audit_asks_for_is_read() -> None:
    def rrset(kind: str, text: str) -> dns.rrset.RRset:
        return dns.rrset.from_text("www.gov.lab.", 60, "IN", kind, text)

    answer = read_answer(
        reply(
            rrset("CNAME", "a.gov.lab."),
            rrset("A", "192.0.2.1"),
            rrset("AAAA", "2001:db8::1"),
            rrset("NS", "NS1.gov.lab."),
            rrset("MX", "10 mx.gov.lab."),
            rrset("TXT", '"left out"'),
            rrset("DS", "1 8 2 " + "00" * 32),
        ),
        QUESTION,
    )
    assert [(r.kind, r.value, r.preference) for r in answer.records] == [
        ("CNAME", "a.gov.lab", None),
        ("A", "192.0.2.1", None),
        ("AAAA", "2001:db8::1", None),
        ("NS", "ns1.gov.lab", None),
        ("MX", "mx.gov.lab", 10),
        ("DS", "", None),
    ]
    assert {r.owner for r in answer.records} == {"www.gov.lab"}


def test_an_answer_to_another_question_is_no_answer() -> None:
    assert answers(reply(), QUESTION)
    assert not answers(reply(), question_of("other.gov.lab", "AAAA"))
    assert not answers(reply(), question_of("www.gov.lab", "A"))
    assert not answers(query_of(7, QUESTION), QUESTION)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 65535))
def test_any_bytes_are_read_or_refused(tail: bytes, count: int) -> None:
    wire = struct.pack("!HHHHHH", 7, 0x8180, 1, count, 0, 0) + QUESTION + tail
    try:
        read_answer(wire, QUESTION)
    except AttemptError as error:
        assert error.reason == "malformed_answer"


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_damaged_answer_is_read_or_refused(data: st.DataObject) -> None:
    good = bytearray(
        reply(dns.rrset.from_text("www.gov.lab.", 60, "IN", "MX", "1 a.gov.lab.", "2 b.gov.lab."))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(12 + len(QUESTION), len(good) - 1))] = data.draw(
            st.integers(0, 255)
        )
    cut = data.draw(st.integers(12 + len(QUESTION), len(good)))
    try:
        read_answer(bytes(good[:cut]), QUESTION)
    except AttemptError as error:
        assert error.reason == "malformed_answer"


def test_a_pointer_that_points_at_itself_is_refused() -> None:
    start = 12 + len(QUESTION)
    wire = struct.pack("!HHHHHH", 7, 0x8180, 1, 1, 0, 0) + QUESTION
    with pytest.raises(AttemptError):
        read_answer(wire + struct.pack("!H", 0xC000 | start) + b"\0" * 10, QUESTION)


def ask(server: Server, name: str = "www.gov.lab", **changes: object) -> object:
    async def run() -> object:
        async with Resolver([server], timeout_s=0.4, **changes) as resolver:
            return await resolver.ask(name, "AAAA")

    return asyncio.run(run())


def test_a_truncated_answer_is_asked_for_again_over_tcp(
    serve_dns: Callable[..., Server],
) -> None:
    zone = Zone(records={("www.gov.lab", "AAAA"): ["2001:db8::1"]}, truncate=True)
    assert len(ask(serve_dns(zone)).records) == 1


def test_an_answer_with_a_wrong_id_or_to_another_question_is_waited_past(
    serve_dns: Callable[..., Server],
) -> None:
    zone = Zone(raw=lambda wire: bytes([wire[0] ^ 1]) + wire[1:2] + b"\x81" + wire[3:])
    with pytest.raises(AttemptError) as caught:
        ask(serve_dns(zone))
    assert caught.value.reason == "dns_timeout"


def test_a_server_that_is_not_there_is_named_so() -> None:
    with pytest.raises(AttemptError) as caught:
        ask(Server("127.0.0.1", 9))
    assert caught.value.reason in ("resolver_unreachable", "dns_timeout")
