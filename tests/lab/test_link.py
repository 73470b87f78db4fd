"""The lab's link does what it was asked to, and leaves nothing behind."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from .conftest import BENCHMARKS

NETNS = Path("/run/netns")

# Echo datagrams until killed; with its port printed, so that whoever started it can wait.
ECHO = """
import socket
sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sock.bind(("::", 7))
print("listening", flush=True)
while True:
    data, peer = sock.recvfrom(2000)
    sock.sendto(data, peer)
"""
ASK = """
import json, socket, statistics, sys, time
host, count, size, gap_s = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((host, 7))
sock.settimeout(0.25)
times = []
for number in range(count):
    started = time.monotonic()
    sock.send(number.to_bytes(4, "big").ljust(size, b"x"))
    try:
        while int.from_bytes(sock.recv(2000)[:4], "big") != number:
            pass
    except OSError:
        continue
    times.append((time.monotonic() - started) * 1000)
    time.sleep(gap_s)
print(json.dumps({"answered": len(times), "p50": statistics.median(times) if times else None}))
"""


def asked(lab: object, host: str, *, count: int = 20, size: int = 100, gap_s: float = 0.01) -> dict:
    run = lab.client.run([sys.executable, "-c", ASK, host, count, size, gap_s])
    return json.loads(run.stdout)


def goodput_mbps(lab: object, *options: str) -> float:
    server = lab.server.spawn(["iperf3", "-s", "-1", "--forceflush"], ready="listening")
    done = lab.client.run(
        ["iperf3", "-c", lab.server.addresses[4], "-J", "-O", "1", "-t", "2", *options]
    )
    lab.server.stop(server)
    return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 1e6


@pytest.fixture
def iperf3() -> None:
    if shutil.which("iperf3") is None:
        pytest.skip("needs iperf3")


def test_a_delay_is_the_sum_of_both_ways_over_both_families(bench: ModuleType) -> None:
    with bench.Lab(down=bench.Link(delay_ms=20), up=bench.Link(delay_ms=5)) as lab:
        lab.server.spawn([sys.executable, "-c", ECHO], ready="listening")
        for family in (4, 6):
            seen = asked(lab, lab.server.addresses[family])
            assert seen["answered"] == 20
            assert 25 <= seen["p50"] < 45


@pytest.mark.usefixtures("iperf3")
@pytest.mark.parametrize("rate", [20, 300])
def test_the_goodput_is_the_rate_without_headers(bench: ModuleType, rate: int) -> None:
    link = bench.Link(rate_mbps=rate, delay_ms=5)
    with bench.Lab(down=link) as lab:
        expected = pytest.approx(lab.goodput_mbps(link), rel=0.01)
        # On a busy machine a stall costs capacity; a link that is never right is wrong.
        seen = []
        while len(seen) < 4 and (not seen or seen[-1] != expected):
            seen.append(goodput_mbps(lab, "-R", "-C", "reno"))
    assert max(seen) < 1.01 * lab.goodput_mbps(link)
    if seen[-1] != expected and os.getloadavg()[0] > (os.cpu_count() or 1):
        pytest.skip(f"the machine is too busy to fill the link: {seen} Mbit/s")
    assert seen[-1] == expected, seen


def test_goodput_is_worked_out_from_whole_segments(bench: ModuleType) -> None:
    lab = bench.Lab(down=bench.Link(rate_mbps=1000))
    assert lab.goodput_mbps(lab.down) == pytest.approx(1000 * 1448 / 1500)
    assert lab.goodput_mbps(lab.down, family=6) == pytest.approx(1000 * 1428 / 1500)


def test_a_seed_loses_the_same_packets_and_about_as_many_as_asked(bench: ModuleType) -> None:
    lost = []
    for seed in (7, 7, 8):
        with bench.Lab(up=bench.Link(loss=0.1), down=bench.Link(), seed=seed) as lab:
            if lab.backend == "netem":
                pytest.skip("the kernel's netem takes no seed here")
            lab.server.spawn([sys.executable, "-c", FLOOD_SINK], ready="listening")
            lab.client.run([sys.executable, "-c", FLOOD, lab.server.addresses[4]])
            time.sleep(0.1)
            lost.append(lab.counters()["up"]["lost"])
            assert lab.counters()["down"]["lost"] == 0
    # 1,000 of 10 %: 100, give or take four standard deviations of 9.5.
    assert all(60 <= count <= 140 for count in lost)
    assert lost[0] == lost[1]


FLOOD_SINK = "print('listening', flush=True)\nimport time\ntime.sleep(60)"
FLOOD = """
import socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(1000):
    sock.sendto(b"x", (sys.argv[1], 7))
    if number % 50 == 0:
        time.sleep(0.002)
"""


def test_ipv6_can_be_broken_in_three_ways_and_mended(bench: ModuleType) -> None:
    if shutil.which("nft") is None:
        pytest.skip("needs nft")
    with bench.Lab() as lab:
        lab.server.spawn([sys.executable, "-c", ECHO], ready="listening")
        v4, v6 = lab.server.addresses[4], lab.server.addresses[6]
        lab.break_ipv6("small_mtu")
        assert asked(lab, v6, count=2, size=1000)["answered"] == 2
        assert asked(lab, v6, count=2, size=1400)["answered"] == 0
        assert asked(lab, v4, count=2, size=1400)["answered"] == 2
        lab.mend_ipv6()
        lab.break_ipv6("blackhole")
        assert asked(lab, v6, count=2)["answered"] == 0
        lab.mend_ipv6()
        lab.break_ipv6("reject")
        started = time.monotonic()
        said = lab.client.run(
            [sys.executable, "-c", f"import socket; socket.create_connection(({v6!r}, 9), 20)"],
            check=False,
        )
        assert "Permission denied" in said.stderr
        assert time.monotonic() - started < 15
        lab.mend_ipv6()
        assert asked(lab, v6, count=2, size=1400)["answered"] == 2


def names() -> set[str]:
    return {path.name for path in NETNS.glob(f"phlab-{os.getpid()}-*")}


def test_nothing_is_left_after_a_lab_or_an_interrupted_one(bench: ModuleType) -> None:
    with bench.Lab() as lab:
        sleeper = lab.client.spawn(["sleep", "60"])
        assert len(names()) == 2
    assert names() == set()
    assert sleeper.poll() is not None

    def interrupted() -> None:
        with bench.Lab():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names() == set()


def test_what_a_killed_process_left_goes_with_the_next_lab(bench: ModuleType) -> None:
    script = (
        "import sys, time\n"
        f"sys.path.insert(0, {str(BENCHMARKS)!r})\n"
        "import lab\n"
        "with lab.Lab() as made:\n"
        "    sleeper = made.server.spawn(['sleep', '60'])\n"
        # What is started asks to die with its parent; give it the time to have asked.
        "    time.sleep(2)\n"
        "    print(sleeper.pid, made._emulator.pid if made._emulator else 0, flush=True)\n"
        "    time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    inside = [int(word) for word in child.stdout.readline().split()]
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    left = list(NETNS.glob(f"phlab-{child.pid}-*"))
    assert len(left) == 2
    with bench.Lab():
        assert not list(NETNS.glob(f"phlab-{child.pid}-*"))
    deadline = time.monotonic() + 10
    while any(pid and runs(pid) for pid in inside) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(pid and runs(pid) for pid in inside)


def runs(pid: int) -> bool:
    """Tell whether a process is there and no zombie that a parent has yet to collect."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_without_root_the_reason_is_told(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert bench.why_no_namespaces.__wrapped__() == "the link lab needs root"


def test_a_lab_is_no_part_of_this_machines_network(bench: ModuleType) -> None:
    with bench.Lab() as lab, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((lab.server.addresses[4], 9))
        assert not sock.getsockname()[0].startswith("10.77.0.")
