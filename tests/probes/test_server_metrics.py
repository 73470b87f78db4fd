"""The counters for Prometheus: true, and without a word about who measured."""

import re
import time
import urllib.error
import urllib.request

import pytest

from phusong.data.errors import ConfigError
from phusong.probes.server.listeners import read_bind
from phusong.probes.server.metrics import Metrics
from phusong.probes.server.service import MeasurementServer


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return answer.read().decode()


def http(server: MeasurementServer, family: int = 4) -> str:
    return server.url(family).replace("ws://", "http://")


def wait_for(server: MeasurementServer, served: int) -> None:
    until = time.monotonic() + 5
    while server.served < served and time.monotonic() < until:
        time.sleep(0.01)


def test_what_was_done_is_counted(server: MeasurementServer) -> None:
    urllib.request.urlopen(f"{http(server)}/garbage.php?ckSize=2", timeout=5).read()
    urllib.request.urlopen(f"{http(server)}/empty.php", data=bytes(1000), timeout=5).read()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{http(server)}/nothing", timeout=5)
    wait_for(server, 2)
    text = fetch(f"{http(server)}/metrics")
    labels = '{direction="download",ended="complete",engine="librespeed"}'
    assert f"phusong_flows_total{labels} 1\n" in text
    assert 'phusong_tests_total{direction="download",engine="librespeed"} 1\n' in text
    assert 'phusong_test_bytes_total{direction="download",engine="librespeed"} 2097152\n' in text
    assert 'phusong_test_bytes_total{direction="upload",engine="librespeed"} 1000\n' in text
    assert 'phusong_answers_total{status="404"} 1\n' in text
    assert re.search(r"^phusong_open_connections \d+$", text, re.M)


def test_the_text_is_in_the_format(server: MeasurementServer) -> None:
    urllib.request.urlopen(f"{http(server)}/garbage.php?ckSize=1", timeout=5).read()
    text = fetch(f"{http(server)}/metrics")
    line = r'[a-z_]+(\{[a-z_]+="[a-z0-9_-]+"(,[a-z_]+="[a-z0-9_-]+")*\})? [0-9.e+-]+'
    comment = r"# (HELP [a-z_]+ .+|TYPE [a-z_]+ (counter|gauge))"
    for row in text.splitlines():
        assert re.fullmatch(f"{line}|{comment}", row), row
    assert text.endswith("\n")


def test_no_address_is_in_them(server: MeasurementServer, family: int) -> None:
    urllib.request.urlopen(f"{http(server, family)}/getIP.php", timeout=5).read()
    text = fetch(f"{http(server, family)}/metrics")
    assert "127.0.0.1" not in text
    assert "::1" not in text


def test_with_a_port_of_their_own_they_are_nowhere_else() -> None:
    with MeasurementServer(("127.0.0.1",), metrics_bind=("127.0.0.1", 0)) as server:
        place = server.metrics_at
        assert place is not None
        assert "phusong_tests_total" in fetch(f"http://127.0.0.1:{place.port}/metrics")
        for url in (f"{http(server)}/metrics", f"http://127.0.0.1:{place.port}/garbage.php"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(url, timeout=5)


def test_a_sum_goes_over_the_labels_that_are_not_named() -> None:
    metrics = Metrics()
    metrics.add("phusong_refused_total", reason="a")
    metrics.add("phusong_refused_total", 2, reason="b")
    assert metrics.value("phusong_refused_total") == 3
    assert metrics.value("phusong_refused_total", reason="b") == 2


def test_where_to_tell_them_is_an_address_and_a_port() -> None:
    assert read_bind("127.0.0.1:9101") == ("127.0.0.1", 9101)
    assert read_bind("[::1]:9101") == ("::1", 9101)
    for wrong in ("9101", "127.0.0.1", "::1:9101", "localhost:9101", "127.0.0.1:x", "[::1]"):
        with pytest.raises(ConfigError):
            read_bind(wrong)
    with pytest.raises(ConfigError, match="70000"):
        read_bind("127.0.0.1:70000")
