"""Runs the whole suite, and says plainly what was skipped and why.

Python's development mode is on and warnings are errors, in the tests and in every program that
they start. With REQUIRE_TESTERS=1 a test that needs a tester fails where the tester is missing.
The abuse tests throw dice: ABUSE_SEED=NUMBER gives a run again, ABUSE=long makes it a long one.
FAULTS=long makes each fault in every phase of a test and at both ends.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_OF_OTHERS = (
    "ignore:Passing pyOpenSSL:DeprecationWarning"  # Twisted gives pyOpenSSL its own objects
)
_STRICT = {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": f"error,{_OF_OTHERS}"}
_COUNT = re.compile(r"(successes|failures|errors|skips|expectedFailures)=(\d+)")
_SKIP = re.compile(r"^\[SKIPPED\]\n(.*?)\n\n((?:[\w.]+\n)+)", re.MULTILINE)


def main() -> int:
    """Run trial; its exit status, or 1 if it ran nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", default="2", help="worker processes (default: 2)")
    parser.add_argument("names", nargs="*", default=["tests"], help="what to run (default: all)")
    options = parser.parse_args()
    command = [sys.executable, "-m", "twisted.trial", f"-j{options.jobs}", *options.names]
    environment = _STRICT | {"ABUSE_SEED": _seed()} | os.environ
    print(f"ABUSE_SEED={environment['ABUSE_SEED']}", flush=True)
    output: list[str] = []
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    for line in process.stdout:
        output.append(line)
        sys.stdout.write(line)
        sys.stdout.flush()
    status = process.wait()
    counts = {name: int(number) for name, number in _COUNT.findall("".join(output[-3:]))}
    failed = counts.get("failures", 0) + counts.get("errors", 0)
    passed, skipped = counts.get("successes", 0), counts.get("skips", 0)
    for reason, names in _SKIP.findall("".join(output)):
        print(f"skipped: {len(names.split())} tests, {reason.strip()}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return status or (0 if passed else 1)


def _seed() -> str:
    """The same dice for every `make test`; others for each long run."""
    return str(random.randrange(1 << 32)) if os.environ.get("ABUSE") == "long" else "1"


if __name__ == "__main__":
    sys.exit(main())
