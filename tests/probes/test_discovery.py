"""Locate v2, against a Locate of our own on loopback; M-Lab's is never asked."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phusong.data.errors import ConfigError
from phusong.data.sample import Outcome, Sample
from phusong.data.store import Store
from phusong.probes.discovery import PUBLISHES, find_servers, is_public_archive, locate_target
from phusong.probes.interface import AttemptError, Target
from phusong.probes.server.service import MeasurementServer

from .conftest import read_head

Script = Callable[[socket.socket], None]
Start = Callable[[Script], Target]
TOKEN = "eyJhbGciOiJFZERTQSJ9.c2VjcmV0"


def urls(place: str, scheme: str = "ws", token: str = TOKEN) -> dict[str, str]:
    return {
        f"{scheme}:///ndt/v7/{way}": f"{scheme}://{place}/ndt/v7/{way}?access_token={token}&index=0"
        for way in ("download", "upload")
    }


def answer(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


@pytest.fixture
def locate(far_end: Start) -> Callable[..., Target]:
    """Start a Locate that gives these addresses, or this answer; `asked` sees its requests."""

    def start(*results: Any, raw: bytes | None = None, asked: list[bytes] | None = None) -> Target:
        body = json.dumps({"results": [{"machine": "m", "urls": each} for each in results]})

        def script(connection: socket.socket) -> None:
            head = read_head(connection)
            if asked is not None and head:
                asked.append(head)
            connection.sendall(answer(body.encode()) if raw is None else raw)
            time.sleep(0.05)

        port = far_end(script).port
        return locate_target(f"http://127.0.0.1:{port}/v2/nearest/ndt/ndt7", allow_private=True)

    return start


def test_servers_come_in_locates_order_with_their_tokens(locate: Callable[..., Target]) -> None:
    asked: list[bytes] = []
    both = urls("b.example:443", "ws") | urls("b.example:443", "wss")
    service = locate(urls("a.example:8080"), both, asked=asked)
    first, second = find_servers(service, "vn", family=6)
    assert any(b"GET /v2/nearest/ndt/ndt7?country=VN&strict=true " in head for head in asked)
    assert (first.host, first.port, first.tls, first.family) == ("a.example", 8080, False, 6)
    assert (second.host, second.port, second.tls) == ("b.example", 443, True)
    assert first.paths["upload"] == f"/ndt/v7/upload?access_token={TOKEN}&index=0"
    assert TOKEN not in repr(first) + first.url


@pytest.mark.parametrize(
    "bad",
    [
        {},
        None,
        {"ws:///ndt/v7/download": "ws://a/ndt/v7/download"},
        urls("a.example") | {"ws:///ndt/v7/upload": "ws://b.example/ndt/v7/upload"},
        urls("user@a.example"),
        urls("a.example:0"),
        urls("a.example:99999"),
        urls("[::1"),
        urls("a.example", token="x\r\nHost: b"),
        urls("a.example", token="x y"),
        urls("a.example", token="x" * 5000),
        {key: f"http{url[2:]}" for key, url in urls("a.example").items()},
        dict.fromkeys(urls("a.example"), 7),
    ],
)
def test_an_address_that_is_none_is_passed_over(bad: Any, locate: Callable[..., Target]) -> None:
    (found,) = find_servers(locate(bad, urls("good.example")), "VN")
    assert found.host == "good.example"
    with pytest.raises(AttemptError, match="no_servers"):
        find_servers(locate(bad), "VN")


@pytest.mark.parametrize(
    ("raw", "outcome", "reason"),
    [
        (answer(b"", "204 No Content"), Outcome.SERVER_ERROR, "http_204"),
        (
            answer(b"", "503 Busy", "Retry-After: 120\r\n"),
            Outcome.SERVER_ERROR,
            "http_503",
        ),
        (answer(b'{"results": []}'), Outcome.SERVER_ERROR, "no_servers"),
        (answer(b"{}"), Outcome.SERVER_ERROR, "no_servers"),
        (answer(b"[]"), Outcome.PROTOCOL_ERROR, "bad_json"),
        (answer(b'{"results": 3}'), Outcome.PROTOCOL_ERROR, "bad_json"),
        (answer(b"[" * 50_000), Outcome.PROTOCOL_ERROR, "bad_json"),
        (answer(b"x" * 70_000), Outcome.PROTOCOL_ERROR, "endless_body"),
        (
            b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000,
            Outcome.PROTOCOL_ERROR,
            "endless_body",
        ),
        (
            answer(b"\x1f\x8b", more="Content-Encoding: gzip\r\n"),
            Outcome.PROTOCOL_ERROR,
            "compressed",
        ),
        (
            answer(b"", "302 Found", "Location: http://169.254.169.254/latest\r\n"),
            Outcome.PROTOCOL_ERROR,
            "redirected",
        ),
        (
            answer(b"<html>", "200 OK", "Content-Type: text/html\r\n"),
            Outcome.PROTOCOL_ERROR,
            "captive_portal",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", Outcome.PROTOCOL_ERROR, "closed_early"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            Outcome.PROTOCOL_ERROR,
            "bad_chunk",
        ),
    ],
)
def test_a_locate_that_is_none_is_an_outcome(
    raw: bytes, outcome: Outcome, reason: str, locate: Callable[..., Target]
) -> None:
    with pytest.raises(AttemptError) as ended:
        find_servers(locate(raw=raw), "VN")
    assert (ended.value.outcome, ended.value.reason) == (outcome, reason)
    if "503" in reason:
        assert ended.value.record == {"retry_after_s": 120}


def test_an_answer_in_chunks_is_read(locate: Callable[..., Target]) -> None:
    body = json.dumps({"results": [{"urls": urls("a.example")}]}).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:9], body[9:]))
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    assert find_servers(locate(raw=raw), "VN")[0].host == "a.example"


@pytest.mark.parametrize("country", ["", "V", "VNM", "V1", "Việt", "&x"])
def test_a_country_has_two_letters(country: str, locate: Callable[..., Target]) -> None:
    with pytest.raises(ConfigError, match="two letters"):
        find_servers(locate(urls("a.example")), country)


def test_m_labs_own_servers_are_known_by_name() -> None:
    named = Target(host="ndt-mlab1-han01.mlab-oti.measurement-lab.org", port=443)
    assert is_public_archive(named)
    assert not is_public_archive(Target(host="measurement-lab.org.evil.example", port=443))


def kept(path: Path) -> list[Sample]:
    with Store.open(path, create=False) as store:
        return [Sample.from_body(body) for _, body in store.bodies()]


def test_by_country_the_next_server_is_taken_and_the_notice_is_shown_once(
    phusong: Callable[..., Any],
    server: MeasurementServer,
    locate: Callable[..., Target],
    far_end: Start,
    tmp_path: Path,
) -> None:
    def full(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(answer(b"", "503 Busy", "Retry-After: 60\r\n"))

    refusing = f"127.0.0.1:{far_end(full).port}"
    working = f"127.0.0.1:{server.listening[0].port}"
    service = locate(urls(refusing), urls(working))
    options = ("--country", "VN", "--locate", service.url, "--engine", "ndt7")
    more = ("--duration", 0.5, "--allow-private")
    done = phusong("probe", "run", *options, *more)
    assert done.code == 0, done.err
    assert done.err.count(PUBLISHES) == 1
    refused, measured = kept(tmp_path / "test.db")
    assert (refused.outcome, refused.reason) == (Outcome.SERVER_ERROR, "download_http_503")
    assert measured.outcome is Outcome.OK
    assert measured.server == f"ws://{working}"
    record = json.loads(measured.source.record or "")
    assert record["found_by"]["notice"] == PUBLISHES
    assert json.loads(refused.source.record or "")["phases"][-1]["retry_after_s"] == 60
    again = phusong("probe", "run", *options, *more)
    assert PUBLISHES not in again.err
    everything = (tmp_path / "test.db").read_bytes() + (done.out + done.err).encode()
    assert TOKEN.encode() not in everything


def test_a_locate_that_refuses_is_a_sample_too(
    phusong: Callable[..., Any], locate: Callable[..., Target], tmp_path: Path
) -> None:
    service = locate(raw=answer(b"", "503 Busy", "Retry-After: 9\r\n"))
    done = phusong("probe", "run", "--country", "VN", "--locate", service.url, "--allow-private")
    assert done.code == 1
    (sample,) = kept(tmp_path / "test.db")
    assert (sample.outcome, sample.reason) == (Outcome.SERVER_ERROR, "locate_http_503")


def test_a_located_private_address_is_refused_unless_allowed(
    phusong: Callable[..., Any], locate: Callable[..., Target], tmp_path: Path
) -> None:
    service = locate(urls("127.0.0.1:9"))
    done = phusong("probe", "run", "--country", "VN", "--locate", service.url)
    assert done.code == 1
    assert kept(tmp_path / "test.db")[0].outcome is Outcome.ADDRESS_REFUSED
