"""Results made by hand: areas, verdicts, shapes, points."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import geopandas
import pytest
import shapely

from phusong.coverage.summary import AreaSummary, Result, Verdict
from phusong.maps.columns import DrawnResult


@pytest.fixture
def make_area() -> Callable[..., AreaSummary]:
    """Make an area's summary; name what should differ."""

    def make(code: str, verdict: Verdict = Verdict.COVERED, **changes: object) -> AreaSummary:
        values: dict[str, Any] = {"code": code, "name": f"Area {code}", "verdict": verdict}
        if verdict is not Verdict.NO_DATA:
            values |= {
                "share": 0.97,
                "share_low": 0.955,
                "share_high": 0.981,
                "samples": 500,
                "trials": 480,
                "successes": 466,
                "places": 120,
                "occasions": 130,
            }
        return AreaSummary(**(values | changes))

    return make


@pytest.fixture
def make_result() -> Callable[..., Result]:
    """Make a result of areas; name what should differ."""

    def make(*areas: AreaSummary, **changes: object) -> Result:
        values: dict[str, Any] = {
            "rule": "test-rule",
            "rule_title_en": "4G, 5 Mbit/s",
            "rule_title_vi": "4G, 5 Mbit/s (vi)",
            "required_share": 0.95,
            "confidence": 0.95,
            "area": "commune",
            "boundary_id": "set-1",
            "boundary_name": "Test communes",
            "boundary_vintage": "2025-07-01",
            "period_start": datetime(2026, 7, 1, tzinfo=UTC),
            "period_end": datetime(2026, 10, 1, tzinfo=UTC),
            "software": "phusong test",
            "computed_at": datetime(2026, 10, 2, 3, 4, tzinfo=UTC),
            "areas": tuple(areas),
        }
        return Result(**(values | changes))

    return make


@pytest.fixture
def squares() -> Callable[..., geopandas.GeoDataFrame]:
    """Make a row of touching squares, a tenth of a degree wide, one a code."""

    def make(*codes: str, **columns: object) -> geopandas.GeoDataFrame:
        shapes = [
            shapely.box(105 + index / 10, 20, 105.1 + index / 10, 20.1)
            for index, _ in enumerate(codes)
        ]
        named = {"code": list(codes), "name": [f"Area {code}" for code in codes]}
        return geopandas.GeoDataFrame(named | columns, geometry=shapes, crs="EPSG:4326")

    return make


@pytest.fixture
def four_verdicts(
    make_area: Callable[..., AreaSummary],
    make_result: Callable[..., Result],
    squares: Callable[..., geopandas.GeoDataFrame],
) -> DrawnResult:
    """Five areas of every verdict, for any operator and for Viettel, with 3 of 500 measured."""
    verdicts = {
        "1": Verdict.COVERED,
        "2": Verdict.COVERED,
        "3": Verdict.NOT_COVERED,
        "4": Verdict.UNPROVEN,
        "5": Verdict.NO_DATA,
    }
    names = ["Đồng Liên", "Hà Nội", "Cần Thơ", "Đồng Hới", "Trường Sa"]
    named = dict(zip(verdicts, names, strict=True))
    rows = [
        make_area(
            code,
            verdict,
            name=named[code],
            parent_name="Tỉnh A",
            further_places=0 if verdict is Verdict.COVERED else 73,
            excluded={"cancelled": 7} if code == "3" else {},
            down_mbps_median=12.5 if code == "1" else None,
            nr_evidence={"nsa_indicated": 40, "none": 60} if code == "1" else {},
            simulated=0 if verdict is Verdict.NO_DATA else 497,
            best_operator=None if verdict is Verdict.NO_DATA else "Viettel",
        )
        for code, verdict in verdicts.items()
    ]
    single = make_area("1", Verdict.NOT_COVERED, name="Đồng Liên", operator="Viettel", share=0.2)
    result = make_result(
        *rows,
        single,
        boundary_approximate=True,
        rule_unverified=("required_share",),
        inputs={"samples": 500, "simulated": 497, "excluded": {"cancelled": 7}},
    )
    frame = squares(*verdicts, parent_name=["Tỉnh A"] * 5)
    frame["name"] = names
    return DrawnResult(result=result, geometry=frame)


@pytest.fixture
def make_points() -> Callable[..., SimpleNamespace]:
    """Make points for a map: measured and simulated ones, succeeded and failed."""

    def make(count: int = 8, simulated_total: int = 120_000) -> SimpleNamespace:
        return SimpleNamespace(
            lon=[105.01 + index / 20 for index in range(count)],
            lat=[20.05] * count,
            ok=[index % 2 == 0 for index in range(count)],
            simulated=[index > 2 for index in range(count)],
            measured_total=3,
            simulated_total=simulated_total,
        )

    return make
