"""Speed tests of other tools: their units made ours, their zeros and failures told apart."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from phusong.data.errors import ConfigError, RecordError
from phusong.data.importers import units
from phusong.data.importers.interface import Options
from phusong.data.importers.results import outcome_of
from phusong.data.importers.run import FileReport, check_files, import_file
from phusong.data.importers.times import read_moment
from phusong.data.sample import Kind, Outcome, Rat, Reading, Sample
from phusong.data.store import Store

Import = Callable[..., tuple[FileReport, list[Sample]]]
Document = Callable[..., str]
SPEED_TOOLS = (
    "speedtest-cli",
    "speedtest-cli-csv",
    "librespeed-cli",
    "librespeed-cli-csv",
    "ookla-cli",
    "ndt7-client",
    "murakami",
)
FULL = {
    "down_mbps": 76.86,
    "up_mbps": 26.98,
    "rtt_idle_ms": 21.5,
    "bytes_down": 96_000_000,
    "bytes_up": 34_000_000,
}


@pytest.mark.parametrize("tool", SPEED_TOOLS)
def test_one_test_means_the_same_whichever_tool_wrote_it(
    imported: Import, originals: dict[str, bytes], tool: str
) -> None:
    report, samples = imported(originals[tool])
    assert (report.tool, report.accepted, report.rows) == (tool, 4, 4)
    for sample in samples:
        assert (sample.kind, sample.outcome) == (Kind.SPEED, Outcome.OK)
        assert sample.started_at.replace(second=0, microsecond=0) == datetime(
            2026, 7, 1, 1, 30, tzinfo=UTC
        )
        assert sample.reading is not None
        assert sample.reading.down_mbps == pytest.approx(76.86)
        assert sample.reading.up_mbps == pytest.approx(26.98)
        assert sample.position is None


@pytest.mark.parametrize(
    ("tool", "more"),
    [
        ("speedtest-cli", {}),
        ("librespeed-cli", {"jitter_ms": 1.2}),
        ("ookla-cli", {"jitter_ms": 1.2, "rtt_loaded_ms": 45.5, "loss_ratio": 0.0078125}),
    ],
)
def test_what_else_a_tool_measured_is_read(
    imported: Import, originals: dict[str, bytes], tool: str, more: dict[str, float]
) -> None:
    _, samples = imported(originals[tool])
    reading = samples[0].reading
    assert reading is not None
    expected = Reading(**(FULL | more))
    assert replace(reading, down_mbps=76.86, up_mbps=26.98) == expected


def test_units_are_those_of_the_definitions() -> None:
    assert units.kbps_to_mbps(35925.0) == 35.925
    assert units.bps_to_mbps(76_860_000.0) == 76.86
    assert units.bytes_per_s_to_mbps(12_500_000.0) == 100.0
    assert units.page_to_mbps(106.0) == pytest.approx(100.0)
    assert units.s_to_ms(0.01) == 10.0
    assert units.ms_to_s(18_000) == 18.0
    assert units.percent_to_ratio(0.78125) == 0.0078125
    assert units.kbps_to_mbps(None) is None


def test_the_factor_of_librespeeds_page_is_undone_and_said(
    imported: Import, originals: dict[str, bytes]
) -> None:
    _, samples = imported(originals["librespeed-page"])
    reading = samples[0].reading
    assert reading is not None
    assert reading.down_mbps == pytest.approx(100.0)
    assert reading.up_mbps == pytest.approx(50.0)
    assert samples[0].reason == "factor_1_06_undone"
    assert ",106.00,53.00," in str(samples[0].source.record)


@pytest.mark.parametrize("tool", ["speedtest-cli", "librespeed-cli"])
def test_an_upload_left_out_is_missing_and_not_a_failure(
    imported: Import, document: Document, tool: str
) -> None:
    _, (sample,) = imported(document(tool, {"upload": 0, "bytes_sent": 0}))
    assert (sample.outcome, sample.reason) == (Outcome.OK, "upload_not_told")
    assert sample.reading is not None
    assert sample.reading.up_mbps is None


@pytest.mark.parametrize("tool", ["speedtest-cli", "librespeed-cli"])
def test_a_test_that_moved_nothing_has_stalled(
    imported: Import, document: Document, tool: str
) -> None:
    nothing = {"upload": 0, "download": 0, "bytes_sent": 0, "bytes_received": 0}
    _, (sample,) = imported(document(tool, nothing))
    assert (sample.outcome, sample.reason) == (Outcome.STALLED, "both_stalled")
    assert sample.reading is None


def test_an_upload_of_zero_that_sent_bytes_has_stalled(
    imported: Import, document: Document
) -> None:
    _, (sample,) = imported(document("speedtest-cli", {"upload": 0}))
    assert (sample.outcome, sample.reason) == (Outcome.STALLED, "upload_stalled")


def test_a_ping_of_half_an_hour_is_speedtest_clis_word_for_a_failed_one(
    imported: Import, document: Document
) -> None:
    _, (sample,) = imported(document("speedtest-cli", {"ping": 1800000.0}))
    assert sample.reading is not None
    assert sample.reading.rtt_idle_ms is None


def test_an_error_of_ookla_is_an_attempt_that_failed(imported: Import, document: Document) -> None:
    message = "Configuration - Couldn't resolve host name (HostNotFoundException)"
    error = {
        "type": "log",
        "timestamp": "2026-07-01T01:31:00Z",
        "message": message,
        "level": "error",
    }
    warning = error | {"level": "warning"}
    report, samples = imported("\n".join([json.dumps(error), json.dumps(warning)]))
    assert (report.tool, report.rejected) == ("ookla-cli", {"progress_line": 1})
    assert (samples[0].outcome, samples[0].reading) == (Outcome.DNS_FAILURE, None)
    assert message in str(samples[0].source.record)


def test_the_events_of_ndt7_are_named_and_its_summary_is_read(
    imported: Import, document: Document
) -> None:
    event = json.dumps({"Key": "measurement", "Value": {"Test": "download", "Origin": "client"}})
    report, samples = imported("\n".join([event] * 80 + [document("ndt7-client")]))
    assert (report.tool, report.accepted) == ("ndt7-client", 1)
    assert report.rejected == {"progress_line": 80}
    assert (samples[0].family, samples[0].server) == (6, "ndt-mlab1-han01.example")


def test_an_older_summary_of_ndt7_says_that_its_upload_was_counted_at_the_sender(
    imported: Import,
) -> None:
    old = {
        "ServerFQDN": "ndt.example",
        "ServerIP": "192.0.2.9",
        "ClientIP": "192.0.2.1",
        "Download": {"Value": 13.9, "Unit": "Mbit/s"},
        "Upload": {"Value": 3.55, "Unit": "Mbit/s"},
    }
    _, (sample,) = imported(json.dumps(old))
    assert (sample.reason, sample.family) == ("upload_counted_at_sender", 4)
    assert sample.reading == Reading(down_mbps=13.9, up_mbps=3.55)


def test_a_result_without_a_time_is_rejected_until_the_time_is_named(
    imported: Import, document: Document
) -> None:
    report, samples = imported(document("ndt7-client"), Options())
    assert (report.rejected, samples) == ({"no_time": 1}, [])
    named = Options(at=read_moment("2026-07-02T08:30:00+07:00", None))
    report, samples = imported(document("ndt7-client"), named)
    assert samples[0].started_at == datetime(2026, 7, 2, 1, 30, tzinfo=UTC)


def test_a_time_named_without_its_zone_is_refused() -> None:
    with pytest.raises(ConfigError, match="names no time zone"):
        read_moment("2026-07-02T08:30:00", None)
    with pytest.raises(ConfigError, match="expected a time"):
        read_moment("yesterday", "Asia/Ho_Chi_Minh")


def test_another_unit_than_the_known_one_is_never_converted(
    imported: Import, document: Document
) -> None:
    report, _ = imported(document("ndt7-client", {"Download.Throughput.Unit": "Gbit/s"}))
    assert report.rejected == {"unknown_unit": 1}


def test_iperf3_counts_where_data_arrives_in_the_direction_it_says(
    imported: Import, document: Document
) -> None:
    _, (down,) = imported(document("iperf3"))
    assert down.reading == Reading(down_mbps=76.86, bytes_down=96_075_000)
    assert (down.started_at, down.duration_s) == (datetime(2026, 7, 1, 1, 30, tzinfo=UTC), 10.0)
    _, samples = imported(document("iperf3", {"start.test_start.reverse": 0}))
    assert samples[-1].reading == Reading(up_mbps=76.86, bytes_up=96_075_000)


def test_iperf3_told_how_fast_to_send_shows_a_floor_and_no_speed(
    imported: Import, document: Document
) -> None:
    told = {"start.test_start.target_bitrate": 80_000_000}
    _, (sample,) = imported(document("iperf3", told))
    assert sample.reason == "rate_was_limited"
    assert sample.reading == Reading(traffic_down_mbps=76.86, bytes_down=96_075_000)
    _, samples = imported(document("iperf3", {"start.test_start.target_bitrate": 200_000_000}))
    assert samples[-1].reading is not None
    assert samples[-1].reading.down_mbps == 76.86


def test_iperf3_that_could_not_connect_is_an_attempt_that_failed(imported: Import) -> None:
    # As iperf 3.12 wrote it; it does not say when.
    failed = {
        "start": {"connected": [], "version": "iperf 3.12", "system_info": "Linux"},
        "intervals": [],
        "end": {},
        "error": "unable to connect to server: Connection refused",
    }
    _, (sample,) = imported(json.dumps(failed, indent="\t"))
    assert (sample.outcome, sample.engine_version) == (Outcome.REFUSED, "iperf 3.12")
    assert imported(json.dumps(failed), Options(), "other")[0].rejected == {"no_time": 1}


def test_keys_that_iperf3_repeats_with_one_value_are_read(
    imported: Import, document: Document
) -> None:
    twice = document("iperf3").replace('"version"', '"sock": "0", "sock": "0", "version"', 1)
    assert imported(twice)[0].accepted == 1
    other = document("iperf3").replace('"version"', '"sock": "0", "sock": "1", "version"', 1)
    with pytest.raises(RecordError, match="cannot be read"):
        imported(other)


def test_tr471_sends_for_an_upload_and_receives_for_a_download(
    imported: Import, document: Document
) -> None:
    _, (down,) = imported(document("tr471-obudpst"))
    assert down.reading == Reading(down_mbps=76.86, rtt_loaded_ms=10.0, loss_ratio=0.025)
    assert (down.reason, down.engine_version) == ("ip_layer_maximum", "9.0.0")
    _, samples = imported(document("tr471-obudpst", {"Input.Role": "Sender"}))
    assert samples[-1].reading is not None
    assert samples[-1].reading.up_mbps == 76.86


def test_tr471_that_ended_with_an_error_failed(imported: Import, document: Document) -> None:
    changes = {"ErrorStatus": 3, "ErrorMessage": "Timeout awaiting response"}
    _, (sample,) = imported(document("tr471-obudpst", changes))
    assert (sample.outcome, sample.reading) == (Outcome.TIMEOUT, None)


def test_murakami_that_could_not_download_failed(imported: Import, document: Document) -> None:
    changes = {
        "DownloadValue": None,
        "UploadValue": None,
        "DownloadError": "dial tcp: lookup locate: no such host",
    }
    _, (sample,) = imported(document("murakami", changes))
    assert (sample.outcome, sample.engine) == (Outcome.DNS_FAILURE, "ndt7")


@pytest.mark.parametrize(("name", "reason"), [("ndt7", "upload_counted_at_sender"), ("ndt5", None)])
def test_murakami_says_where_an_upload_was_counted(
    imported: Import, document: Document, name: str, reason: str | None
) -> None:
    _, (sample,) = imported(document("murakami", {"TestName": name}))
    assert sample.reason == reason


def test_murakami_of_another_test_holds_no_speed(imported: Import, document: Document) -> None:
    lines = [document("murakami"), document("murakami", {"TestName": "ooniprobe"})]
    assert imported("\n".join(lines))[0].rejected == {"not_a_result": 1}


def test_a_wired_vantage_of_murakami_is_fixed(imported: Import, document: Document) -> None:
    _, (sample,) = imported(document("murakami"))
    assert sample.radio is not None
    assert sample.radio.rat is Rat.FIXED


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ("connect: connection refused", Outcome.REFUSED),
        ("x509: certificate has expired", Outcome.TLS_FAILURE),
        ("connect: network is unreachable", Outcome.NO_ROUTE),
        ("i/o timeout", Outcome.TIMEOUT),
        ("the server is busy running a test. try again later", Outcome.SERVER_ERROR),
        ("something else", Outcome.PROTOCOL_ERROR),
    ],
)
def test_an_error_message_has_an_outcome(message: str, outcome: Outcome) -> None:
    assert outcome_of(message) is outcome


@pytest.mark.parametrize("tool", ["speedtest-cli-csv", "librespeed-cli-csv"])
def test_a_table_that_its_tool_wrote_without_a_header_is_known_by_its_first_row(
    imported: Import, originals: dict[str, bytes], tool: str
) -> None:
    bare = originals[tool].split(b"\n", 1)[1]
    report, samples = imported(bare)
    assert (report.tool, report.accepted) == (tool, 4)
    assert [sample.source.line for sample in samples] == [1, 2, 3, 4]


def test_open_data_of_nettest_is_read_with_place_network_and_utc(
    imported: Import, originals: dict[str, bytes]
) -> None:
    _, samples = imported(originals["rtr-nettest"], Options())
    sample = samples[0]
    assert sample.started_at == datetime(2026, 7, 1, 1, 30, tzinfo=UTC)
    assert sample.reading == Reading(down_mbps=22.18, up_mbps=22.409, rtt_idle_ms=31.9)
    assert sample.position is not None
    assert (sample.position.lon, sample.position.accuracy_m) == (105.85, 6.0)
    assert sample.radio is not None
    assert (sample.radio.plmn, sample.radio.operator) == ("45204", "Viettel")
    assert (sample.radio.rat, sample.radio.rsrp_dbm) == (Rat.LTE, -95.0)


def test_real_results_of_murakami_are_read(store: Store, shared: Callable[[str], Path]) -> None:
    seen = {}
    for file in sorted(shared("format-samples/murakami").glob("*.jsonl")):
        if not file.name.startswith("dash"):
            (report,) = import_file(store, file, Options()).files
            seen[file.name.split("-_")[0]] = (report.tool, report.accepted)
    assert seen == dict.fromkeys(("ndt5", "ndt7", "ookla-speedtest"), ("murakami", 1))
    readings = [Sample.from_body(body).reading for _, body in store.bodies()]
    downs = [reading.down_mbps for reading in readings if reading]
    # 2,005,673 bytes/s; over its 6.406 s that is within 2 % of the bytes that it says it moved.
    assert downs == [14.275931114031422, 13.907644425550366, 16.045384]
    assert abs(2_005_673 * 6.406 / 12_997_248 - 1) < 0.02


def test_real_results_of_obudpst_are_read_and_its_servers_statistics_set_aside(
    store: Store, shared: Callable[[str], Path]
) -> None:
    folder = shared("format-samples/obudpst")
    for name in ("client_example_01.json", "client_example_06.json"):
        (report,) = import_file(store, folder / name, Options()).files
        assert (report.tool, report.accepted, report.rows) == ("tr471-obudpst", 1, 1)
    ups = [Sample.from_body(body).reading for _, body in store.bodies()]
    assert [reading.up_mbps for reading in ups if reading] == [975.45, 975.24]
    with pytest.raises(RecordError, match="statistics of a server"):
        check_files([folder / "server_performance_stats.json"], Options())
