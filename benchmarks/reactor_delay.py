"""How late the daemons' reactors are while a test runs.

    python -m benchmarks.reactor_delay [--seconds S] [--tester NAME] [-- OPTION...]

Two daemons run one test; each notes for every 5 ms how late its reactor was then, from the
client's start to its end: negotiation, the test, and the reading of its results. A reactor by
itself, which has nothing else to do, is measured in the same time: what is as late there is the
host's doing. Options after `--` go to the client, such as `-u -b 1G`, `-P 4 -i 0.1`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.daemons import run_ours, running, start_ours

PLUGINS = Path(__file__).with_name("plugins")
GOAL_MS = 5.0  # of the 99th percentile
_ALONE = """\
from twisted.internet import reactor
from twisted.plugins.bwctl_lateness import lateness
lateness.startService()
reactor.addSystemEventTrigger("before", "shutdown", lateness.stopService)
reactor.run()
"""


def measure(words: Sequence[str]) -> dict[str, list[float]]:
    """Run a test; lateness in ms by name of the reactor."""
    with tempfile.TemporaryDirectory() as directory:
        os.environ["BWCTL_LATENESS"] = directory
        os.environ["PYTHONPATH"] = f"{PLUGINS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        with reactor_by_itself() as alone:
            options = "result_sink lateness\n"
            pair = start_ours("127.0.0.16", options), start_ours("127.0.0.17", options)
            with running(*pair):
                begun = time.monotonic()
                ran = run_ours("-c", pair[0].node, "-s", pair[1].node, *words, patience_s=400)
                ended = time.monotonic()
                names = {pair[0].process.pid: "receiver", pair[1].process.pid: "sender"}
        names[alone.pid] = "by itself"
        print(ran.stderr.rstrip())
        return {
            name: [late for moment, late in _read(directory, pid) if begun <= moment <= ended]
            for pid, name in names.items()
        }


@contextmanager
def reactor_by_itself() -> Iterator[subprocess.Popen[bytes]]:
    """A process with nothing but a reactor that notes its lateness."""
    alone = subprocess.Popen([sys.executable, "-c", _ALONE])
    try:
        yield alone
    finally:
        alone.terminate()
        alone.wait()


def _read(directory: str, pid: int) -> Iterator[tuple[float, float]]:
    """Moments in s, and lateness in ms."""
    with Path(directory, str(pid)).open(encoding="ascii") as file:
        for line in file:
            moment, late = map(float, line.split())
            yield moment, late * 1000


def line_of(name: str, late: list[float]) -> str:
    """One reactor's figures."""
    ranked = sorted(late)
    parts = (f"p{share} {ranked[len(ranked) * share // 100]:7.3f}" for share in (50, 90, 99))
    return f"{name:10} {'  '.join(parts)}  max {ranked[-1]:8.3f} ms  ({len(ranked)} moments)"


def main() -> None:
    """One test, a line for each reactor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--tester", default="thrulay")
    parser.add_argument("words", nargs="*", help="more options of the client, after --")
    options = parser.parse_args()
    words = ["-T", options.tester, "-t", str(options.seconds), *options.words]
    found = measure(words)
    print(f"lateness of the reactors; goal: p99 under {GOAL_MS:g} ms")
    for name, late in found.items():
        print(line_of(name, late))


if __name__ == "__main__":
    main()
