"""What the kernel counts."""

import socket
import struct
import sys
import time

import pytest

from phusong.probes.engines import tcp_info

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's TCP_INFO")


@linux
def test_the_kernel_counts_what_went_over_the_connection() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as sender,
        listener.accept()[0] as receiver,
    ):
        sender.sendall(bytes(100_000))
        left = 100_000
        while left:
            left -= len(receiver.recv(left))
        sent, received = tcp_info.read(sender), tcp_info.read(receiver)
    assert sent
    assert received
    assert received.bytes_received == 100_000
    # The SYN counts as one byte acknowledged.
    assert sent.bytes_acked - 1 == 100_000
    assert sent.bytes_sent == 100_000
    assert 0 < sent.min_rtt_us < 1_000_000


@linux
def test_what_nobody_has_read_yet_is_told_with_the_memory_that_it_takes() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as sender,
        listener.accept()[0] as receiver,
    ):
        sender.sendall(bytes(20_000))
        deadline = time.monotonic() + 10
        seen = tcp_info.read(receiver)
        while seen and seen.unread_bytes < 20_000 and time.monotonic() < deadline:
            time.sleep(0.01)
            seen = tcp_info.read(receiver)
        assert seen
        assert seen.unread_bytes == 20_000
        assert seen.memory_bytes >= 20_000
        left = 20_000
        while left:
            left -= len(receiver.recv(left))
        read = tcp_info.read(receiver)
    assert read
    assert read.unread_bytes == 0
    assert read.memory_bytes < 20_000


def test_what_the_far_end_has_behind_a_hole_was_delivered() -> None:
    # tcpi_snd_mss, tcpi_sacked and tcpi_bytes_acked at their places in struct tcp_info.
    data = bytearray(232)
    struct.pack_into("=I", data, 16, 1448)
    struct.pack_into("=I", data, 28, 10)
    struct.pack_into("=Q", data, 120, 1_000_000)
    info = tcp_info.parse(bytes(data))
    assert info
    assert info.bytes_delivered() == 1_014_480


def test_a_shorter_answer_of_an_old_kernel_is_none() -> None:
    assert tcp_info.parse(bytes(104)) is None


def test_what_is_no_connection_has_no_counters() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert tcp_info.read(sock) is None


def test_elsewhere_than_on_linux_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with socket.create_server(("127.0.0.1", 0)) as sock:
        assert tcp_info.read(sock) is None
