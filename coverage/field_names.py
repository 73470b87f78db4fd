"""
Which field holds an area's code, its name and its parent's: found, or named by the user.

Administrative files name fields by level (``commune_id, commune, province_id, province``). A
level's code field counts only where every feature has one and no two share it, so that in a
file of communes ``province_id`` is their parent and in a file of provinces it is the code.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .layers import Layer


@dataclass(frozen=True, slots=True)
class _Level:
    name: str
    codes: tuple[str, ...]
    names: tuple[str, ...]
    plural: str


# Finest first: a level's parent is the next coarser one that the file knows.
_LEVELS = (
    _Level(
        "village",
        ("villcode", "village_id", "village_code", "ma_thon", "cen_2001"),
        ("villname", "village_vn", "village", "village_name", "ten_thon"),
        "villages",
    ),
    _Level(
        "commune",
        ("commune_id", "commune_code", "ma_xa", "maxa", "ward_code", "ward_id", "insee"),
        ("commune_vn", "commune", "commune_name", "ten_xa", "tenxa", "ward", "ward_name"),
        "communes",
    ),
    _Level("town", ("towncode", "town_id", "town_code"), ("townname", "town"), "towns"),
    _Level("subdistrict", ("subdistrict_id",), ("sub_dist", "subdistrict"), "subdistricts"),
    _Level(
        "district",
        ("district_id", "district_code", "ma_huyen", "mahuyen"),
        ("district_vn", "district", "district_name", "ten_huyen", "tenhuyen"),
        "districts",
    ),
    _Level("county", ("countycode", "county_id", "countyfp"), ("countyname", "county"), "counties"),
    _Level("department", ("dep", "departement"), ("dep_nom",), "departements"),
    _Level(
        "province",
        ("province_id", "province_code", "ma_tinh", "matinh"),
        ("province_vn", "province", "province_name", "ten_tinh", "tentinh"),
        "provinces",
    ),
    _Level("state", ("state_id", "state_code", "statefp"), ("state", "state_name"), "states"),
    _Level("nation", (), (), "nations"),
)
_CODES = ("code", "geoid", "geo_id", "ma", "id", "gid", "shapeid")
_NAMES = ("name", "nom", "ten", "name_vi", "name_en", "shapename", "ward_name")
_PARENT_CODES = ("parent_code", "parent", "parent_id")
_PARENT_NAMES = ("parent_name",)
FEATURE_ID = "(feature id)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The fields of a layer that say who an area is; None where nothing says it."""

    level: str
    code: str | None
    name: str | None
    parent_code: str | None
    parent_name: str | None


def find_fields(
    layer: Layer,
    *,
    code: str | None = None,
    name: str | None = None,
    parent: str | None = None,
    level: str | None = None,
) -> Fields:
    """Find a layer's fields and level; what is named is taken as it is."""
    by_lower = {field.lower(): field for field in reversed(list(layer.fields))}
    found_code, rank = (code, _rank_of(code)) if code else _find_code(layer, by_lower)
    level_rank = _rank_of_layer(layer.name)
    if rank is None:
        rank = level_rank
    names = (_LEVELS[rank].names if rank is not None else ()) + _NAMES
    coarser = _LEVELS[rank + 1 :] if rank is not None else _LEVELS
    parent_code = parent or _first(by_lower, _PARENT_CODES, found_code)
    parent_name = _first(by_lower, _PARENT_NAMES)
    for candidate in coarser if not (parent_code or parent_name) else ():
        parent_code = _first(by_lower, candidate.codes, found_code)
        parent_name = _first(by_lower, candidate.names)
        if parent_code or parent_name:
            break
    if parent:
        beside = [item.names for item in _LEVELS if parent.lower() in item.codes]
        parent_name = parent_name or _first(by_lower, beside[0] if beside else ())
    known = level_rank if level_rank is not None else rank
    return Fields(
        level=level or (_LEVELS[known].name if known is not None else "area"),
        code=found_code,
        name=name or _first(by_lower, names, found_code),
        parent_code=parent_code,
        parent_name=parent_name,
    )


def as_text(value: Any) -> str | None:
    """
    Give a field's value as text in NFC, None where there is nothing.

    A whole number read as a float loses its ``.0``; anything that is not text or a number is
    nothing.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value != value:
        return None
    return unicodedata.normalize("NFC", str(value)).strip() or None


def _find_code(layer: Layer, by_lower: dict[str, str]) -> tuple[str | None, int | None]:
    for rank, level in enumerate(_LEVELS):
        for candidate in level.codes:
            if candidate in by_lower and _names_each(layer.fields[by_lower[candidate]]):
                return by_lower[candidate], rank
    for candidate in _CODES:
        if candidate in by_lower and _names_each(layer.fields[by_lower[candidate]]):
            return by_lower[candidate], None
    if layer.ids is not None and _names_each(layer.ids):
        return FEATURE_ID, None
    # Nothing names each feature: take the likeliest field, so that the message can say what is
    # wrong with it.
    likely = [name for level in _LEVELS for name in level.codes] + list(_CODES)
    return next((by_lower[name] for name in likely if name in by_lower), None), None


def _names_each(values: Sequence[Any]) -> bool:
    texts = [as_text(value) for value in values]
    return None not in texts and len(set(texts)) == len(texts)


def _rank_of(code: str | None) -> int | None:
    for rank, level in enumerate(_LEVELS):
        if code and code.lower() in level.codes:
            return rank
    return None


def _rank_of_layer(name: str) -> int | None:
    lower = name.lower()
    for rank, level in enumerate(_LEVELS):
        if level.plural in lower or lower == level.name:
            return rank
    return None


def _first(
    by_lower: dict[str, str], candidates: Sequence[str], besides: str | None = None
) -> str | None:
    for candidate in candidates:
        if candidate in by_lower and by_lower[candidate] != besides:
            return by_lower[candidate]
    return None
