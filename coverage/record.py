"""
A result as rows to keep, and back: the one place where the two forms meet.

Counts and verdicts are columns, for questions in SQL; what has no column of its own travels as
JSON beside them, so that nothing of a result is lost on the way through a store.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import orjson

from .area_rows import AreaRows
from .summary import AreaSummary, Result, Verdict

_HEADER_FIELDS = frozenset({"rule", "area", "boundary_id", "software", "computed_at", "areas"})
_AREA_COLUMNS = frozenset(
    {
        "code",
        "name",
        "operator",
        "verdict",
        "share",
        "share_low",
        "share_high",
        "trials",
        "successes",
        "places",
        "simulated",
    }
)
_AREA_FIELDS = tuple(each.name for each in fields(AreaSummary))
_values_of = attrgetter(*_AREA_FIELDS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def result_to_rows(result: Result) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Give a result's header and one row an area and operator, as `data/kept.py` takes them."""
    rest = {
        field.name: getattr(result, field.name)
        for field in fields(result)
        if field.name not in _HEADER_FIELDS
    }
    for name in ("period_start", "period_end"):
        if rest[name] is not None:
            rest[name] = rest[name].isoformat()
    header = {
        "computed_us": _microseconds(result.computed_at),
        "rule": result.rule,
        "area": result.area,
        "boundary_set_id": result.boundary_id,
        "software": result.software,
        "inputs": _as_json(rest),
    }
    areas = result.areas
    records = areas.records() if isinstance(areas, AreaRows) else map(_area_record, areas)
    return header, list(map(_area_row, records))


def result_from_rows(header: Mapping[str, Any], areas: Iterable[Mapping[str, Any]]) -> Result:
    """Give back the result whose rows `result_to_rows` made."""
    rest = orjson.loads(header["inputs"])
    for name in ("period_start", "period_end"):
        if rest[name] is not None:
            rest[name] = datetime.fromisoformat(rest[name])
    rest["rule_unverified"] = tuple(rest["rule_unverified"])
    return Result(
        rule=header["rule"],
        area=header["area"],
        boundary_id=header["boundary_set_id"],
        software=header["software"],
        computed_at=_EPOCH + timedelta(microseconds=header["computed_us"]),
        areas=tuple(_area(row) for row in areas),
        **rest,
    )


def describe_result(result: Result) -> dict[str, Any]:
    """Give what a result says of itself, without its areas, as plain data."""
    record = asdict(replace(result, areas=()))
    del record["areas"]
    return record


def _as_json(told: Mapping[str, Any]) -> str:
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS).decode()


def _area_record(area: AreaSummary) -> dict[str, Any]:
    return dict(zip(_AREA_FIELDS, _values_of(area), strict=True))


def _area_row(record: dict[str, Any]) -> dict[str, Any]:
    row = {name: record[name] for name in _AREA_COLUMNS}
    row["verdict"] = record["verdict"].value
    # What is missing is not told: for most rows of a large result that is half of the fields.
    told = record.items()
    row["summary"] = _as_json({k: v for k, v in told if v is not None and k not in _AREA_COLUMNS})
    return row


def _area(row: Mapping[str, Any]) -> AreaSummary:
    values = {name: row[name] for name in _AREA_COLUMNS}
    values["verdict"] = Verdict(row["verdict"])
    return AreaSummary(**values, **orjson.loads(row["summary"]))


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
