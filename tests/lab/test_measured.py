"""What our own measurements say of a link whose truth is known."""

import json
import sys
from types import ModuleType
from typing import Any

import pytest

from .conftest import BENCHMARKS

ASK = BENCHMARKS / "lab" / "ask.py"


def ask(lab: Any, url: str, *words: object) -> dict[str, float]:
    done = lab.client.run([sys.executable, ASK, url, *words], timeout_s=90)
    return json.loads(done.stdout)


def test_a_link_of_20_mbit_is_measured_within_3_percent_both_ways(bench: ModuleType) -> None:
    link = bench.Link(rate_mbps=20, delay_ms=15)
    with bench.Lab(down=link) as lab, bench.tools.served(lab) as url:
        expected = pytest.approx(lab.goodput_mbps(link), rel=0.03)
        # A stall of a busy machine is a stall of the link: a second chance, not a third.
        for _ in range(2):
            sample, _ = bench.tools.visit(lab, url, "--duration", 4)
            reading = sample["reading"]
            if reading["down_mbps"] == expected and reading["up_mbps"] == expected:
                break
        assert reading["down_mbps"] == expected
        assert reading["up_mbps"] == expected
        assert 29 < reading["rtt_idle_ms"] < 40


def test_a_far_link_with_losses_is_filled_by_three_flows(bench: ModuleType) -> None:
    link = bench.Link(rate_mbps=50, delay_ms=40, loss=0.01)
    with bench.Lab(down=link) as lab, bench.tools.served(lab) as url:
        expected = pytest.approx(lab.goodput_mbps(link), rel=0.05)
        for _ in range(2):
            sample, _ = bench.tools.visit(lab, url, "--engine", "multistream")
            reading = sample["reading"]
            if reading["down_mbps"] == expected and reading["up_mbps"] == expected:
                break
        assert reading["down_mbps"] == expected
        assert reading["up_mbps"] == expected
    flows = [sample["phases"][phase]["flows"] for phase in ("download", "upload")]
    assert flows == [3, 3]


def test_a_kernel_made_wire_has_the_rate_asked_for(bench: ModuleType) -> None:
    with bench.Wire(rate_mbps=50) as lab, bench.tools.served(lab) as url:
        sample, _ = bench.tools.visit(lab, url, "--duration", 3)
    # Frames count: 1448 of 1514 bytes are payload.
    assert sample["reading"]["down_mbps"] == pytest.approx(50 * 1448 / 1514, rel=0.05)
    assert sample["reading"]["up_mbps"] == pytest.approx(50 * 1448 / 1514, rel=0.05)


def test_a_client_without_ipv6_has_no_route_and_measures_over_ipv4(bench: ModuleType) -> None:
    with bench.Lab() as lab, bench.tools.served(lab):
        lab.client.run(["ip", "-6", "addr", "flush", "dev", "link"])
        lab.client.run(["sysctl", "-q", "-w", "net.ipv6.conf.link.disable_ipv6=1"])
        url = f"ws://[{lab.server.addresses[6]}]:{bench.tools.PORT}"
        sample, _ = bench.tools.visit(lab, url)
    assert (sample["outcome"], sample["reason"]) == ("no_route", "connect_no_route")
    assert sample.get("reading") is None


def bloat(bench: ModuleType, aqm: str, *directions: str) -> list[dict[str, float]]:
    link = bench.Link(rate_mbps=20, delay_ms=10, queue_bytes=2_500_000, aqm=aqm)
    with bench.Lab(down=link) as lab, bench.tools.served(lab) as url:
        return [ask(lab, url, "bloat", direction, 2.5) for direction in directions]


def test_a_deep_queue_shows_under_load_on_either_way(bench: ModuleType) -> None:
    down, up = bloat(bench, "fifo", "download", "upload")
    assert min(down["loaded"], up["loaded"]) > 120
    assert max(down["idle"], up["idle"]) < 40


def test_a_fair_queue_adds_next_to_nothing_under_load(bench: ModuleType) -> None:
    (down,) = bloat(bench, "fq_codel", "download")
    assert down["loaded"] < 60


@pytest.mark.parametrize(("way", "other"), [("up", "down"), ("down", "up")])
def test_loss_is_told_on_the_way_where_it_is(bench: ModuleType, way: str, other: str) -> None:
    links = {way: bench.Link(delay_ms=5, loss=0.05), other: bench.Link(delay_ms=5)}
    with bench.Lab(**links) as lab, bench.tools.served(lab) as url:
        seen = ask(lab, url, "echo", 500, 0.004)
    # 5 % of 500 are 25, give or take four standard deviations of 4.9.
    assert 1.0 < seen[way] < 9.0
    assert seen[other] == 0


def test_responsiveness_is_bad_behind_a_deep_queue(bench: ModuleType) -> None:
    link = bench.Link(rate_mbps=10, delay_ms=10, queue_bytes=1_000_000)
    with bench.Lab(down=link) as lab, bench.tools.served(lab) as url:
        seen = ask(lab, url, "rpm", "download", 3)
    # 20 ms idle would be 3,000 round trips a minute.
    assert seen["rpm"] < 1500
