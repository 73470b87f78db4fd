"""
What a person reads, in the reader's language.

The English text in the code is the key; `files/words/<language>/` holds the translations, one
file a stage.
Everyone may import this module, because every stage has something to say: it knows nobody.
`tests/test_words.py` fails on a text that has no Vietnamese.
"""

import json
from functools import cache

LANGUAGES = ("en", "vi")

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
    return translate(text, _language).format(**values) if values else translate(text, _language)


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
