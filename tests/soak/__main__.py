"""make soak: tests and faults without end, and nothing may grow.

Two daemons, three clients with tests of one second each, and every two seconds or so something that
goes wrong. After each round all is quiet, and a row for each daemon tells what it has.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys

from tests.soak.customers import KINDS
from tests.soak.samples import MEMORY_KB
from tests.soak.soak import soak


def main() -> int:
    """Run it; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="(default: 30)")
    parser.add_argument("--round", type=float, default=60.0, help="seconds (default: 60)")
    parser.add_argument("--seed", default=str(random.randrange(1 << 32)), help="of the dice")
    options = parser.parse_args()
    testers = {kind[2] for kind in KINDS if kind[2] == "thrulay" or shutil.which(kind[2])}
    print(f"SOAK_SEED={options.seed}")
    wrong = soak(
        options.minutes * 60 - options.round,
        options.round,
        options.seed,
        testers,
        lambda line: print(line, flush=True),
    )
    for sentence in wrong:
        print(f"WRONG {sentence}")
    print(f"nothing has grown beyond {MEMORY_KB} kB of memory" if not wrong else "failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
