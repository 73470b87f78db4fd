"""What is installed is what was promised: light, self-contained, and a good neighbour."""

import ast
import os
import re
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

import pytest

from phusong.data.store import Store
from phusong.probes.server.service import MeasurementServer

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("geopandas", "pandas", "numpy", "scapy", "folium", "shapely", "h3", "sqlite3", "ssl")


def python(*arguments: str, cwd: Path | str = os.sep) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=120, cwd=cwd
    )


@pytest.mark.parametrize("words", [["--help"], ["data", "import", "--help"], ["map", "--help"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from phusong.cli import main\n"
        "try:\n"
        f"    main({words!r})\n"
        "except SystemExit as end:\n"
        f"    print(end.code, [m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)\n"
    )
    done = python("-c", program)
    assert done.stderr.strip() == "0 []"
    assert "Usage" in done.stdout


def test_the_coverage_tool_is_not_hidden() -> None:
    done = python("-c", "import phusong, coverage; print(coverage.Coverage.__name__)")
    assert done.stdout.strip() == "Coverage", done.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of what git would give."""
    folder = tmp_path_factory.mktemp("wheel")
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if names.returncode:
        pytest.skip("needs a git checkout, to build from what is in it")
    source = folder / "source"
    for name in names.stdout.splitlines():
        if (ROOT / name).is_file():
            copy = source / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / name).read_bytes())
    done = python("-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source))
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    assert "phusong/py.typed" in names
    assert "phusong/data/files/words/vi/console.json" in names
    assert any(name.startswith("phusong/data/files/rules/") for name in names)
    assert "phusong/maps/files/page.js" in names
    strangers = [n for n in names if n.split("/")[1] in ("tests", "benchmarks", "docs", "demo")]
    assert strangers == []
    assert all(name.startswith("phusong/") for name in names)


def python_of(environment: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [environment / "bin" / "python", "-I", *words],
        capture_output=True,
        text=True,
        timeout=170,
        cwd=cwd,
    )


def install(wheel: Path, folder: Path, distributions: set[str] | None) -> Path:
    """
    Make an empty environment with the wheel in it, away from the checkout.

    Its dependencies are those of this environment, linked, so that no network is needed: all of
    them, or only the distributions named.
    """
    assert python("-m", "venv", "--without-pip", str(folder)).returncode == 0
    show = "import site; print(site.getsitepackages()[0])"
    site = Path(python_of(folder, "-c", show, cwd=folder).stdout.strip())
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"].lower().replace("_", "-")
        if name == "phusong" or (distributions is not None and name not in distributions):
            continue
        for top in {file.parts[0] for file in distribution.files or () if file.parts[0] != ".."}:
            source = Path(str(distribution.locate_file(top)))
            if source.exists() and not (site / top).exists():
                (site / top).symlink_to(source)
    done = python("-m", "pip", "install", "-q", "--no-deps", "--target", str(site), str(wheel))
    assert done.returncode == 0, done.stderr
    return folder


def locked(name: str) -> set[str]:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8").splitlines()
    return {line.split("==")[0] for line in lines if "==" in line and line[0] not in " #"}


@pytest.fixture
def environment(wheel: Path, tmp_path: Path) -> Path:
    return install(wheel, tmp_path / "environment", None)


@pytest.fixture
def field_agent(wheel: Path, tmp_path: Path) -> Path:
    """What a small board has: the base install and nothing else."""
    return install(wheel, tmp_path / "agent", locked("base"))


def test_the_base_install_measures_and_keeps(field_agent: Path, tmp_path: Path) -> None:
    with MeasurementServer() as server:
        done = python_of(
            field_agent,
            *("-m", "phusong", "--db", "a.db", "probe", "run", "--allow-private"),
            *("--server", server.url(4), "--family", "4", "--duration", "0.5"),
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stderr
    with Store.open(tmp_path / "a.db") as store:
        kept = store.connection.execute("SELECT outcome, down_mbps > 0 FROM sample").fetchall()
    assert kept == [("ok", 1)]
    for words in (["data", "info"], ["data", "export", "copy.db"], ["data", "export", "a.jsonl"]):
        done = python_of(field_agent, "-m", "phusong", "--db", "a.db", *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr


def test_the_base_install_says_what_the_analysis_needs(field_agent: Path, tmp_path: Path) -> None:
    Store.open(tmp_path / "a.db").close()
    words = ["--db", "a.db", "coverage", "compute", "--rule", "vn-4g", "--by", "commune"]
    done = python_of(field_agent, "-m", "phusong", *words, cwd=tmp_path)
    assert done.returncode == 3
    assert "phusong[analysis]" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_installed_wheel_runs_the_demo_away_from_the_checkout(
    environment: Path, tmp_path: Path
) -> None:
    done = python_of(environment, "-m", "phusong", "demo", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "index.html").stat().st_size > 100_000
    where = python_of(
        environment, "-c", "import phusong; print(phusong.__file__)", cwd=tmp_path
    ).stdout
    assert str(environment) in where


def test_the_base_install_needs_only_pure_python_packages() -> None:
    names = locked("base")
    compiled = {"numpy", "pandas", "shapely", "pyarrow", "geopandas", "pyproj", "pyogrio", "h3"}
    assert {"click", "sqlite-utils"} <= names
    assert not names & compiled
    # rich brings three; receiver, serial line, modem and track are read by four small ones.
    assert len(names) < 24


@pytest.mark.parametrize("name", ["base", "demo", "test"])
def test_every_locked_package_carries_a_hash(name: str) -> None:
    lock = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8").splitlines()
    pinned = [i for i, line in enumerate(lock) if "==" in line and not line.startswith((" ", "#"))]
    assert pinned
    assert all("--hash=sha256:" in lock[i + 1] for i in pinned)
    assert not any("://" in line for line in lock)


def test_the_analysis_installs_what_judging_imports() -> None:
    """All of coverage/ but the cluster's file works with `phusong[analysis]` alone."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    listed = config["options"]["install_requires"] + config["options.extras_require"]["analysis"]
    held = {re.split(r"[^\w-]", line, maxsplit=1)[0] for line in listed.split()}
    files = set((ROOT / "coverage").rglob("*.py")) - {ROOT / "coverage" / "cluster.py"}
    imported = {
        name.split(".")[0]
        for file in files
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        for name in (
            [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    }
    assert "geopandas" in imported
    assert imported - sys.stdlib_module_names - held == set()
