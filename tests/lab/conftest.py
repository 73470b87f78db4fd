"""The link lab for tests: beside the benchmarks, skipped with its reason where it cannot be."""

import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def bench() -> ModuleType:
    """Give benchmarks/lab, or skip and say what is missing here."""
    if str(BENCHMARKS) not in sys.path:
        sys.path.insert(0, str(BENCHMARKS))
    lab = importlib.import_module("lab")
    if reason := lab.why_not():
        pytest.skip(reason)
    importlib.import_module("lab.tools")
    return lab


@pytest.fixture
def certificates_for(tmp_path: Path) -> Callable[[str], Path]:
    """Make a certificate for an address, in a chain of more than one full-size packet."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")

    def make(ip: str) -> Path:
        key, pem = tmp_path / "far.key", tmp_path / "far.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-nodes", "-newkey", "ec"),
                *("-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2", "-subj", "/CN=far"),
                *("-addext", f"subjectAltName=IP:{ip}", "-keyout", str(key), "-out", str(pem)),
            ],
            check=True,
            capture_output=True,
            timeout=30,
        )
        # As long as a real chain: its server's first answer fills several packets.
        (tmp_path / "chain.pem").write_text(pem.read_text() * 5)
        return tmp_path

    return make
