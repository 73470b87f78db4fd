"""What a data path asks of the kernel, and how much it moves before it looks up."""

import socket
import sys
from collections.abc import Iterator

import pytest

from phusong.probes.engines.flow import burst, open_wide


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
        with near, far:
            yield near, far


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's rule is Linux's")
def test_an_opened_window_has_more_room_and_wakes_for_a_single_byte(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = pair
    before = near.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    open_wide(near)
    assert near.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > 4 * before
    assert near.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1
    far.sendall(b"x")
    near.settimeout(5)
    assert near.recv(10) == b"x"


def test_tls_moves_several_records_in_a_row_and_not_without_end() -> None:
    few = [False, True, True, True]
    assert burst(few.pop, tls=True)
    assert few == []
    many = [True] * 1000
    assert burst(many.pop, tls=True)
    assert 900 < len(many) < 999
    assert not burst([False].pop, tls=True)


def test_without_tls_one_call_moves_all_there_is() -> None:
    many = [True] * 1000
    assert burst(many.pop, tls=False)
    assert len(many) == 999
