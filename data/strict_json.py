"""
JSON as evidence may be written: one object, every key once, every number a number.

Python's reader keeps the last of two equal keys and others may keep the first; then one body
would say two things. NaN and Infinity are not JSON at all.
"""

import json
from typing import Any, NoReturn

from .check import refuse
from .errors import RecordError


def read_object(body: bytes, limit_bytes: int) -> dict[str, Any]:
    """
    Read one JSON object.

    Raises
    ------
    RecordError
        If the bytes are too many, not UTF-8, not one JSON object, or repeat a key.
    """
    if len(body) > limit_bytes:
        refuse("body", f"{len(body)} bytes", f"at most {limit_bytes}")
    try:
        content = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise RecordError(
            "the body is not a sample's JSON: {error}", reason="bad_json", error=str(error)[:200]
        ) from None
    if not isinstance(content, dict):
        refuse("body", type(content).__name__, "a JSON object")
    return content


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key stands twice")
    return content


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
