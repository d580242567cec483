"""The embedded tester beside iperf3 on loopback, interleaved: receiver rates and CPU times.

    python benchmarks/embedded_vs_iperf3.py [--rounds 5] [--seconds 2] [--blocks 8192,131072]

Other load on the host hits both programs of a pair about alike, so the ratio within a pair counts:
the last columns are the medians of these ratios. CPU is that of both ends together.
Source: thrulay.md section 12.
"""

from __future__ import annotations

import argparse
import json
import resource
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

RUN = Path(__file__).resolve().parents[1] / "bwctl" / "embedded" / "run.py"
BLOCKS = "8192,65536,131072,1048576"
START_S = 0.4  # for a server to listen


class Figure(NamedTuple):
    """One run's result."""

    gbps: float
    cpu_per_gigabyte: float  # s


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_pair(server: list[str], client: list[str]) -> tuple[str, str, float]:
    """Outputs of server and client, and the CPU seconds of both."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    listening = subprocess.Popen(server, stdout=subprocess.PIPE, text=True)
    time.sleep(START_S)
    sent = subprocess.run(client, stdout=subprocess.PIPE, text=True, check=True).stdout
    received, _ = listening.communicate(timeout=30)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return received, sent, used


def embedded(block: int, seconds: int, window: int) -> Figure:
    """One run of the embedded tester; the rate is the receiver's."""
    port = str(free_port())
    common = ["--port", port, "--duration", str(seconds), "--window", str(window)]
    program = [sys.executable, "-I", "-S", str(RUN), "thrulay"]
    received, _, cpu = run_pair(
        [*program, "server", "--bind", "127.0.0.1", *common],
        [*program, "client", "--connect", "127.0.0.1", "--block", str(block), *common],
    )
    facts = json.loads(received.splitlines()[-1].removeprefix("#json "))
    return Figure(facts["bits_per_second"] / 1e9, cpu / facts["bytes"] * 1e9)


def iperf3(block: int, seconds: int, window: int) -> Figure:
    """One run of iperf3; the rate is the receiver's."""
    port = str(free_port())
    sizes = ["-l", str(block), *(["-w", str(window)] if window else [])]
    _, sent, cpu = run_pair(
        ["iperf3", "-s", "-1", "-p", port, "-B", "127.0.0.1"],
        ["iperf3", "-c", "127.0.0.1", "-p", port, "-t", str(seconds), "-J", *sizes],
    )
    total = json.loads(sent)["end"]["sum_received"]
    return Figure(total["bits_per_second"] / 1e9, cpu / total["bytes"] * 1e9)


def compare(block: int, rounds: int, seconds: int, window: int) -> str:
    """Pairs of runs at one block size, each order half of the time; a line of medians."""
    pairs: list[tuple[Figure, Figure]] = []
    for number in range(rounds):
        if number % 2:
            ours, theirs = (f(block, seconds, window) for f in (embedded, iperf3))
        else:
            theirs, ours = (f(block, seconds, window) for f in (iperf3, embedded))
        pairs.append((ours, theirs))
    return _line(block, pairs)


def _line(block: int, pairs: list[tuple[Figure, Figure]]) -> str:
    median = statistics.median
    ours = median(pair[0].gbps for pair in pairs)
    theirs = median(pair[1].gbps for pair in pairs)
    ratios = [one.gbps / other.gbps for one, other in pairs]
    cpu = median(one.cpu_per_gigabyte / other.cpu_per_gigabyte for one, other in pairs)
    spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
    return f"{block:9} {ours:9.2f} {theirs:8.2f} {median(ratios):8.2f} {spread:>12} {cpu:10.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="embedded tester against iperf3, TCP, loopback")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--window", type=int, default=0, help="octets, 0: autotuning")
    parser.add_argument("--blocks", default=BLOCKS)
    options = parser.parse_args()
    print("    block  embedded   iperf3    ratio  (range)      CPU/octet")
    print("   octets      Gb/s     Gb/s                           ratio")
    for block in map(int, options.blocks.split(",")):
        print(compare(block, options.rounds, options.seconds, options.window), flush=True)


if __name__ == "__main__":
    main()
