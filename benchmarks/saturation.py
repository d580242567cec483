"""Six clients in a loop, 5 s tests, one pair of daemons: how much of the time is spent testing.

    python -m benchmarks.saturation [--seconds S] [--clients N] [--kind ours|C] [--tester NAME]

A test counts if it started within the time; the starts are read from the daemons' answers, which
the clients report. C's programs need BWCTL_C_BIN.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from threading import Lock, Thread

from benchmarks.support import pairs_by_kind
from tests.support.daemons import Daemon, run_c, run_ours, running

TEST_S = 5
_C_NOTE = " seconds until test results available"


class Load:
    """Clients that test until the time is over."""

    def __init__(self, kind: str, pair: tuple[Daemon, Daemon], tester: str, seconds: float) -> None:
        self._run: Callable[[], float | None] = self._ours if kind == "ours" else self._c
        self._words = [
            *("-c", pair[0].node, "-s", pair[1].node, "-T", tester, "-t", str(TEST_S)),
            *("-L", "300"),
        ]
        self._began = time.time()
        self._end = self._began + seconds
        self._lock = Lock()
        self.starts: list[float] = []

    def _ours(self) -> float | None:
        ran = run_ours(*self._words, "--json", "-q", patience_s=400)
        if ran.status:
            print(ran.report)
            return None
        start: int = json.loads(ran.stdout)["schedule"]["start_ntp"]
        return start / 2**32 - 2_208_988_800

    def _c(self) -> float | None:
        ran = run_c("-a", "1", *self._words, patience_s=400)
        # C does not tell the start; it exits one second after the end.
        return time.time() - TEST_S - 1 if "SENDER START" in ran.stdout else None

    def client(self) -> None:
        """One client's loop."""
        while time.time() < self._end:
            start = self._run()
            if start is not None:
                with self._lock:
                    self.starts.append(start)

    def report(self) -> Iterator[str]:
        """Figures for people."""
        starts = sorted(start for start in self.starts if start < self._end)
        gaps = [late - early for early, late in zip(starts, starts[1:], strict=False)]
        share = len(starts) * TEST_S / (self._end - self._began)
        yield f"{len(starts)} tests started within the time, {len(self.starts)} in all"
        yield f"gap between starts: min {min(gaps):.2f}, max {max(gaps):.2f} s"
        yield f"test seconds per wall second: {share:.3f}"


def main() -> None:
    """One kind per run: two loads at a time would disturb each other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--kind", default="ours", choices=["ours", "C"])
    parser.add_argument("--tester", default="iperf3")
    options = parser.parse_args()
    pairs = pairs_by_kind("127.0.0.16")
    with running(*(daemon for pair in pairs.values() for daemon in pair)):
        load = Load(options.kind, pairs[options.kind], options.tester, options.seconds)
        threads = [Thread(target=load.client) for _ in range(options.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for line in load.report():
        print(line)


if __name__ == "__main__":
    main()
