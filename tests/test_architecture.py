"""The house: which way imports may point, and who may print, exit or open a store."""

import ast
import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("probes", "data", "coverage", "maps")
# The root itself gives the version.
SHARED_BY_ALL = {"", "data.errors", "data.sample", "data.words"}
ALLOWED_STAGES = {
    "probes": {"probes"},
    "data": {"data"},
    "coverage": {"coverage"},
    "maps": {"maps", "coverage"},
}
HEAVY = {"geopandas", "pandas", "numpy", "shapely", "folium", "scapy", "h3", "pyogrio", "pyarrow"}
MODULES = sorted(p for stage in STAGES for p in (ROOT / stage).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[tuple[str, int]]:
    """Give (module, line) for each import from inside the package, named from the root."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            stem = [*base, *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                whole = [*stem, alias.name]
                inside = ROOT.joinpath(*whole)
                named = inside.with_suffix(".py").exists() or inside.is_dir()
                yield ".".join(whole if named else stem), node.lineno
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("phusong"):
            yield (node.module or "").removeprefix("phusong").lstrip("."), node.lineno
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("phusong"):
                    yield alias.name.removeprefix("phusong").lstrip("."), node.lineno


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_only_where_the_house_allows(path: Path) -> None:
    stage = path.relative_to(ROOT).parts[0]
    if path.name == "commands.py":
        return
    for target, line in imports_of(path):
        allowed = target in SHARED_BY_ALL or target.split(".")[0] in ALLOWED_STAGES[stage]
        assert allowed, f"{path.relative_to(ROOT)}:{line} may not import {target}"
        assert target.split(".")[-1] != "commands", f"{path}:{line} imports a command"


def test_the_arrow_test_sees_a_wrong_arrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    wrong = tmp_path / "probes" / "bad.py"
    wrong.parent.mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "store.py").touch()
    wrong.write_text("from ..data import store\nfrom phusong.maps import page\n")
    assert [target for target, _ in imports_of(wrong)] == ["data.store", "maps"]


@pytest.mark.parametrize("path", [p for p in MODULES if p.name != "commands.py"], ids=name_of)
def test_only_commands_print_exit_or_open_a_store(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("print", "exit", "sys.exit", "click.echo", "Store.open"), (
                f"{path.relative_to(ROOT)}:{node.lineno} calls {called}"
            )


def top_level_imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize(
    "path",
    [
        *(ROOT / stage / name for stage in STAGES for name in ("__init__.py", "commands.py")),
        *ROOT.glob("*.py"),
        *(ROOT / "data").rglob("*.py"),
        *(ROOT / "probes").rglob("*.py"),
    ],
    ids=name_of,
)
def test_what_help_and_a_field_agent_load_is_light(path: Path) -> None:
    assert not top_level_imports(path) & HEAVY


def test_setup_lists_every_package() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    found = {"phusong"} | {
        "phusong." + name_of(path)
        for stage in STAGES
        for path in (ROOT / stage).rglob("__init__.py")
    }
    assert listed == found


def test_nothing_stands_at_the_root_that_should_not_ship() -> None:
    assert {path.name for path in ROOT.glob("*.py")} == {
        "__init__.py",
        "__main__.py",
        "cli.py",
        "console.py",
        "demo.py",
    }
    assert not list((ROOT / "tests").rglob("__init__.py"))
