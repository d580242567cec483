"""Time of a complete connect, greeting to uptime block in open mode; ours beside the C daemon's.

    python -m benchmarks.connect [--rounds N]

The C daemon takes part where BWCTL_C_BIN names the directory of its programs.
"""

from __future__ import annotations

import argparse
import statistics
import time

from benchmarks.support import daemons_by_kind
from tests.support.daemons import Daemon, running
from tests.support.raw import Raw


def connect_ms(daemon: Daemon) -> float:
    """One connect, in milliseconds from the TCP connection to the uptime block."""
    began = time.perf_counter()
    with Raw(daemon.address, daemon.ports.control) as client:
        client.open()
        return (time.perf_counter() - began) * 1000


def main() -> None:
    """Interleaved rounds, medians, ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    daemons = daemons_by_kind("127.0.0.10")
    with running(*daemons.values()):
        times: dict[str, list[float]] = {kind: [] for kind in daemons}
        for _ in range(rounds):
            for kind, daemon in daemons.items():
                times[kind].append(connect_ms(daemon))
    medians = {kind: statistics.median(values) for kind, values in times.items()}
    for kind, values in times.items():
        ordered = sorted(values)
        p99 = ordered[int(len(ordered) * 0.99) - 1]
        print(f"{kind:5} median {medians[kind]:7.3f} ms   p99 {p99:7.3f} ms")
    if "C" in medians:
        print(f"C / ours: {medians['C'] / medians['ours']:.1f}")


if __name__ == "__main__":
    main()
