"""How long `bwctl --version` and `bwctl --help` take, and how much memory a client has in a test.

    python -m benchmarks.client_start [--rounds N] [--seconds S]

The console script beside this interpreter is run, its modules compiled before; the bare interpreter
is shown for comparison. Memory is the peak of the client's own process while two daemons run a test
with the embedded tester.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.support.daemons import client_ours, running, start_ours

BWCTL = Path(sys.executable).with_name("bwctl")
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "bwctl --version": [str(BWCTL), "--version"],
    "bwctl --help": [str(BWCTL), "--help"],
}
GOALS_S = {"bwctl --version": 0.10, "bwctl --help": 0.15}
GOAL_MB = 60


def wall_s(command: list[str]) -> float:
    """One run, with compiled modules where they may be written."""
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    began = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def peak_mb(seconds: int) -> float:
    """Peak memory of a client during a test."""
    with running(start_ours("127.0.0.142"), start_ours("127.0.0.143")) as (one, two):
        words = ("-c", one.node, "-s", two.node, "-T", "thrulay", "-t", str(seconds))
        client = client_ours(*words)
        status, peak = Path(f"/proc/{client.process.pid}/status"), 0
        while client.process.poll() is None:
            peak = max(peak, _peak_kb(status))
            time.sleep(0.05)
        ran = client.wait()
        if ran.status:
            raise SystemExit(ran.report)
    return peak / 1024


def _peak_kb(status: Path) -> int:
    lines = status.read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def main() -> None:
    """The commands in turn, medians; then the test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=2, help="of the test")
    options = parser.parse_args()
    for command in COMMANDS.values():
        wall_s(command)
    walls: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(options.rounds):
        for name, command in COMMANDS.items():
            walls[name].append(wall_s(command))
    for name, values in walls.items():
        goal = f"   goal under {GOALS_S[name]:.2f} s" if name in GOALS_S else ""
        median = statistics.median(values)
        print(f"{name:16} median {median:.3f} s   min {min(values):.3f} s{goal}")
    print(f"client in a test: {peak_mb(options.seconds):.1f} MB   goal under {GOAL_MB} MB")


if __name__ == "__main__":
    main()
