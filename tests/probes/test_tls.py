"""wss, and the certificates that must not pass."""

import socket
import ssl
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from phusong.data.errors import ConfigError
from phusong.data.sample import Outcome
from phusong.probes.connection import client_context, reach
from phusong.probes.engines.multistream import Multistream
from phusong.probes.engines.ndt7 import Ndt7
from phusong.probes.interface import Failure, Limits, Target, attempt
from phusong.probes.server.limits import ServerLimits
from phusong.probes.server.service import MeasurementServer

QUICK = Limits(duration_s=0.6, connect_s=2)


def serving(certificates: Path, name: str) -> MeasurementServer:
    return MeasurementServer(
        certificate=certificates / f"{name}.pem",
        key=certificates / f"{name}.key",
        limits=ServerLimits(runtime_s=5, head_s=1),
    )


def trusting(server: MeasurementServer, family: int, ca: Path | None) -> Target:
    return Target.parse(server.url(family), allow_private=True, ca_file=ca)


@pytest.mark.parametrize("flows", [1, 2])
def test_several_connections_measure_over_tls(certificates: Path, flows: int) -> None:
    with serving(certificates, "good") as server:
        far = trusting(server, 4, certificates / "ca.pem")
        address, engine = reach(far, QUICK), Multistream(flows)
        down, up = engine.download(far, address, QUICK), engine.upload(far, address, QUICK)
    assert min(down.mbps, up.mbps) > 10
    # TLS hides the length of its records: what was decrypted is counted.
    assert down.record["counter"] == "bytes_read"


def test_a_certificate_of_the_ca_given_is_good_for_both_directions(
    certificates: Path, family: int
) -> None:
    with serving(certificates, "good") as server:
        assert server.url(family).startswith("wss://")
        far = trusting(server, family, certificates / "ca.pem")
        address = reach(far, QUICK)
        down = Ndt7().download(far, address, QUICK)
        up = Ndt7().upload(far, address, QUICK)
    assert down.mbps > 10
    assert up.mbps > 10
    counted = {test.direction: test for test in server.finished}
    assert up.bytes_moved == pytest.approx(counted["upload"].received_bytes, rel=0.05)
    assert down.bytes_moved == pytest.approx(counted["download"].sent_bytes, rel=0.05)


@pytest.mark.parametrize("name", ["expired", "othername", "selfsigned"])
def test_a_wrong_certificate_is_a_tls_failure(certificates: Path, name: str) -> None:
    with serving(certificates, name) as server:
        far = trusting(server, 4, certificates / "ca.pem")
        ended = attempt(lambda: reach(far, QUICK))
    assert isinstance(ended, Failure)
    assert (ended.outcome, ended.reason) == (Outcome.TLS_FAILURE, "certificate")


def test_a_private_ca_is_not_trusted_unless_given(certificates: Path) -> None:
    with serving(certificates, "good") as server:
        far = trusting(server, 4, None)
        ended = attempt(lambda: reach(far, QUICK))
    assert isinstance(ended, Failure)
    assert ended.outcome is Outcome.TLS_FAILURE


def test_wss_to_a_server_without_tls_is_a_tls_failure_and_harms_no_one(
    certificates: Path, server: MeasurementServer
) -> None:
    far = Target.parse(
        server.url(4).replace("ws:", "wss:"), allow_private=True, ca_file=certificates / "ca.pem"
    )
    ended = attempt(lambda: reach(far, QUICK))
    assert isinstance(ended, Failure)
    assert ended.outcome in (Outcome.TLS_FAILURE, Outcome.TIMEOUT)


def test_a_client_that_speaks_no_tls_leaves_a_wss_server_answering(certificates: Path) -> None:
    with serving(certificates, "good") as server:
        plain = Target.parse(server.url(4).replace("wss:", "ws:"), allow_private=True)
        ended = attempt(lambda: Ndt7().download(plain, reach(plain, QUICK), QUICK))
        assert isinstance(ended, Failure)
        far = trusting(server, 4, certificates / "ca.pem")
        assert Ndt7().download(far, reach(far, QUICK), QUICK).mbps > 10


def test_a_version_of_tls_that_is_too_old_is_a_tls_failure(
    certificates: Path, far_end: Callable[[Callable[[socket.socket], None]], Target]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "good.pem", certificates / "good.key")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")

    def old(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True).close()

    plain = far_end(old)
    far = Target(
        host=plain.host,
        port=plain.port,
        tls=True,
        allow_private=True,
        ca_file=certificates / "ca.pem",
    )
    ended = attempt(lambda: reach(far, QUICK))
    assert isinstance(ended, Failure)
    assert (ended.outcome, ended.reason) == (Outcome.TLS_FAILURE, "tls_failure")


def test_a_ca_file_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for file in (tmp_path / "ca.pem", tmp_path / "missing.pem"):
        with pytest.raises(ConfigError, match=file.name):
            client_context(file)


def test_a_certificate_without_its_key_is_said(certificates: Path) -> None:
    good, ca = certificates / "good.pem", certificates / "ca.key"
    with pytest.raises(ConfigError, match=r"good\.pem"):
        MeasurementServer(certificate=good, key=ca)
    with pytest.raises(ConfigError, match="both"):
        MeasurementServer(certificate=good)


def test_a_far_end_that_opens_and_never_shakes_hands_has_a_reason_of_its_own(
    far_end: Callable[[Callable[[socket.socket], None]], Target],
) -> None:
    plain = far_end(lambda connection: time.sleep(1.5))
    far = Target(host=plain.host, port=plain.port, tls=True, allow_private=True)
    ended = attempt(lambda: reach(far, Limits(connect_s=0.4)))
    assert isinstance(ended, Failure)
    assert (ended.outcome, ended.reason) == (Outcome.TIMEOUT, "tls_timeout")
