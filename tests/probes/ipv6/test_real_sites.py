"""
Against nginx, aiosmtpd, nsd and unbound behind a router, on their usual ports.

One `ipv6 check` looks at every host; each test reads what it said of one case.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .namespaces import Routed, program, routed_namespaces, shell

SYSTEM_PYTHON = "/usr/bin/python3"
WRONG, OTHER, DEAD, BUSY, SILENT, NS2 = (f"fd02::{n}" for n in range(2, 8))
ZONE = f"""$ORIGIN gov.lab.
$TTL 300
@ IN SOA ns1 h 1 3600 600 86400 300
@ IN NS ns1
@ IN NS ns2
@ IN MX 10 mx
ns1 IN AAAA fd02::1
ns2 IN AAAA {NS2}
mx IN AAAA fd02::1
mx4 IN A 10.78.2.1
www IN A 10.78.2.1
www IN AAAA fd02::1
v4only IN A 10.78.2.1
v4only IN MX 10 mx4
v6only IN AAAA fd02::1
v6only IN MX 0 .
tls IN A 10.78.2.1
tls IN AAAA {WRONG}
other IN A 10.78.2.1
other IN AAAA {OTHER}
dead IN A 10.78.2.1
dead IN AAAA {DEAD}
busy IN A 10.78.2.1
busy IN AAAA {BUSY}
silent IN A 10.78.2.1
silent IN AAAA {SILENT}
onens IN NS ns1
onens IN NS ns4.onens
ns4.onens IN A 10.78.2.1
"""
ONE_NS = """$ORIGIN onens.gov.lab.
$TTL 300
@ IN SOA ns4 h 1 3600 600 86400 300
@ IN NS ns1.gov.lab.
@ IN NS ns4
@ IN A 10.78.2.1
@ IN AAAA fd02::1
ns4 IN A 10.78.2.1
"""
NGINX = """user root; daemon off; worker_processes 1;
pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;
  fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  limit_req_zone $server_addr zone=one:1m rate=1r/m;
  limit_req_status 429;
  {servers}
}}
"""
SITE = """server {{ {listen} ssl_certificate {pem}; ssl_certificate_key {pem};
  location / {{ {limit} root {folder}; try_files /{page}.html =404; }} }}
"""


def site(
    folder: Path, page: str, *addresses: str, certificate: str = "good", limit: str = ""
) -> str:
    listen = "".join(f"listen {ip}:80; listen {ip}:443 ssl; " for ip in addresses)
    pem = folder / f"{certificate}.pem"
    return SITE.format(listen=listen, pem=pem, folder=folder, page=page, limit=limit)


@dataclass
class Lab:
    """The namespaces with their servers, and how a check runs against them."""

    routed: Routed
    folder: Path
    store: Path

    def phusong(self, *words: object, reference: str = "[fd02::1]:80") -> list[dict[str, Any]]:
        """Run a command in our namespace; give each line of its JSON."""
        command = [sys.executable, "-m", "phusong", "--db", self.store, "ipv6", *words]
        looking = ("--allow-private", "--resolver", "10.78.2.1", "--json")
        more = (
            "--reference",
            reference,
            "--ca",
            self.folder / "ca.pem",
            "--signed-name",
            "gov.lab",
        )
        done = self.routed.run("here", *command, *looking, *more)
        assert done.stdout, done.stderr
        samples = [json.loads(line) for line in done.stdout.splitlines()]
        return [json.loads(sample["source"]["record"]) for sample in samples]


@pytest.fixture(scope="module")
def lab(lab_certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    nginx, nsd, unbound = program("nginx"), program("nsd"), program("unbound")
    if subprocess.run([SYSTEM_PYTHON, "-c", "import aiosmtpd"], capture_output=True).returncode:
        pytest.skip("needs Debian's python3-aiosmtpd")
    folder = tmp_path_factory.mktemp("sites")
    for file in lab_certificates.glob("*.pem"):
        shutil.copy(file, folder)
    anchor = write_zones(folder)
    write_configurations(folder, anchor)
    with routed_namespaces() as routed:
        there = routed.names["there"]
        for ip in (WRONG, OTHER, DEAD, BUSY, SILENT, NS2):
            shell(program("ip"), "-n", there, "addr", "add", f"{ip}/64", "dev", "e0", "nodad")
        routed.start("there", nginx, "-c", folder / "nginx.conf", "-p", folder)
        routed.start("there", nsd, "-d", "-c", folder / "nsd.conf")
        routed.start("there", unbound, "-d", "-c", folder / "unbound.conf")
        smtp = ("-m", "aiosmtpd", "-n", "-l", "fd02::1:25")
        routed.start("there", SYSTEM_PYTHON, *smtp)
        knock = (
            "import socket\nfor place in (('fd02::1', 443), ('fd02::1', 25), ('fd02::1', 53),"
            " ('10.78.2.1', 53)): socket.create_connection(place, 1).close()"
        )
        routed.until(
            "there", lambda: routed.run("here", SYSTEM_PYTHON, "-c", knock).returncode == 0
        )
        yield Lab(routed, folder, folder / "test.db")


def write_zones(folder: Path) -> str:
    """Write gov.lab, signed, and a zone below it; give the trust anchor."""
    (folder / "gov.lab.zone").write_text(ZONE)
    (folder / "onens.gov.lab.zone").write_text(ONE_NS)
    made = subprocess.run(
        [program("ldns-keygen"), "-a", "ECDSAP256SHA256", "-k", "gov.lab"],
        cwd=folder, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    key = made.stdout.strip()
    signing = [program("ldns-signzone"), "-o", "gov.lab", "gov.lab.zone", key]
    subprocess.run(signing, cwd=folder, check=True, timeout=60)
    return " ".join((folder / f"{key}.ds").read_text().split())


def write_configurations(folder: Path, anchor: str) -> None:
    limit = "limit_req zone=one; add_header Retry-After 3600 always;"
    busy = site(folder, "hello", f"[{BUSY}]", limit=limit)
    servers = (
        site(folder, "hello", "[fd02::1]", "10.78.2.1")
        + site(folder, "hello", f"[{WRONG}]", certificate="othername")
        + site(folder, "other", f"[{OTHER}]")
        + busy
    )
    (folder / "hello.html").write_text("<h1>hello</h1>" * 40)
    (folder / "other.html").write_text("0123456789" * 40)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, servers=servers))
    zones = (
        'zone:\n name: "gov.lab"\n zonefile: "gov.lab.zone.signed"\n'
        'zone:\n name: "onens.gov.lab"\n zonefile: "onens.gov.lab.zone"\n'
    )
    (folder / "nsd.conf").write_text(
        f'server:\n ip-address: fd02::1\n ip-address: {NS2}\n username: ""\n'
        f' zonesdir: "{folder}"\n database: ""\n pidfile: "{folder}/nsd.pid"\n xfrdfile: ""\n'
        f' zonelistfile: "{folder}/list"\nremote-control:\n control-enable: no\n{zones}'
    )
    (folder / "unbound.conf").write_text(
        'server:\n interface: 10.78.2.1\n access-control: 10.78.0.0/16 allow\n username: ""\n'
        f' chroot: ""\n pidfile: ""\n directory: "{folder}"\n use-syslog: no\n'
        f' logfile: "{folder}/unbound.log"\n num-threads: 1\n trust-anchor: "{anchor}"\n'
        ' outgoing-interface: fd02::1\n do-ip4: yes\n local-zone: "lab." nodefault\n'
        "remote-control:\n control-enable: no\n"
        'stub-zone:\n name: "gov.lab"\n stub-addr: fd02::1\n'
    )


HOSTS = ("www", "v4only", "v6only", "tls", "other", "dead", "busy", "onens", "missing")


@pytest.fixture(scope="module")
def seen(lab: Lab) -> dict[str, dict[str, Any]]:
    """Look at every host once; give its record with its marks."""
    records = lab.phusong("check", *(f"{name}.gov.lab" for name in HOSTS))
    return {record["host"].removesuffix(".gov.lab"): marked(record) for record in records}


def marked(record: dict[str, Any]) -> dict[str, Any]:
    marks = {found["test"]: (found["mark"], found["reason"]) for found in record["findings"]}
    return {**record, "marks": marks}


def test_a_dual_stack_agency_is_complete(seen: dict[str, dict[str, Any]]) -> None:
    assert seen["www"]["marks"] == {
        "web_aaaa": ("good", "aaaa"),
        "web_reach": ("good", "reached"),
        "web_tls": ("good", "tls_good"),
        "web_content": ("good", "same_content"),
        "web_user": ("stated", "user_gets_ipv6"),
        "ns_aaaa": ("good", "ns_two"),
        "ns_owner": ("stated", "ns_own"),
        "ns_reach": ("good", "ns_answer"),
        "dnssec": ("good", "secure"),
        "mx_aaaa": ("good", "mx_all"),
        "mx_reach": ("good", "mail_answers"),
    }
    web = seen["www"]["web"]
    assert all(web[family]["first_byte_ms"] > 0 for family in "46")
    assert set(web["6"]["connect_ms"]) == {"80", "443"}
    assert seen["www"]["mail"]["over_ipv6"]["mx.gov.lab"]["code"] == 220


def test_one_family_only_is_told_from_the_other(seen: dict[str, dict[str, Any]]) -> None:
    assert seen["v4only"]["marks"]["web_aaaa"] == ("fail", "no_aaaa")
    assert seen["v4only"]["marks"]["mx_aaaa"] == ("fail", "mx_none")
    assert seen["v6only"]["marks"]["web_reach"] == ("good", "reached")
    assert seen["v6only"]["marks"]["web_content"] == ("not_applicable", "not_comparable")
    assert seen["v6only"]["marks"]["mx_aaaa"] == ("good", "null_mx")


def test_tls_that_is_broken_over_ipv6_only_is_named(seen: dict[str, dict[str, Any]]) -> None:
    assert seen["tls"]["marks"]["web_tls"] == ("fail", "tls_broken")
    assert seen["tls"]["web"]["4"]["tls"] == "good"


def test_another_site_over_ipv6_warns_only(seen: dict[str, dict[str, Any]]) -> None:
    assert seen["other"]["marks"]["web_content"] == ("notice", "different_content")
    assert seen["other"]["marks"]["web_reach"] == ("good", "reached")


def test_an_address_where_no_server_listens_is_dead(seen: dict[str, dict[str, Any]]) -> None:
    assert seen["dead"]["marks"]["web_reach"] == ("fail", "aaaa_dead")
    assert seen["dead"]["happy_eyeballs"]["family"] == 4


def test_a_lone_name_server_with_ipv6_earns_half(seen: dict[str, dict[str, Any]]) -> None:
    assert seen["onens"]["marks"]["ns_aaaa"] == ("part", "ns_one")
    assert seen["onens"]["marks"]["dnssec"] == ("notice", "insecure")


def test_a_name_that_is_not_there_is_unknown(seen: dict[str, dict[str, Any]]) -> None:
    assert seen["missing"]["marks"] == {"web_aaaa": ("unknown", "nxdomain")}


def test_a_server_that_limits_its_rate_is_left_alone(
    lab: Lab, seen: dict[str, dict[str, Any]]
) -> None:
    # Its one request a minute was spent by the first look.
    again = marked(lab.phusong("check", "busy.gov.lab", "--part", "web")[0])
    assert again["marks"]["web_content"] == ("unknown", "rate_limited")
    assert again["marks"]["web_reach"] == ("good", "reached")


def test_a_user_waits_for_an_ipv6_that_swallows_packets(lab: Lab) -> None:
    lab.routed.drop(f"ip6 daddr {SILENT}")
    try:
        record = marked(lab.phusong("check", "silent.gov.lab", "--part", "web")[0])
    finally:
        lab.routed.pass_all()
    assert record["marks"]["web_reach"] == ("fail", "aaaa_dead")
    assert record["marks"]["web_user"] == ("notice", "user_waits")
    won = record["happy_eyeballs"]
    assert won["family"] == 4
    assert 250 <= won["lost_ms"] <= won["wait_ms"]


def test_a_vantage_that_lost_ipv6_calls_nobody_dead(lab: Lab) -> None:
    lab.routed.drop("ip6 daddr fd02::/64")
    try:
        records = lab.phusong("check", "www.gov.lab", "dead.gov.lab")
    finally:
        lab.routed.pass_all()
    for record in map(marked, records):
        reached = {t: m for t, m in record["marks"].items() if t.endswith("_reach")}
        assert set(reached.values()) == {("unknown", "vantage_without_ipv6")}
        assert "fail" not in {mark for mark, _ in record["marks"].values()}


def test_a_check_looks_at_the_path_when_asked(lab: Lab) -> None:
    lab.routed.drop("meta length > 1280 ip6 daddr fd02::1")
    try:
        record = marked(lab.phusong("check", "www.gov.lab", "--part", "dns", "--path")[0])
    finally:
        lab.routed.pass_all()
    assert record["marks"]["path"] == ("fail", "black_hole")
    seen = next(found["facts"] for found in record["findings"] if found["test"] == "path")
    assert seen["mtu"] == 1280
    assert [hop[1] for hop in seen["hops"]] == ["fd01::2", "fd02::1"]


@pytest.mark.parametrize("echo", [True, False])
def test_without_raw_sockets_the_kernel_finds_hops_sizes_and_black_holes(
    lab: Lab, echo: bool
) -> None:
    span = "0 2147483647" if echo else "1 0"
    lab.routed.run("here", "sysctl", "-qw", f"net.ipv4.ping_group_range={span}")
    bare = ("setpriv", "--bounding-set=-net_raw,-net_admin")
    words = ("ipv6", "path", "fd02::1", "--port", "80", "--allow-private", "--json")
    command = (*bare, sys.executable, "-m", "phusong", *words, "--timeout", "1")

    def look() -> dict[str, Any]:
        done = lab.routed.run("here", *command)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["raw"] is False
        assert [hop[1] for hop in found["hops"]] == ["fd01::2", "fd02::1"]
        assert found["mtu_by"] == ("echo" if echo else "tcp")
        assert bool(found["echo_ms"]) is echo
        return found

    free = look()
    assert (free["mtu"], free["black_hole"]) == (1500, False)
    lab.routed.drop("meta length > 1280")
    try:
        holed = look()
    finally:
        lab.routed.pass_all()
    assert (holed["mtu"], holed["black_hole"]) == (1280, True)
