"""Whatever a client does, the server goes on answering the others."""

import json
import re
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from phusong.data.errors import ConfigError
from phusong.probes.connection import reach
from phusong.probes.engines.ndt7 import SUBPROTOCOL, Ndt7
from phusong.probes.engines.websocket import Opcode, frame, header, new_key, upgrade_request
from phusong.probes.interface import Limits, Target
from phusong.probes.server.limits import ServerLimits, source_of
from phusong.probes.server.listeners import ListenError
from phusong.probes.server.service import MeasurementServer

from .conftest import read_head

SHORT = Limits(duration_s=0.5)
GOOD = upgrade_request("/ndt/v7/upload", "x", "test", SUBPROTOCOL, new_key())


def connect(server: MeasurementServer) -> socket.socket:
    place = urlsplit(server.url(4))
    assert place.hostname
    assert place.port
    return socket.create_connection((place.hostname, place.port), timeout=5)


def ask(server: MeasurementServer, request: bytes) -> bytes:
    """Send a request, and give all that comes back."""
    with connect(server) as sock:
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        seen = b""
        while chunk := sock.recv(65536):
            seen += chunk
    return seen


def works(server: MeasurementServer) -> bool:
    far = Target.parse(server.url(4), allow_private=True)
    return Ndt7().download(far, reach(far, SHORT), SHORT).mbps > 1


def wait_idle(server: MeasurementServer, seconds: float = 4) -> None:
    until = time.monotonic() + seconds
    while server.busy and time.monotonic() < until:
        time.sleep(0.02)
    assert server.busy == 0


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (GOOD.replace(b"net.measurementlab.ndt.v7", b"chat"), 400),
        (GOOD.replace(b"Version: 13", b"Version: 8"), 426),
        (GOOD.replace(b"Upgrade: websocket\r\n", b""), 426),
        (re.sub(rb"Key: \S+", b"Key: short", GOOD), 400),
        (re.sub(rb"Key: \S+", "Key: \xe9".encode("latin-1"), GOOD), 400),
        (GOOD.replace(b"GET", b"POST"), 405),
        (GOOD.replace(b"/upload", b"/nothing"), 404),
        (GOOD.replace(b"/upload", b"/upload?a=1&a=2"), 400),
        (GOOD.replace(b"/upload", b"/upload?=1"), 400),
        (GOOD.replace(b"/upload", b"/upload?a=" + b"x" * 4096), 400),
        (GOOD.replace(b"/upload", b"/download?early_exit=100"), 400),
        (GOOD.replace(b"/ndt/v7/upload", b"http://[/"), 400),
        (GOOD.replace(b"Host: x\r\n", b""), 400),
        (GOOD.replace(b"HTTP/1.1", b"HTTP/9"), 400),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        (b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ],
)
def test_a_request_that_is_no_test_gets_a_status(
    server: MeasurementServer, request_bytes: bytes, status: int
) -> None:
    assert ask(server, request_bytes).startswith(f"HTTP/1.1 {status} ".encode())


def sends_until_cut_off(sock: socket.socket, data: bytes, *, seconds: float) -> bool:
    """Send the same again and again; tell whether the server ended it in time."""
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            sock.sendall(data)
            time.sleep(0.001)
    except ConnectionError:
        return True
    return False


def test_a_huge_head_is_cut_off(server: MeasurementServer) -> None:
    with connect(server) as sock:
        assert sends_until_cut_off(sock, b"X: " + b"x" * 10_000 + b"\r\n", seconds=3)
    assert works(server)


def test_slow_heads_lose_their_place_at_the_deadline(server: MeasurementServer) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(server)) for _ in range(6)]
        for sock in slow:
            sock.sendall(b"GET /ndt")
        assert works(server)
        wait_idle(server, seconds=3)
        assert all(sock.recv(10) == b"" for sock in slow)


def test_one_address_cannot_take_every_place(server: MeasurementServer) -> None:
    with ExitStack() as stack:
        crowd = [stack.enter_context(connect(server)) for _ in range(30)]
        time.sleep(0.2)
        assert server.busy <= 8
        assert sum(1 for sock in crowd if _is_open(sock)) <= 8
    wait_idle(server)
    assert works(server)


def _is_open(sock: socket.socket) -> bool:
    sock.settimeout(0.01)
    try:
        return sock.recv(1) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False


BAD_FRAMES = {
    "unmasked": (frame(Opcode.TEXT, b"{}", masked=False), "wrong_masking"),
    "a fragment of nothing": (b"\x80\x81abcdx", "misplaced_fragment"),
    "a message inside another": (b"\x02\x81abcdx\x82\x81abcdx", "misplaced_fragment"),
    "oversized in fragments": (
        b"\x02" + header(Opcode.BINARY, 1 << 24, b"abcd")[1:] + bytes(1 << 24) + b"\x00\x81abcdx",
        "oversized_message",
    ),
    "oversized": (header(Opcode.BINARY, (1 << 24) + 1, b"abcd"), "oversized_frame"),
    "reserved": (b"\xf2\x81abcdx", "reserved_bits"),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_ends_only_its_own_test(server: MeasurementServer, name: str) -> None:
    wire, reason = BAD_FRAMES[name]
    with connect(server) as sock:
        sock.sendall(GOOD)
        assert read_head(sock).startswith(b"HTTP/1.1 101")
        sock.sendall(wire)
        wait_idle(server)
    assert server.finished[-1].ended == reason
    assert works(server)


def test_endless_frames_end_with_the_test(server: MeasurementServer) -> None:
    empty = header(Opcode.BINARY, 0, b"abcd") * 1000
    with connect(server) as sock:
        sock.sendall(GOOD)
        assert sends_until_cut_off(sock, empty, seconds=4)
    wait_idle(server)
    assert works(server)


def test_a_client_that_never_reads_is_given_up(server: MeasurementServer) -> None:
    with connect(server) as sock:
        sock.sendall(GOOD.replace(b"upload", b"download"))
        until = time.monotonic() + 5
        while not server.finished and time.monotonic() < until:
            time.sleep(0.02)
    assert server.finished[-1].ended in ("time", "idle")


def test_a_ping_is_answered_during_a_test(server: MeasurementServer) -> None:
    with connect(server) as sock:
        sock.sendall(GOOD)
        read_head(sock)
        sock.sendall(frame(Opcode.PING, b"are you there", masked=True))
        seen = b""
        while b"\x8a\x0dare you there" not in seen:
            chunk = sock.recv(4096)
            assert chunk
            seen += chunk


def test_the_server_says_what_it_counts_at_most_ten_times_a_second(
    server: MeasurementServer,
) -> None:
    with connect(server) as sock:
        sock.sendall(GOOD)
        read_head(sock)
        sock.sendall(header(Opcode.BINARY, 1000, b"abcd") + bytes(1000))
        seen = b""
        while chunk := sock.recv(65536):
            seen += chunk
    texts = re.findall(rb'\{"AppInfo".*?"Test": "upload".*?\}\}', seen)
    assert 1 <= len(texts) <= 10
    said = json.loads(texts[-1])
    assert said["AppInfo"]["NumBytes"] == 1000
    assert said["Origin"] == "server"
    assert set(said["ConnectionInfo"]) == {"Client", "Server", "UUID"}
    assert said["TCPInfo"]["BytesReceived"] >= 1000


def test_early_exit_ends_a_download_at_its_megabytes() -> None:
    with MeasurementServer(("127.0.0.1",)) as server, connect(server) as sock:
        sock.sendall(GOOD.replace(b"upload", b"download?early_exit=250"))
        while sock.recv(1 << 20):
            pass
        wait_idle(server)
        assert server.finished[-1].ended == "budget"
        assert 250e6 <= server.finished[-1].sent_bytes < 255e6


def test_a_message_in_fragments_is_counted_like_a_whole_one(server: MeasurementServer) -> None:
    # Two parts with a ping between them, then the last one (RFC 6455, 5.4).
    parts = b"\x02\xfe\x03\xe8abcd" + bytes(1000)
    parts += frame(Opcode.PING, b"still there", masked=True)
    parts += b"\x00\xfe\x03\xe8abcd" + bytes(1000) + b"\x80\x80abcd"
    with connect(server) as sock:
        sock.sendall(GOOD)
        read_head(sock)
        sock.sendall(parts + frame(Opcode.CLOSE, b"\x03\xe8", masked=True))
        wait_idle(server)
    assert (server.finished[-1].received_bytes, server.finished[-1].ended) == (2000, "close")


def test_work_for_nothing_is_cut_off(server: MeasurementServer) -> None:
    flood = frame(Opcode.PING, b"x" * 125, masked=True) * 10_000
    with connect(server) as sock:
        sock.sendall(GOOD)
        read_head(sock)
        assert sends_until_cut_off(sock, flood, seconds=4)
    wait_idle(server)
    assert server.finished[-1].ended in ("overhead", "time")


def test_closing_ends_running_tests_at_once() -> None:
    with MeasurementServer(("127.0.0.1",)) as server, connect(server) as sock:
        sock.sendall(GOOD)
        read_head(sock)
        time.sleep(0.1)
        assert server.busy == 1
        started = time.monotonic()
        server.close()
        assert time.monotonic() - started < 2
        assert server.busy == 0


def test_a_taken_port_is_said_with_what_to_do() -> None:
    with MeasurementServer(("127.0.0.1",)) as server:
        port = server.listening[0].port
        with pytest.raises(ListenError, match=f"127.0.0.1 port {port}"):
            MeasurementServer(("127.0.0.1",), port).__enter__()


def test_where_one_family_is_missing_the_other_serves_and_it_says_so() -> None:
    # 2001:db8:: is documentation: no machine has it.
    with MeasurementServer(("127.0.0.1", "2001:db8::1")) as server:
        assert [place.family for place in server.listening] == [4]
        assert list(server.unavailable) == ["2001:db8::1"]
        with pytest.raises(ListenError):
            server.url(6)


def test_both_families_share_one_port(server: MeasurementServer) -> None:
    assert {place.family for place in server.listening} == {4, 6}
    assert len({place.port for place in server.listening}) == 1


def test_a_name_is_no_address_to_listen_on() -> None:
    with pytest.raises(ConfigError, match="localhost"):
        MeasurementServer(("localhost",))


def test_connections_that_say_nothing_keep_nobody_out() -> None:
    limits = ServerLimits(
        runtime_s=1, connections=40, connections_per_address=20, head_s=60, tests=10
    )
    with MeasurementServer(("127.0.0.1",), limits=limits) as server, ExitStack() as stack:
        for number in range(100):
            place = (f"127.0.0.{2 + number % 10}", 0)
            address = ("127.0.0.1", server.listening[0].port)
            slow = stack.enter_context(socket.create_connection(address, 5, place))
            slow.sendall(b"GET /n")
        assert works(server)
        assert server.busy <= 40
        assert server.metrics.value("phusong_refused_total", reason="server_full_replaced") >= 60
        assert server.metrics.value("phusong_refused_total", reason="server_full_refused") == 0


def test_a_neighbour_behind_the_same_address_is_not_kept_out() -> None:
    limits = ServerLimits(runtime_s=1, connections_per_address=8, head_s=60)
    with MeasurementServer(("127.0.0.1",), limits=limits) as server, ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(connect(server)).sendall(b"GET /n")
        assert works(server)


def test_who_is_turned_away_is_told_when_to_come_back() -> None:
    limits = ServerLimits(connections_per_address=2, retry_after_s=7)
    with MeasurementServer(("127.0.0.1",), limits=limits) as server, ExitStack() as stack:
        for _ in range(2):
            running = stack.enter_context(connect(server))
            running.sendall(b"GET /phusong/v1/download HTTP/1.1\r\nHost: x\r\n\r\n")
            assert running.recv(12) == b"HTTP/1.1 200"
        seen = ask(server, b"GET /phusong/v1/small HTTP/1.1\r\nHost: x\r\n\r\n")
        assert seen.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 7\r\n" in seen
        refused = server.metrics.value("phusong_refused_total", reason="address_full_refused")
        assert refused == 1


def test_when_all_tests_run_another_is_told_so_while_small_answers_go_on() -> None:
    limits = ServerLimits(tests=1)
    with MeasurementServer(("127.0.0.1",), limits=limits) as server, connect(server) as sock:
        sock.sendall(b"GET /phusong/v1/download HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(12) == b"HTTP/1.1 200"
        for path in ("/phusong/v1/download", "/garbage.php", "/speedtest/random350x350.jpg"):
            seen = ask(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert seen.startswith(b"HTTP/1.1 503 "), path
            assert b"\r\nRetry-After: " in seen
        assert ask(server, GOOD).startswith(b"HTTP/1.1 503 ")
        seen = ask(server, b"GET /phusong/v1/small HTTP/1.1\r\nHost: x\r\n\r\n")
        assert seen.startswith(b"HTTP/1.1 200 ")


def test_hosts_of_one_ipv6_network_share_one_allowance() -> None:
    assert source_of("2001:db8:1:2::1") == source_of("2001:db8:1:2:ffff::9")
    assert source_of("2001:db8:1:2::1") != source_of("2001:db8:1:3::1")
    assert source_of("192.0.2.1") != source_of("192.0.2.2")
    assert source_of("::ffff:192.0.2.1") == source_of("192.0.2.1")
    assert source_of("fe80::1%eth0") == source_of("fe80::2%eth0")


def test_nothing_is_left_open_after_a_crowd_has_gone(server: MeasurementServer) -> None:
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    for _ in range(60):
        with connect(server) as sock:
            sock.sendall(b"GET /phusong/v1/download HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_idle(server)
    until = time.monotonic() + 5
    while before and len(list(Path("/proc/self/fd").iterdir())) > before + 2:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert server.metrics.value("phusong_flows_total") == server.served
