"""A device in the field that does as a test says: its clocks, its receiver, its radio, its log."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from phusong.data.agent_log import AgentLog
from phusong.data.sample import Position, Radio, Rat, Sample
from phusong.data.store import Store
from phusong.probes import latency
from phusong.probes.agent.clock import Clock, Moment
from phusong.probes.agent.status import Happening
from phusong.probes.agent.visitor import Visitor
from phusong.probes.interface import Limits, Target
from phusong.probes.position.fix import Fix
from phusong.probes.radio.state import RadioState
from phusong.probes.scope import Scope
from phusong.probes.server.limits import ServerLimits
from phusong.probes.server.service import MeasurementServer
from phusong.probes.speed import boot_id
from phusong.probes.visits import Plan

START = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)


@dataclass
class Time:
    """Clocks that a test moves; sleeping moves all three, and whatever is planned happens."""

    at: datetime = START
    mono_s: float = 1_000.0
    boot_s: float = 1_000.0
    slept_s: float = 0.0
    planned: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def now(self) -> Moment:
        return Moment(at=self.at, mono_s=self.mono_s, boot_s=self.boot_s)

    def sleep(self, seconds: float) -> None:
        self.pass_by(seconds)
        self.slept_s += seconds
        while self.planned and self.slept_s >= self.planned[0][0]:
            self.planned.pop(0)[1]()

    def pass_by(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.mono_s += seconds
        self.boot_s += seconds

    def suspend(self, seconds: float) -> None:
        """The lid is closed: the monotonic clock stands still."""
        self.at += timedelta(seconds=seconds)
        self.boot_s += seconds

    def set_clock(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def after(self, seconds: float, happens: Callable[[], None]) -> None:
        self.planned.append((seconds, happens))

    @property
    def clock(self) -> Clock:
        return Clock(now=self.now, sleep=self.sleep)


@dataclass
class Receiver:
    """A receiver that says what a test puts into it."""

    lon: float = 105.85
    lat: float = 21.03
    problem: str | None = None
    taken_at: datetime | None = None
    name: str = "test"

    def current(self) -> Fix:
        position = Position(lon=self.lon, lat=self.lat, accuracy_m=5.0, age_s=0.2, source="test")
        return Fix(
            position=position,
            taken_at=self.taken_at,
            mono_s=time.monotonic(),
            mode="3d",
            problem=self.problem,
        )

    def move_east(self, metres: float) -> None:
        self.lon += metres / 103_900  # of longitude at 21 degrees north

    def close(self) -> None:
        self.problem = "closed"


@dataclass
class Modem:
    """A modem that goes through states: one a look, the last for ever."""

    states: list[RadioState] = field(default_factory=lambda: [served()])
    name: str = "test"

    def current(self) -> RadioState:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def close(self) -> None:
        self.states = [RadioState(problem="not_connected")]


def served(**changes: Any) -> RadioState:
    values: dict[str, Any] = {
        "plmn": "45204",
        "operator": "Viettel",
        "rat": Rat.LTE,
        "cell_id": "1234567",
        "rsrp_dbm": -95.0,
    }
    return RadioState(radio=Radio(**(values | changes)), sim="sim-a", registered=True)


@pytest.fixture(scope="module")
def far_end() -> Iterator[MeasurementServer]:
    limits = ServerLimits(runtime_s=1.0, head_s=0.5, idle_s=1.0, connections_per_address=8)
    with MeasurementServer(limits=limits) as running:
        yield running


@pytest.fixture
def server(far_end: MeasurementServer) -> MeasurementServer:
    """Give the module's far end, as if nobody had measured against it yet."""
    far_end.finished.clear()
    return far_end


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def happened() -> list[Happening]:
    return []


@pytest.fixture
def agent(
    store: Store,
    server: MeasurementServer,
    clock: Time,
    happened: list[Happening],
) -> Iterator[Callable[..., Visitor]]:
    """Make a visitor with a log in a real store; name what should differ."""

    def make(url: str = "", mode: str = "drive", **changes: Any) -> Visitor:
        target = Target.parse(url or server.url(4), allow_private=True)
        limits = changes.pop("limits", Limits(duration_s=0.5, connect_s=2, handshake_s=2))
        plan = Plan(
            server=target,
            limits=limits,
            scope=changes.pop("scope", Scope.LATENCY),
            radio=changes.pop("named_radio", None),
            families=changes.pop("families", (None,)),
        )
        values: dict[str, Any] = {
            "plan": plan,
            "probe": store.own_probe(),
            "book": AgentLog(store, mode, {}, clock.now(), boot_id()),
            "clock": clock.clock,
            "position": Receiver(),
            "on_happening": happened.append,
            "free_bytes": lambda: 1 << 40,
        }
        return Visitor(**(values | changes))

    return make


@pytest.fixture
def kept(store: Store) -> Callable[[], list[Sample]]:
    """Give every sample in the store."""
    return lambda: [Sample.from_body(body) for _, body in store.bodies()]


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    """Write a plan of two villages: a square around the receiver, and a point to the east."""
    import json

    square = [[105.8, 21.0], [105.9, 21.0], [105.9, 21.1], [105.8, 21.1], [105.8, 21.0]]
    features = [
        {
            "type": "Feature",
            "properties": {"code": "20", "name": "Đông", "needed": 2, "radius_m": 500},
            "geometry": {"type": "Point", "coordinates": [105.95, 21.03]},
        },
        {
            "type": "Feature",
            "properties": {"code": "10", "name": "Tây", "needed": 3},
            "geometry": {"type": "Polygon", "coordinates": [square]},
        },
    ]
    content = {
        "type": "FeatureCollection",
        "phusong_plan": 1,
        "title": "test",
        "made_at": "2026-07-01T02:00:00+00:00",
        "every_m": 150,
        "features": features,
    }
    path = tmp_path / "plan.geojson"
    path.write_text(json.dumps(content), "utf-8")
    return path


@pytest.fixture(autouse=True)
def quick_echoes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the twenty questions of a heartbeat in less than a second."""
    monkeypatch.setattr(latency, "INTERVAL_S", 0.002)
