"""A page in a Chromium of its own: when its first view is drawn, what it takes, how it answers."""

import os
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

WAIT_S = 400
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
WATCH = """
window.tasks = [];
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.tasks.push([task.startTime, task.duration]);
}).observe({ type: "longtask", buffered: true });
"""
LONGEST = "() => Math.max(0, ...window.tasks.splice(0).map(([, duration]) => duration))"


def opened(path: Path) -> dict[str, float]:
    """Open a page in a browser of its own and use it; give what it took."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions"],
        )
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(WAIT_S * 1000)
            page.add_init_script(WATCH)
            tree = children(os.getpid())
            before = cpu_s(tree)
            page.goto(path.as_uri(), wait_until="commit")
            end = time.monotonic() + WAIT_S
            while not page.evaluate("() => document.documentElement?.dataset.readyMs ?? null"):
                if time.monotonic() > end:
                    raise TimeoutError(f"{path} was not drawn within {WAIT_S} s")
                time.sleep(0.05)
            tree = children(os.getpid())
            answer = {
                "ready s": page.evaluate("() => +document.documentElement.dataset.readyMs") / 1000,
                "CPU s": cpu_s(tree) - before,
                "longest task ms": page.evaluate(LONGEST),
            }
            answer["renderer MB"] = max(map(memory_mb, tree))
            answer |= used(page)
            return answer
        finally:
            browser.close()


def used(page: Any) -> dict[str, float]:
    """Pan, zoom and switch; give the longest task and the median time of a switch."""
    settled = "() => !('busy' in document.documentElement.dataset)"
    ours = page.evaluate("() => typeof state !== 'undefined'")
    the_map = "map" if ours else "window.benchmarked"
    for move in (
        "panBy([300, 120])",
        "setZoom(8)",
        "panBy([-250, 200])",
        "setZoom(10)",
        "setZoom(6)",
    ):
        page.evaluate(f"() => void {the_map}.{move}")
        page.evaluate("() => new Promise((done) => setTimeout(done, 500))")
        wait_for(page, settled)
    pause = page.evaluate(LONGEST)
    if not ours:
        return {"longest pause ms": pause}
    quantities = ("share", "samples", "verdict")
    times = [switch(page, f"show({{ quantity: '{quantity}' }})") for quantity in quantities]
    period = [switch(page, f"show({{ result: data.results[{each}] }})") for each in (1, 9, 4)]
    return {
        "longest pause ms": pause,
        "layer switch ms": statistics.median(times),
        "period switch ms": statistics.median(period),
        "longest in switches ms": page.evaluate(LONGEST),
    }


def switch(page: Any, call: str) -> float:
    return float(
        page.evaluate(
            f"""async () => {{
              const before = performance.now();
              await {call};
              while ("busy" in document.documentElement.dataset)
                await new Promise((done) => setTimeout(done, 1));
              return performance.now() - before;
            }}"""
        )
    )


def wait_for(page: Any, condition: str) -> None:
    end = time.monotonic() + WAIT_S
    while not page.evaluate(condition):
        if time.monotonic() > end:
            raise TimeoutError(condition)
        time.sleep(0.02)


def children(parent: int) -> list[int]:
    """Give the ids of all processes below one."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except OSError:
                continue
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found: list[int] = []
    wave = [parent]
    while wave:
        wave = [child for child, above in parents.items() if above in wave]
        found += wave
    return found


def cpu_s(processes: list[int]) -> float:
    total = 0
    for process in processes:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def memory_mb(process: int) -> float:
    """Give a renderer's proportional share of memory; 0 for every other process."""
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes()
        if b"--type=renderer" not in command:
            return 0.0
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1000
    except OSError:
        pass
    return 0.0
