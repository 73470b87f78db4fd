"""HTTP/2, which clients of the responsiveness draft insist on: by nginx in front of the server."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from phusong.probes.server.service import MeasurementServer

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
DOCS = Path(__file__).resolve().parents[2] / "docs" / "server.md"
WHOLE = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 128; }}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
{server}
}}
"""


def documented() -> str:
    """Give the server block that the documentation tells operators to use."""
    text = DOCS.read_text("utf-8")
    start = text.index("    server {\n")
    return text[start : text.index("\n\n", start)]


@pytest.fixture
def front(server: MeasurementServer, tmp_path: Path, certificates: Path) -> Iterator[int]:
    """Run nginx as documented; give its port."""
    if NGINX is None:
        pytest.skip("needs nginx")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    block = documented()
    for told, here in (
        ("443 ssl", f"127.0.0.1:{port} ssl"),
        ("/etc/ssl/nq.pem", str(certificates / "good.pem")),
        ("/etc/ssl/nq.key", str(certificates / "good.key")),
        ("127.0.0.1:8080", f"127.0.0.1:{server.listening[0].port}"),
    ):
        assert told in block
        block = block.replace(told, here)
    file = tmp_path / "nginx.conf"
    file.write_text(WHOLE.format(folder=tmp_path, server=block))
    process = subprocess.Popen(
        [NGINX, "-p", str(tmp_path), "-c", str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        until = time.monotonic() + 15
        while time.monotonic() < until and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        assert process.poll() is None, process.stderr and process.stderr.read()
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=15)


def curl(port: int, certificates: Path, path: str, *options: str) -> tuple[list[str], bytes]:
    """Ask over HTTP/2; give version, status and bytes, and the body."""
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    told = "%{stderr}%{http_version} %{http_code} %{size_download} %{size_upload}"
    words = ["curl", "--http2", "-s", "-m", "20", "--cacert", str(certificates / "ca.pem")]
    done = subprocess.run(
        [*words, "-w", told, *options, f"https://127.0.0.1:{port}{path}"],
        capture_output=True,
        timeout=30,
    )
    return done.stderr.decode().split(), done.stdout


def test_the_documented_proxy_serves_responsiveness_over_http_2(
    front: int, certificates: Path, tmp_path: Path
) -> None:
    (version, status, *_), body = curl(front, certificates, "/.well-known/nq")
    assert (version, status) == ("2", "200")
    said = json.loads(body)
    assert said["version"] == 1
    assert {url.rsplit("/", 1)[0].split("/")[2] for url in said["urls"].values()} == {
        f"127.0.0.1:{front}"
    }
    assert {url.split(":")[0] for url in said["urls"].values()} == {"https"}
    assert {"large_https_download_url", "https_upload_url"} <= set(said["urls"])

    def path(name: str) -> str:
        return "/" + said["urls"][name].split("/", 3)[3]

    (version, status, down, _), body = curl(front, certificates, path("small_download_url"))
    assert (version, status, down, len(body)) == ("2", "200", "1", 1)
    # Without end: curl leaves after two seconds, and something has come.
    seen, _ = curl(front, certificates, path("large_download_url"), "-m", "2", "-o", "/dev/null")
    assert seen[:2] == ["2", "200"]
    assert int(seen[2]) > 1_000_000
    file = tmp_path / "upload"
    file.write_bytes(bytes(5_000_000))
    more = ("--data-binary", f"@{file}")
    (version, status, _, up), _ = curl(front, certificates, path("upload_url"), *more)
    assert (version, status, up) == ("2", "200", "5000000")
