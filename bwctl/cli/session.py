"""What a client does once its command line is right: tests in turn, and their output."""

from __future__ import annotations

import os
import random
import signal
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall, deferLater

from bwctl.cli.credentials import AllCredentials
from bwctl.cli.exits import ExitStatus, UsageError
from bwctl.cli.jsonform import json_text
from bwctl.cli.messages import Messages
from bwctl.cli.options import Options
from bwctl.cli.output import classic, files, remarks_of, shown_ends
from bwctl.cli.program import Program
from bwctl.cli.progress import Phase, Progress
from bwctl.cli.summary import summary_text
from bwctl.cli.surroundings import end_wishes, surroundings
from bwctl.interfaces import ITester
from bwctl.net.conductor import Step, Wish
from bwctl.net.reactortime import use_monotonic
from bwctl.net.series import Series
from bwctl.results import Failure, TestResult
from bwctl.values import IPAddress, TestSpec

if TYPE_CHECKING:  # reading a configuration, or being an end, is rare: a client starts quicker
    pass

_AFTER_FAILURE_S = 60.0  # with --streaming
_TICK_S = 0.2
_PHASES = {
    Step.NEGOTIATING: Phase.NEGOTIATING,
    Step.WAITING: Phase.WAITING,
    Step.RUNNING: Phase.RUNNING,
    Step.COLLECTING: Phase.COLLECTING,
}


def run_session(program: Program, options: Options, credentials: AllCredentials) -> int:
    """Run all tests; returns the exit status: that of the first test that failed, or 0.

    Raises:
        UsageError: the results have no place to go.
    """
    from twisted.internet import reactor

    use_monotonic(reactor)
    _check_directory(options)
    session = Session(program, options, credentials, reactor)
    status: list[int] = []
    # By nohup, or by a shell for what it runs in the background.
    ignored = [one for one in signal.Signals if signal.getsignal(one) is signal.SIG_IGN]

    def begin() -> None:
        # Here, as the reactor has just put its own handlers in place.
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if name not in ignored:
                signal.signal(name, interrupt)
        task = session.task = Deferred.fromCoroutine(session.run())
        task.addCallbacks(status.append, session.broken)
        task.addBoth(end)

    def end(result: object) -> None:
        if reactor.running:
            reactor.stop()

    def interrupt(number: int, frame: FrameType | None) -> None:
        # In the reactor's own thread of control, not in the middle of whatever runs.
        reactor.callFromThread(session.interrupt)  # type: ignore[attr-defined]

    reactor.callWhenRunning(begin)
    reactor.run()
    return status[0] if status else session.last_status


def _check_directory(options: Options) -> None:
    """Whether the files of -p can be written, before a test is made for nothing."""
    directory = options.output_dir or "."
    if options.to_files and not os.access(directory, os.W_OK | os.X_OK):
        raise UsageError(f"-d {directory}: no directory in which files can be made")


class Session:
    """All tests of one command line."""

    def __init__(
        self, program: Program, options: Options, credentials: AllCredentials, reactor: Any
    ) -> None:
        self._program = program
        self._options = options
        self._reactor = reactor
        self._progress = Progress(
            sys.stderr,
            options.silent,
            sys.stderr.isatty(),
            program=program.name,
            columns=_columns(),
        )
        self._messages = Messages(program.name, options, sys.stderr, self._progress)
        around = surroundings(options, reactor, self._messages.note)
        self._clock = around.clock
        self._tests = Series(around, *end_wishes(options, credentials))
        self._planned = 0.0
        self._interrupted = False
        self.task: Deferred[Any] | None = None
        self.last_status = int(ExitStatus.INTERNAL)

    # -- the sequence of tests -------------------------------------------------------------------

    async def run(self) -> int:
        """All tests, with the pauses between them."""
        status, number, failed = 0, 0, False
        drawing = LoopingCall(lambda: self._progress.tick(self._clock.mono()))
        drawing.clock = self._reactor
        drawing.start(_TICK_S, now=False)
        try:
            while self._options.count is None or number < self._options.count:
                number += 1
                await self._pause(number, failed)
                result = await self._test(number)
                self._show(result)
                failed = result.failure is not None
                if result.failure is not None:
                    status = status or result.failure.exit_status
                if self._interrupted:
                    return int(ExitStatus.INTERRUPTED)
        finally:
            drawing.stop()
            self._progress.close()
            self._tests.close()
        return status

    async def _pause(self, number: int, failed: bool) -> None:
        delay = self._delay(number, failed)
        if delay > 3 and not self._options.silent:
            self._progress.note(f"next test in {delay:.0f} s")
        if delay > 0:
            await deferLater(self._reactor, delay)
        self._planned = self._clock.mono()

    def _delay(self, number: int, failed: bool) -> float:
        """Seconds until the next test. Source: clients.md 9.2; the first one need not wait."""
        options = self._options
        if options.schedule:
            return _until_next(options.schedule, datetime.now())
        if number == 1:
            return 0.0
        if options.streaming:
            return _AFTER_FAILURE_S if failed else 0.0
        spread = options.test_interval * options.randomize / 100
        jitter = random.uniform(-spread, spread)  # noqa: S311 - spreads load, keeps no secret
        due = self._planned + options.test_interval + jitter
        return max(0.0, due - self._clock.mono()) if options.test_interval else 0.0

    def interrupt(self) -> None:
        """A signal: end with what there is; a second one, or no test under way: end at once."""
        again, self._interrupted = self._interrupted, True
        self.last_status = int(ExitStatus.INTERRUPTED)
        if (again or not self._tests.interrupt()) and self.task is not None:
            self.task.cancel()

    def broken(self, failure: Any) -> None:
        """The sequence did not come to its end."""
        if failure.check(CancelledError):
            self._give_up(ExitStatus.INTERRUPTED.failure("interrupted; nothing is left behind"))
        elif failure.check(BrokenPipeError):
            self.last_status = int(ExitStatus.INTERRUPTED)  # nobody reads stdout any more
            _abandon_stdout()
        elif failure.check(OSError):
            _abandon_stdout()
            text = f"cannot write the results: {failure.value.strerror}"
            self._give_up(ExitStatus.INTERNAL.failure(text))
        else:
            text = f"{failure.type.__name__}: {failure.getErrorMessage()}"
            self._give_up(ExitStatus.INTERNAL.failure(f"a defect of this program: {text}"))
            if self._options.verbose:
                sys.stderr.write(failure.getTraceback())

    def _give_up(self, failure: Failure) -> None:
        self.last_status = failure.exit_status
        if self._options.json:
            result = TestResult(failure=failure)
            sys.stdout.write(json_text(result, self._program.name))
        self._messages.failure(failure)

    # -- one test --------------------------------------------------------------------------------

    async def _test(self, number: int) -> TestResult:
        self._phase(Phase.CONNECTING)
        return replace(await self._tests.test(self._test_wish()), number=number)

    def _test_wish(self) -> Wish:
        return Wish(
            spec=self._spec,
            tools=self._options.tools,
            flip=self._options.flip,
            latest=float(self._options.latest_s),
            tester_port=self._options.tester_port,
            on_step=self._on_step,
        )

    def _spec(self, tester: ITester, client: IPAddress, server: IPAddress) -> TestSpec:
        return self._options.spec(
            tester.tool_id, client=client, server=server, parsable_format=self._format(tester)
        )

    def _format(self, tester: ITester) -> str:
        return tester.parsable_format

    # -- what the user sees ----------------------------------------------------------------------

    def _phase(self, phase: Phase, until: float | None = None) -> None:
        self._progress.phase(phase, self._clock.mono(), until)

    def _on_step(self, step: Step, delay: float) -> None:
        until = self._clock.mono() + delay if delay > 0 else None
        self._phase(_PHASES[step], until)

    def _show(self, result: TestResult) -> None:
        options = self._options
        self._progress.close()
        if options.json:
            _write(json_text(result, self._program.name).encode())
        elif options.to_files:
            self._save(result)
        else:
            safe = sys.stdout.isatty()
            _write(classic(result, both=options.both, parsable=options.parsable, safe=safe))
            self._show_remarks(result)
        if result.failure is not None:
            self._messages.failure(result.failure)
        else:
            self._messages.summary(summary_text(result))

    def _show_remarks(self, result: TestResult) -> None:
        if self._options.parsable:
            for _, end in shown_ends(result, self._options.both):
                for remark in remarks_of(end.raw):
                    self._messages.note(remark)

    def _save(self, result: TestResult) -> None:
        directory = Path(self._options.output_dir or ".")
        for name, content in files(
            result, both=self._options.both, parsable=self._options.parsable
        ):
            (directory / name).write_bytes(content)
            _write(f"{directory / name}\n".encode())


def _until_next(times: Any, now: datetime) -> float:
    """Seconds to the nearest of some local times of day."""
    today = [datetime.combine(now.date(), one) for one in times]
    ahead = [one if one > now else one + timedelta(days=1) for one in today]
    return (min(ahead) - now).total_seconds()


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        return 80


def _abandon_stdout() -> None:
    """What is still buffered goes nowhere; else Python complains at its end, with status 120."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _write(octets: bytes) -> None:
    sys.stdout.buffer.write(octets)
    sys.stdout.buffer.flush()
