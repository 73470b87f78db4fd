"""JSON as tools write it: a line each, one after another, in arrays; and cut off in the middle."""

import io
import json

import pytest

from phusong.data.importers import documents
from phusong.data.importers.documents import looks_like_documents, read_documents
from phusong.data.importers.interface import Row
from phusong.data.importers.openers import Content
from phusong.data.sample import MAX_RECORD_CHARS


def content(text: str) -> Content:
    return Content("x.json", lambda: io.BufferedReader(io.BytesIO(text.encode())))


def rows(text: str) -> list[tuple[int, object]]:
    """Give (line, cells) of each document that can be read, and (line, reason) of the others."""
    found = read_documents(content(text), "utf-8", 1 << 30)
    return [
        (row.line, dict(row.cells) if isinstance(row, Row) else row.error.reason) for row in found
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"a":1}\n\n{"a":2}\n', [1, 3]),
        ('{"a":1}{"a":2}', [1, 2]),
        ('[{"a":1},\n{"a":2}]', [1, 2]),
        ('[{"a":1},{"a":2}]', [1, 2]),
        ('[\n  {\n    "a": 1\n  },\n  {\n    "a": 2\n  }\n]\n', [2, 5]),
        ('{\n "a": 1\n}\n{\n "a": 2\n}', [1, 4]),
        ('\ufeff{"a":1}\r\n{"a":2}\r\n', [1, 2]),
    ],
)
def test_documents_are_found_however_they_stand(text: str, lines: list[int]) -> None:
    assert looks_like_documents(content(text))
    assert rows(text) == [(line, {"a": str(i)}) for i, line in enumerate(lines, 1)]


def test_values_are_named_by_their_paths_and_kept_as_written() -> None:
    text = (
        '{"a": {"b": 1.50, "c": {"d": " x "}}, "e": true, "f": null, "g": [1, {"h": 2}], "i": {}}'
    )
    assert rows(text) == [(1, {"a.b": "1.50", "a.c.d": "x", "e": "true", "f": ""})]


def test_brackets_in_texts_are_no_brackets() -> None:
    assert rows('{"a":"}{[\\"}"}\n{"b":"x"}') == [(1, {"a": '}{["}'}), (2, {"b": "x"})]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":1\n{"b":1}\n', [(1, "torn_document"), (2, {"b": "1"})]),
        ('{"b":1}\n{"a":{"x":\n{"a":\n{"b":2}', "bttb"),
        ('{"a":1}\n{"a":', [(1, {"a": "1"}), (2, "torn_document")]),
        ('{\n  "a": [\n   {"x":1},\n{\n  "b": 2\n}\n', [(1, "torn_document"), (4, {"b": "2"})]),
        ('{"a":1}}\n{"b":1}', [(1, "bad_json"), (2, {"b": "1"})]),
        ('{"b":1}\nnoise\n{"b":2}', [(1, {"b": "1"}), (2, "bad_json"), (3, {"b": "2"})]),
        ('{"a":NaN}\n{"b":1}', [(1, "bad_json"), (2, {"b": "1"})]),
        ('{"a":1,"a":2}', [(1, "bad_json")]),
        ('{"a":\0}\n{"b":1}', [(1, "nul_byte"), (2, {"b": "1"})]),
    ],
)
def test_damage_is_named_and_what_follows_is_still_read(
    text: str, expected: list[tuple[int, object]] | str
) -> None:
    if expected == "bttb":
        expected = [
            (1, {"b": "1"}),
            (2, "torn_document"),
            (3, "torn_document"),
            (4, {"b": "2"}),
        ]
    assert rows(text) == expected


def test_a_document_without_an_end_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(documents, "MAX_DOCUMENT_CHARS", 1000)
    text = '{"a": [\n' + "  1,\n" * 1000 + '{"b": 1}\n'
    assert rows(text)[0] == (1, "document_too_long")


def test_very_deep_documents_and_very_many_values_are_refused() -> None:
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    wide = json.dumps({str(i): i for i in range(documents.MAX_PATHS + 1)})
    assert rows(f"{deep}\n{wide}\n") == [(1, "bad_json"), (2, "bad_json")]


def test_a_lone_surrogate_is_shown_and_not_kept() -> None:
    assert rows('{"a": "\\ud800"}') == [(1, {"a": "\\ud800"})]


def test_a_record_too_long_to_keep_is_kept_without_its_lists() -> None:
    text = json.dumps({"a": 1, "l": ["x" * 50] * 3000})
    (row,) = read_documents(content(text), "utf-8", 1 << 30)
    assert isinstance(row, Row)
    assert len(row.text) < MAX_RECORD_CHARS < len(text)
    assert json.loads(row.text) == {"a": "1", "l": "3000 items, left out here"}


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "[1, 2]", "", '"{"'])
def test_other_texts_do_not_look_like_documents(text: str) -> None:
    assert not looks_like_documents(content(text))
