"""The embedded tester beside iperf3 on loopback, interleaved: receiver rates, CPU times, UDP loss.

    python -m benchmarks.embedded_vs_iperf3 [--rounds 5] [--seconds 2] [--blocks 8192,131072]
                                            [--udp 100M,1G]

Other load on the host hits both programs of a pair about alike, so the ratio within a pair counts:
the columns are medians over the pairs. CPU is that of both ends together.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

RUN = Path(__file__).resolve().parents[1] / "bwctl" / "embedded" / "run.py"
BLOCKS = "8192,65536,131072,262144,1048576"
RATES = "100M,1G"
PACKET = 1500  # octets, of which 28 are headers
START_S = 0.4  # for a server to listen
UNITS = {"k": 10**3, "M": 10**6, "G": 10**9}


class TCP(NamedTuple):
    """One TCP run."""

    gbps: float
    cpu_per_gigabyte: float  # s


class UDP(NamedTuple):
    """One UDP run."""

    deviation: float  # of the sender's mean rate from the one asked for, %
    loss: float  # %


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
    sent = subprocess.run(client, stdout=subprocess.PIPE, text=True).stdout
    received, _ = listening.communicate(timeout=30)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return received, sent, used


def embedded(seconds: int, words: list[str], client: list[str]) -> tuple[dict[str, Any], float]:
    """One run of the embedded tester: the receiver's figures, and CPU seconds."""
    common = ["--port", str(free_port()), "--duration", str(seconds), *words]
    program = [sys.executable, "-I", "-S", str(RUN), "thrulay"]
    received, _, cpu = run_pair(
        [*program, "server", "--bind", "127.0.0.1", *common],
        [*program, "client", "--connect", "127.0.0.1", *common, *client],
    )
    facts: dict[str, Any] = json.loads(received.splitlines()[-1].removeprefix("#json "))
    return facts, cpu


def iperf3(seconds: int, words: list[str]) -> tuple[dict[str, Any], float]:
    """One run of iperf3: the client's totals, and CPU seconds."""
    port = str(free_port())
    _, sent, cpu = run_pair(
        ["iperf3", "-s", "-1", "-p", port, "-B", "127.0.0.1"],
        ["iperf3", "-c", "127.0.0.1", "-p", port, "-t", str(seconds), "-J", *words],
    )
    end: dict[str, Any] = json.loads(sent)["end"]
    return end, cpu


def tcp_pair(block: int, seconds: int, window: int) -> dict[str, Callable[[], TCP]]:
    """What to run for one row of the TCP table."""

    def ours() -> TCP:
        facts, cpu = embedded(seconds, ["--window", str(window)], ["--block", str(block)])
        return TCP(facts["bits_per_second"] / 1e9, cpu / facts["bytes"] * 1e9)

    def theirs() -> TCP:
        sizes = ["-l", str(block), *(["-w", str(window)] if window else [])]
        end, cpu = iperf3(seconds, sizes)
        total = end["sum_received"]
        return TCP(total["bits_per_second"] / 1e9, cpu / total["bytes"] * 1e9)

    return {"ours": ours, "theirs": theirs}


def udp_pair(rate: int, seconds: int) -> dict[str, Callable[[], UDP]]:
    """What to run for one row of the UDP table; rates are of whole packets."""

    def result(packets: int, span: float, loss: float) -> UDP:
        return UDP((packets * PACKET * 8 / span / rate - 1) * 100, loss)

    def ours() -> UDP:
        facts, _ = embedded(seconds, ["--rate", str(rate)], ["--packet", str(PACKET)])
        return result(facts["packets"], facts["seconds"], facts["loss_percent"])

    def theirs() -> UDP:
        payload = PACKET - 28
        words = ["-u", "-b", str(rate * payload // PACKET), "-l", str(payload), "-w", "4M"]
        end, _ = iperf3(seconds, words)
        return result(end["sum"]["packets"], end["sum"]["seconds"], end["sum"]["lost_percent"])

    return {"ours": ours, "theirs": theirs}


def interleaved(pair: dict[str, Callable[[], Any]], rounds: int) -> tuple[list[Any], list[Any]]:
    """Results of both, each going first half of the time."""
    found: dict[str, list[Any]] = {name: [] for name in pair}
    for number in range(rounds):
        for name in sorted(pair, reverse=bool(number % 2)):
            found[name].append(pair[name]())
    return found["ours"], found["theirs"]


def tcp_line(block: int, ours: list[TCP], theirs: list[TCP]) -> str:
    """One row of the TCP table."""
    median = statistics.median
    ratios = [one.gbps / other.gbps for one, other in zip(ours, theirs, strict=True)]
    cpu = median(
        one.cpu_per_gigabyte / other.cpu_per_gigabyte
        for one, other in zip(ours, theirs, strict=True)
    )
    rates = [median(one.gbps for one in runs) for runs in (ours, theirs)]
    spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
    return (
        f"{block:9} {rates[0]:9.2f} {rates[1]:8.2f} {median(ratios):8.2f} {spread:>12} {cpu:10.2f}"
    )


def udp_line(rate: int, ours: list[UDP], theirs: list[UDP]) -> str:
    """One row of the UDP table."""
    words = [f"{rate / 1e6:9.0f}"]
    for runs in (ours, theirs):
        deviation = statistics.median(run.deviation for run in runs)
        losses = sorted(run.loss for run in runs)
        words.append(f"{deviation:+9.3f} {statistics.median(losses):7.3f} {losses[-1]:7.3f}")
    return "  ".join(words)


def rate_of(text: str) -> int:
    """Bit/s with k, M or G."""
    return round(float(text.rstrip("kMG")) * UNITS.get(text[-1], 1))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="embedded tester against iperf3, loopback")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--window", type=int, default=0, help="octets, 0: autotuning")
    parser.add_argument("--blocks", default=BLOCKS, help="TCP; '' for none")
    parser.add_argument("--udp", default=RATES, help="UDP rates; '' for none")
    options = parser.parse_args()
    if options.blocks:
        print("TCP block  embedded   iperf3    ratio  (range)      CPU/octet")
        print("   octets      Gb/s     Gb/s                           ratio")
        for block in map(int, options.blocks.split(",")):
            pair = tcp_pair(block, options.seconds, options.window)
            print(tcp_line(block, *interleaved(pair, options.rounds)), flush=True)
    if options.udp:
        print(" UDP rate  embedded: rate, loss, worst  iperf3: rate, loss, worst")
        print("     Mb/s        %       %       %          %       %       %")
        for rate in map(rate_of, options.udp.split(",")):
            pair = udp_pair(rate, options.seconds)
            print(udp_line(rate, *interleaved(pair, options.rounds)), flush=True)


if __name__ == "__main__":
    main()
