"""What a client does once its command line is right: tests in turn, and their output."""

from __future__ import annotations

import random
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.task import LoopingCall, deferLater

from bwctl.cli.credentials import AllCredentials
from bwctl.cli.drive import Task, columns, drive
from bwctl.cli.exits import ExitStatus
from bwctl.cli.messages import Messages
from bwctl.cli.options import Options
from bwctl.cli.output import Output, check_places
from bwctl.cli.program import Program
from bwctl.cli.progress import Phase, Progress
from bwctl.cli.surroundings import end_wishes, surroundings
from bwctl.cli.timesofday import local_now, next_due
from bwctl.interfaces import ITester
from bwctl.net.conductor import Step, Wish
from bwctl.net.series import Series
from bwctl.render.wording import span
from bwctl.results import Failure, TestResult
from bwctl.values import IPAddress, TestSpec

_AFTER_FAILURE_S = 60.0  # with --streaming
_EARLY = timedelta(minutes=1)  # by which a clock may be behind the timer that woke us
_LOOK_S = 20.0
_TICK_S = 0.2
_LAST_WORDS_S = 1.0  # at the end, for what was said last to leave; after a signal too
_RATE_S = 1.0
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
    check_places(options)
    return drive(lambda reactor: Session(program, options, credentials, reactor))


class Session(Task):
    """All tests of one command line."""

    def __init__(
        self, program: Program, options: Options, credentials: AllCredentials, reactor: Any
    ) -> None:
        super().__init__(options.verbose)
        self._program = program
        self._options = options
        self._reactor = reactor
        self._progress = Progress(
            sys.stderr,
            options.silent,
            sys.stderr.isatty(),
            program=program.name,
            columns=columns(),
        )
        self._messages = Messages(program.name, options, sys.stderr, self._progress)
        self._output = Output(program.name, options, self._messages)
        around = surroundings(options, reactor, self._messages.note)
        self._clock = around.clock
        self._tests = Series(around, *end_wishes(options, credentials))
        self._planned = self._rate_due = 0.0
        self._served: datetime | None = None  # the last time of the schedule
        self._interrupted = False

    # -- the sequence of tests -------------------------------------------------------------------

    async def run(self) -> int:
        """All tests, with the pauses between them."""
        status, number, failed = 0, 0, False
        drawing = LoopingCall(self._draw)
        drawing.clock = self._reactor
        drawing.start(_TICK_S, now=False)
        try:
            while self._options.count is None or number < self._options.count:
                number += 1
                await self._pause(number, failed)
                result = await self._test(number)
                self._progress.close()
                became = self._output.test(result)
                failed = result.failure is not None
                status = status or became
                if self._interrupted:
                    return int(ExitStatus.INTERRUPTED)
        finally:
            drawing.stop()
            self._progress.close()
            self._tests.close()
            try:
                self._output.close()
            finally:
                with suppress(CancelledError):  # a user who does not want to wait for this either
                    await self._tests.gone(_LAST_WORDS_S)
        return status

    async def _pause(self, number: int, failed: bool) -> None:
        if self._options.schedule:
            await self._await_schedule()
            return
        delay = self._delay(number, failed)
        if delay > 3 and not self._options.silent:
            self._progress.note(f"next test in {span(delay)}")
        if delay > 0:
            await deferLater(self._reactor, delay)
        self._planned = self._clock.mono()

    async def _await_schedule(self) -> None:
        """Until the next time of day; the clock is looked at again and again, as it may be set."""
        now = local_now()
        served = self._served
        early = served is not None and now < served < now + _EARLY
        due = self._served = next_due(self._options.schedule, served if early and served else now)
        if not self._options.silent:
            self._progress.note(f"next test at {due:%Y-%m-%d %H:%M:%S}")
        while (left := (due - local_now()).total_seconds()) > 0:
            await deferLater(self._reactor, min(left, _LOOK_S))

    def _delay(self, number: int, failed: bool) -> float:
        """Seconds until the next test. Source: clients.md 9.2; the first one need not wait."""
        options = self._options
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
        if again or not self._tests.interrupt():
            super().interrupt()

    def give_up(self, failure: Failure) -> None:
        """Tell why the sequence did not come to its end."""
        self._output.failure(failure)

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

    def _draw(self) -> None:
        """The line on the terminal; its rate once a second, as all the output is read for it."""
        now = self._clock.mono()
        if now >= self._rate_due and self._progress.shows_rate:
            self._rate_due = now + _RATE_S
            self._progress.rate(self._tests.rate())
        self._progress.tick(now)

    def _on_step(self, step: Step, delay: float) -> None:
        until = self._clock.mono() + delay if delay > 0 else None
        self._phase(_PHASES[step], until)
