"""Entry points of the clients. Nothing of Twisted is imported before the command line is right."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType

from bwctl.cli.exits import ClientError, ExitStatus, complaint
from bwctl.cli.latency import BWPING
from bwctl.cli.options import parse, remarks
from bwctl.cli.program import Program
from bwctl.cli.throughput import BWCTL
from bwctl.cli.trace import BWTRACEROUTE
from bwctl.render.jsonform import json_text
from bwctl.results import Failure, TestResult


def bwctl() -> int:
    """The throughput client, and `bwctl check`."""
    return _program(BWCTL)


def bwping() -> int:
    """The latency client."""
    return _program(BWPING)


def bwtraceroute() -> int:
    """The client for paths."""
    return _program(BWTRACEROUTE)


def _program(program: Program) -> int:
    for name in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(name) is not signal.SIG_IGN:
            signal.signal(name, _interrupt)
    try:
        return run(program, sys.argv[1:])
    except KeyboardInterrupt:  # before the reactor runs; later signals are the session's
        failure = ExitStatus.INTERRUPTED.failure("interrupted; nothing was sent")
        _complain(program, failure, "--json" in sys.argv[1:])
        return failure.exit_status


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run(program: Program, arguments: Sequence[str]) -> int:
    """Run a client; returns its exit status."""
    if program is BWCTL and arguments[:1] == ["check"]:
        return _check(arguments[1:])
    if program is BWCTL and arguments[:1] == ["completion"]:
        return _completion(arguments[1:])
    try:
        options = parse(program, arguments)
        from bwctl.cli.precheck import check

        check(options)
        from bwctl.cli.credentials import read_all

        identities = read_all(options)
    except ClientError as error:
        _complain(program, error.failure, "--json" in arguments)
        return int(error.status)
    for remark in () if options.silent else remarks(options):
        sys.stderr.write(f"{program.name}: {remark}\n")
    from bwctl.cli.session import run_session

    try:
        return run_session(program, options, identities)
    except ClientError as error:
        _complain(program, error.failure, options.json)
        return int(error.status)


def _check(arguments: Sequence[str]) -> int:
    from bwctl.cli.checkprogram import CHECK

    try:
        from bwctl.cli.check import run_check

        return run_check(arguments)
    except ClientError as error:
        sys.stderr.write(complaint(CHECK.name, error.failure))
        return int(error.status)


_COMPLETION = "usage: bwctl completion {}\n"


def _completion(arguments: Sequence[str]) -> int:
    from bwctl.cli.completion import SHELLS, completion

    if arguments in (["-h"], ["--help"]):
        sys.stdout.write(_COMPLETION.format("|".join(SHELLS)))
        return int(ExitStatus.OK)
    if len(arguments) != 1 or arguments[0] not in SHELLS:
        sys.stderr.write(_COMPLETION.format("|".join(SHELLS)))
        return int(ExitStatus.USAGE)
    sys.stdout.write(completion(arguments[0]))
    return int(ExitStatus.OK)


def _complain(program: Program, failure: Failure, as_json: bool) -> None:
    sys.stderr.write(complaint(program.name, failure))
    if as_json:
        sys.stdout.write(json_text(TestResult(failure=failure), program.name))


if __name__ == "__main__":
    sys.exit(bwctl())
