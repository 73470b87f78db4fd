"""Against nsd, unbound and real routers in network namespaces, where Debian's packages are."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import dns.message
import pytest

from phusong.data.sample import Sample
from phusong.probes.ipv6.audit import run_audit
from phusong.probes.ipv6.path import look_at_path, search_mtu
from phusong.probes.ipv6.resolver import Server
from phusong.probes.ipv6.settings import Ports, Settings
from phusong.probes.ipv6.targets import ListedHost

from .conftest import has_ipv6_loopback
from .namespaces import Routed, program, routed_namespaces, shell

ZONE = """$ORIGIN {name}.
$TTL 300
@ IN SOA ns1 h 1 3600 600 86400 300
@ IN NS ns1
@ IN NS ns2
@ IN MX 0 .
www IN A 127.0.0.1
www IN AAAA ::1
ns1 IN AAAA ::1
ns2 IN AAAA ::1
l0 IN CNAME l1
l1 IN CNAME l0
"""
CHAIN = "".join(f"c{n} IN CNAME c{n + 1}\n" for n in range(60)) + "c60 IN AAAA ::1\n"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def started(stack: ExitStack, command: list[str], port: int, name: str) -> None:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(process.wait, 10)
    stack.callback(process.terminate)
    query = dns.message.make_query(name, "SOA").to_wire()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, suppress(OSError):
            sock.settimeout(0.3)
            sock.connect(("127.0.0.1", port))
            sock.send(query)
            if sock.recv(2000):
                return
        time.sleep(0.1)
    pytest.fail(f"{command[0]} did not come up")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """Run nsd with a signed, a broken and an unsigned zone, and unbound that validates."""
    nsd, unbound = program("nsd"), program("unbound")
    keygen, signzone = program("ldns-keygen"), program("ldns-signzone")
    if not has_ipv6_loopback():
        pytest.skip("needs IPv6 on the loopback interface")
    folder = tmp_path_factory.mktemp("dns")
    anchors = []
    for name in ("good.lab", "broken.lab", "plain.lab"):
        file = folder / f"{name}.zone"
        file.write_text(ZONE.format(name=name) + CHAIN)
        if name == "plain.lab":
            continue
        made = subprocess.run(
            [keygen, "-a", "ECDSAP256SHA256", "-k", name],
            cwd=folder, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        key = made.stdout.strip()
        subprocess.run([signzone, "-o", name, file.name, key], cwd=folder, check=True, timeout=60)
        signed = (folder / f"{file.name}.signed").read_text()
        if name == "broken.lab":
            # The signature is of ::1: whoever checks it sees that the address was changed.
            signed = signed.replace(
                "www.broken.lab.\t300\tIN\tAAAA\t::1", "www.broken.lab.\t300\tIN\tAAAA\tfd00::bad"
            )
            assert "fd00::bad" in signed
        file.write_text(signed)
        anchors.append((folder / f"{key}.ds").read_text().strip())
    authority, port = free_port(), free_port()
    names = ("good.lab", "broken.lab", "plain.lab")
    zones = "".join(f'zone:\n name: "{n}"\n zonefile: "{n}.zone"\n' for n in names)
    (folder / "nsd.conf").write_text(
        f"server:\n ip-address: 127.0.0.1@{authority}\n ip-address: ::1@{authority}\n"
        f' username: ""\n'
        f' zonesdir: "{folder}"\n database: ""\n pidfile: "{folder}/nsd.pid"\n xfrdfile: ""\n'
        f' zonelistfile: "{folder}/list"\nremote-control:\n control-enable: no\n{zones}'
    )
    stubs = "".join(
        f'stub-zone:\n name: "{n}"\n stub-addr: 127.0.0.1@{authority}\n' for n in (*names, ".")
    )
    trusted = "".join(f' trust-anchor: "{" ".join(anchor.split())}"\n' for anchor in anchors)
    (folder / "unbound.conf").write_text(
        f'server:\n interface: 127.0.0.1@{port}\n username: ""\n chroot: ""\n pidfile: ""\n'
        f' directory: "{folder}"\n use-syslog: no\n logfile: "{folder}/unbound.log"\n'
        " do-not-query-localhost: no\n num-threads: 1\n val-clean-additional: no\n"
        f"{trusted}remote-control:\n control-enable: no\n{stubs}"
    )
    with ExitStack() as stack:
        started(stack, [nsd, "-d", "-c", f"{folder}/nsd.conf"], authority, "plain.lab")
        started(stack, [unbound, "-d", "-c", f"{folder}/unbound.conf"], port, "plain.lab")
        yield Server("127.0.0.1", authority), Server("127.0.0.1", port)


@pytest.fixture
def look(servers: tuple[Server, Server]) -> Callable[..., dict[str, tuple[str, str]]]:
    """Look at a host through unbound; give its marks."""

    def run(host: str, **changes: object) -> dict[str, tuple[str, str]]:
        authority, resolver = servers
        kept: list[Sample] = []
        settings = Settings(
            allow_private=True,
            parts=("dns", "mail"),
            dns_s=5.0,
            address_gap_s=0.0,
            network_gap_s=0.0,
            ports=Ports(dns=authority.port),
        )
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as reference:
            run_audit(
                [ListedHost(line=1, host=host, site=host, about={})],
                [resolver],
                settings,
                probe="lab",
                references=(f"[::1]:{reference.getsockname()[1]}",),
                signed_name="good.lab",
                on_sample=kept.append,
            )
        record = json.loads(kept[0].source.record or "")
        return {f["test"]: (f["mark"], f["reason"]) for f in record["findings"]}

    return run


def test_unbound_tells_secure_insecure_and_bogus_apart(look: Callable[..., dict]) -> None:
    good = look("www.good.lab")
    assert good["dnssec"] == ("good", "secure")
    assert good["ns_aaaa"] == ("good", "ns_two")
    assert good["ns_reach"] == ("good", "ns_answer")
    assert good["mx_aaaa"] == ("good", "null_mx")
    assert look("www.plain.lab")["dnssec"] == ("notice", "insecure")
    broken = look("www.broken.lab")
    assert broken["web_aaaa"] == ("fail", "bogus")
    assert broken["dnssec"] == ("fail", "bogus")


def test_unbound_ends_loops_and_long_chains_too(look: Callable[..., dict]) -> None:
    assert look("l0.plain.lab")["web_aaaa"][1] in ("cname_loop", "servfail", "bogus")
    long = look("c0.plain.lab")["web_aaaa"]
    assert long[1] in ("cname_chain_too_long", "servfail", "bogus")
    assert look("missing.plain.lab")["web_aaaa"] == ("unknown", "nxdomain")


def test_the_largest_packet_is_found_and_a_black_hole_named() -> None:
    assert search_mtu(lambda size: True) == (1500, False, False)
    assert search_mtu(lambda size: size <= 1400) == (1400, True, False)
    assert search_mtu(lambda size: True if size <= 1400 else 1400) == (1400, False, True)
    assert search_mtu(lambda size: size <= 1280) == (1280, True, False)
    assert search_mtu(lambda size: False) == (None, None, False)
    assert search_mtu(lambda size: True, 1492) == (1492, False, False)


def test_without_raw_sockets_what_is_unknown_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phusong.probes.ipv6.path.may_use_raw_sockets", lambda: False)
    seen = look_at_path("::1", port=1, allow_private=True, timeout_s=0.5)
    assert seen.raw is False
    assert seen.hops[0][1] == "::1"
    assert seen.echo_ms or seen.unknown["echo"] == "ping_not_allowed"
    assert seen.mtu or seen.unknown["mtu"] == "nothing_answers"


def test_scapy_is_loaded_only_when_a_path_is_asked_for() -> None:
    asked = "import sys, phusong.probes.ipv6.audit, phusong.probes.ipv6.path"
    loaded = "print(any(name.startswith('scapy') for name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"{asked}; {loaded}"], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "False", done.stderr


@pytest.fixture
def routed() -> Iterator[Routed]:
    with routed_namespaces() as made:
        yield made


def test_a_path_that_drops_packets_over_1280_bytes_is_a_black_hole(routed: Routed) -> None:
    def look() -> dict[str, object]:
        words = [sys.executable, "-m", "phusong", "ipv6", "path", "fd02::1", "--allow-private"]
        done = routed.run("here", *words, "--timeout", "0.5", "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["raw"] is True
        return found

    free = look()
    assert (free["mtu"], free["black_hole"]) == (1500, False)
    assert [hop[1] for hop in free["hops"]] == ["fd01::2", "fd02::1"]
    routed.drop("meta length > 1280")
    seen = look()
    assert (seen["mtu"], seen["black_hole"], seen["too_big_heard"]) == (1280, True, False)
    routed.pass_all()
    for end, link in (("router", "e2"), ("there", "e0")):
        shell(program("ip"), "-n", routed.names[end], "link", "set", link, "mtu", "1280")
    small = look()
    assert (small["mtu"], small["black_hole"], small["too_big_heard"]) == (1280, False, True)
