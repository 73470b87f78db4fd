"""The agent's commands, as a technician runs them."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import termios
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phusong.data.agent_log import AgentLog, agent_records
from phusong.data.sample import Outcome, Sample
from phusong.data.store import Store
from phusong.probes.agent import outfit
from phusong.probes.agent.plan_file import Progress, read_plan
from phusong.probes.doctor import examine as doctor
from phusong.probes.radio.state import RadioState
from phusong.probes.server.service import MeasurementServer

from .conftest import Modem, Time, served

Run = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[3]
QUICK = ("--allow-private", "--small", "latency")


def kept(path: Path) -> list[Sample]:
    with Store.open(path, create=False) as store:
        return [Sample.from_body(body) for _, body in store.bodies()]


def test_one_visit_takes_position_and_radio_and_says_what_it_costs(
    phusong: Run, server: MeasurementServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outfit, "open_radio", lambda spec: Modem([served()]))
    where = ("--position", "105.85,21.03", "--radio", "auto", "--cap-mb", 50)
    done = phusong("probe", "run", "--server", server.url(4), *QUICK, *where)
    assert done.code == 0, done.err
    assert "a visit costs at most" in done.err
    assert "50.0 MB are left under the cap" in done.err
    (sample,) = kept(tmp_path / "test.db")
    assert sample.position
    assert (sample.position.lon, sample.position.lat) == (105.85, 21.03)
    assert sample.radio == served().radio
    rows = phusong("probe", "budget", "--json").out.splitlines()
    assert [json.loads(row)["sim"] for row in rows] == ["sim-a"]
    assert "sim-a" in phusong("probe", "budget").out


def test_a_drive_says_a_line_a_visit_in_a_pipe(phusong: Run, server: MeasurementServer) -> None:
    words = ("--server", server.url(4), "--every-s", 1, "--visits", 2, *QUICK)
    done = phusong("probe", "drive", *words, "--position", "105.85,21.03")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"\d\d:\d\d:\d\d  #1  [0-9.]+ ms  21\.03000,105\.85000", lines[0]), lines[0]


def test_a_schedule_speaks_json_and_ends_after_its_visits(
    phusong: Run, server: MeasurementServer, tmp_path: Path
) -> None:
    words = ("--server", server.url(4), "--mean-s", 1, "--visits", 2, *QUICK, "--json")
    done = phusong("probe", "schedule", *words)
    assert done.code == 0, done.err
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [event["event"] for event in events] == ["sample", "sample"]
    with Store.open(tmp_path / "test.db") as store:
        (run,) = agent_records(store)["agent_run"]
    assert (run["mode"], run["ended"]) == ("schedule", "finished")


def test_what_is_missed_is_said_and_listed_as_a_gap(
    phusong: Run, server: MeasurementServer
) -> None:
    words = ("--server", server.url(4), "--every-s", 1, "--visits", 2, *QUICK, "--cap-mb", 0)
    done = phusong("probe", "drive", *words)
    assert done.code == 1, done.err
    assert done.err.count("not measured: data_cap") == 2
    told = phusong("probe", "gaps")
    assert "data_cap" in told.out
    assert "2 attempts planned, 0 gave a sample" in told.err
    assert "hết hạn mức dữ liệu" in phusong("probe", "gaps", lang="vi").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--lon", 105, "--lat", 21, "--position", "1,2"), "--position"),
        (("--exclude-family", 4, "--exclude-family", 6), "excluded"),
        (("--family", 6, "--exclude-family", 6), "excluded"),
        (("--position", "somewhere"), "somewhere"),
        (("--plan", "nowhere.geojson"), "nowhere.geojson"),
    ],
)
def test_wishes_that_do_not_go_together_are_said_before_anything_is_measured(
    phusong: Run, words: tuple[object, ...], said: str, server: MeasurementServer
) -> None:
    done = phusong("probe", "drive", "--server", server.url(4), *QUICK, "--visits", 1, *words)
    assert done.code == 3
    assert said in done.err
    assert not server.finished


def test_a_tool_without_a_budget_is_refused_where_data_is_capped(phusong: Run) -> None:
    words = ("--engine", "speedtest-cli", "--server", "http://127.0.0.1:1", "--cap-mb", 5)
    done = phusong("probe", "run", *words)
    assert (done.code, "speedtest-cli" in done.err) == (3, True)


def test_an_excluded_family_leaves_the_other(
    phusong: Run, server: MeasurementServer, tmp_path: Path
) -> None:
    words = ("--server", f"ws://localhost:{server.listening[0].port}", "--exclude-family", 6)
    done = phusong("probe", "run", *words, *QUICK)
    assert done.code == 0, done.err
    assert [sample.family for sample in kept(tmp_path / "test.db")] == [4]


def test_a_plan_shows_the_nearest_village_first(phusong: Run, plan_file: Path) -> None:
    done = phusong("probe", "plan", plan_file, "--position", "105.85,21.03", "--json")
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [(r["code"], r["needed"], r["distance_m"]) for r in rows[:1]] == [("10", 3, 0)]
    assert rows[1]["code"] == "20"
    # 0.1 degrees of longitude at 21.03 N: 111,195 m x 0.1 x cos(21.03) = 10,379 m, due east.
    assert rows[1]["distance_m"] == pytest.approx(10_379, abs=5)
    assert rows[1]["bearing_deg"] == 90
    shown = phusong("probe", "plan", plan_file, "--position", "105.85,21.03")
    assert "Đông" in shown.out
    assert "2 of 2 villages still need 5 places" in shown.err


def test_what_was_measured_since_the_plan_is_taken_off(
    phusong: Run, plan_file: Path, server: MeasurementServer, make_sample: Any, tmp_path: Path
) -> None:
    from datetime import UTC, datetime

    from phusong.data.sample import Position

    def at(lon: float, hour: int) -> Any:
        return make_sample(
            probe=probe,
            seq=0,
            position=Position(lon=lon, lat=21.03),
            started_at=datetime(2026, 7, 1, hour, tzinfo=UTC),
        )

    with Store.open(tmp_path / "test.db") as store:
        probe = store.own_probe()
        store.append([at(105.81, 1), at(105.85, 3), at(105.8501, 4), at(105.81, 5)])
    rows = phusong("probe", "plan", plan_file, "--json").out.splitlines()
    needed = {json.loads(row)["code"]: json.loads(row)["needed"] for row in rows}
    assert needed == {"10": 2, "20": 2}


def test_a_drive_follows_a_plan(phusong: Run, plan_file: Path, server: MeasurementServer) -> None:
    words = ("--server", server.url(4), *QUICK, "--visits", 1, "--plan", plan_file)
    done = phusong("probe", "drive", *words, "--position", "105.85,21.03")
    assert done.code == 0, done.err
    assert read_plan(plan_file).every_m == 150


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "no plan"),
        ('{"type": "FeatureCollection", "features": []}', "no plan"),
        ('{"phusong_plan": 1, "features": [{"properties": {"code": 1}}]}', "feature 1"),
        (
            (
                '{"phusong_plan": 1, "features": [{"properties": {"code": 1, "name": "x", "needed":'
                ' -1}, "geometry": {"type": "Point", "coordinates": [1, 2]}}]}'
            ),
            "feature 1",
        ),
        ('{"phusong_plan": 1, "features": [], "every_s": "often"}', "every_s"),
        ("[" * 100_000, "no plan"),
    ],
)
def test_a_file_that_is_no_plan_is_named(
    phusong: Run, tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "bad.geojson"
    path.write_text(content)
    done = phusong("probe", "plan", path)
    assert done.code == 3
    assert said in done.err


def test_a_plan_is_written_from_a_result_and_read_back(
    phusong: Run, tmp_path: Path, make_sample: Any
) -> None:
    from phusong.data.sample import Position

    samples = [
        make_sample(seq=n + 1, position=Position(lon=105.80 + 0.01 * n, lat=21.03))
        for n in range(9)
    ]
    with Store.open(tmp_path / "test.db") as store:
        store.merge(samples)
    assert phusong("coverage", "compute", "--rule", "vn-4g", "--by", "h3:6").code == 0
    target = tmp_path / "plan.geojson"
    done = phusong("coverage", "plan", target, "--every-m", 150)
    assert done.code == 0, done.err
    plan = read_plan(target)
    assert plan.every_m == 150
    assert plan.villages
    assert all(village.needed > 0 and village.rings for village in plan.villages)
    assert all(village.contains(village.point) for village in plan.villages)
    assert any(village.contains((105.80, 21.03)) for village in plan.villages)
    assert next(leg.distance_m for leg in Progress(plan).legs((105.80, 21.03))) == 0
    assert phusong("coverage", "plan", target).code == 3


def test_the_doctor_says_what_is_missing_and_how_to_get_it(
    phusong: Run, server: MeasurementServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "has_link", lambda: True)
    monkeypatch.setattr(doctor, "open_radio", lambda spec: Modem([served()]))
    well = ("--server", server.url(4), "--allow-private", "--position", "105.85,21.03")
    done = phusong("probe", "doctor", *well, "--json")
    rows = {row["name"]: row for row in map(json.loads, done.out.splitlines())}
    assert done.code == 0, rows
    assert set(rows) >= {"disk", "clock", "far end", "position", "radio", "IPv6", "iperf3"}
    assert rows["position"]["state"] == rows["far end"]["state"] == rows["radio"]["state"] == "good"
    assert all(row["remedy"] for row in rows.values() if row["state"] != "good")


def test_the_doctor_finds_what_was_named_and_is_not_there(
    phusong: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "open_radio", lambda spec: Modem([RadioState(problem="no_modem")]))
    monkeypatch.setattr(doctor, "first_fix", lambda spec: outfit.first_fix("none", 0.0))
    done = phusong("probe", "doctor", "--server", "ws://127.0.0.1:1", "--allow-private", lang="vi")
    assert done.code == 1
    assert "bị từ chối (refused)" in done.out
    assert "thiếu" in done.out


def on_screen(columns: int, lang: str, server: MeasurementServer, db: Path) -> list[str]:
    """Run a drive on a terminal of so many columns; give the last screen's lines."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, columns))
    words = ("--server", server.url(4), "--allow-private", "--every-s", "600", "--duration", "1")
    more = ("--within", "0", "--max-mb", "90000", "--cap-mb", "900000", "--visits", "1")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "phusong",
            "--db",
            str(db),
            "--lang",
            lang,
            "probe",
            "drive",
            *words,
            *more,
            "--position",
            "105.85,21.03",
        ],
        stdin=follower,
        stdout=follower,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "24"},
    )
    os.close(follower)
    seen, until = b"", time.monotonic() + 90
    while time.monotonic() < until:
        if not select.select([leader], [], [], 1)[0]:
            continue
        try:
            data = os.read(leader, 65_536)
        except OSError:
            break
        if not data:
            break
        seen += data
    process.kill()
    process.wait()
    os.close(leader)
    text = seen.decode("utf-8")
    assert "Mbit/s" in text
    last = re.split(r"(?:\x1b\[2K\x1b\[1A)+\x1b\[2K|\r\x1b\[2K", text)[-1]
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", last).replace("\r", "").split("\n")


@pytest.mark.parametrize(
    ("columns", "lang", "words"),
    [
        (40, "vi", ("vị trí", "đã lưu", "chưa gửi", "dữ liệu")),
        (80, "en", ("position", "stored", "unsent", "data")),
    ],
)
def test_the_live_view_stands_on_a_narrow_screen(
    server: MeasurementServer, tmp_path: Path, columns: int, lang: str, words: tuple[str, ...]
) -> None:
    lines = on_screen(columns, lang, server, tmp_path / "t.db")
    assert 6 <= len([line for line in lines if line.strip()]) <= 12
    for line in lines:
        wide = sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in line)
        assert wide <= columns, line
    for word in words:
        assert any(line.startswith(word) for line in lines), (word, lines)
    assert any("21.03000 105.85000" in line for line in lines)
    assert any("Mbit/s" in line and "↓" in line for line in lines)
    (sample,) = kept(tmp_path / "t.db")
    assert sample.outcome in (Outcome.OK, Outcome.STALLED)


def test_rich_is_loaded_only_on_a_terminal(server: MeasurementServer, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom phusong.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit:\n    print('rich' in sys.modules, file=sys.stderr)\n"
    )
    words = ["--db", str(tmp_path / "r.db"), "probe", "drive", "--server", server.url(4)]
    done = subprocess.run(
        [sys.executable, "-c", program, *words, *QUICK, "--visits", "1"],
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.stderr.splitlines()[-1] == "False"


def test_systemd_takes_the_unit_of_the_agent(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze")
    unit = (ROOT / "docs" / "phusong-agent.service").read_text("utf-8")
    there = tmp_path / "phusong-agent.service"
    # The program is not installed under /opt on the machine that tests.
    there.write_text(unit.replace("/opt/phusong/bin/phusong", "/bin/true"), "utf-8")
    done = subprocess.run([program, "verify", there], capture_output=True, text=True, timeout=60)
    ours = [line for line in done.stderr.splitlines() if "phusong-agent" in line]
    assert (done.returncode, ours) == (0, [])


def test_the_command_in_the_unit_is_one_that_exists(phusong: Run) -> None:
    unit = (ROOT / "docs" / "phusong-agent.service").read_text("utf-8")
    (command,) = re.findall(r"^ExecStart=\S+/phusong --db \S+ (.*)$", unit, re.MULTILINE)
    words = command.split()
    assert phusong(*words[:2], "--help").code == 0
    options = phusong(*words[:2], "--help").out
    assert all(word in options for word in words if word.startswith("--"))


def test_an_older_store_gets_the_agents_tables(store: Store, clock: Time) -> None:
    log = AgentLog(store, "run", {}, clock.now(), None)
    assert log.account("sim", clock.now(), None).used_bytes == 0
    assert log.unsent("probe") == 0
    assert log.usual_bytes("sim", "whole") is None
