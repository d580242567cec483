"""The fault tests, long; then what doc/reliability.md promises beside what was measured.

    make faults, or: python -m tests.faults.figures [--short]

Exits with 1 if a test fails, if something took longer than promised, or was not measured at all.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from tests.faults.promises import PROMISES, Promise

_RUN = Path(__file__).parent.parent / "run.py"


def main(arguments: list[str]) -> int:
    """Run them, with the arguments for tests/run.py; the exit status."""
    short = "--short" in arguments
    more = [one for one in arguments if one != "--short"]
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "figures"
        file.touch()
        how = {"FAULTS": "" if short else "long", "FAULTS_FIGURES": str(file)}
        command = [sys.executable, str(_RUN), *more, "tests.faults"]
        status = subprocess.run(command, env=os.environ | how, check=False).returncode
        measured = read(file.read_text())
    print(*table(measured), sep="\n")
    return status or (0 if all(kept(one, measured[one.fault]) for one in PROMISES) else 1)


def read(text: str) -> dict[str, list[float]]:
    """Seconds by fault."""
    found: dict[str, list[float]] = defaultdict(list)
    for line in text.splitlines():
        fault, _, seconds = line.partition("\t")
        found[fault].append(float(seconds))
    return found


def kept(promise: Promise, times: list[float]) -> bool:
    """Whether it was seen to hold."""
    return bool(times) and max(times) <= promise.free_s


def table(measured: dict[str, list[float]]) -> list[str]:
    """A line for each promise."""
    return [row(one, measured[one.fault]) for one in PROMISES]


def row(promise: Promise, times: list[float]) -> str:
    """What was promised, the longest time that was seen, and how often it was looked at."""
    worst = f"{max(0.0, max(times)):5.1f} s" if times else "   none"
    verdict = "" if kept(promise, times) else "  NOT KEPT" if times else "  NOT MEASURED"
    promised = f"{promise.free_s:4.0f} s after {promise.since:24}"
    return f"{promise.fault:60} {promised} seen {worst} in {len(times):3}{verdict}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
