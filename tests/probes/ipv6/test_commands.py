"""The commands, as a person uses them: check, audit that is killed, import, report, services."""

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from phusong.data.ipv6 import kept_checks, list_audits
from phusong.data.store import Store
from phusong.data.words import catalogue
from phusong.maps.adoption_page import SCRIPTS, adoption_texts
from phusong.probes.ipv6.findings import (
    EXPLAINED,
    MARK_WORDS,
    QUESTIONS,
    STANDING_WORDS,
    UNKNOWN_WORDS,
)
from phusong.probes.ipv6.resolver import Server

from .conftest import Zone, dual

LAB = ("--allow-private", "--reference", "[::1]:1", "--part", "dns")


def test_every_reason_has_its_vietnamese() -> None:
    words = catalogue("vi")
    texts = {text for pair in EXPLAINED.values() for text in pair if text}
    texts |= {*QUESTIONS.values(), *MARK_WORDS.values(), *adoption_texts()}
    texts |= {*UNKNOWN_WORDS.values(), *STANDING_WORDS.values()}
    assert sorted(texts - words.keys()) == []


def test_a_check_is_shown_kept_and_reported(
    phusong: Callable[..., object], serve_dns: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve_dns(dual())
    resolver = f"127.0.0.1:{server.port}"
    done = phusong("ipv6", "check", "www.gov.lab", "no.gov.lab", "--resolver", resolver, *LAB)
    assert done.code == 0, done.err
    assert "the name has an IPv6 address" in done.out
    assert "the name does not exist" in done.out
    assert "no working IPv6" in done.err
    with Store.open(tmp_path / "test.db") as store:
        assert [c.record["host"] for c in kept_checks(store)] == ["www.gov.lab", "no.gov.lab"]
    report = phusong("ipv6", "report", "--by", "all", "--json")
    row = json.loads(report.out.splitlines()[0])
    assert (row["hosts"], row["judged"], row["excluded"]) == (2, 1, {"nxdomain": 1})


def test_a_check_of_nothing_that_exists_ends_with_one(
    phusong: Callable[..., object], serve_dns: Callable[..., Server]
) -> None:
    resolver = f"127.0.0.1:{serve_dns(dual()).port}"
    assert phusong("ipv6", "check", "no.gov.lab", "--resolver", resolver, *LAB).code == 1


def test_a_killed_audit_continues_where_it_was(
    serve_dns: Callable[..., Server], phusong: Callable[..., object], tmp_path: Path
) -> None:
    zone = Zone()
    names = [f"h{n}.gov.lab" for n in range(300)]
    for name in names:
        zone.records[name, "AAAA"] = ["::1"]
    zone.records["gov.lab", "NS"] = ["ns1.gov.lab."]
    listed = tmp_path / "list.csv"
    listed.write_text("agency,host\n" + "".join(f"Office {n[1]},{n}\n" for n in names))
    server = serve_dns(zone)
    words = ["ipv6", "audit", listed, "--resolver", f"127.0.0.1:{server.port}", *LAB]
    db = tmp_path / "audit.db"
    slow = ["--queries-per-second", "300", "--workers", "4"]
    process = subprocess.Popen(
        [sys.executable, "-m", "phusong", "--db", db, *words, *slow], stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not _kept(db):
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.communicate(timeout=30)
    before = _kept(db)
    assert 0 < before < 300
    done = phusong(*words, "--queries-per-second", "20000", "--json", db=db)
    assert done.code == 0, done.err
    assert f": {before} host" in done.err
    assert _kept(db) == 300
    assert json.loads(done.out)["with_aaaa"] == 300
    with Store.open(db) as store:
        assert [audit.hosts for audit in list_audits(store)] == [300]


def _kept(db: Path) -> int:
    if not db.exists():
        return 0
    with Store.open(db) as store:
        return sum(1 for _ in kept_checks(store))


def test_an_import_says_yes_no_and_unknown(phusong: Callable[..., object], tmp_path: Path) -> None:
    listed = tmp_path / "theirs.csv"
    listed.write_text(
        "Tên miền;Cơ quan;AAAA;Reachable\n"
        "a.gov.vn;Bộ A;có;yes\nb.gov.vn;Bộ A;không;\nc.gov.vn;Bộ B;;\nd.gov.vn;Bộ B;yes;no\n",
        encoding="utf-8-sig",
    )
    words = ("ipv6", "import", listed, "--as-of", "2026-08-01", "--json")
    assert json.loads(phusong(*words).out)["new"] == 4
    assert json.loads(phusong(*words).out)["duplicate"] == 4
    rows = [json.loads(line) for line in phusong("ipv6", "report", "--json").out.splitlines()]
    groups = {row["group"]: row for row in rows if "group" in row}
    assert [groups["Bộ A"][k] for k in ("judged", "with_aaaa", "reached")] == [2, 1, 1]
    assert groups["Bộ B"]["dead"] == 1
    assert groups["Bộ B"]["excluded"] == {"not_asked": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,agency\nx,y\n", "no column holds the host"),
        ("host,aaaa\nx.lab,maybe\n", "neither yes, no nor unknown"),
        ("host\n" + "x" * 70_000, "too long"),
    ],
)
def test_a_list_that_cannot_be_read_says_where(
    text: str, said: str, phusong: Callable[..., object], tmp_path: Path
) -> None:
    listed = tmp_path / "bad.csv"
    listed.write_text(text)
    done = phusong("ipv6", "import", listed, "--as-of", "2026-08-01")
    assert done.code == 3
    assert said in done.err


def test_the_us_government_sites_come_to_the_published_figures(
    shared: Callable[[str], Path], phusong: Callable[..., object]
) -> None:
    source = shared("us-gov-ipv6/site_scanning_2025-02-07.csv.gz")
    assert phusong("ipv6", "import", source, "--as-of", "2025-02-07").code == 0
    expected: dict[str, list[int]] = {}
    with gzip.open(source, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = " / ".join(filter(None, (" ".join(row[n].split()) for n in ("agency", "bureau"))))
            counted = expected.setdefault(key, [0, 0])
            counted[0] += 1
            counted[1] += row["ipv6"] == "True"
    found = list(csv.DictReader(io.StringIO(phusong("ipv6", "report", "--by", "all", "--csv").out)))
    assert [found[0][k] for k in ("hosts", "judged", "with_aaaa")] == ["29484", "29484", "15524"]
    out = phusong("ipv6", "report", "--by", "bureau", "--csv").out
    rows = {row["group"]: row for row in csv.DictReader(io.StringIO(out))}
    assert {
        key: [int(row["judged"]), int(row["with_aaaa"])] for key, row in rows.items()
    } == expected


def test_the_page_shows_hostile_names_as_text(
    phusong: Callable[..., object], tmp_path: Path
) -> None:
    listed = tmp_path / "hostile.csv"
    evil = "</script><img src=x onerror=alert(1)>{{7*7}}"
    listed.write_text(f'host,agency,aaaa\na.lab,"{evil}",no\n')
    phusong("ipv6", "import", listed, "--as-of", "2026-08-01")
    page = tmp_path / "report.html"
    done = phusong("ipv6", "report", "--html", page, lang="vi")
    assert done.code == 0, done.err
    text = page.read_text("utf-8")
    assert "<img" not in text
    assert "{{7*7}}" in text
    assert "default-src 'none'" in text
    assert text.count("</script>") == 1 + len(SCRIPTS)
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_a_report_of_nothing_says_what_to_do(phusong: Callable[..., object], store: Store) -> None:
    done = phusong("ipv6", "report", db=store.path)
    assert done.code == 3
    assert "phusong ipv6 check" in done.err


def test_services_are_asked_over_both_families_and_kept(
    phusong: Callable[..., object],
    serve_dns: Callable[..., Server],
    serve_web: Callable[..., object],
    lab_certificates: Path,
    tmp_path: Path,
) -> None:
    web = serve_web(https6=False)
    catalogue_file = tmp_path / "services.toml"
    catalogue_file.write_text(
        'title_en = "Lab"\ntitle_vi = "Lab"\nas_of = 2026-08-01\n'
        '[[service]]\nid = "one"\nname_en = "One"\nname_vi = "Một"\n'
        f'url = "https://www.gov.lab:{web.ports.https}/"\n'
    )
    resolver = f"127.0.0.1:{serve_dns(dual()).port}"
    ca = lab_certificates / "ca.pem"
    place = ("--lon", "105.8", "--lat", "21.0")
    words = ("service", "check", catalogue_file, "--resolver", resolver, "--allow-private")
    done = phusong(*words, "--ca", ca, *place, "--json")
    four, six = (json.loads(line) for line in done.out.splitlines())
    assert (four["kind"], four["outcome"], four["family"]) == ("service", "ok", 4)
    assert (six["outcome"], six["reason"]) == ("refused", "refused")
    assert four["position"]["lon"] == 105.8
    assert json.loads(four["source"]["record"])["visit"]["first_byte_ms"] > 0
    shown = phusong(*words, "--ca", ca, lang="vi")
    assert "Một" in shown.out
    assert "chưa được xác minh" in shown.err


def test_the_packaged_catalogue_has_ministries_and_every_province_and_claims_nothing() -> None:
    from phusong.probes.ipv6.service.catalogue import load_catalogue

    listed = load_catalogue("vietnam")
    levels = Counter(entry.level for entry in listed.services)
    assert levels["national"] >= 20
    assert levels["ministry"] == 17
    assert levels["province"] == len({e.unit for e in listed.services if e.unit}) == 34
    assert not any(entry.verified for entry in listed.services)


def test_a_visit_asks_the_services_too_and_keeps_them_with_its_position(
    phusong: Callable[..., object],
    serve_dns: Callable[..., Server],
    serve_web: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    lab_certificates: Path,
    tmp_path: Path,
) -> None:
    web = serve_web()
    server = serve_dns(dual())
    monkeypatch.setattr("phusong.probes.ipv6.resolver.system_servers", lambda: [server])
    listed = tmp_path / "services.toml"
    listed.write_text(
        'title_en = "Lab"\ntitle_vi = "Lab"\nas_of = 2026-08-01\n'
        '[[service]]\nid = "one"\nname_en = "One"\nname_vi = "Một"\n'
        f'url = "https://www.gov.lab:{web.ports.https}/"\n'
    )
    words = ("probe", "run", "--server", "ws://127.0.0.1:1", "--allow-private", "--json")
    place = ("--lon", "105.8", "--lat", "21.0", "--operator", "Viettel")
    ca = ("--ca", lab_certificates / "ca.pem")
    done = phusong(*words, *place, *ca, "--services", listed)
    # Nothing measures at port 1: the visit failed, the services were asked all the same.
    assert done.code == 1
    samples = [json.loads(line) for line in done.out.splitlines()]
    found = [(s["kind"], s["outcome"], s["family"]) for s in samples if s["kind"] == "service"]
    assert found == [("service", "ok", 4), ("service", "ok", 6)]
    assert {sample["position"]["lon"] for sample in samples} == {105.8}
    assert samples[-1]["radio"]["operator"] == "Viettel"
    missing = phusong(*words, "--services", "no-such-catalogue")
    assert missing.code == 3
    assert "no catalogue of services no-such-catalogue" in missing.err


def test_the_report_is_of_the_latest_audit_unless_another_is_named(
    phusong: Callable[..., object], tmp_path: Path
) -> None:
    listed = tmp_path / "theirs.csv"
    for year, cells in (("2025", "no no yes"), ("2026", "yes no no")):
        rows = [f"h{n}.vn,A,{cell}" for n, cell in enumerate(cells.split())]
        listed.write_text("\n".join(["host,agency,aaaa", *rows, f"only{year}.vn,A,yes", ""]))
        words = ("ipv6", "import", listed, "--as-of", f"{year}-08-01", "--json")
        name = json.loads(phusong(*words).out)["audit"]
        if year == "2025":
            first = name

    def hosts(*words: str) -> list[int]:
        out = phusong("ipv6", "report", "--by", "all", "--csv", *words).out
        row = next(csv.DictReader(io.StringIO(out)))
        return [int(row["hosts"]), int(row["with_aaaa"])]

    assert hosts() == [4, 2]
    assert hosts("--audit", first) == [4, 2]
    assert hosts("--all") == [5, 3]
    shown = phusong("ipv6", "report")
    assert f"worse since {first}: 1" in shown.out
    assert f"better since {first}: 1" in shown.out
    rows = [json.loads(line) for line in phusong("ipv6", "report", "--json").out.splitlines()]
    latest = next(row for row in rows if row.get("audit") == name)
    assert [step["host"] for step in latest["worse"]] == ["h2.vn"]
    assert latest["since"] == first
    unknown = phusong("ipv6", "report", "--audit", "nobody's")
    assert unknown.code == 3
    assert first in unknown.err


def test_a_report_by_province_counts_by_the_units_code(
    phusong: Callable[..., object], tmp_path: Path
) -> None:
    pytest.importorskip("vietnamadminunits", reason="needs the package with Vietnam's units")
    listed = tmp_path / "units.csv"
    listed.write_text("host,unit code,aaaa\na.vn,00004,yes\nb.vn,01,no\nc.vn,79,yes\nd.vn,,no\n")
    phusong("ipv6", "import", listed, "--as-of", "2026-08-01")
    out = phusong("ipv6", "report", "--by", "province", "--csv").out
    rows = {r["group"]: (r["hosts"], r["with_aaaa"]) for r in csv.DictReader(io.StringIO(out))}
    assert rows == {
        "Thành phố Hà Nội": ("2", "1"),
        "Thành phố Hồ Chí Minh": ("1", "1"),
        "": ("1", "0"),
    }
    page = tmp_path / "report.html"
    assert phusong("ipv6", "report", "--html", page).code == 0
    assert '"codes":["01",' in page.read_text("utf-8")
