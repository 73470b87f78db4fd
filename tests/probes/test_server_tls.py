"""The same endpoints over TLS."""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from phusong.probes.connection import client_context
from phusong.probes.server.limits import ServerLimits
from phusong.probes.server.service import MeasurementServer

ID = "receipt-of-a-test-00001"


@pytest.fixture
def server_over_tls(certificates: Path) -> Iterator[MeasurementServer]:
    with MeasurementServer(
        certificate=certificates / "good.pem",
        key=certificates / "good.key",
        limits=ServerLimits(head_s=1, connections_per_address=6),
    ) as server:
        yield server


@pytest.fixture
def trust(certificates: Path) -> ssl.SSLContext:
    return client_context(certificates / "ca.pem")


def connect(server: MeasurementServer, trust: ssl.SSLContext) -> ssl.SSLSocket:
    place = server.listening[0]
    raw = socket.create_connection((place.host, place.port), timeout=5)
    return trust.wrap_socket(raw, server_hostname=place.host)


def test_a_connection_is_kept_and_measured_on(
    server_over_tls: MeasurementServer, trust: ssl.SSLContext
) -> None:
    place = server_over_tls.listening[0]
    client = http.client.HTTPSConnection(place.host, place.port, timeout=5, context=trust)
    client.request("GET", "/garbage.php?ckSize=2")
    assert len(client.getresponse().read()) == 2 << 20
    kept = client.sock
    client.request("POST", "/empty.php", body=bytes(300_000))
    assert client.getresponse().read() == b""
    client.request("GET", "/.well-known/nq")
    urls = json.load(client.getresponse())["urls"]
    assert client.sock is kept
    assert all(url.startswith("https://") for url in urls.values())
    client.close()
    moved = [(test.sent_bytes, test.received_bytes) for test in server_over_tls.finished]
    assert moved == [(2 << 20, 0), (0, 300_000)]


def test_a_multistream_upload_ends_with_its_last_chunk(
    server_over_tls: MeasurementServer, trust: ssl.SSLContext
) -> None:
    with connect(server_over_tls, trust) as sock:
        sock.sendall(
            f"POST /phusong/v1/upload?test={ID} HTTP/1.1\r\nHost: x\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        for _ in range(20):
            sock.sendall(b"8000\r\n" + bytes(0x8000) + b"\r\n")
        sock.sendall(b"0\r\n\r\n")
        seen = b""
        while chunk := sock.recv(65536):
            seen += chunk
    last = json.loads(seen.splitlines()[-1])
    assert (last["bytes"], last["end"]) == (20 * 0x8000, "complete")


def test_a_download_goes_on_until_the_client_has_enough(
    server_over_tls: MeasurementServer, trust: ssl.SSLContext
) -> None:
    taken = 0
    with connect(server_over_tls, trust) as sock:
        sock.sendall(b"GET /phusong/v1/download HTTP/1.1\r\nHost: x\r\n\r\n")
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            taken += len(sock.recv(65536))
    until = time.monotonic() + 5
    while not server_over_tls.finished and time.monotonic() < until:
        time.sleep(0.02)
    done = server_over_tls.finished[-1]
    assert (done.engine, done.ended) == ("multistream", "reset")
    assert done.sent_bytes > taken - 1000 > 0


def test_handshakes_that_never_end_keep_nobody_out(
    server_over_tls: MeasurementServer, trust: ssl.SSLContext
) -> None:
    place = server_over_tls.listening[0]
    with ExitStack() as stack:
        for _ in range(30):
            slow = stack.enter_context(socket.create_connection((place.host, place.port), 5))
            slow.sendall(b"\x16\x03\x01\x02")
        client = http.client.HTTPSConnection(place.host, place.port, timeout=5, context=trust)
        client.request("GET", "/phusong/v1/small", headers={"Connection": "close"})
        assert client.getresponse().read() == b"x"
    until = time.monotonic() + 5
    while server_over_tls.busy and time.monotonic() < until:
        time.sleep(0.02)
    assert server_over_tls.busy == 0
