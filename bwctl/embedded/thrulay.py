"""The embedded tester: `run.py thrulay server|client [--option value ...]`.

Lines for people and, as the last line, `#json {...}` for programs go to standard output; what went
wrong also goes to standard error as `bwctl: ...`. Exit status: 0 a whole test, 1 not, 64 a bad
command line.
"""

from __future__ import annotations

import gc
import sys

from bwctl import __version__
from bwctl.embedded import report
from bwctl.embedded.options import Options, UsageError, parse

TYPE_CHECKING = False  # as in typing, without its import
if TYPE_CHECKING:
    from bwctl.embedded.client import Client
    from bwctl.embedded.server import Server

USAGE_STATUS = 64  # EX_USAGE


def main(arguments: list[str]) -> int:
    """Play one role; the exit status."""
    try:
        options = parse(arguments)
    except UsageError as error:
        complain(f"thrulay: {error}")
        return USAGE_STATUS
    gc.disable()  # the test makes no cycles, and pauses would be measured
    try:
        return play(options)
    except BrokenPipeError:  # nobody reads our output any more
        return 1


def play(options: Options) -> int:
    """Do the test and print the last line."""
    if options.role == "server":
        from bwctl.embedded.server import Server

        test: Server | Client = Server(options, write)
    else:
        from bwctl.embedded.client import Client

        test = Client(options, write)
    error = test.run()
    if error:
        complain(error)
    facts = {"role": options.role, "version": __version__, **test.facts, "error": error}
    write(report.json_line(facts))
    return 1 if error else 0


def write(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Say what went wrong."""
    sys.stderr.write(f"bwctl: {text}\n")
    sys.stderr.flush()
