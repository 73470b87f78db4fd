"""A real browser that is cut off from every network, and what stands open in it."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts"
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
READY_WITHIN_S = 90
AXE = "axe-core@4"


@dataclass
class Opened:
    """A page open in the browser, and everything it said or asked for."""

    page: Any
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def run(self, script: str, argument: object = None) -> Any:
        self.settle()
        return self.page.evaluate(script, argument)

    def settle(self) -> None:
        """Wait until values are unpacked and every tile is painted."""
        # The page's own policy forbids eval, and with it Playwright's wait_for_function.
        end = time.monotonic() + READY_WITHIN_S
        while self.page.evaluate("() => 'busy' in document.documentElement.dataset"):
            assert time.monotonic() < end, f"the map was never drawn: {self.console}"
            time.sleep(0.02)

    def text(self, selector: str) -> str:
        self.settle()
        return str(self.page.locator(selector).inner_text())

    def data(self, name: str) -> str | None:
        return self.run("name => document.documentElement.dataset[name] ?? null", name)

    def legend(self) -> dict[str, int]:
        """Give the legend's counts by label, as numbers."""
        rows = self.run(
            "() => [...document.querySelectorAll('#legend li')].map((item) =>"
            " [item.querySelector('span').textContent, item.querySelector('b').textContent])"
        )
        return {label: int(count.replace(",", "").replace(".", "")) for label, count in rows}

    def screenshot(self, name: str) -> Path:
        ARTIFACTS.mkdir(exist_ok=True)
        path = ARTIFACTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path


def wait_until_ready(opened: Opened) -> None:
    """Wait until a page's first view is drawn."""
    ready = "() => document.documentElement.dataset.readyMs ?? null"
    end = time.monotonic() + READY_WITHIN_S
    while opened.page.evaluate(ready) is None:
        assert time.monotonic() < end, f"the map was never drawn: {opened.console}"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Start one Chromium for all tests, or skip where there is none."""
    if not Path(CHROMIUM).exists():
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=ARGUMENTS
        )
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Open a page's text from a file, and wait until its map is drawn."""
    contexts = []

    def open_(
        html: str, *, width: int = 1280, height: int = 800, address: str = "", tiles: str = ""
    ) -> Opened:
        path = tmp_path / "page.html"
        path.write_text(html, "utf-8")
        return visit(path.as_uri() + address, width, height, tiles)

    def visit(url: str, width: int, height: int, tiles: str = "") -> Opened:
        phone = width < 500
        context = browser.new_context(
            viewport={"width": width, "height": height}, is_mobile=phone, has_touch=phone
        )
        contexts.append(context)
        opened = Opened(context.new_page())

        def only_files(route: Any) -> None:
            address = route.request.url
            if address == url.partition("#")[0] or (tiles and address.startswith(tiles)):
                route.continue_()
                return
            opened.requests.append(address)
            route.abort()

        context.route("**/*", only_files)
        opened.page.on("console", lambda message: opened.console.append(message.text))
        opened.page.on("pageerror", lambda error: opened.console.append(str(error)))
        opened.page.on("dialog", lambda dialog: opened.console.append(dialog.message))
        opened.page.goto(url, timeout=1_000 * READY_WITHIN_S)
        wait_until_ready(opened)
        return opened

    open_.visit = visit  # type: ignore[attr-defined]
    yield open_
    for context in contexts:
        context.close()


@dataclass
class OpenedSite(Opened):
    """A site open in the browser; `outside` are the requests for anything but its own files."""

    outside: list[str] = field(default_factory=list)

    def arrive(self, act: Callable[[], None]) -> None:
        """Do what leads to another page, and wait until that one is drawn."""
        with self.page.expect_navigation():
            act()
        wait_until_ready(self)


@pytest.fixture
def open_site(browser: Any) -> Iterator[Callable[[str], OpenedSite]]:
    """Open a site's first page, by its address, in a browser that reaches nothing else."""
    contexts = []

    def open_(root: str) -> OpenedSite:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        contexts.append(context)
        opened = OpenedSite(context.new_page())

        def only_own(route: Any) -> None:
            opened.requests.append(route.request.url)
            if route.request.url.startswith(root):
                route.continue_()
                return
            opened.outside.append(route.request.url)
            route.abort()

        context.route("**/*", only_own)
        opened.page.on("console", lambda message: opened.console.append(message.text))
        opened.page.on("pageerror", lambda error: opened.console.append(str(error)))
        opened.page.goto(f"{root}index.html", timeout=1_000 * READY_WITHIN_S)
        wait_until_ready(opened)
        return opened

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fetch axe-core into a folder of the test's own, or skip and say why not."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm, which brings axe-core")
    folder = tmp_path_factory.mktemp("axe")
    try:
        subprocess.run(
            [npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", AXE],
            check=True,
            capture_output=True,
            timeout=120,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip(f"npm could not bring {AXE}: no network?")
    return Path(folder, "node_modules", "axe-core", "axe.min.js").read_text("utf-8")


@pytest.fixture
def look_for_barriers(axe: str) -> Callable[[Any], None]:
    """Have axe-core look at a page; anything serious that it finds is a failure."""

    def look(opened: Any) -> None:
        opened.settle()
        opened.run(axe)
        found = opened.run("() => axe.run(document, { resultTypes: ['violations'] })")
        serious = [
            (each["id"], [node["html"][:120] for node in each["nodes"]])
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
        ]
        assert serious == [], serious
        assert found["passes"] or found["violations"] == [], "axe looked at the page"

    return look
