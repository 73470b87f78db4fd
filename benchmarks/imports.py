"""
What it costs that every row of a foreign log is checked, kept and hashed.

A log as G-NetTrack Pro writes it, made here: rows a second of processor time of `data import`, of
sqlite-utils' own ``insert --csv`` (which keeps the cells as text and does less), each a process of
its own with its start, and of pandas reading the same file into memory. In turn, on the same disk;
medians of the rounds. Memory is the import's largest resident set for a file and for one four times
as long, which also tells what reached the disk for each row.
"""

import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROWS = 20_000
LONGER = 4
ROUNDS = 3
READ_WITH_PANDAS = """
import sys, time, pandas
started = time.process_time()
pandas.read_csv(sys.argv[1])
print(time.process_time() - started)
"""
MODES = ("LTE", "LTE", "5G", "HSPA+")
HEADER = (
    "Timestamp,Longitude,Latitude,Speed,Operatorname,CellID,NetworkMode,RSRP,RSRQ,SNR,CQI,RSSI,"
    "DL_bitrate,UL_bitrate,State,NRxRSRP,NRxRSRQ,RAWCELLID,LACHEX\n"
)


def write_log(path: Path, rows: int) -> None:
    """Write a drive of some hours, a row a second."""
    dice = random.Random(7)
    with path.open("w") as file:
        file.write(HEADER)
        for i in range(rows):
            day, rest = divmod(i, 86_400)
            moment = (
                f"2026.07.{day + 1:02d}_{rest // 3600:02d}.{rest // 60 % 60:02d}.{rest % 60:02d}"
            )
            file.write(
                f"{moment},{105.8 + i / 1e5:.6f},{21 + dice.random() / 50:.6f},"
                f"{dice.randrange(60)},Viettel,{i // 500 % 255 + 1},{dice.choice(MODES)},"
                f"{-dice.randrange(70, 120)},{-dice.randrange(5, 18)},{dice.random() * 25:.1f},"
                f"{dice.randrange(16)},{-dice.randrange(50, 90)},{dice.randrange(90_000)},"
                f"{dice.randrange(20_000)},D,-,-,{652_000 * 256 + i // 500},1404\n"
            )


def run(*words: str | Path) -> tuple[float, int, int]:
    """Run a module as a command; give its processor seconds, largest memory in KiB, KiB written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", *map(str, words)],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, nowhere, 1)],
    )
    _, status, usage = os.wait4(pid, 0)
    os.close(nowhere)
    if status:
        raise SystemExit(f"{words[0]} ended with {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss, usage.ru_oublock // 2


def ours(log: Path, db: Path) -> tuple[float, int, int]:
    zone = ("--timezone", "Asia/Ho_Chi_Minh")
    return run("phusong", "--db", db, "data", "import", log, *zone)


def pandas_seconds(log: Path) -> float:
    """Give the seconds that pandas reads for, its start not counted, in a process of its own."""
    # A child's largest resident set begins at its parent's: this process has to stay small.
    done = subprocess.run(
        [sys.executable, "-c", READ_WITH_PANDAS, str(log)], capture_output=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    import_s, peer_s, pandas_s, short_kib = ([] for _ in range(4))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log, longer = folder / "log.csv", folder / "longer.csv"
        write_log(log, ROWS)
        write_log(longer, ROWS * LONGER)
        for i in range(ROUNDS):
            seconds, kib, _ = ours(log, folder / f"ours{i}.db")
            import_s.append(seconds)
            short_kib.append(kib)
            peer = folder / f"peer{i}.db"
            peer_s.append(run("sqlite_utils", "insert", peer, "log", log, "--csv")[0])
            pandas_s.append(pandas_seconds(log))
        _, long_kib, written_kib = ours(longer, folder / "longer.db")
    mine, peer_median, read_median = (
        ROWS / statistics.median(column) for column in (import_s, peer_s, pandas_s)
    )
    print(f"rows a processor second of {ROWS:,}: data import {mine:,.0f}")
    print(f"  sqlite-utils insert --csv {peer_median:,.0f}; ratio {mine / peer_median:.2f}")
    print(f"  pandas.read_csv {read_median:,.0f}; ratio {mine / read_median:.3f}")
    short, long = statistics.median(short_kib) / 1024, long_kib / 1024
    print(f"memory: {short:.0f} MiB for {ROWS:,} rows, {long:.0f} MiB for {ROWS * LONGER:,}")
    print(f"written: {written_kib / ROWS / LONGER:.1f} KiB a row of {ROWS * LONGER:,}")


if __name__ == "__main__":
    main()
