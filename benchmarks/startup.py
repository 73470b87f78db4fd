"""
How long `phusong --help` takes beside the least that a click program can take.

Whole processes, in turn (A B A B ...), CPU seconds of each as the operating system counts
them; the median of the ratios pair by pair is the figure. Goal: at most 2.
"""

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS = 15
PHUSONG = str(Path(sys.executable).with_name("phusong"))


def cpu_s(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=os.sep)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    peer = [sys.executable, "-c", "import click"]
    ours = [PHUSONG, "--help"]
    cpu_s(peer), cpu_s(ours)
    pairs = [(cpu_s(peer), cpu_s(ours)) for _ in range(ROUNDS)]
    peer_ms, our_ms = (1000 * statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(mine / theirs for theirs, mine in pairs)
    print(f'python -c "import click"   {peer_ms:6.0f} ms CPU (median of {ROUNDS})')
    print(f"phusong --help             {our_ms:6.0f} ms CPU")
    print(f"ratio, pair by pair        {ratio:6.2f}  (goal: at most 2)")


if __name__ == "__main__":
    main()
