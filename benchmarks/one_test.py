"""Wall time of one 5 s test between two daemons with unsynchronised clocks and sync_fuzz 0.

    python -m benchmarks.one_test [--rounds N] [--seconds S] [--tester NAME]

Client and daemons are of one kind; C's take part where BWCTL_C_BIN names their directory.
"""

from __future__ import annotations

import argparse
import statistics

from benchmarks.support import pairs_by_kind
from tests.support.daemons import Daemon, run_c, run_ours, running


def wall_s(kind: str, pair: tuple[Daemon, Daemon], tester: str, seconds: int) -> float:
    """From the client's start to its exit."""
    words = ["-c", pair[0].node, "-s", pair[1].node, "-T", tester, "-t", str(seconds)]
    ran = run_ours(*words) if kind == "ours" else run_c("-a", "1", *words)
    if "SENDER START" not in ran.stdout or ran.status:
        raise SystemExit(ran.report)
    return ran.seconds


def main() -> None:
    """Interleaved rounds, medians, ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--tester", default="iperf3")
    options = parser.parse_args()
    pairs = pairs_by_kind("127.0.0.12")
    walls: dict[str, list[float]] = {kind: [] for kind in pairs}
    with running(*(daemon for pair in pairs.values() for daemon in pair)):
        for _ in range(options.rounds):
            for kind, pair in pairs.items():
                walls[kind].append(wall_s(kind, pair, options.tester, options.seconds))
    for kind, values in walls.items():
        print(
            f"{kind:5} min {min(values):.2f}  median {statistics.median(values):.2f}  "
            f"max {max(values):.2f} s for a test of {options.seconds} s"
        )


if __name__ == "__main__":
    main()
