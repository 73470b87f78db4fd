"""Plain HTTP against the server: what is kept open, what is refused, what LibreSpeed asks."""

import http.client
import json
import socket
import time
from collections.abc import Iterator

import pytest

from phusong.data.sample import Outcome
from phusong.probes.interface import AttemptError
from phusong.probes.server.bodies import ChunkedBody, LengthBody
from phusong.probes.server.limits import ServerLimits
from phusong.probes.server.service import MeasurementServer


@pytest.fixture
def client(server: MeasurementServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.listening[0].port, timeout=5)
    yield connection
    connection.close()


def fetch(
    client: http.client.HTTPConnection,
    path: str,
    method: str = "GET",
    body: object = None,
    **headers: str,
) -> tuple[http.client.HTTPResponse, bytes]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    client.request(method, path, body=body, headers=sent)
    answer = client.getresponse()
    return answer, answer.read()


def raw(server: MeasurementServer, request: bytes) -> bytes:
    """Send bytes, and give all that comes back."""
    with socket.create_connection(("127.0.0.1", server.listening[0].port), timeout=5) as sock:
        sock.sendall(request)
        seen = b""
        try:
            while chunk := sock.recv(65536):
                seen += chunk
        except ConnectionResetError:
            pass
        return seen


def test_one_connection_serves_request_after_request(client: http.client.HTTPConnection) -> None:
    fetch(client, "/phusong/v1/small")
    first = client.sock
    for _ in range(20):
        answer, body = fetch(client, "/phusong/v1/small")
        assert (answer.status, body) == (200, b"x")
    fetch(client, "/garbage.php?ckSize=1")
    fetch(client, "/empty.php", "POST", b"abc")
    assert client.sock is first


def test_two_requests_sent_at_once_are_answered_in_turn(server: MeasurementServer) -> None:
    one = b"GET /phusong/v1/small HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /speedtest/latency.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    seen = raw(server, one + last)
    assert seen.count(b"HTTP/1.1 200 OK") == 2
    assert seen.endswith(b"test=test")


def test_a_connection_that_asks_for_nothing_more_is_ended() -> None:
    limits = ServerLimits(keep_alive_s=0.3)
    with MeasurementServer(("127.0.0.1",), limits=limits) as server:
        started = time.monotonic()
        assert raw(server, b"GET /phusong/v1/small HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"x")
        assert time.monotonic() - started < 4


def test_a_connection_has_a_bounded_number_of_requests() -> None:
    limits = ServerLimits(requests_per_connection=3)
    with MeasurementServer(("127.0.0.1",), limits=limits) as server:
        seen = raw(server, 10 * b"GET /phusong/v1/small HTTP/1.1\r\nHost: x\r\n\r\n")
    assert seen.count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: -5",
        b"Content-Length: +5",
        b"Content-Length: 5, 5",
        b"Content-Length: 99999999999999999999",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: identity",
    ],
)
def test_a_body_delimited_in_two_ways_or_none_is_refused(
    server: MeasurementServer, headers: bytes
) -> None:
    request = b"POST /empty.php HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\nhello"
    assert raw(server, request).startswith(b"HTTP/1.1 400 ")
    assert not server.finished


def test_a_body_that_nobody_reads_ends_the_connection(server: MeasurementServer) -> None:
    inner = b"GET /speedtest/latency.txt HTTP/1.1\r\nHost: x\r\n\r\n"
    outer = b"GET /phusong/v1/small HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(inner)
    seen = raw(server, outer + inner)
    assert seen.count(b"HTTP/1.1 ") == 1
    assert b"test=test" not in seen


def test_garbage_is_as_long_as_asked_for_and_never_compresses(
    client: http.client.HTTPConnection,
) -> None:
    import zlib

    answer, body = fetch(client, "/garbage.php?ckSize=3&cors=true")
    assert len(body) == 3 << 20
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert len(zlib.compress(body[: 1 << 20], 1)) > 1 << 20
    assert len(fetch(client, "/backend/garbage.php")[1]) == 4 << 20


@pytest.mark.parametrize("size", ["0", "1025", "-1", "1e3", "9" * 30, "", "%D9%A1"])
def test_garbage_of_a_size_that_is_none_is_refused(
    client: http.client.HTTPConnection, size: str
) -> None:
    assert fetch(client, f"/garbage.php?ckSize={size}")[0].status == 400


def test_an_upload_is_counted_whichever_way_it_is_delimited(
    server: MeasurementServer, client: http.client.HTTPConnection
) -> None:
    answer, body = fetch(client, "/empty.php?r=1", "POST", bytes(100_000))
    assert (answer.status, body) == (200, b"")
    fetch(client, "/empty.php", "POST", iter([b"x" * 70_000, b"y", b"z" * 30_000]))
    assert [test.received_bytes for test in server.finished] == [100_000, 100_001]
    assert {(test.engine, test.ended) for test in server.finished} == {("librespeed", "complete")}


def test_who_expects_a_go_ahead_gets_it_before_sending(server: MeasurementServer) -> None:
    with socket.create_connection(("127.0.0.1", server.listening[0].port), timeout=5) as sock:
        sock.sendall(
            b"POST /speedtest/upload.php HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Content-Length: 4\r\nConnection: close\r\n\r\n"
        )
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"1234")
        seen = b""
        while chunk := sock.recv(1000):
            seen += chunk
    assert seen.endswith(b"size=4")


def test_a_browser_of_another_site_may_ask(client: http.client.HTTPConnection) -> None:
    answer, body = fetch(client, "/empty.php", "OPTIONS")
    assert (answer.status, body) == (204, b"")
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert fetch(client, "/phusong/v1/small")[0].status == 200


def test_a_wrong_method_is_told_the_right_ones(client: http.client.HTTPConnection) -> None:
    answer, _ = fetch(client, "/phusong/v1/upload")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


def test_a_client_learns_its_own_address_only(
    server: MeasurementServer, client: http.client.HTTPConnection
) -> None:
    _, body = fetch(client, "/getIP.php?isp=true&distance=km")
    assert json.loads(body) == {"processedString": "127.0.0.1", "rawIspInfo": ""}


def test_responsiveness_is_pointed_back_to_the_name_that_was_asked(
    client: http.client.HTTPConnection,
) -> None:
    _, body = fetch(client, "/.well-known/nq", Host="test.example:8080")
    said = json.loads(body)
    assert said["version"] == 1
    # The draft's field holds a host alone, without a port, and is for servers that stand elsewhere.
    assert "test_endpoint" not in said
    assert set(said["urls"]) == {"small_download_url", "large_download_url", "upload_url"}
    assert all(url.startswith("http://test.example:8080/") for url in said["urls"].values())
    assert fetch(client, "/.well-known/nq", Host="evil.example/x?")[0].status == 400


def test_a_proxy_on_this_machine_may_say_that_its_client_has_tls(
    client: http.client.HTTPConnection,
) -> None:
    _, body = fetch(
        client, "/.well-known/nq", **{"Host": "nq.example", "X-Forwarded-Proto": "https"}
    )
    urls = json.loads(body)["urls"]
    assert all(url.startswith("https://nq.example/") for url in urls.values())
    assert urls["large_https_download_url"] == urls["large_download_url"]
    _, body = fetch(client, "/.well-known/nq", **{"Host": "nq.example", "X-Forwarded-Proto": "x"})
    assert json.loads(body)["urls"]["upload_url"].startswith("http://")


def test_bytes_of_one_test_are_bounded() -> None:
    limits = ServerLimits(max_test_bytes=2_000_000)
    with MeasurementServer(("127.0.0.1",), limits=limits) as server:
        seen = raw(server, b"GET /garbage.php?ckSize=100 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert len(seen) < 4_000_000
        assert server.finished[-1].ended == "budget"


def test_a_transfer_ends_at_the_longest_time_and_when_nothing_moves() -> None:
    limits = ServerLimits(max_runtime_s=0.4, idle_s=0.2)
    with MeasurementServer(("127.0.0.1",), limits=limits) as server:
        assert raw(server, b"GET /phusong/v1/download HTTP/1.1\r\nHost: x\r\n\r\n")
        head = b"POST /empty.php HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"
        assert raw(server, head) == b""
        assert [test.ended for test in server.finished] == ["time", "idle"]


def cut(body: ChunkedBody, wire: bytes, step: int) -> bytes:
    """Feed bytes piece by piece; give what comes after the body."""
    for at in range(0, len(wire), step):
        rest = body.feed(wire[at : at + step])
        if body.done:
            return rest + wire[at + step :]
    return b""


@pytest.mark.parametrize("step", [1, 2, 3, 5, 100])
def test_chunks_are_counted_however_they_are_cut(step: int) -> None:
    body = ChunkedBody()
    wire = b"5\r\nhello\r\nA;name=value\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nNEXT"
    assert cut(body, wire, step) == b"NEXT"
    assert (body.count, body.done) == (15, True)


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"xyz\r\n", "bad_chunk"),
        (b"-5\r\n", "bad_chunk"),
        (b"0x5\r\n", "bad_chunk"),
        (b"1_0\r\n", "bad_chunk"),
        (b"\r\n", "bad_chunk"),
        (b"5\nhello", "bad_chunk"),
        (b"3\r\nabcdef\r\n", "bad_chunk"),
        (b"f" * 16 + b"\r\n", "bad_chunk"),
        (b"5;" + b"x" * 300, "endless_chunk_line"),
        (b"0\r\n" + b"A: b\r\n" * 20, "endless_trailers"),
        (b"1\r\nx\r\n" * 5000, "tiny_chunks"),
    ],
)
def test_chunks_that_break_a_rule_are_named(wire: bytes, reason: str) -> None:
    with pytest.raises(AttemptError) as broken:
        ChunkedBody().feed(wire)
    assert (broken.value.outcome, broken.value.reason) == (Outcome.PROTOCOL_ERROR, reason)


def test_a_body_of_known_length_leaves_what_follows() -> None:
    body = LengthBody(5)
    assert body.feed(b"hel") == b""
    assert body.feed(b"loNEXT") == b"NEXT"
    assert (body.count, body.done) == (5, True)
