"""Several connections as one test, and the receipt that the server gives for it."""

import json
import socket
import stat
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from phusong.data.errors import ConfigError
from phusong.probes.interface import Target
from phusong.probes.receipt import signed_bytes
from phusong.probes.server.ledger import KEPT_S, Ledger
from phusong.probes.server.limits import ServerLimits
from phusong.probes.server.receipts import Signer, receipt_of
from phusong.probes.server.requests import RefusedError
from phusong.probes.server.service import MeasurementServer

ID = "receipt-of-a-test-00001"


def open_flow(server: MeasurementServer, first: str, *lines: str) -> socket.socket:
    place = server.listening[0]
    sock = socket.create_connection((place.host, place.port), timeout=5)
    head = "\r\n".join([f"{first} HTTP/1.1", "Host: x", *lines])
    sock.sendall(head.encode() + b"\r\n\r\n")
    return sock


def read_answer(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    seen = b""
    while b"\r\n\r\n" not in seen:
        chunk = sock.recv(4096)
        assert chunk, seen
        seen += chunk
    head, _, rest = seen.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), rest


def get(server: MeasurementServer, path: str) -> Any:
    url = server.url(4).replace("ws", "http", 1) + path
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def receipt(server: MeasurementServer, test: str = ID) -> Any:
    """Ask for a receipt, while flows still end."""
    until = time.monotonic() + 5
    while True:
        try:
            return get(server, f"/phusong/v1/receipt?test={test}")
        except urllib.error.HTTPError as error:
            if error.code != 409 or time.monotonic() > until:
                raise
            time.sleep(0.05)


def take(sock: socket.socket, seconds: float) -> int:
    """Receive for a while; give how much came."""
    _, _, rest = read_answer(sock)
    taken, until = len(rest), time.monotonic() + seconds
    while time.monotonic() < until and (chunk := sock.recv(1 << 16)):
        taken += len(chunk)
    return taken


def test_the_offer_names_the_engines_and_the_limits(server: MeasurementServer) -> None:
    offer = get(server, "/phusong/v1/echo")
    assert offer["engines"] == ["multistream", "ndt7"]
    assert offer["max_flows"] == 16
    assert offer["max_bytes"] == ServerLimits().max_test_bytes
    assert len(json.dumps(offer)) < 1024


def test_flows_of_a_download_are_one_test_with_one_receipt(server: MeasurementServer) -> None:
    taken: list[int] = []

    def run() -> None:
        with open_flow(server, f"GET /phusong/v1/download?test={ID}&flows=4") as sock:
            taken.append(take(sock, 0.4))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = receipt(server)["receipt"]
    assert (said["engine"], said["direction"]) == ("multistream", "download")
    assert (said["flows"], said["flows_told"], said["family"]) == (4, 4, 4)
    until = time.monotonic() + 5
    while not server.served and time.monotonic() < until:
        time.sleep(0.01)
    assert (server.served, server.metrics.value("phusong_flows_total")) == (1, 4)
    assert said["bytes_handed_over"] >= sum(taken)
    assert 0.4e6 <= said["duration_us"] < 10e6
    if said["bytes"] is not None:
        assert sum(taken) * 0.5 < said["bytes"] <= said["bytes_handed_over"]


def test_an_upload_is_counted_while_it_comes_and_at_its_end(server: MeasurementServer) -> None:
    head = f"POST /phusong/v1/upload?test={ID}"
    with open_flow(server, head, f"Content-Length: {1 << 61}") as sock:
        status, headers, rest = read_answer(sock)
        assert (status, headers["Connection"]) == (200, "close")
        sent = 0
        until = time.monotonic() + 0.8
        while time.monotonic() < until:
            sock.sendall(bytes(10_000))
            sent += 10_000
            time.sleep(0.005)
        sock.shutdown(socket.SHUT_WR)
        while chunk := sock.recv(4096):
            rest += chunk
    lines = [json.loads(line) for line in rest.splitlines()]
    counts = [line["bytes"] for line in lines]
    assert len(lines) >= 2
    assert counts == sorted(counts)
    assert lines[-1]["bytes"] == sent
    assert [line["end"] for line in lines] == [None] * (len(lines) - 1) + ["eof"]
    said = receipt(server)["receipt"]
    assert (said["bytes"], said["bytes_handed_over"]) == (sent, None)


def test_an_upload_in_chunks_ends_with_the_last_one(server: MeasurementServer) -> None:
    head = "POST /phusong/v1/upload"
    with open_flow(server, head, "Transfer-Encoding: chunked") as sock:
        _, _, rest = read_answer(sock)
        sock.sendall(b"10000\r\n" + bytes(65_536) + b"\r\n0\r\n\r\n")
        while chunk := sock.recv(4096):
            rest += chunk
    last = json.loads(rest.splitlines()[-1])
    assert (last["bytes"], last["end"]) == (65_536, "complete")


def test_an_upload_whose_client_never_reads_is_taken_all_the_same(
    server: MeasurementServer,
) -> None:
    with open_flow(server, "POST /phusong/v1/upload", "Content-Length: 20000000") as sock:
        sock.sendall(bytes(20_000_000))
        until = time.monotonic() + 5
        while not server.finished and time.monotonic() < until:
            time.sleep(0.02)
    assert server.finished[-1].received_bytes == 20_000_000


@pytest.mark.parametrize("wish", ["cubic", "bbr", "reno", "vegas", "VN", ""])
def test_the_congestion_control_asked_for_is_used_or_the_answer_says_which(
    server: MeasurementServer, wish: str
) -> None:
    allowed = Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
    with open_flow(server, f"GET /phusong/v1/download?cc={wish}") as sock:
        _, headers, _ = read_answer(sock)
    used = headers["Phusong-Congestion-Control"]
    assert used
    if allowed.exists() and wish in allowed.read_text().split():
        assert used == wish


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("test=short", 400),
        ("test=" + "a" * 65, 400),
        ("test=with%20blank%20and%20more%20of%20it", 400),
        ("flows=0", 400),
        ("flows=17", 400),
        ("flows=x", 400),
    ],
)
def test_what_means_nothing_is_refused(server: MeasurementServer, query: str, status: int) -> None:
    with open_flow(server, f"GET /phusong/v1/download?{query}") as sock:
        assert read_answer(sock)[0] == status


def test_a_test_has_one_direction_and_sixteen_flows() -> None:
    ledger = Ledger(10**9)
    known = {"engine": "multistream", "direction": "download", "family": 4}
    for _ in range(16):
        ledger.join(ID, **known)
    for other in ({}, {"direction": "upload"}, {"family": 6}, {"engine": "ndt7"}):
        with pytest.raises(RefusedError) as refused:
            ledger.join(ID, **(known | other))
        assert refused.value.status == 409


def test_flows_of_one_test_share_its_bytes() -> None:
    limits = ServerLimits(max_test_bytes=4_000_000)
    with MeasurementServer(("127.0.0.1",), limits=limits) as server:
        flows = [open_flow(server, f"GET /phusong/v1/download?test={ID}") for _ in range(2)]
        for sock in flows:
            with sock:
                take(sock, 3)
        assert receipt(server)["receipt"]["bytes_handed_over"] < 8_000_000
        assert "budget" in receipt(server)["receipt"]["ended_by"]


def test_there_is_no_receipt_of_what_runs_or_never_ran(server: MeasurementServer) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(server, f"/phusong/v1/receipt?test={ID}")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        get(server, "/phusong/v1/receipt")
    with open_flow(server, f"GET /phusong/v1/download?test={ID}") as sock:
        read_answer(sock)
        with pytest.raises(urllib.error.HTTPError, match="409"):
            get(server, f"/phusong/v1/receipt?test={ID}")
    assert receipt(server)["receipt"]["test"] == ID


def test_an_old_test_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(10**9)
    flow = ledger.join(ID, engine="ndt7", direction="upload", family=4)
    ledger.leave(flow)
    assert ledger.find(ID) is flow.test
    now = time.monotonic_ns()
    monkeypatch.setattr(time, "monotonic_ns", lambda: now + int((KEPT_S + 1) * 1e9))
    with pytest.raises(RefusedError):
        ledger.find(ID)


def test_ndt7_tells_its_id_and_gives_a_receipt_too(
    server: MeasurementServer, target: Callable[[int], Target]
) -> None:
    from phusong.probes.connection import reach
    from phusong.probes.engines.ndt7 import Ndt7
    from phusong.probes.interface import Limits

    limits = Limits(duration_s=0.5)
    far = target(6)
    Ndt7().upload(far, reach(far, limits), limits)
    until = time.monotonic() + 5
    while not server.finished and time.monotonic() < until:
        time.sleep(0.02)
    kept = server._hub.ledger._kept
    (test_id,) = kept
    said = receipt(server, test_id)["receipt"]
    assert (said["engine"], said["direction"], said["family"]) == ("ndt7", "upload", 6)
    assert said["bytes"] == server.finished[-1].received_bytes > 0


def test_a_receipt_is_signed_with_the_key_of_the_file(tmp_path: Path) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    file = tmp_path / "server.key"
    with MeasurementServer(("127.0.0.1",), signing_key=file) as server:
        with open_flow(server, f"GET /phusong/v1/download?test={ID}") as sock:
            take(sock, 0.1)
        answer = receipt(server)
        assert answer["algorithm"] == "ecdsa-p256-sha256"
        assert answer["public_key"] == server.public_key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = serialization.load_pem_public_key(answer["public_key"].encode())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    signed = json.dumps(answer["receipt"], sort_keys=True, separators=(",", ":")).encode()
    signature = bytes.fromhex(answer["signature"])
    key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    more = signed.replace(b'"family":4', b'"family":6')
    with pytest.raises(InvalidSignature):
        key.verify(signature, more, ec.ECDSA(hashes.SHA256()))
    again = Signer(file)
    assert again.public_key == answer["public_key"]


def test_without_a_key_a_receipt_is_unsigned(server: MeasurementServer) -> None:
    with open_flow(server, f"GET /phusong/v1/download?test={ID}") as sock:
        take(sock, 0.1)
    answer = receipt(server)
    assert (answer["signature"], answer["algorithm"], answer["public_key"]) == (None, None, None)


def test_a_receipt_has_nothing_that_languages_write_differently() -> None:
    ledger = Ledger(10**9)
    flow = ledger.join(ID, engine="multistream", direction="download", family=6, flows=3)
    flow.moved, flow.ended = 10**12, "time"
    ledger.leave(flow)
    said = receipt_of(flow.test, datetime(2026, 7, 1, tzinfo=UTC))
    assert {type(value) for value in said.values()} <= {int, str, type(None)}
    assert signed_bytes(said).isascii()
    assert said["issued"] == "2026-07-01T00:00:00.000000Z"
    assert said["bytes"] is None


def test_a_key_that_others_can_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "server.key"
    Signer(file)
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        Signer(file)
    file.write_text("no key")
    with pytest.raises(ConfigError, match="no key to sign with"):
        Signer(file)
    with pytest.raises(ConfigError, match="cannot be written"):
        Signer(tmp_path / "nowhere" / "server.key")


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    file = tmp_path / "other.key"
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.touch(mode=0o600)
    file.write_bytes(pem)
    with pytest.raises(ConfigError, match="P-256"):
        Signer(file)


def test_a_small_install_says_what_signing_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    with pytest.raises(ConfigError, match=r"phusong\[collector\]"):
        Signer(tmp_path / "server.key")
    assert not (tmp_path / "server.key").exists()
