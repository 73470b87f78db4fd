"""The link lab for tests: beside the benchmarks, skipped with its reason where it cannot be."""

import importlib
import sys
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
