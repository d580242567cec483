"""Start a program of this room without importing more than it needs.

    python -I -S .../bwctl/embedded/run.py guard ...
    python -I -S .../bwctl/embedded/run.py thrulay server|client ...

`-I -S` leaves the directory of the `bwctl` package out of the module path; this file appends it,
behind the standard library, so that nothing beside the package can take a standard module's place.
"""

from __future__ import annotations

import os
import sys

USAGE_STATUS = 64  # EX_USAGE


def main(arguments: list[str]) -> int:
    """Run one program of the room; its exit status."""
    program = arguments[0] if arguments else ""
    if program == "guard":
        from bwctl.embedded import guard

        return guard.main(arguments[1:])
    if program == "thrulay":
        from bwctl.embedded import thrulay

        return thrulay.main(arguments[1:])
    print("bwctl: usage: run.py guard|thrulay ...", file=sys.stderr)
    return USAGE_STATUS


if __name__ == "__main__":
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    sys.exit(main(sys.argv[1:]))
