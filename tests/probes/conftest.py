"""Far ends for probes: our own server, and small servers that misbehave as a test says."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from phusong.probes.engines.ceiling import Ceiling, cache_path, keep_ceiling
from phusong.probes.engines.ndt7 import SUBPROTOCOL, VERSION
from phusong.probes.engines.websocket import upgrade_response
from phusong.probes.interface import Limits, Target
from phusong.probes.server.limits import ServerLimits
from phusong.probes.server.service import MeasurementServer
from phusong.probes.speed import boot_id

QUICK = Limits(duration_s=0.6, connect_s=1.0, handshake_s=0.6, stall_s=0.4)


@pytest.fixture(autouse=True)
def known_ceiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test use this machine's own cache, or take its time to measure the machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ceiling = Ceiling(down_mbps=1e6, up_mbps=1e6, version=VERSION, boot_id=boot_id())
    keep_ceiling(cache_path(), ceiling)


@pytest.fixture
def quick() -> Limits:
    """Give deadlines short enough for tests."""
    return QUICK


@pytest.fixture(params=[4, 6], ids=["IPv4", "IPv6"])
def family(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def server() -> Iterator[MeasurementServer]:
    limits = ServerLimits(runtime_s=1.0, head_s=0.5, idle_s=1.0, connections_per_address=8)
    with MeasurementServer(limits=limits) as running:
        yield running


@pytest.fixture
def target(server: MeasurementServer) -> Callable[[int], Target]:
    def of(family: int) -> Target:
        return Target.parse(server.url(family), family=family, allow_private=True)

    return of


def read_head(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = connection.recv(4096)
        if not chunk:
            break
        head += chunk
    return head


def upgrade(connection: socket.socket) -> None:
    """Answer a probe's handshake as a good server does."""
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", read_head(connection))
    assert key
    connection.sendall(upgrade_response(key[1].decode(), SUBPROTOCOL))


@pytest.fixture
def far_end() -> Iterator[Callable[[Callable[[socket.socket], None]], Target]]:
    """Start a server that runs a script on each connection; give the target to probe."""
    stopping = threading.Event()
    listeners: list[socket.socket] = []

    def start(script: Callable[[socket.socket], None]) -> Target:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError, AssertionError):
                connection.settimeout(3)
                script(connection)

        def accept() -> None:
            while not stopping.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        port = listener.getsockname()[1]
        return Target(host="127.0.0.1", port=port, allow_private=True)

    yield start
    stopping.set()
    for listener in listeners:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a CA, and certificates of it: good, expired, for another name; and a self-signed one."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    folder = tmp_path_factory.mktemp("certificates")
    now = datetime.now(UTC)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def write(
        file: str,
        *,
        issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None,
        names: list[x509.GeneralName],
        until: timedelta = timedelta(days=1),
        authority: bool = False,
    ) -> tuple[x509.Name, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = name(file)
        issued_by, signing = issuer or (subject, key)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issued_by)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + until)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(identifier, critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(signing, hashes.SHA256())
        pem = serialization.Encoding.PEM
        (folder / f"{file}.pem").write_bytes(certificate.public_bytes(pem))
        (folder / f"{file}.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return subject, key

    loopback: list[x509.GeneralName] = [
        x509.IPAddress(ip_address("127.0.0.1")),
        x509.IPAddress(ip_address("::1")),
    ]
    ca = write("ca", issuer=None, names=[], authority=True)
    write("good", issuer=ca, names=loopback)
    write("expired", issuer=ca, names=loopback, until=timedelta(days=-1))
    write("othername", issuer=ca, names=[x509.DNSName("other.example")])
    write("selfsigned", issuer=None, names=loopback)
    return folder
