"""Clients that others wrote measure against the server."""

import http.client
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phusong.probes.server.limits import ServerLimits
from phusong.probes.server.service import MeasurementServer

NDT7_JS = ("@m-lab/ndt7@0.1.4", "ws@8.23.0")

# speedtest-cli asks www.speedtest.net for its settings even when it is told a server: in this
# process that name is our server.
SPEEDTEST = """
import socket, sys
port = int(sys.argv[1])
look_up = socket.getaddrinfo
def here(host, number, *rest, **more):
    if host == "www.speedtest.net":
        host, number = "127.0.0.1", port
    return look_up(host, number, *rest, **more)
socket.getaddrinfo = here
import speedtest
sys.argv = ["speedtest-cli", "--mini", f"http://127.0.0.1:{port}/", "--json"]
speedtest.main()
"""

# The library starts each direction in a browser's Worker; here both run in this process.
NDT7 = """
const fs = require("fs");
const WebSocket = require("ws");
const ndt7 = require("@m-lab/ndt7");
globalThis.Worker = class {
  constructor(file) {
    this.self = {};
    const post = (data) => this.onmessage && this.onmessage({data});
    new Function("self", "WebSocket", "postMessage", fs.readFileSync(file, "utf8"))(
        this.self, WebSocket, post);
  }
  postMessage(data) { setImmediate(() => this.self.onmessage({data})); }
  terminate() { this.onmessage = null; }
};
const workers = require.resolve("@m-lab/ndt7").replace(/ndt7[.]js$/, "");
const seen = {};
ndt7.test({
  server: process.argv[2],
  protocol: "ws",
  mlabDataPolicyInapplicable: true,
  downloadworkerfile: workers + "ndt7-download-worker.js",
  uploadworkerfile: workers + "ndt7-upload-worker.js",
}, {
  error: (error) => { seen.error = String(error); },
  downloadComplete: (data) => { seen.download = data; },
  uploadComplete: (data) => { seen.upload = data; },
}).then((code) => {
  console.log(JSON.stringify({code, ...seen}));
  process.exit(0);
});
"""


@pytest.fixture
def open_server() -> Iterator[MeasurementServer]:
    limits = ServerLimits(runtime_s=2, max_runtime_s=15)
    with MeasurementServer(limits=limits) as running:
        yield running


@pytest.fixture
def ndt7_js(request: pytest.FixtureRequest) -> Path:
    """Give a folder with the official client, from npm; kept between runs."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("needs Node and npm")
    folder = Path(request.config.cache.mkdir("ndt7-js"))
    if not (folder / "node_modules" / "@m-lab").exists():
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *NDT7_JS]
        (folder / "package.json").write_text("{}")
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90)
        except subprocess.TimeoutExpired:
            pytest.skip("npm did not answer in time")
        if done.returncode:
            pytest.skip(f"npm could not install the client: {done.stderr[-200:]}")
    return folder


def finished(server: MeasurementServer, direction: str) -> Any:
    return next(test for test in server.finished if test.direction == direction)


@pytest.mark.slow
@pytest.mark.parametrize("family", [4, 6])
def test_the_official_javascript_client_measures_both_ways(
    open_server: MeasurementServer, ndt7_js: Path, family: int
) -> None:
    script = ndt7_js / "run.js"
    script.write_text(NDT7)
    authority = open_server.url(family).removeprefix("ws://")
    done = subprocess.run(
        ["node", str(script), authority], cwd=ndt7_js, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["code"] == 0, said
    down, up = finished(open_server, "download"), finished(open_server, "upload")
    assert said["download"]["LastClientMeasurement"]["MeanClientMbps"] > 1
    assert 0 < said["download"]["LastClientMeasurement"]["NumBytes"] <= down.sent_bytes * 1.01
    assert said["upload"]["LastServerMeasurement"]["TCPInfo"]["BytesReceived"] > 0
    assert 0 < said["upload"]["LastServerMeasurement"]["AppInfo"]["NumBytes"] <= up.received_bytes
    assert {down.family, up.family} == {family}
    assert down.ended in ("time", "close")
    assert up.ended in ("time", "close")


@pytest.mark.slow
def test_speedtest_cli_measures_against_the_mini_endpoints(
    open_server: MeasurementServer,
) -> None:
    if importlib.util.find_spec("speedtest") is None:
        pytest.skip("needs speedtest-cli: pip install speedtest-cli")
    port = open_server.listening[0].port
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SPEEDTEST, str(port)],
        env={name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["download"] > 1e6
    assert said["upload"] > 1e6
    tests = [test for test in open_server.finished if test.engine == "speedtest-mini"]
    received = sum(test.received_bytes for test in tests)
    sent = sum(test.sent_bytes for test in tests)
    assert 0 < said["bytes_received"] <= sent
    assert 0 < said["bytes_sent"] <= received


# LibreSpeed's command-line client, as its source has Go's HTTP client send its requests: is the
# far end up, what is my own address, a chunk down, a body of unknown length up.
GO = "Host: {host}\r\nUser-Agent: librespeed-cli/1.0\r\n"
PLAIN = "Accept-Encoding: identity\r\n"
LIBRESPEED_CLI = (
    f"GET /backend/empty.php HTTP/1.1\r\n{GO}Accept-Encoding: gzip\r\n\r\n",
    f"GET /backend/getIP.php?distance=km&isp=true HTTP/1.1\r\n{GO}Accept-Encoding: gzip\r\n\r\n",
    f"GET /backend/garbage.php?ckSize=1 HTTP/1.1\r\n{GO}{PLAIN}\r\n",
    "POST /backend/empty.php HTTP/1.1\r\n"
    f"{GO}Transfer-Encoding: chunked\r\n{PLAIN}\r\n"
    + f"8000\r\n{'x' * 0x8000}\r\n" * 8
    + "0\r\n\r\n",
)


def test_what_librespeeds_own_client_asks_is_answered_on_one_connection(
    open_server: MeasurementServer,
) -> None:
    place = open_server.listening[0]
    bodies = []
    with socket.create_connection((place.host, place.port), timeout=20) as sock:
        for request in LIBRESPEED_CLI:
            sock.sendall(request.replace("{host}", f"{place.host}:{place.port}").encode())
            answer = http.client.HTTPResponse(sock)
            answer.begin()
            assert answer.status == 200
            bodies.append(answer.read())
    up, address, down, uploaded = bodies
    assert (up, uploaded) == (b"", b"")
    assert json.loads(address) == {"processedString": "127.0.0.1", "rawIspInfo": ""}
    assert len(down) == 1 << 20
    assert finished(open_server, "upload").received_bytes == 8 * 0x8000


@pytest.mark.slow
def test_librespeeds_own_client_measures_where_it_is_installed(
    open_server: MeasurementServer, tmp_path: Path
) -> None:
    program = shutil.which("librespeed-cli")
    if program is None:
        pytest.skip("needs librespeed-cli, which few systems have packaged")
    url = open_server.url(4).replace("ws://", "http://")
    paths = {"dlURL": "garbage.php", "ulURL": "empty.php", "pingURL": "empty.php"}
    server = {"id": 1, "name": "here", "server": f"{url}/backend/", "getIpURL": "getIP.php"} | paths
    (tmp_path / "servers.json").write_text(json.dumps([server]))
    words = [program, "--local-json", str(tmp_path / "servers.json"), "--server", "1", "--json"]
    done = subprocess.run(
        [*words, "--no-icmp", "--duration", "2"], capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    said = said[0] if isinstance(said, list) else said
    assert min(said["download"], said["upload"]) > 1


BROWSER = """async ([server, download, upload]) => {
  const file = (text) => URL.createObjectURL(new Blob([text], {type: "text/javascript"}));
  const seen = {};
  seen.code = await window.ndt7.test({
    server,
    protocol: "ws",
    mlabDataPolicyInapplicable: true,
    downloadworkerfile: file(download),
    uploadworkerfile: file(upload),
  }, {
    error: (error) => { seen.error = String(error); },
    downloadComplete: (data) => { seen.download = data; },
    uploadComplete: (data) => { seen.upload = data; },
  });
  return seen;
}"""


@pytest.mark.slow
@pytest.mark.browser
def test_the_official_client_measures_from_a_real_browser(
    open_server: MeasurementServer, ndt7_js: Path
) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    source = ndt7_js / "node_modules" / "@m-lab" / "ndt7" / "src"
    texts = {path.stem: path.read_text("utf-8") for path in source.glob("*.js")}
    url = open_server.url(4)
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(url.replace("ws://", "http://") + "/")
        page.add_script_tag(content=texts["ndt7"])
        workers = [texts["ndt7-download-worker"], texts["ndt7-upload-worker"]]
        said = page.evaluate(BROWSER, [url.removeprefix("ws://"), *workers])
        browser.close()
    assert said["code"] == 0, said
    assert said["download"]["LastClientMeasurement"]["MeanClientMbps"] > 0.1
    up = finished(open_server, "upload")
    assert 0 < said["upload"]["LastServerMeasurement"]["AppInfo"]["NumBytes"] <= up.received_bytes
