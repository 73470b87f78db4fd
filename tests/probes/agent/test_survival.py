"""Real processes on a real store: killed, out of disk, unplugged, asked to stop."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from phusong.data.agent_log import agent_records, data_used
from phusong.data.sample import Outcome, Sample
from phusong.data.store import Store
from phusong.probes.server.service import MeasurementServer

Run = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[str]"]
ROUNDS = 4
DEADLINE_S = 90


@pytest.fixture
def start(server: MeasurementServer) -> Iterator[Start]:
    """Start `phusong probe drive` in a process of its own, to speak JSON lines."""
    started = []

    def drive(db: Path, *more: object, url: str = "", prefix: tuple[str, ...] = ()) -> Any:
        words = [*prefix, sys.executable, "-m", "phusong", "--db", str(db), "probe", "drive"]
        process = subprocess.Popen(
            [
                *words,
                "--server",
                url or server.url(4),
                "--allow-private",
                "--every-s",
                "1",
                "--json",
                *map(str, more),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "TZ": "UTC"},
        )
        started.append(process)
        # A test that waits for what never comes fails; it does not hang.
        timer = threading.Timer(DEADLINE_S, process.kill)
        timer.daemon = True
        timer.start()
        timers.append(timer)
        return process

    timers: list[threading.Timer] = []
    yield drive
    for timer in timers:
        timer.cancel()
    for process in started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def events(process: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    assert process.stdout
    for line in process.stdout:
        yield json.loads(line)


def wait_for(process: "subprocess.Popen[str]", what: str) -> dict[str, Any]:
    for event in events(process):
        if event["event"] == what:
            return event
    raise AssertionError(f"the agent ended without {what}")


def test_killed_again_and_again_it_loses_no_reading_that_it_showed(
    start: Start, tmp_path: Path, phusong: Run
) -> None:
    db, chance = tmp_path / "k.db", random.Random(7)
    shown: list[dict[str, Any]] = []
    for _ in range(ROUNDS):
        process = start(db, "--small", "latency")
        for _ in range(chance.randint(1, 2)):
            shown.append(wait_for(process, "sample"))
        time.sleep(chance.random())
        process.send_signal(signal.SIGKILL)
        # What was in the pipe when it died had been shown as well.
        shown += [event for event in events(process) if event["event"] == "sample"]
        process.wait()
    with Store.open(db) as store:
        assert list(store.verify()) == []
        kept = {body["seq"]: body for body in (json.loads(b) for _, b in store.bodies())}
        records = agent_records(store)
        (used,) = data_used(store)
    assert all(kept[event["seq"]]["ts"] == event["ts"] for event in shown)
    assert sorted(kept) == list(range(1, len(kept) + 1))
    attempts = records["agent_attempt"]
    assert sum(row["happened"] == "measured" for row in attempts) == len(kept)
    assert sum(row["happened"] == "begun" for row in attempts) <= ROUNDS
    assert used["attempts"] == len(attempts)
    assert used["bytes"] > 0
    gaps = [json.loads(line) for line in phusong("probe", "gaps", "--json", db=db).out.splitlines()]
    assert [gap["why"] for gap in gaps if gap["why"] != "clock_jumped"] == ["killed"] * ROUNDS


def test_the_test_of_kills_would_see_a_reading_shown_too_early(tmp_path: Path) -> None:
    """A control: one that speaks before it commits is caught by the same comparison."""
    program = (
        "import sqlite3, sys, time\n"
        "db = sqlite3.connect(sys.argv[1]); db.execute('CREATE TABLE IF NOT EXISTS t (n)')\n"
        "db.execute('INSERT INTO t VALUES (1)'); print('shown', flush=True)\n"
        "time.sleep(30); db.commit()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "x.db")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "shown\n"
    process.kill()
    process.wait()
    process.stdout.close()
    with Store.open(tmp_path / "other.db"):
        pass
    import sqlite3

    with sqlite3.connect(tmp_path / "x.db") as db:
        assert db.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_asked_to_stop_it_ends_its_run_and_keeps_everything(
    start: Start, tmp_path: Path, phusong: Run
) -> None:
    db = tmp_path / "s.db"
    process = start(db, "--small", "latency")
    shown = wait_for(process, "sample")
    process.send_signal(signal.SIGTERM)
    rest = [event for event in events(process) if event["event"] == "sample"]
    assert process.wait(timeout=60) == 130
    with Store.open(db) as store:
        (run,) = agent_records(store)["agent_run"]
        assert run["ended"] == "stopped"
        assert store.tables["sample"].count >= 1 + len(rest)
    assert shown["seq"] == 1
    # Asked to stop between writing a visit down and making it, it says that one was broken off.
    gaps = [json.loads(line) for line in phusong("probe", "gaps", "--json", db=db).out.splitlines()]
    assert {gap["why"] for gap in gaps} <= {"broken_off"}
    assert sum(gap["attempts"] for gap in gaps) <= 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of three megabytes."""
    if os.getuid() != 0:
        pytest.skip("needs root to mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine does not let a small file system be mounted")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_is_waited_out_and_nothing_shown_is_lost(
    start: Start, small_disk: Path, phusong: Run
) -> None:
    db = small_disk / "small.db"
    with Store.open(db):
        pass
    (small_disk / "ballast").write_bytes(b"x" * 2_700_000)
    process = start(db, "--small", "latency", "--disk-floor-mb", "0")
    shown = []
    for event in events(process):
        if event["event"] == "disk_full":
            break
        shown += [event["seq"]] if event["event"] == "sample" else []
    (small_disk / "ballast").unlink()
    wait_for(process, "disk_has_room")
    shown.append(wait_for(process, "sample")["seq"])
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    with Store.open(db) as store:
        assert list(store.verify()) == []
        kept = [json.loads(body)["seq"] for _, body in store.bodies()]
    assert kept[: len(shown)] == shown == list(range(1, len(shown) + 1))
    gaps = [json.loads(line) for line in phusong("probe", "gaps", "--json", db=db).out.splitlines()]
    assert "disk_full" in [gap["why"] for gap in gaps]


def test_below_the_floor_nothing_is_measured_and_the_reason_is_kept(
    start: Start, small_disk: Path, phusong: Run
) -> None:
    db = small_disk / "small.db"
    process = start(db, "--small", "latency", "--visits", "2")
    seen = [event for event in events(process) if event["event"] == "missed"]
    assert process.wait(timeout=60) == 1
    assert [event["why"] for event in seen] == ["disk_low"] * 2
    gaps = [json.loads(line) for line in phusong("probe", "gaps", "--json", db=db).out.splitlines()]
    assert [(gap["why"], gap["attempts"]) for gap in gaps] == [("disk_low", 2)]


@pytest.fixture
def cable() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """
    Lay a cable into a network namespace.

    Gives our address, the name of the far end's interface in the namespace, and the prefix that
    runs a command there.
    """
    if os.getuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2 to make a network of its own")
    name = f"phs{os.getpid() % 100_000}"
    here, there = f"{name}a", f"{name}b"
    steps = [
        f"netns add {name}",
        f"link add {here} type veth peer name {there} netns {name}",
        f"addr add 10.213.0.1/30 dev {here}",
        f"link set {here} up",
        f"-n {name} addr add 10.213.0.2/30 dev {there}",
        f"-n {name} link set {there} up",
        f"-n {name} route add default via 10.213.0.1",
    ]
    try:
        for step in steps:
            done = subprocess.run(["ip", *step.split()], capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"this machine does not let a network be made: {done.stderr.strip()}")
        yield "10.213.0.1", there, ("ip", "netns", "exec", name)
    finally:
        subprocess.run(["ip", "link", "del", here], capture_output=True)
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


def test_unplugging_is_survived_and_said(
    start: Start, cable: tuple[str, str, tuple[str, ...]], tmp_path: Path
) -> None:
    address, link, inside = cable
    db = tmp_path / "u.db"
    with MeasurementServer((address,)) as far:
        process = start(db, "--small", "latency", url=far.url(4), prefix=inside)
        assert wait_for(process, "sample")["outcome"] == "ok"
        subprocess.run([*inside, "ip", "link", "set", link, "down"], check=True)
        assert _until(process, "device_error")["reason"] in ("link_down", "link_lost")
        subprocess.run([*inside, "ip", "link", "set", link, "up"], check=True)
        subprocess.run([*inside, "ip", "route", "replace", "default", "via", address], check=False)
        assert _until(process, "ok")["reading"]["rtt_idle_ms"] > 0
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    with Store.open(db) as store:
        kept = [Sample.from_body(body) for _, body in store.bodies()]
    lost = [sample for sample in kept if sample.reading is None]
    assert lost
    assert all(s.outcome in (Outcome.DEVICE_ERROR, Outcome.CANCELLED) for s in lost)


def _until(process: "subprocess.Popen[str]", outcome: str) -> dict[str, Any]:
    while True:
        event = wait_for(process, "sample")
        if event["outcome"] == outcome:
            return event
