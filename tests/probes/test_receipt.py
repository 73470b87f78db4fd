"""The far end's receipt: fetched in the visit, checked, compared, kept, and never a figure."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from phusong.data.errors import ConfigError
from phusong.data.sample import Outcome, Sample
from phusong.probes.engines.multistream import Multistream
from phusong.probes.engines.ndt7 import Ndt7
from phusong.probes.interface import (
    Address,
    AttemptError,
    Engine,
    Limits,
    Target,
    Throughput,
)
from phusong.probes.receipt import Check, agrees, ask_receipt, read_key, read_receipt, signed_bytes
from phusong.probes.server import offers
from phusong.probes.server.limits import ServerLimits
from phusong.probes.server.receipts import Signer, receipt_of
from phusong.probes.server.service import MeasurementServer
from phusong.probes.speed import measure_visit
from phusong.probes.visits import disagreements

from .conftest import read_head

Start = Callable[[Callable[[socket.socket], None]], Target]
ID = "receipt-of-a-test-00001"
QUICK = Limits(duration_s=0.5, connect_s=1, handshake_s=0.5, stall_s=0.4, max_bytes=10**12)


def moved(bytes_moved: int = 10_000_000, *, mbps: float = 80.0, sent: int = 0) -> Throughput:
    return Throughput(
        mbps=mbps,
        bytes_moved=bytes_moved,
        start_s=0.0,
        end_s=1.0,
        test_id=ID,
        record={"payload_bytes": sent or bytes_moved},
    )


def said(**changes: object) -> dict[str, Any]:
    whole = {"version": 1, "test": ID, "direction": "download", "bytes": 10_000_000, "flows": 1}
    return whole | changes


def answered(receipt: object, **changes: object) -> dict[str, Any]:
    unsigned = {"receipt": receipt, "algorithm": None, "signature": None, "public_key": None}
    return unsigned | changes


@pytest.fixture
def signing(tmp_path: Path) -> Iterator[MeasurementServer]:
    limits = ServerLimits(runtime_s=2.0)
    with MeasurementServer(signing_key=tmp_path / "server.key", limits=limits) as server:
        yield server


def visit(server: MeasurementServer, engine: Engine | None, key: bytes | None = None) -> Sample:
    return measure_visit(
        Target.parse(server.url(4), allow_private=True),
        probe="p",
        started_at=datetime(2026, 7, 1, tzinfo=UTC),
        limits=QUICK,
        engine=engine,
        receipt_key=key,
    )


def kept(sample: Sample) -> dict[str, dict[str, Any]]:
    phases = json.loads(sample.source.record or "")["phases"]
    return {phase["phase"]: phase["receipt"] for phase in phases if "receipt" in phase}


@pytest.mark.parametrize("engine", [Ndt7(), Multistream(), Multistream(3)])
def test_a_visit_keeps_a_receipt_of_each_direction_that_agrees(
    signing: MeasurementServer, engine: Engine
) -> None:
    assert signing.public_key
    sample = visit(signing, engine, signing.public_key.encode())
    assert sample.reading, sample.reason
    receipts = kept(sample)
    assert set(receipts) == {"download", "upload"}
    for direction, receipt in receipts.items():
        assert (receipt["check"], receipt["agrees"]) == ("signed", True), receipt
        assert receipt["receipt"]["direction"] == direction
        assert receipt["receipt"]["engine"] == engine.name
        # What the far end's kernel told of its own end.
        assert {"rtt_us", "min_rtt_us", "busy_us", "rwnd_limited_us", "bytes_retransmitted"} <= set(
            receipt["receipt"]
        )
    assert receipts["download"]["counted_bytes"] == sample.reading.bytes_down
    assert receipts["upload"]["counted_bytes"] == sample.reading.bytes_up
    assert disagreements(sample) == []


def test_what_is_kept_can_be_checked_again_by_whoever_has_the_key(
    signing: MeasurementServer,
) -> None:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    assert signing.public_key
    public = serialization.load_pem_public_key(signing.public_key.encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    for receipt in kept(visit(signing, None)).values():
        assert receipt["check"] == "signed_by_unknown_key"
        data = signed_bytes(receipt["receipt"])
        public.verify(bytes.fromhex(receipt["signature"]), data, ec.ECDSA(hashes.SHA256()))


def test_a_receipt_that_says_something_else_is_marked_and_the_reading_stays_ours(
    signing: MeasurementServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lie(test: Any, now: datetime) -> dict[str, Any]:
        return receipt_of(test, now) | {"bytes": 1 << 50}

    monkeypatch.setattr(offers, "receipt_of", lie)
    sample = visit(signing, None)
    assert sample.outcome is Outcome.OK
    assert sample.reading
    assert sample.reading.bytes_down is not None
    assert sample.reading.bytes_down < 1 << 40
    assert {receipt["agrees"] for receipt in kept(sample).values()} == {False}
    assert [(phase, theirs) for phase, theirs, _ in disagreements(sample)] == [
        ("download", 1 << 50),
        ("upload", 1 << 50),
    ]


def test_an_ended_flow_is_waited_for() -> None:
    with MeasurementServer(("127.0.0.1",)) as server:
        target = Target.parse(server.url(4), allow_private=True)
        ledger = server._hub.ledger
        flow = ledger.join(ID, engine="multistream", direction="upload", family=4)
        flow.moved, flow.ended = 10_000_000, "eof"
        leaving = threading.Timer(0.4, ledger.leave, (flow,))
        leaving.start()
        address = Address(4, ("127.0.0.1", target.port))
        found = ask_receipt(target, address, moved(), "upload", limits=QUICK)
        leaving.join()
    assert (found["check"], found["agrees"]) == ("unsigned", True)


# 10 MB at 80 Mbit/s: 2 % and 64 KiB are 265,536 bytes, half a second is 5 MB.
@pytest.mark.parametrize(
    ("direction", "sent", "counted", "expected"),
    [
        ("download", 0, 10_000_000, True),
        ("download", 0, 9_734_464, True),
        ("download", 0, 9_734_463, False),
        ("download", 0, 15_265_536, True),
        ("download", 0, 15_265_537, False),
        ("upload", 12_000_000, 12_265_536, True),
        ("upload", 12_000_000, 12_265_537, False),
        ("upload", 12_000_000, 9_734_463, False),
        ("upload", 12_000_000, 0, False),
    ],
)
def test_a_receipt_agrees_within_what_can_have_been_under_way(
    direction: str, sent: int, counted: int, expected: bool
) -> None:
    assert agrees(counted, moved(sent=sent), direction) is expected


def test_a_far_end_that_cannot_count_neither_agrees_nor_disagrees() -> None:
    assert read_receipt(answered(said(bytes=None)), moved(), "download", None).agrees is None


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"receipt": None},
        answered([]),
        answered(said(bytes=-1)),
        answered(said(bytes="10")),
        answered(said(bytes=1e300)),
        answered(said(bytes=True)),
        answered(said(flows=[1])),
        answered(said(ended_by="à")),
        answered(said(**{f"more{i}": i for i in range(40)})),
        answered(said(), signature=5),
    ],
)
def test_what_is_no_receipt_is_none(answer: object) -> None:
    with pytest.raises(AttemptError, match="bad_receipt"):
        read_receipt(answer, moved(), "download", None)


@pytest.mark.parametrize("changes", [{"test": ID + "x"}, {"direction": "upload"}])
def test_a_receipt_of_another_test_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(AttemptError, match="another_tests_receipt"):
        read_receipt(answered(said(**changes)), moved(), "download", None)


def test_what_a_signature_is_worth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signer, other = Signer(tmp_path / "a.key"), Signer(tmp_path / "b.key")
    assert signer.public_key
    assert other.public_key
    whole, key = signer.answer(said()), signer.public_key.encode()

    def check(answer: dict[str, Any], known: bytes | None) -> Check:
        return read_receipt(answer, moved(), "download", known).check

    assert check(whole, key) is Check.SIGNED
    assert check(whole, None) is Check.SIGNED_BY_UNKNOWN_KEY
    assert check(whole, other.public_key.encode()) is Check.ANOTHER_KEY
    assert check(answered(said()), key) is Check.UNSIGNED
    for broken in (
        {"receipt": said(flows=2)},
        {"signature": "zz"},
        {"signature": "30"},
        {"algorithm": "none"},
        {"public_key": "no key"},
        {"public_key": None},
    ):
        assert check(whole | broken, None) is Check.BAD_SIGNATURE, broken
    monkeypatch.setitem(__import__("sys").modules, "cryptography.exceptions", None)
    assert check(whole, None) is Check.UNCHECKED


def answering(reply: bytes) -> Callable[[socket.socket], None]:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(reply)

    return script


@pytest.mark.parametrize(
    ("reply", "missing"),
    [
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "http_404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[[", "bad_receipt"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "endless_body"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", "compressed"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n\r\n", "http_302"),
        (b"SSH-2.0\r\n\r\n", "not_http"),
        (b"", "closed_in_head"),
    ],
)
def test_a_receipt_that_is_not_to_be_had_is_kept_as_the_reason(
    far_end: Start, reply: bytes, missing: str
) -> None:
    far = far_end(answering(reply))
    address = Address(4, (far.host, far.port))
    assert ask_receipt(far, address, moved(), "upload", limits=QUICK) == {"missing": missing}


def test_a_server_that_never_closes_the_account_is_not_waited_for_long(far_end: Start) -> None:
    far = far_end(answering(b"HTTP/1.1 409 Runs\r\nContent-Length: 0\r\n\r\n"))
    address = Address(4, (far.host, far.port))
    started = time.monotonic()
    assert ask_receipt(far, address, moved(), "upload", limits=QUICK) == {"missing": "http_409"}
    assert time.monotonic() - started < 10


def test_breaking_off_while_the_receipt_is_fetched_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("phusong.probes.receipt.fetch", interrupted)
    far = Target(host="127.0.0.1", port=9)
    with pytest.raises(KeyboardInterrupt):
        ask_receipt(far, Address(4, ("127.0.0.1", 9)), moved(), "upload", limits=QUICK)


def test_a_key_that_is_none_is_said_before_anything_is_measured(
    tmp_path: Path, phusong: Callable[..., Any]
) -> None:
    file = tmp_path / "key.pem"
    for text in ("no key", ""):
        file.write_text(text)
        with pytest.raises(ConfigError, match=r"key\.pem"):
            read_key(file)
    with pytest.raises(ConfigError, match="nowhere"):
        read_key(tmp_path / "nowhere")
    done = phusong("probe", "run", "--server", "ws://127.0.0.1:9", "--receipt-key", file)
    assert (done.code, "--receipt-key" in done.err) == (3, True)
    key = Signer(tmp_path / "server.key").public_key
    assert key
    file.write_text(key)
    assert read_key(file) == key.encode()


def test_a_person_is_told_of_a_receipt_that_disagrees(
    phusong: Callable[..., Any], server: MeasurementServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lie(test: Any, now: datetime) -> dict[str, Any]:
        return receipt_of(test, now) | {"bytes": 1}

    monkeypatch.setattr(offers, "receipt_of", lie)
    more = ("--duration", 0.5, "--allow-private")
    done = phusong("probe", "run", "--server", server.url(4), *more)
    assert done.code == 0, done.err
    assert "download: the far end counted 1 bytes" in done.err
