"""
DNS messages, read with dnspython's own parser.

dnspython decodes names and bounds every read; what is left out is its general message object,
which costs 130 to 340 us an answer where the few types that an audit asks for cost a tenth of
it. aiodns would be quicker still, but its c-ares knows neither DS nor DNSKEY and hides the AD
bit, without which nothing can be said about DNSSEC.

A query asks for the AD bit without DO (RFC 6840, 5.7): the answer is the same but carries no
signatures, so fewer answers are cut.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import dns.exception
import dns.name
import dns.wire

from ...data.sample import Outcome
from ..interface import AttemptError, one_line

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "AAAA": 28, "DS": 43, "DNSKEY": 48}
_NAMES_OF_TYPES = {number: name for name, number in TYPES.items()}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 2, 3, 4, 5
MAX_RECORDS = 256

_HEADER = struct.Struct("!HHHHHH")
_QR, _AA, _TC, _RD, _RA, _AD, _CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
# The root's name, type OPT, 1232 bytes of UDP payload (what DNS flag day 2020 advises), no flags.
_OPT = b"\x00" + struct.pack("!HHIH", 41, 1232, 0, 0)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of an answer: addresses and names as text, presence only for keys."""

    owner: str
    kind: str
    value: str
    preference: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said: `authentic` is its AD bit, `recursive` that it looked further itself."""

    rcode: int
    authentic: bool
    recursive: bool
    truncated: bool
    records: tuple[Record, ...]


def question_of(name: str, kind: str) -> bytes:
    """
    Give the question section that asks for a name and type.

    Raises
    ------
    AttemptError
        If the text is no name.
    """
    try:
        wire = dns.name.from_text(name).to_wire()
    except (dns.exception.DNSException, UnicodeError):
        raise AttemptError(Outcome.DNS_FAILURE, "bad_name", name=one_line(name)) from None
    assert wire is not None
    return wire + struct.pack("!HH", TYPES[kind], 1)


def query_of(identity: int, question: bytes, *, unchecked: bool = False) -> bytes:
    """Give a query; `unchecked` sets CD, which asks for the answer even if it is bogus."""
    flags = _RD | _AD | (_CD if unchecked else 0)
    return _HEADER.pack(identity, flags, 1, 0, 0, 1) + question + _OPT


def answers(wire: bytes, question: bytes) -> bool:
    """Tell whether a datagram is an answer to this question and not to another one."""
    if len(wire) < _HEADER.size:
        return False
    _, flags, questions, *_ = _HEADER.unpack_from(wire)
    if not flags & _QR:
        return False
    if questions == 0:
        # A server that could not read the query may leave the question out.
        return flags & 0xF in (FORMERR, NOTIMP, REFUSED)
    return questions == 1 and wire[12 : 12 + len(question)].lower() == question.lower()


def read_answer(wire: bytes, question: bytes) -> Answer:
    """
    Read an answer for which `answers` holds.

    Raises
    ------
    AttemptError
        If the message is malformed.
    """
    _, flags, questions, count, *_ = _HEADER.unpack_from(wire)
    start = _HEADER.size + (len(question) if questions else 0)
    records: list[Record] = []
    if not flags & _TC:
        try:
            parser = dns.wire.Parser(wire, start)
            for _ in range(min(count, MAX_RECORDS)):
                record = _read_record(parser)
                if record is not None:
                    records.append(record)
        except (dns.exception.DNSException, ValueError, struct.error) as error:
            raise AttemptError(
                Outcome.PROTOCOL_ERROR, "malformed_answer", error=one_line(str(error))
            ) from None
    return Answer(
        rcode=flags & 0xF,
        authentic=bool(flags & _AD),
        recursive=bool(flags & _RA),
        truncated=bool(flags & _TC),
        records=tuple(records),
    )


def _read_record(parser: dns.wire.Parser) -> Record | None:
    owner = _text(dns.name.from_wire_parser(parser))
    number, family, _, length = parser.get_struct("!HHIH")
    kind = _NAMES_OF_TYPES.get(number)
    if kind is None or family != 1:
        parser.get_bytes(length)
        return None
    with parser.restrict_to(length):
        if kind == "A":
            return Record(owner, kind, str(IPv4Address(parser.get_bytes(4))))
        if kind == "AAAA":
            return Record(owner, kind, str(IPv6Address(parser.get_bytes(16))))
        if kind in ("NS", "CNAME"):
            return Record(owner, kind, _text(dns.name.from_wire_parser(parser)))
        if kind == "MX":
            preference = parser.get_uint16()
            return Record(owner, kind, _text(dns.name.from_wire_parser(parser)), preference)
        parser.get_bytes(length)
        return Record(owner, kind, "")


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() if len(name) > 1 else "."
