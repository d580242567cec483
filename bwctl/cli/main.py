"""Entry points of the clients. Nothing of Twisted is imported before the command line is right."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bwctl.cli.exits import ExitStatus, UsageError, complaint
from bwctl.cli.jsonform import json_text
from bwctl.cli.options import parse, remarks
from bwctl.cli.program import Program
from bwctl.cli.throughput import BWCTL
from bwctl.results import TestResult


def bwctl() -> int:
    """The throughput client."""
    try:
        return run(BWCTL, sys.argv[1:])
    except KeyboardInterrupt:  # before the reactor runs; later it is a signal like others
        sys.stderr.write("bwctl: interrupted; nothing was sent\n")
        return int(ExitStatus.INTERRUPTED)


def run(program: Program, arguments: Sequence[str]) -> int:
    """Run a client; returns its exit status."""
    try:
        options = parse(program, arguments)
        from bwctl.cli.credentials import read_all

        identities = read_all(options)
    except UsageError as error:
        _complain(program, error, "--json" in arguments)
        return int(error.status)
    for remark in remarks(options):
        sys.stderr.write(f"{program.name}: {remark}\n")
    from bwctl.cli.session import run_session

    try:
        return run_session(program, options, identities)
    except UsageError as error:
        _complain(program, error, options.json)
        return int(error.status)


def _complain(program: Program, error: UsageError, as_json: bool) -> None:
    sys.stderr.write(complaint(program.name, error.failure))
    if as_json:
        sys.stdout.write(json_text(TestResult(failure=error.failure), program.name))


if __name__ == "__main__":
    sys.exit(bwctl())
