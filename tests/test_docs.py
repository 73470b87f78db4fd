"""The documents say what the program does: their sessions are run, their links lead somewhere."""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@dataclass(frozen=True)
class Step:
    """One command of a session, and the lines that the document shows under it."""

    line: int
    command: list[str]
    shown: list[str]


def session(path: Path) -> Iterator[Step]:
    """Give the `$ phusong ...` commands of a document's console blocks, in order."""
    command: list[str] | None = None
    shown: list[str] = []
    started = 0
    inside = False
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if line.startswith("```"):
            if command:
                yield Step(started, command, shown)
            command, shown = None, []
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            if command:
                yield Step(started, command, shown)
            command, shown, started = shlex.split(line[2:]), [], number
        elif inside and command and command[-1] == "\\":
            command = [*command[:-1], *shlex.split(line)]
        elif inside:
            shown.append(line)
    assert not command, f"{path.name}: a console block is not closed"


def shape(line: str) -> str:
    """Give a line with its numbers, rules and spacing left out: what a session shares."""
    return re.sub(r"\s+", " ", re.sub(r"[-─–]{2,}", "", re.sub(r"\d[\d,.:]*", "#", line))).strip()


# The rows of real measurements: no two runs give the same speed.
MEASURED = re.compile(r"(family|IPv[46]) ")


def check(steps: list[Step], phusong: Callable[..., object]) -> None:
    for step in steps:
        assert step.command[0] == "phusong", f"line {step.line}: {step.command}"
        done = phusong(*step.command[1:], db="phusong.db")
        assert done.code == 0, f"line {step.line}: {done.err}"
        printed = (done.out + done.err).splitlines()
        said = {line.rstrip() for line in printed} | {shape(line) for line in printed}
        for line in step.shown:
            if line.strip() in ("", "…"):
                continue
            assert (shape(line) if MEASURED.match(line) else line.rstrip()) in said, (
                f"line {step.line}: {line!r} is not in\n{done.out}{done.err}"
            )


def test_the_two_commands_stand_at_the_top_of_the_readme() -> None:
    head = "\n".join((ROOT / "README.md").read_text("utf-8").splitlines()[:20])
    assert "make demo" in head
    assert "make test" in head


def test_the_session_of_the_readme_runs_as_it_is_shown(
    phusong: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    steps = list(session(ROOT / "README.md"))
    assert any(step.command[:2] == ["phusong", "demo"] for step in steps)
    check(steps, phusong)
    assert (tmp_path / "demo" / "index.html").exists()


def test_the_tutorial_runs_as_it_is_shown_and_its_numbers_hold(
    phusong: Callable[..., object],
    shared: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "raw_logs").symlink_to(shared("sn-gnettrack/raw_logs"))
    monkeypatch.chdir(tmp_path)
    steps = list(session(ROOT / "docs" / "tutorial.md"))
    assert len(steps) >= 5
    check(steps, phusong)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_link_and_picture_inside_the_project_is_there(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text("utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_command_that_a_document_names_exists(
    path: Path, phusong: Callable[..., object]
) -> None:
    for words in set(re.findall(r"`phusong ((?:[a-z0-9]+ ?)+)", path.read_text("utf-8"))):
        done = phusong(*words.split(), "--help")
        assert done.code == 0, f"phusong {words}"
