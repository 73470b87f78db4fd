"""What a sample is, and what can never be one."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phusong.data.check import clean_text
from phusong.data.errors import PhusongError, RecordError
from phusong.data.sample import (
    Kind,
    NrEvidence,
    Outcome,
    Position,
    Provenance,
    Radio,
    Rat,
    Reading,
    Sample,
    sample_id,
)

MakeSample = Callable[..., Sample]


def test_evidence_is_the_bytes_that_are_hashed(make_sample: MakeSample) -> None:
    body = make_sample().body()
    assert body.startswith(b'{"v":1,"probe":"test-probe","seq":1,')
    assert sample_id(body) == hashlib.sha256(body).digest()
    assert json.loads(body)["reading"] == {
        "down_mbps": 76.86,
        "up_mbps": 26.98,
        "rtt_idle_ms": 21.5,
    }


def test_evidence_reads_back_as_the_same_sample(make_sample: MakeSample) -> None:
    sample = make_sample(
        boot_id="b", mono_ns=5, simulated=True, source=Provenance(tool="t", record='{"x":\n1}')
    )
    assert Sample.from_body(sample.body()) == sample


def test_what_was_not_measured_is_absent_from_the_evidence(make_sample: MakeSample) -> None:
    content = json.loads(make_sample(reading=Reading(down_mbps=1.0)).body())
    assert content["reading"] == {"down_mbps": 1.0}
    assert "simulated" not in content


def test_a_failed_attempt_has_no_reading(make_sample: MakeSample) -> None:
    failed = make_sample(outcome=Outcome.TIMEOUT, reason="upload_timeout", reading=None)
    assert "reading" not in json.loads(failed.body())
    with pytest.raises(RecordError, match="a reading with outcome timeout"):
        make_sample(outcome=Outcome.TIMEOUT)


def test_a_speed_attempt_that_went_well_has_a_reading(make_sample: MakeSample) -> None:
    with pytest.raises(RecordError, match="none with outcome ok"):
        make_sample(reading=None)


def test_a_signal_sample_needs_no_reading(make_sample: MakeSample) -> None:
    assert make_sample(kind=Kind.SIGNAL, reading=None).reading is None


@pytest.mark.parametrize("name", ["down_mbps", "up_mbps"])
def test_a_throughput_of_zero_is_not_a_reading(name: str) -> None:
    with pytest.raises(RecordError, match="why nothing came"):
        Reading(**{name: 0.0})


def test_a_speed_lies_in_its_interval() -> None:
    assert Reading(up_mbps=5.0, up_low_mbps=4.9, up_high_mbps=5.1).up_low_mbps == 4.9
    for values in (
        {"down_low_mbps": 4.0, "down_high_mbps": 6.0},
        {"down_mbps": 5.0, "down_low_mbps": 4.0},
        {"down_mbps": 5.0, "down_low_mbps": 5.1, "down_high_mbps": 6.0},
        {"down_mbps": 5.0, "down_low_mbps": 4.0, "down_high_mbps": 4.5},
    ):
        with pytest.raises(RecordError, match=r"reading\.down_mbps"):
            Reading(**values)


def test_a_mark_of_the_ceiling_is_true_or_false_and_no_measurement() -> None:
    assert Reading(down_mbps=5.0, near_ceiling=True).near_ceiling is True
    with pytest.raises(RecordError, match="near_ceiling"):
        Reading(down_mbps=5.0, near_ceiling=1)
    with pytest.raises(RecordError, match="at least one value"):
        Reading(near_ceiling=True)


def test_evidence_from_before_intervals_were_kept_is_read_as_ever() -> None:
    body = (
        b'{"v":1,"probe":"p","seq":1,"kind":"speed","ts":"2026-07-01T03:00:00.000000Z",'
        b'"outcome":"ok","reading":{"down_mbps":5.5,"loss_ratio":0.0},"source":{"tool":"phusong"}}'
    )
    sample = Sample.from_body(body)
    assert sample.reading == Reading(down_mbps=5.5, loss_ratio=0.0)
    assert sample.body() == body


def test_an_empty_reading_is_refused() -> None:
    with pytest.raises(RecordError, match="at least one value"):
        Reading()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.1, "3", True])
def test_a_speed_that_is_no_finite_number_is_refused_by_name(value: object) -> None:
    with pytest.raises(RecordError, match=r"reading\.down_mbps"):
        Reading(down_mbps=value)


@pytest.mark.parametrize(
    ("lon", "lat", "words"),
    [
        (math.nan, 21.0, r"position\.lon"),
        (105.0, math.inf, r"position\.lat"),
        (21.03, 105.85, "swapped"),
        (181.0, 21.0, "between -180 and 180"),
        (0.0, 0.0, "without one"),
        ("105", 21.0, r"position\.lon"),
    ],
)
def test_an_impossible_position_is_refused_by_name(lon: float, lat: float, words: str) -> None:
    with pytest.raises(RecordError, match=words):
        Position(lon=lon, lat=lat)


@pytest.mark.parametrize("plmn", ["4520", "4520400", "45204x", 45204, "４５２０４"])
def test_a_plmn_is_five_or_six_digits(plmn: object) -> None:
    with pytest.raises(RecordError, match=r"radio\.plmn"):
        Radio(plmn=plmn)


def test_leading_zeros_of_a_plmn_are_kept(make_sample: MakeSample) -> None:
    sample = make_sample(radio=Radio(plmn="00101"))
    assert json.loads(sample.body())["radio"]["plmn"] == "00101"


@pytest.mark.parametrize("probe", ["", "a b", "Độ", "x" * 65, "\ud800", "a\n", None])
def test_a_probe_name_is_plain(probe: object, make_sample: MakeSample) -> None:
    with pytest.raises(RecordError, match="probe"):
        make_sample(probe=probe)


@pytest.mark.parametrize("name", ["Viettel\x00", "a\nb", "\ud800", "x" * 513, ""])
def test_an_operator_name_is_one_bounded_line(name: str) -> None:
    with pytest.raises(RecordError, match=r"radio\.operator"):
        Radio(operator=name)


def test_a_right_to_left_mark_in_a_name_is_data() -> None:
    assert Radio(operator="Vi\u200fettel").operator == "Vi\u200fettel"


def test_a_time_without_zone_or_in_another_zone_is_refused(make_sample: MakeSample) -> None:
    for moment in (datetime(2026, 7, 1), datetime(2026, 7, 1, tzinfo=timezone(timedelta(hours=7)))):
        with pytest.raises(RecordError, match="started_at"):
            make_sample(started_at=moment)


def test_a_sample_cannot_be_changed(make_sample: MakeSample) -> None:
    with pytest.raises(FrozenInstanceError):
        make_sample().seq = 2
    assert not hasattr(make_sample(), "__dict__")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not a sample's JSON"),
        (b"[]", "JSON object"),
        (b'{"v":2}', "v: saw 2"),
        (b'{"v":1,"v":1}', "a key stands twice"),
        (b'{"v":1,"duration_s":NaN}', "NaN"),
        (b"\xff\xfe", "not a sample's JSON"),
        (b"[" * 200_000, "not a sample's JSON"),
        (b" " * 1_000_001, "at most 1000000"),
    ],
)
def test_evidence_that_is_not_ours_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(RecordError, match=words):
        Sample.from_body(body)


def test_an_unknown_field_in_the_evidence_is_refused(make_sample: MakeSample) -> None:
    for place in ("", "reading"):
        content = json.loads(make_sample().body())
        (content[place] if place else content)["speed"] = 1
        with pytest.raises(RecordError, match="unknown field"):
            Sample.from_body(json.dumps(content).encode())


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=8), st.none() | st.floats() | st.text(max_size=8)))
def test_no_json_object_makes_reading_evidence_crash(extra: dict[str, object]) -> None:
    content = {"v": 1, "probe": "p", "seq": 1, "kind": "signal", "ts": "2026-01-01T00:00:00Z"}
    body = json.dumps(content | {"outcome": "ok", "source": {"tool": "t"}} | extra).encode()
    try:
        assert isinstance(Sample.from_body(body), Sample)
    except PhusongError as error:
        assert str(error)


finite = st.floats(min_value=0.001, max_value=1e5)


@settings(deadline=None)
@given(
    reading=st.builds(Reading, down_mbps=finite, up_mbps=st.none() | finite, rtt_idle_ms=finite),
    position=st.none()
    | st.builds(Position, lon=st.floats(-180, 180), lat=st.floats(1, 90), accuracy_m=finite),
    radio=st.none()
    | st.builds(
        Radio,
        rat=st.none() | st.sampled_from(Rat),
        nr_evidence=st.none() | st.sampled_from(NrEvidence),
        operator=st.none() | st.sampled_from(["Viettel", "Độ trễ", "<b>{{7*7}}</b>"]),
    ),
    moment=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)),
)
def test_every_valid_sample_survives_its_own_evidence(
    reading: Reading, position: Position | None, radio: Radio | None, moment: datetime
) -> None:
    sample = Sample(
        probe="p",
        kind=Kind.SPEED,
        started_at=moment.replace(tzinfo=UTC),
        outcome=Outcome.OK,
        reading=reading,
        position=position,
        radio=radio,
        source=Provenance(tool="t"),
    )
    assert Sample.from_body(sample.body()) == sample
    assert Sample.from_body(replace(sample, seq=7).body()).seq == 7


def test_names_are_compared_in_one_form() -> None:
    assert clean_text(" Ho\u0300a ") == "H\u00f2a"
    assert clean_text("  ") is None
