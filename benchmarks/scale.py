"""Many clients at once: handshakes, requests, idle connections, a burst; ours beside the C daemon.

    python -m benchmarks.scale [handshakes] [requests] [idle] [burst] [--rounds N] ...

The C daemon takes part where BWCTL_C_BIN names the directory of its programs, in rounds that
alternate with ours. It logs nothing about clients that it serves; *ours* logs a line for each
decision, as it does by default, and *quiet* is ours told to keep silent too (`access_priority
none`). Load and daemon share the machine: the columns *daemon* and *load* say how much of a core
each of them used, so which of the two was the limit, and *us each* what the daemon used for one
handshake or pair, which other work on the machine hardly changes. C's children count.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path

from benchmarks.footprint import cpu_seconds, memory_kib
from benchmarks.load import (
    ADDRESS,
    Crowd,
    Tally,
    handshake,
    held,
    in_an_hour,
    in_processes,
    pairs,
    reservation,
)
from bwctl.wire.fields import Mode
from tests.support.daemons import NO_C, Daemon, running, start_c, start_ours

MOST_HELD_BY_C = 1000  # it cannot hold more than 1,014 connections
COMMON = "test_port 10000-64000\nsync_fuzz 0.1\n"
OURS = COMMON + "max_connections 30000\nmax_connections_per_host 30000\nmax_reservations 30000\n"
QUIET = ("access_priority none",)
BURST = 600
BURST_PATIENCE_S = 5.0


def start(kind: str, options: argparse.Namespace) -> Daemon:
    """A daemon that lets the load in."""
    if kind == "C":
        return start_c(ADDRESS, COMMON)
    lines = [*options.option, *(QUIET if kind == "quiet" else ())]
    return start_ours(ADDRESS, OURS + "".join(f"{line}\n" for line in lines))


@contextmanager
def daemons(options: argparse.Namespace) -> Iterator[dict[str, Daemon]]:
    """One of each kind that takes part."""
    found = {kind: start(kind, options) for kind in options.kinds}
    with running(*found.values()):
        yield found


def measured(daemon: Daemon, load: Callable[[], Tally]) -> tuple[Tally, float]:
    """A load, and how much of a core the daemon used meanwhile."""
    before = cpu_seconds(daemon.process.pid)
    tally = load()
    return tally, (cpu_seconds(daemon.process.pid) - before) / tally.seconds


# -- handshakes --------------------------------------------------------------------------------


def handshakes(options: argparse.Namespace) -> None:
    """Connect, greeting to uptime block, close; so many workers at a time."""
    for mode in (Mode.OPEN, Mode.AUTHENTICATED):
        print(f"\nhandshakes, {options.workers} workers, mode {mode.name}")
        with daemons(options) as found:
            compare(
                found,
                options,
                lambda daemon, mode=mode: load_handshakes(daemon, mode, options),
                "handshakes/s",
            )


def load_handshakes(daemon: Daemon, mode: Mode, options: argparse.Namespace) -> Tally:
    def work(number: int, end: float) -> Tally:
        tally = Tally()

        def scripts() -> Iterator[object]:
            while time.perf_counter() < end:
                yield handshake(tally, mode)

        crowd = Crowd((daemon.address, daemon.ports.control))
        tally.failed = crowd.run(scripts(), options.workers // options.processes)  # type: ignore[arg-type]
        return tally

    return in_processes(work, options.processes, options.seconds)


# -- requests ----------------------------------------------------------------------------------


def requests(options: argparse.Namespace) -> None:
    """Reserve and cancel in turn while others hold reservations."""
    for count in options.held:
        kinds = [kind for kind in options.kinds if kind == "ours" or count <= MOST_HELD_BY_C]
        print(f"\nreserve and cancel, {options.requesters} workers, {count} reservations held")
        with daemons(argparse.Namespace(**vars(options) | {"kinds": kinds})) as found:
            at = in_an_hour()
            crowds = [hold(daemon, repeat(reservation(at), count)) for daemon in found.values()]
            compare(
                found, options, lambda daemon, at=at: load_pairs(daemon, at, options), "pairs/s"
            )
            for crowd in crowds:
                crowd.close()


def hold(daemon: Daemon, messages: Iterator[bytes]) -> Crowd:
    """Connections that have sent one message each, or none if it is empty, and stay."""
    crowd = Crowd((daemon.address, daemon.ports.control))
    failed = crowd.run((held(octets) for octets in messages), 64, keep=True)
    if failed:
        raise SystemExit(f"{failed} of the connections to be held failed\n{daemon.log()[-2000:]}")
    return crowd


def load_pairs(daemon: Daemon, at: int, options: argparse.Namespace) -> Tally:
    def work(number: int, end: float) -> Tally:
        tally = Tally()
        crowd = Crowd((daemon.address, daemon.ports.control))
        workers = options.requesters // options.processes
        scripts = (pairs(tally, options.mode, at, end) for _ in range(workers))  # type: ignore[arg-type]
        tally.failed = crowd.run(scripts, workers)
        return tally

    return in_processes(work, options.processes, options.seconds)


# -- idle connections --------------------------------------------------------------------------


def idle(options: argparse.Namespace) -> None:
    """Memory of connections that are past the handshake, or only connected, and say nothing."""
    print("\nidle connections")
    for what, script in (("after the handshake", held), ("connected only", silent)):
        each = {}
        for kind in [kind for kind in options.kinds if kind != "quiet"]:
            count = min(options.idle, MOST_HELD_BY_C) if kind == "C" else options.idle
            with daemons(argparse.Namespace(**vars(options) | {"kinds": [kind]})) as found:
                daemon = found[kind]
                before = memory_kib(daemon.process.pid)
                crowd = Crowd((daemon.address, daemon.ports.control))
                failed = crowd.run((script(b"") for _ in range(count)), 64, keep=True)
                time.sleep(1)
                after = memory_kib(daemon.process.pid)
                crowd.close()
            each[kind] = (after - before) / count
            print(
                f"{kind:5} {count:6} {what}: {before / 1024:6.1f} MB without, "
                f"{after / 1024:6.1f} MB with them, {each[kind]:6.2f} KiB each, {failed} failed"
            )
        if len(each) == 2:
            print(f"C / ours: {each['C'] / each['ours']:.1f}")


def silent(_: bytes) -> Iterator[tuple[bytes, int]]:
    """Only take the greeting."""
    yield b"", 32


# -- a burst -----------------------------------------------------------------------------------


def burst(options: argparse.Namespace) -> None:
    """All connect at once and shake hands; how many have no answer in time."""
    print(f"\nburst of {BURST} connects, {BURST_PATIENCE_S:g} s of patience")
    lost: dict[str, list[int]] = {kind: [] for kind in options.kinds}
    with daemons(options) as found:
        for _ in range(options.rounds):
            for kind, daemon in found.items():
                crowd = Crowd((daemon.address, daemon.ports.control))
                scripts = (handshake(Tally(), Mode.OPEN) for _ in range(BURST))
                lost[kind].append(crowd.run(scripts, BURST, patience_s=BURST_PATIENCE_S))
                crowd.close()
                time.sleep(2)
    for kind, counts in lost.items():
        print(f"{kind:5} lost {', '.join(map(str, counts))}")


# -- output ------------------------------------------------------------------------------------


def compare(
    found: dict[str, Daemon],
    options: argparse.Namespace,
    load: Callable[[Daemon], Tally],
    unit: str,
) -> None:
    """Rounds in turn, medians, ratio."""
    runs: dict[str, list[tuple[Tally, float]]] = {kind: [] for kind in found}
    for _ in range(options.rounds):
        for kind, daemon in found.items():
            runs[kind].append(measured(daemon, lambda daemon=daemon: load(daemon)))
            time.sleep(1)
    rates = {kind: statistics.median(one.rate for one, _ in runs[kind]) for kind in found}
    for kind, rounds in runs.items():
        tallies = [tally for tally, _ in rounds]
        spread = [tally.rate for tally in tallies]
        print(
            f"{kind:5} {rates[kind]:8.0f} {unit} ({min(spread):.0f}-{max(spread):.0f})"
            f"  p50 {statistics.median(one.quantile_ms(0.5) for one in tallies):7.3f} ms"
            f"  p99 {statistics.median(one.quantile_ms(0.99) for one in tallies):7.3f} ms"
            f"  daemon {statistics.median(used for _, used in rounds):.2f}"
            f" ({statistics.median(used / one.rate * 1e6 for one, used in rounds):.0f} us each)"
            f"  load {statistics.median(one.cpu / one.seconds for one in tallies):.2f}"
            f"  failed {sum(one.failed for one in tallies)}",
            flush=True,
        )
    theirs = rates.pop("C", None)
    if theirs:
        for kind, rate in rates.items():
            print(f"{kind} / C: {rate / theirs:.2f}")


SECTIONS = {"handshakes": handshakes, "requests": requests, "idle": idle, "burst": burst}


def main() -> None:
    """The sections that are asked for, all without any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sections", nargs="*", choices=[*SECTIONS, []], default=[], metavar="|".join(SECTIONS)
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round")
    parser.add_argument("--processes", type=int, default=1, help="that make the load")
    parser.add_argument("--workers", type=int, default=64, help="that shake hands")
    parser.add_argument("--requesters", type=int, default=8, help="that reserve and cancel")
    parser.add_argument("--held", type=int, nargs="*", default=[0, 1000, 10_000])
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--mode", type=lambda name: Mode[name], default=Mode.OPEN)
    parser.add_argument("--kinds", nargs="*", default=["ours"] if NO_C else ["ours", "quiet", "C"])
    parser.add_argument("--option", action="append", default=[], help="line of our configuration")
    options = parser.parse_args()
    if NO_C:
        print(f"without C: {NO_C}")
    print(f"load of the machine: {Path('/proc/loadavg').read_text().split()[0]}")
    for name in options.sections or SECTIONS:
        SECTIONS[name](options)


if __name__ == "__main__":
    main()
