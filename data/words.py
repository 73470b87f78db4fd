"""
What a person reads, in the reader's language.

The English text in the code is the key; `files/words/<language>/` holds the translations, one
file a stage.
Everyone may import this module, because every stage has something to say: it knows nobody.
`tests/test_words.py` fails on a text that has no Vietnamese.

English counts in the singular too: ``{n} {n:place|places}`` is "1 place" and "2 places".
Vietnamese leaves such a choice out. `maps/files/language.js` reads the same texts on a page.
"""

import json
import re
from collections.abc import Mapping
from functools import cache

LANGUAGES = ("en", "vi")

_CHOICE = re.compile(r"\{(\w+):([^{}|]*)\|([^{}|]*)\}")
_language = "en"


def use_language(language: str) -> None:
    """Choose what `say` speaks from now on: one of `LANGUAGES`."""
    global _language
    _language = language if language in LANGUAGES else "en"


def language() -> str:
    """Give the language that `say` speaks."""
    return _language


def say(text: str, /, **values: object) -> str:
    """Give a text in the reader's language, with its values filled in."""
    return fill(translate(text, _language), values) if values else translate(text, _language)


def fill(template: str, values: Mapping[str, object]) -> str:
    """Fill in values; where a number, written or not, decides between two words, choose one."""
    if "|" in template:
        template = _CHOICE.sub(
            lambda found: found[2] if str(values[found[1]]) == "1" else found[3], template
        )
    return template.format(**values)


def translate(text: str, to: str) -> str:
    """Give a text in a language, or as it stands where it has no translation."""
    return text if to == "en" else catalogue(to).get(text, text)


@cache
def catalogue(to: str) -> dict[str, str]:
    """Give every translated text of a language, by its English."""
    from importlib import resources

    words: dict[str, str] = {}
    for file in resources.files(__package__).joinpath("files", "words", to).iterdir():
        words |= json.loads(file.read_text("utf-8"))
    return words
