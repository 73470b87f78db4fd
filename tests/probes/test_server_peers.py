"""Clients that others wrote measure against the server."""

import importlib.util
import json
import os
import shutil
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
