"""A path that takes smaller packets in its middle, and may not say so."""

import importlib
import json
import shutil
from types import ModuleType
from typing import Any

import pytest

PORT = 80


@pytest.fixture
def step(bench: ModuleType) -> ModuleType:
    if shutil.which("nft") is None:
        pytest.skip("needs nft")
    return importlib.import_module("lab.mtu_step")


def serve(bench: ModuleType, lab: Any, *options: object) -> None:
    words = [bench.tools.PHUSONG, "probe", "serve", "--port", PORT, "--json", *options]
    lab.server.spawn(words, ready='"port"')


def visit(
    bench: ModuleType, lab: Any, family: int, *options: object, scheme: str = "ws"
) -> dict[str, Any]:
    ip = lab.server.addresses[family]
    host = f"[{ip}]" if family == 6 else ip
    sample, _ = bench.tools.visit(lab, f"{scheme}://{host}:{PORT}", "--duration", 2, *options)
    return sample


def test_a_step_that_is_told_is_measured_and_kept(bench: ModuleType, step: ModuleType) -> None:
    with step.MtuStep(mtu=1300) as lab:
        serve(bench, lab)
        sample = visit(bench, lab, 6)
    assert sample["outcome"] == "ok", sample
    # 40 bytes of IPv6, 32 of TCP with timestamps.
    assert sample["phases"]["upload"]["tcp"]["mss_bytes"] == 1300 - 72


@pytest.mark.parametrize(("family", "engine"), [(4, "ndt7"), (6, "multistream")])
def test_a_step_that_nobody_tells_of_is_a_fault_of_the_path_and_no_speed(
    bench: ModuleType, step: ModuleType, family: int, engine: str
) -> None:
    with step.MtuStep(mtu=1280) as lab:
        lab.lose_too_big()
        serve(bench, lab)
        sample = visit(bench, lab, family, "--engine", engine)
    assert (sample["outcome"], sample["reason"]) == ("stalled", "download_path_mtu")
    assert sample.get("reading") is None
    assert sample["phases"]["download"]["in_small_segments"] == "through"
    assert "mbps" not in sample["phases"]["download"]


def test_over_tls_the_handshake_is_what_stalls(
    bench: ModuleType, step: ModuleType, certificates_for: Any
) -> None:
    with step.MtuStep(mtu=1280) as lab:
        lab.lose_too_big()
        folder = certificates_for(lab.server.addresses[6])
        serve(bench, lab, "--cert", folder / "chain.pem", "--key", folder / "far.key")
        sample = visit(bench, lab, 6, "--ca", folder / "far.pem", scheme="wss")
    assert (sample["outcome"], sample["reason"]) == ("timeout", "connect_path_mtu")
    assert json.loads(sample["source"]["record"])["phases"][0]["during"] == "tls"
