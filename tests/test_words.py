"""Everything a person reads is there in Vietnamese too."""

import ast
import builtins
import json
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import click
import pytest

from phusong.cli import cli
from phusong.coverage.summary import Verdict
from phusong.data.errors import MapError
from phusong.data.sample import Kind, NrEvidence, Outcome
from phusong.data.words import LANGUAGES, catalogue, say, use_language

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("probes", "data", "coverage", "maps")
SOURCES = sorted([*ROOT.glob("*.py"), *(p for s in STAGES for p in (ROOT / s).rglob("*.py"))])
SPEAKING = {"say", "note", "translate", "progress"}


def texts_in(path: Path) -> Iterator[tuple[str, int]]:
    """Give (text, line) for every literal that is said, headed a table with, or raised."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith("HEADERS"):
            for leaf in ast.walk(node.value):
                if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
                    yield leaf.value, node.lineno
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).split(".")[-1]
        if node.args and (name in SPEAKING or is_ours(name)):
            for leaf in literals(node.args[0]):
                yield leaf, node.lineno
        if name == "print_table" and len(node.args) == 2:
            for leaf in literals(node.args[1]):
                yield leaf, node.lineno


def is_ours(name: str) -> bool:
    return name.endswith("Error") and name != "AttemptError" and not hasattr(builtins, name)


def literals(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.List | ast.Tuple):
        for item in node.elts:
            yield from literals(item)
    elif isinstance(node, ast.IfExp):
        yield from literals(node.body)
        yield from literals(node.orelse)


def help_texts(command: click.Command) -> Iterator[str]:
    for paragraph in (command.help or "").split("\n\n"):
        yield " ".join(paragraph.split())
    for param in command.params:
        text = getattr(param, "help", None)
        if text:
            yield text
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from help_texts(child)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_text_said_has_its_vietnamese(path: Path) -> None:
    missing = [(text, line) for text, line in texts_in(path) if text not in catalogue("vi")]
    assert missing == []


def test_all_help_has_its_vietnamese() -> None:
    assert [text for text in help_texts(cli) if text and text not in catalogue("vi")] == []


def test_every_command_has_help() -> None:
    def walk(command: click.Command, name: str) -> Iterator[str]:
        if not command.help:
            yield name
        if isinstance(command, click.Group):
            for key, child in command.commands.items():
                yield from walk(child, f"{name} {key}")

    assert list(walk(cli, "phusong")) == []


@pytest.mark.parametrize("word", [*Verdict, *Outcome, *Kind, *NrEvidence])
def test_every_word_of_the_field_has_its_vietnamese(word: str) -> None:
    assert str(word) in catalogue("vi")


def test_a_translation_fills_in_the_same_values() -> None:
    for english, vietnamese in catalogue("vi").items():
        (written, all_of_them), (kept, used) = fields_of(english), fields_of(vietnamese)
        assert written == kept, english
        assert used <= all_of_them, english


def fields_of(text: str) -> tuple[list[str], set[str]]:
    """Give the values that a text writes, and those that it writes or chooses a word by."""
    found = [(name, spec) for _, name, spec, _ in Formatter().parse(text) if name is not None]
    return sorted(name for name, spec in found if "|" not in (spec or "")), {n for n, _ in found}


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 places are too few"),
        (1, "1 place is too few"),
        ("1", "1 place is too few"),
        (2, "2 places are too few"),
        ("1,001", "1,001 places are too few"),
        ("1 {", "1 { places are too few"),
    ],
)
def test_a_count_of_one_is_said_in_the_singular(count: object, said: str) -> None:
    assert say("{n} {n:place is|places are} too few", n=count) == said


def test_an_error_counts_as_every_other_text_does() -> None:
    assert str(MapError("{n:one|many} of {n}", n=1)) == "one of 1"
    assert str(MapError("{n:one|many} of {n} | {x:.1f}", n=3, x=0.25)) == "many of 3 | 0.2"


def test_no_translation_is_left_over() -> None:
    said = " ".join(" ".join(path.read_text("utf-8").split()) for path in SOURCES)
    said += " ".join(p.read_text("utf-8") for p in (ROOT / "maps" / "files").glob("*"))
    joined = re.sub(r'" ?f?"|\\\n', "", said)
    # A literal may be cut over lines: compare without quotes and spaces.
    squeezed = re.sub(r"[\s\"'\\]+", "", joined)
    left = [e for e in catalogue("vi") if re.sub(r"[\s\"'\\]+", "", e) not in squeezed]
    words = {str(word) for kind in (Verdict, Outcome, Kind, NrEvidence) for word in kind}
    assert [text for text in left if text not in words] == []


def test_no_text_is_translated_twice() -> None:
    seen: dict[str, str] = {}
    for file in sorted((ROOT / "data" / "files" / "words" / "vi").glob("*.json")):
        for english, vietnamese in json.loads(file.read_text("utf-8")).items():
            assert seen.setdefault(english, vietnamese) == vietnamese, (file.name, english)


def test_an_unknown_text_is_said_as_it_is() -> None:
    use_language("vi")
    try:
        assert say("no such text {x}", x=1) == "no such text 1"
    finally:
        use_language("en")
    assert LANGUAGES == ("en", "vi")
