"""The reactor and the signals of a client: one task, started and given up in order."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from bwctl.cli.exits import ExitStatus
from bwctl.cli.files import unwritten
from bwctl.net.reactortime import use_monotonic
from bwctl.results import Failure

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Unwritten(Exception):
    """Stdout does not take it."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Task:
    """What a client does. `status` counts where it did not come to its end."""

    def __init__(self, verbose: int) -> None:
        self.status = int(ExitStatus.INTERNAL)
        self.running: Deferred[Any] | None = None
        self._verbose = verbose

    def run(self) -> Coroutine[Deferred[Any], Any, int]:
        """All of it; gives the exit status."""
        raise NotImplementedError

    def give_up(self, failure: Failure) -> None:
        """Tell the user why it did not come to its end."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """A signal: give everything back and end."""
        self.status = int(ExitStatus.INTERRUPTED)
        if self.running is not None:
            self.running.cancel()

    def broken(self, failure: Any) -> None:
        """It did not come to its end."""
        if failure.check(CancelledError):
            self._end(ExitStatus.INTERRUPTED.failure("interrupted; nothing is left behind"))
        elif failure.check(BrokenPipeError):
            self.status = int(ExitStatus.INTERRUPTED)  # nobody reads stdout any more
            _abandon_stdout()
        elif failure.check(Unwritten):
            _abandon_stdout()
            self._end(unwritten("", failure.value.cause))
        else:
            text = f"{failure.type.__name__}: {failure.getErrorMessage()}"
            self._end(ExitStatus.INTERNAL.failure(f"a defect of this program: {text}"))
            if self._verbose:
                sys.stderr.write(failure.getTraceback())

    def _end(self, failure: Failure) -> None:
        self.status = failure.exit_status
        self.give_up(failure)


def drive(make: Callable[[Any], Task]) -> int:
    """Make a task for the reactor and run it; returns the exit status.

    Raises:
        ClientError: the task cannot be made.
    """
    from twisted.internet import reactor

    use_monotonic(reactor)
    task = make(reactor)
    status: list[int] = []
    # By nohup, or by a shell for what it runs in the background.
    ignored = [one for one in signal.Signals if signal.getsignal(one) is signal.SIG_IGN]

    def begin() -> None:
        # Here, as the reactor has just put its own handlers in place.
        for name in _SIGNALS:
            if name not in ignored:
                signal.signal(name, interrupt)
        running = task.running = Deferred.fromCoroutine(task.run())
        running.addCallbacks(status.append, task.broken)
        running.addBoth(end)

    def end(result: object) -> None:
        if reactor.running:
            reactor.stop()

    def interrupt(number: int, frame: FrameType | None) -> None:
        # In the reactor's own thread of control, not in the middle of whatever runs.
        reactor.callFromThread(task.interrupt)  # type: ignore[attr-defined]

    reactor.callWhenRunning(begin)
    reactor.run()
    return status[0] if status else task.status


def _abandon_stdout() -> None:
    """What is still buffered goes nowhere; else Python complains at its end, with status 120."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def write(octets: bytes) -> None:
    """Put something on stdout, at once.

    Raises:
        BrokenPipeError: nobody reads it any more.
        Unwritten: it goes nowhere.
    """
    try:
        sys.stdout.buffer.write(octets)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unwritten(error) from error


def columns() -> int:
    """The width of the terminal that stderr is."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80
