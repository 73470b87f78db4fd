"""A laboratory on loopback: a DNS server that says what a test wants, and real HTTPS servers."""

import http.server
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from phusong.probes.ipv6.audit import run_audit
from phusong.probes.ipv6.resolver import Server
from phusong.probes.ipv6.settings import Ports, Settings
from phusong.probes.ipv6.targets import ListedHost


def has_ipv6_loopback() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@dataclass
class Zone:
    """What the DNS server says: records as text by (name, type), codes by name."""

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    authentic: set[str] = field(default_factory=set)
    recursive: bool = True
    truncate: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)
    raw: Callable[[bytes], bytes] | None = None

    def answer(self, wire: bytes, *, tcp: bool) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if self.raw is not None:
            return self.raw(wire)
        if name in self.silent:
            return None
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA if self.recursive else 0
        reply.flags |= dns.flags.AD if name in self.authentic else 0
        code = self.code_for(name, query)
        if code is not None:
            reply.set_rcode(dns.rcode.from_text(code))
            return reply.to_wire()
        if self.truncate and not tcp:
            reply.flags |= dns.flags.TC
            return reply.to_wire()
        self.fill(reply, name, kind)
        return reply.to_wire(max_size=65535)

    def code_for(self, name: str, query: dns.message.Message) -> str | None:
        code = self.codes.get(name)
        if code == "BOGUS":
            code = None if query.flags & dns.flags.CD else "SERVFAIL"
        known = any(owner == name for owner, _ in self.records) or name == ""
        if code is None and not known and name not in self.codes:
            code = "NXDOMAIN"
        return code

    def fill(self, reply: dns.message.Message, name: str, kind: str) -> None:
        current, seen = name, set()
        while (current, "CNAME") in self.records and kind != "CNAME" and current not in seen:
            seen.add(current)
            target = self.records[current, "CNAME"][0]
            reply.answer.append(dns.rrset.from_text(f"{current}.", 60, "IN", "CNAME", f"{target}."))
            current = target
            if not self.recursive:
                break
        texts = self.records.get((current, kind))
        if texts:
            reply.answer.append(dns.rrset.from_text(f"{current}.", 60, "IN", kind, *texts))


class _Udp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, sock = self.request
        reply = self.server.zone.answer(data, tcp=False)  # type: ignore[attr-defined]
        if reply is not None:
            sock.sendto(reply, self.client_address)


class _Tcp(socketserver.StreamRequestHandler):
    timeout = 5

    def handle(self) -> None:
        with suppress(OSError, struct.error):
            size = struct.unpack("!H", self.rfile.read(2))[0]
            reply = self.server.zone.answer(self.rfile.read(size), tcp=True)  # type: ignore[attr-defined]
            if reply is not None:
                self.wfile.write(struct.pack("!H", len(reply)) + reply)


class _UdpServer(socketserver.ThreadingUDPServer):
    daemon_threads = True


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Udp6(_UdpServer):
    address_family = socket.AF_INET6


class _Tcp6(_TcpServer):
    address_family = socket.AF_INET6


def started(stack: ExitStack, server: socketserver.BaseServer) -> None:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    stack.callback(stop)


def _udp_and_tcp(ip: str) -> tuple[socketserver.BaseServer, socketserver.BaseServer]:
    """Open one port for both; somebody else may hold it over one of them."""
    six = ":" in ip
    for _ in range(50):
        udp = (_Udp6 if six else _UdpServer)((ip, 0), _Udp)
        try:
            return udp, (_Tcp6 if six else _TcpServer)((ip, udp.server_address[1]), _Tcp)
        except OSError:
            udp.server_close()
    raise AssertionError("no port is free over UDP and TCP")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def serve_dns(stack: ExitStack) -> Callable[..., Server]:
    """Serve a zone over UDP and TCP on loopback; give where."""

    def serve(zone: Zone, ip: str = "127.0.0.1", *, tcp: bool = True) -> Server:
        servers = _udp_and_tcp(ip)
        for server in servers if tcp else servers[:1]:
            server.zone = zone  # type: ignore[attr-defined]
            started(stack, server)
        if not tcp:
            servers[1].server_close()
        return Server(ip, int(servers[0].server_address[1]))

    return serve


@dataclass
class Site:
    """What a web server says: path to (status, headers, body), or to several, one after another."""

    pages: dict[str, Any] = field(default_factory=lambda: {"/": (200, {}, b"<h1>hello</h1>" * 50)})
    seen: list[tuple[str, str, str, float]] = field(default_factory=list)

    @property
    def asked(self) -> list[tuple[str, str, str]]:
        """Give host, path and User-Agent of each request."""
        return [request[:3] for request in self.seen]

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Give what is said of a path now; the last of several is said again."""
        said = self.pages.get(path, (404, {}, b"none"))
        if isinstance(said, list):
            return said.pop(0) if len(said) > 1 else said[0]
        return said


def handler_of(site: Site) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            agent = self.headers.get("User-Agent", "")
            host = self.headers.get("Host", "")
            site.seen.append((host, self.path, agent, time.monotonic()))
            status, headers, body = site.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


class _Http(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class _Http6(_Http):
    address_family = socket.AF_INET6


@dataclass(frozen=True)
class Web:
    """Servers that run: on which ports, and what they were asked."""

    ports: Ports
    four: Site
    six: Site


@pytest.fixture(scope="session")
def lab_certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a CA and two certificates of it: for *.lab, and for another name."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    folder = tmp_path_factory.mktemp("lab")
    now = datetime.now(UTC)
    pem = serialization.Encoding.PEM
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab CA")])

    def write(file: str, name: x509.Name, key: ec.EllipticCurvePrivateKey, dns_name: str) -> None:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=not dns_name, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
                critical=False,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
        )
        if dns_name:
            names = x509.SubjectAlternativeName([x509.DNSName(dns_name)])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(ca_key, hashes.SHA256())
        secret = key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / f"{file}.pem").write_bytes(certificate.public_bytes(pem) + secret)

    write("ca", ca_name, ca_key, "")
    for file, dns_name in (("good", "*.gov.lab"), ("othername", "other.example")):
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, file)])
        write(file, name, ec.generate_private_key(ec.SECP256R1()), dns_name)
    return folder


@pytest.fixture
def serve_web(stack: ExitStack, lab_certificates: Path) -> Callable[..., Web]:
    """Serve HTTP and HTTPS on 127.0.0.1 and ::1, the same ports on both families."""
    if not has_ipv6_loopback():
        pytest.skip("needs IPv6 on the loopback interface")

    def serve(
        *,
        six: Site | None = None,
        four: Site | None = None,
        certificate6: str = "good",
        https6: bool = True,
        http6: bool = True,
    ) -> Web:
        four, six = four or Site(), six or Site()

        def wrapped(server: http.server.HTTPServer, file: str) -> http.server.HTTPServer:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(lab_certificates / f"{file}.pem")
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
            return server

        ports = {}
        for name, on6 in (("http", http6), ("https", https6)):
            over4, over6 = _pair(four, six, on6=on6)
            ports[name] = over4.server_address[1]
            if name == "https":
                wrapped(over4, "good")
                if over6:
                    wrapped(over6, certificate6)
            started(stack, over4)
            if over6:
                started(stack, over6)
        return Web(Ports(**ports, smtp=1, dns=1), four, six)

    return serve


def _pair(four: Site, six: Site, *, on6: bool) -> tuple[_Http, _Http | None]:
    for _ in range(50):
        over4 = _Http(("127.0.0.1", 0), handler_of(four))
        try:
            over6 = _Http6(("::1", over4.server_address[1]), handler_of(six))
        except OSError:
            over4.server_close()
            continue
        if on6:
            return over4, over6
        over6.server_close()
        return over4, None
    raise AssertionError("no port is free on both families")


@pytest.fixture
def examine(serve_dns: Callable[..., Server], lab_certificates: Path) -> Callable[..., dict]:
    """Check one host against a zone and, where given, web servers; give its record."""
    import json

    def run(zone: Zone, host: str = "www.gov.lab", **changes: object) -> dict:
        server = changes.pop("server", None) or serve_dns(zone)
        references = changes.pop("references", ("[::1]:1",))
        settings = Settings(
            **{
                "allow_private": True,
                "ca_file": lab_certificates / "ca.pem",
                "connect_s": 3.0,
                "page_s": 10.0,
                "dns_s": 0.5,
                "address_gap_s": 0.0,
                "network_gap_s": 0.0,
                **changes,
            }
        )
        kept: list = []
        run_audit(
            [ListedHost(line=1, host=host, site=host, about={})],
            [server],
            settings,
            probe="lab",
            references=references,
            signed_name="signed.lab",
            on_sample=kept.append,
        )
        record = json.loads(kept[0].source.record)
        record["outcome"] = kept[0].outcome.value
        record["why"] = kept[0].reason
        record["marks"] = {f["test"]: (f["mark"], f["reason"]) for f in record["findings"]}
        return record

    return run


def dual(host: str = "www.gov.lab", six: str = "::1", four: str = "127.0.0.1") -> Zone:
    """Give a zone with one dual-stack host, its zone and no mail."""
    zone = Zone()
    zone.records[host, "A"] = [four]
    zone.records[host, "AAAA"] = [six]
    zone.records["gov.lab", "NS"] = ["ns1.gov.lab.", "ns2.gov.lab."]
    zone.records["ns1.gov.lab", "AAAA"] = ["::1"]
    zone.records["ns2.gov.lab", "AAAA"] = ["::1"]
    zone.records["signed.lab", "SOA"] = ["ns1.gov.lab. h.gov.lab. 1 2 3 4 5"]
    return zone
