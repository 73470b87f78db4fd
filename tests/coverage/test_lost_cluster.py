"""A cluster that loses a worker, all of them, or has none: the same bytes, or one message."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster

from phusong.coverage.areas import hexagon_areas
from phusong.coverage.cluster import cluster, count_on, each_on
from phusong.coverage.counting import Counted, Job, count_chunk, merge_counted
from phusong.coverage.partitions import find_partitions, read_partition
from phusong.coverage.rules import load_rule
from phusong.coverage.survey import Survey, survey_partition, surveyed_columns
from phusong.data.errors import ConfigError

Run = Callable[..., Any]


@pytest.fixture
def scheduler() -> Iterator[str]:
    """Start a scheduler, in this process, without any worker."""
    with LocalCluster(
        n_workers=0, processes=False, dashboard_address=None, protocol="tcp://", silence_logs=50
    ) as made:
        yield made.scheduler_address


@pytest.fixture
def workers(scheduler: str) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Start two workers that nobody starts again."""
    command = [
        *(sys.executable, "-m", "distributed.cli.dask_worker", scheduler),
        *("--no-nanny", "--nthreads", "1", "--no-dashboard", "--death-timeout", "60"),
    ]
    started = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    yield started
    for worker in started:
        worker.kill()
        worker.wait(30)


def test_a_cluster_without_workers_is_a_message(
    phusong: Run, dataset: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phusong.coverage.cluster.WAIT_S", 1)
    done = phusong(
        "coverage", "compute", "--rule", "vn-4g", "--by", "h3:6",
        "--from", str(dataset), "--scheduler", scheduler,
    )  # fmt: skip
    assert done.code == 3
    assert "the cluster has lost its workers, or has none" in done.err
    assert "Traceback" not in done.err
    assert phusong("coverage", "list", "--json").out == ""


def test_workers_that_are_all_killed_midway_are_not_waited_for_for_ever(
    dataset: Path,
    scheduler: str,
    workers: "list[subprocess.Popen[bytes]]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = find_partitions(str(dataset)) * 200
    job = Job(areas=(hexagon_areas("h3:6"),), rules=(load_rule("vn-4g"),))
    with cluster(scheduler, 0) as client:
        client.wait_for_workers(2, timeout=120)
        counts = count_on(client, job, parts)
        next(counts)
        monkeypatch.setattr("phusong.coverage.cluster.WAIT_S", 1)
        for worker in workers:
            os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(ConfigError, match="nothing was kept"):
            list(counts)


def test_a_scheduler_that_stands_still_midway_is_not_waited_for_for_ever(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "tcp://{}:{}".format(*free.getsockname())
    program = [sys.executable, "-m"]
    options = ["--no-dashboard", "--host", "127.0.0.1"]
    started = [
        subprocess.Popen([*program, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in (
            ["distributed.cli.dask_scheduler", *options, "--port", address.rsplit(":", 1)[1]],
            ["distributed.cli.dask_worker", address, *options, "--no-nanny", "--nthreads", "1"],
        )
    ]
    job = Job(areas=(hexagon_areas("h3:6"),), rules=(load_rule("vn-4g"),))
    # Until the two have started, on a busy machine.
    monkeypatch.setattr("phusong.coverage.cluster.WAIT_S", 120)
    try:
        with cluster(address, 0) as client:
            client.wait_for_workers(1, timeout=120)
            counts = count_on(client, job, find_partitions(str(dataset)) * 200)
            next(counts)
            monkeypatch.setattr("phusong.coverage.cluster.WAIT_S", 1)
            started[0].send_signal(signal.SIGSTOP)
            with pytest.raises(ConfigError, match="nothing was kept"):
                list(counts)
    finally:
        for process in started:
            process.kill()
            process.wait(30)


def test_what_is_known_of_every_probe_is_found_by_workers(dataset: Path) -> None:
    parts = find_partitions(str(dataset))
    columns = surveyed_columns([load_rule("fcc-5-1")], operators=True)
    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=None, silence_logs=50) as made,
        made.get_client() as client,
    ):
        seen = Survey()
        for survey in each_on(client, partial(survey_partition, columns), parts):
            seen.add(survey)
    assert seen.homes() == {"test-probe": "Viettel"}
    assert seen.tests == {"test-probe": 20}
    assert seen.unasked() == {}


def bytes_of(counted: Counted) -> list[object]:
    tallies = [tally for level in counted.placed for tally in level.tallies.values()]
    return [counted.samples, counted.span_us] + [
        (tally.operators, [column.tobytes() for column in sums.keys], name, values.tobytes())
        for tally in tallies
        for sums in (tally.totals, tally.occasions, tally.bins)
        for name, values in sorted(sums.values.items())
    ]


def test_one_of_two_workers_behind_an_address_is_killed_and_the_bytes_are_the_same(
    phusong: Run, dataset: Path, scheduler: str, workers: "list[subprocess.Popen[bytes]]"
) -> None:
    parts = find_partitions(str(dataset)) * 50
    job = Job(areas=(hexagon_areas("h3:6"),), rules=(load_rule("vn-4g"),))
    here = merge_counted(
        count_chunk(job, chunk) for part in parts for chunk in read_partition(part)
    )
    with cluster(scheduler, 0) as client:
        client.wait_for_workers(2, timeout=120)
        counts = count_on(client, job, parts)
        first = next(counts)
        os.kill(workers[0].pid, signal.SIGKILL)
        there = merge_counted([first, *counts])
    assert bytes_of(there) == bytes_of(here)
    # The one that is left does the whole command, and keeps what the store itself comes to.
    asked = ("coverage", "compute", "--rule", "vn-4g", "--by", "h3:6", "--json")
    ways = ((), ("--from", f"file://{dataset}", "--scheduler", scheduler))
    for way in ways:
        done = phusong(*asked, *way)
        assert done.code == 0, done.err
    shown = [phusong("coverage", "show", "--json", "--result", number).out for number in (1, 2)]
    assert shown[0].replace('"result": 1,', '"result": 2,') == shown[1]
