"""phusong probe, as a person runs it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phusong.data.sample import Outcome, Sample
from phusong.data.store import Store
from phusong.probes import speed
from phusong.probes.engines.ceiling import cache_path, kept_ceiling
from phusong.probes.server.service import MeasurementServer

Run = Callable[..., Any]


def kept(path: Path) -> list[Sample]:
    with Store.open(path, create=False) as store:
        return [Sample.from_body(body) for _, body in store.bodies()]


@pytest.fixture
def both(server: MeasurementServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the server's address by a name that has an address of each family."""
    look_up = socket.getaddrinfo

    def named(host: str, port: int, family: int, *more: int) -> list[Any]:
        numeric = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        return look_up(numeric if host == "both.example" else host, port, family, *more)

    monkeypatch.setattr(socket, "getaddrinfo", named)
    return f"ws://both.example:{server.listening[0].port}"


def test_run_keeps_a_visit_of_each_family_and_shows_it(
    phusong: Run, tmp_path: Path, both: str
) -> None:
    options = ("--family", 4, "--family", 6, "--duration", 0.5, "--allow-private")
    where = ("--lon", 105.85, "--lat", 21.03, "--accuracy", 5, "--operator", "Sim A")
    done = phusong("probe", "run", "--server", both, *options, *where)
    assert done.code == 0, done.err
    assert "IPv4" in done.out
    assert "IPv6" in done.out
    assert "measuring: download" in done.err
    samples = kept(tmp_path / "test.db")
    assert [(s.seq, s.family, s.outcome) for s in samples] == [
        (1, 4, Outcome.OK),
        (2, 6, Outcome.OK),
    ]
    assert samples[0].position
    assert samples[0].position.source == "user"
    assert samples[0].radio
    assert samples[0].radio.operator == "Sim A"


def test_run_prints_the_evidence_as_json(phusong: Run, server: MeasurementServer) -> None:
    done = phusong(
        "probe", "run", "--server", server.url(4), "--duration", 0.5, "--allow-private", "--json"
    )
    assert done.code == 0, done.err
    shown = json.loads(done.out)
    assert shown["reading"]["down_mbps"] > 1
    assert shown["source"]["tool"] == "phusong"


def test_a_visit_that_fails_is_kept_and_is_a_bad_answer(phusong: Run, tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{sock.getsockname()[1]}"
        done = phusong("probe", "run", "--server", url, "--allow-private")
    assert done.code == 1
    assert "refused (connect_refused)" in done.out
    (sample,) = kept(tmp_path / "test.db")
    assert (sample.outcome, sample.reading) == (Outcome.REFUSED, None)


def test_a_private_address_is_refused_unless_allowed(
    phusong: Run, server: MeasurementServer, tmp_path: Path
) -> None:
    done = phusong("probe", "run", "--server", server.url(4))
    assert done.code == 1
    assert kept(tmp_path / "test.db")[0].outcome is Outcome.ADDRESS_REFUSED
    assert not server.finished


def test_breaking_off_keeps_the_visit_and_ends_with_130(
    phusong: Run,
    both: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*asked: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(speed, "measure_idle", interrupted)
    two = ("--family", 4, "--family", 6)
    done = phusong("probe", "run", "--server", both, "--allow-private", *two)
    assert done.code == 130
    (sample,) = kept(tmp_path / "test.db")
    assert (sample.outcome, sample.reason) == (Outcome.CANCELLED, "latency_cancelled")


@pytest.mark.parametrize(
    "url",
    [
        "http://host:80",
        "host:80",
        "ws://",
        "ws://host:99999",
        "ws://user@host:80",
        "ws://host/path",
        "ws://host?x=1",
        "ws://[::1",
    ],
)
def test_what_is_no_server_address_is_said_before_anything_is_kept(
    phusong: Run, url: str, tmp_path: Path
) -> None:
    done = phusong("probe", "run", "--server", url)
    assert done.code == 3
    assert url in done.err
    assert not (tmp_path / "test.db").exists()


def test_half_a_position_is_said(phusong: Run) -> None:
    done = phusong("probe", "run", "--server", "ws://host:80", "--lon", 105)
    assert (done.code, "--lat" in done.err) == (3, True)
    done = phusong("probe", "run", "--server", "ws://host:80", "--lon", 21, "--lat", 105)
    assert (done.code, "swapped" in done.err) == (3, True)


def test_words_come_in_vietnamese(phusong: Run, server: MeasurementServer) -> None:
    done = phusong(
        "probe", "run", "--server", server.url(4), "--duration", 0.5, "--allow-private", lang="vi"
    )
    assert "tải xuống Mbit/s" in done.out
    assert "đang đo: tải lên" in done.err


def test_serve_says_where_it_listens_and_ends_at_ctrl_c(phusong: Run, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "phusong", "--db", str(tmp_path / "x.db"), "probe", "serve"]
    process = subprocess.Popen(
        [*command, "--bind", "127.0.0.1", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        cwd=tmp_path,
    )
    try:
        assert process.stdout
        place = json.loads(process.stdout.readline())
        assert re.fullmatch(r"ws://127\.0\.0\.1:[1-9]\d*", place["url"])
        done = phusong(
            "probe", "run", "--server", place["url"], "--duration", 0.5, "--allow-private"
        )
        assert done.code == 0, done.err
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0
        assert re.search(r"[1-9]\d* tests? served", said)
    finally:
        process.kill()
        process.wait()
    assert not (tmp_path / "x.db").exists()


def test_serve_on_a_taken_port_says_so(phusong: Run, server: MeasurementServer) -> None:
    port = server.listening[0].port
    done = phusong("probe", "serve", "--bind", "127.0.0.1", "--port", port)
    assert done.code == 3
    assert str(port) in done.err


def test_simulate_twice_changes_nothing(phusong: Run, tmp_path: Path) -> None:
    options = ("probe", "simulate", "--places", 1, "--operators", 1, "--json")
    first = json.loads(phusong(*options).out)
    again = json.loads(phusong(*options).out)
    assert first["areas"] == 3321
    assert first["new"] > 2000
    assert (again["new"], again["duplicate"]) == (0, first["new"])
    with Store.open(tmp_path / "test.db") as store:
        marks = store.connection.execute("SELECT DISTINCT simulated FROM sample").fetchall()
        assert marks == [(1,)]
        assert store.connection.execute("SELECT count(*) FROM conflict").fetchone() == (0,)


def test_simulate_in_boundaries_that_are_not_there_says_so(phusong: Run) -> None:
    done = phusong("probe", "simulate", "--boundaries", "nothing")
    assert done.code == 3
    assert "nothing" in done.err


def test_a_refused_private_address_comes_with_the_option_that_allows_it(
    phusong: Run, server: MeasurementServer
) -> None:
    done = phusong("probe", "run", "--server", server.url(4))
    assert (done.code, "say --allow-private" in done.err) == (1, True)
    # Nothing makes this one allowed.
    done = phusong("probe", "run", "--server", "ws://192.0.2.1:80")
    assert (done.code, "say --allow-private" in done.err) == (1, False)
    assert "address_refused" in done.out


@pytest.mark.parametrize("where", [(), ("--server", "ws://h:1", "--country", "VN")])
def test_the_far_end_is_named_in_one_way(phusong: Run, where: tuple[str, ...]) -> None:
    done = phusong("probe", "run", *where)
    assert (done.code, "--country" in done.err) == (3, True)


def test_the_engines_are_listed_with_what_they_lack(phusong: Run) -> None:
    done = phusong("probe", "engines")
    assert done.code == 0
    assert all(name in done.out for name in ("ndt7", "multistream", "librespeed", "iperf3"))
    assert "calibrate" not in done.err
    cache_path().unlink()
    assert "phusong probe calibrate" in phusong("probe", "engines").err
    rows = [json.loads(line) for line in phusong("probe", "engines", "--json").out.splitlines()]
    assert {row["engine"] for row in rows} >= {"speedtest-cli", "iperf3"}
    assert "bộ đo" in phusong("probe", "engines", lang="vi").out


def test_an_engine_wants_an_address_of_its_own_kind(phusong: Run) -> None:
    done = phusong("probe", "run", "--engine", "iperf3", "--server", "ws://host:80")
    assert (done.code, "iperf3://host:port" in done.err or "not installed" in done.err) == (3, True)
    done = phusong("probe", "run", "--engine", "librespeed", "--server", "http://host/a?b")
    assert done.code == 3


def test_flows_are_opened_as_asked(phusong: Run, server: MeasurementServer, tmp_path: Path) -> None:
    more = ("--flows", 3, "--duration", 0.5, "--within", 0, "--allow-private")
    done = phusong("probe", "run", "--server", server.url(4), *more)
    assert done.code == 0, done.err
    (sample,) = kept(tmp_path / "test.db")
    assert sample.engine == "multistream"
    assert '"flows":3' in (sample.source.record or "")


def test_a_calibration_is_kept_for_the_visits_to_come(phusong: Run) -> None:
    cache_path().unlink()
    done = phusong("probe", "calibrate", "--json")
    assert done.code == 0, done.err
    shown = json.loads(done.out)
    assert shown["down_mbps"] > 100
    if shutil.which("openssl"):
        assert shown["tls_down_mbps"] > 0
        assert shown["tls_up_mbps"] > 0
    assert kept_ceiling(cache_path(), speed.boot_id())
    listed = phusong("probe", "engines").out
    assert "this machine's own limit" in listed
    assert "over TLS" in listed
