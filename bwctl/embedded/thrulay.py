"""The embedded tester: `run.py thrulay server|client [--option value ...]`.

Lines for people and, as the last line, `#json {...}` for programs go to standard output; what went
wrong also goes to standard error as `bwctl: ...`. Exit status: 0 a whole test, 1 not, 64 a bad
command line. For use by hand there is byhand.py.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

from bwctl import __version__
from bwctl.embedded import report
from bwctl.embedded.options import Options, UsageError, parse

TYPE_CHECKING = False  # as in typing, without its import
if TYPE_CHECKING:
    from bwctl.embedded.server import Sockets
    from bwctl.embedded.sockets import StopSignals

USAGE_STATUS = 64  # EX_USAGE
MAX_INTERVAL_LINES = 10_000


def main(arguments: list[str]) -> int:
    """Play one role; the exit status."""
    try:
        options = parse(arguments)
    except UsageError as error:
        complain(f"thrulay: {error}")
        return USAGE_STATUS
    try:
        facts = play(options, Printer(write))
        if facts["error"]:
            complain(facts["error"])
        write(report.json_line(facts))
    except BrokenPipeError:  # nobody reads our output any more
        return 1
    return 1 if facts["error"] else 0


def play(options: Options, say: Callable[[str], None]) -> dict[str, Any]:
    """Do one test; its facts, of which `error` is None if it went well.

    Args:
        say: takes one line of text for people.
    """
    gc.disable()  # the test makes no cycles, and pauses would be measured
    return _serve_once(options, say) if options.role == "server" else _measure(options, say)


def _measure(options: Options, say: Callable[[str], None]) -> dict[str, Any]:
    if options.rate:
        from bwctl.embedded.udp_client import UDPClient as Client
    else:
        from bwctl.embedded.tcp_client import TCPClient as Client  # type: ignore[assignment]
    test = Client(options, say)
    error = test.run()
    return _facts(options, test.facts, error)


def _serve_once(options: Options, say: Callable[[str], None]) -> dict[str, Any]:
    from bwctl.embedded.server import Sockets
    from bwctl.embedded.sockets import StopSignals

    try:
        held = Sockets(options)
    except OSError as error:
        return _facts(options, {"seconds": 0.0, "bytes": 0}, error.strerror or str(error))
    try:
        say(f"# {held.description()}")
        return serve(options, say, held, StopSignals())
    finally:
        held.close()


def serve(
    options: Options, say: Callable[[str], None], held: Sockets, signals: StopSignals
) -> dict[str, Any]:
    """Serve one test on sockets that are held; its facts."""
    from bwctl.embedded.server import Server

    test = Server(options, say, held, signals)
    error = test.run()
    return _facts(options, test.facts, error)


def _facts(options: Options, found: dict[str, Any], error: str | None) -> dict[str, Any]:
    return {"role": options.role, "version": __version__, **found, "error": error}


class Printer:
    """Prints lines for people; of very many intervals only the first, for who keeps the output."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._left = MAX_INTERVAL_LINES

    def __call__(self, line: str) -> None:
        """Print a line, or not."""
        if line.startswith(" "):  # an interval's
            self._left -= 1
            if self._left == 0:
                self._write("# the lines of further intervals are left out")
            if self._left <= 0:
                return
        self._write(line)


def write(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Say what went wrong."""
    sys.stderr.write(f"bwctl: {text}\n")
    sys.stderr.flush()
